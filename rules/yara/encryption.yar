/*
    Encrypted volumes, containers, archives and documents.

    Part of forensic-kit, Apache-2.0. A match says what a file looks like, never what it was used for.
*/

rule LUKS_Header : encrypted {
    meta:
        author = "forensic-kit"
        description = "Linux Unified Key Setup volume, version 1 or 2"
        reference = "https://gitlab.com/cryptsetup/cryptsetup/-/wikis/LUKS-standard/on-disk-format.pdf"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $magic = { 4C 55 4B 53 BA BE 00 ( 01 | 02 ) }
    condition:
        $magic at 0
}

rule BitLocker_Volume : encrypted {
    meta:
        author = "forensic-kit"
        description = "Volume encrypted with BitLocker (boot sector)"
        reference = "https://github.com/libyal/libbde/blob/main/documentation/BitLocker%20Drive%20Encryption%20(BDE)%20format.asciidoc"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $signature = "-FVE-FS-"
    condition:
        $signature at 3
}

rule BitLocker_Recovery_Key_Text : credential {
    meta:
        author = "forensic-kit"
        description = "Text that names BitLocker and holds a recovery key: eight groups of six digits"
        reference = "https://learn.microsoft.com/windows/security/operating-system-security/data-protection/bitlocker/recovery-overview"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $key = /BitLocker[\x00-\xff]{0,1000}[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}-[0-9]{6}/ ascii wide nocase
    condition:
        $key
}

rule VeraCrypt_Configuration : encrypted {
    meta:
        author = "forensic-kit"
        description = "Settings of VeraCrypt or TrueCrypt: the program was used here; containers themselves have no mark"
        reference = "https://www.veracrypt.fr/en/VeraCrypt%20System%20Files.html"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $open = /<(VeraCrypt|TrueCrypt)>/
        $configuration = "<configuration>"
        $config = "<config key="
        $volume = "<volume "
    condition:
        $open and ($configuration and $config or $volume)
}

rule ZIP_Encrypted_Entry : encrypted {
    meta:
        author = "forensic-kit"
        description = "ZIP archive with at least one encrypted entry (general purpose bit 0)"
        reference = "https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT section 4.4.4"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $entry = { 50 4B 03 04 }
    condition:
        $entry at 0 and for any i in (1..#entry) : ( uint16(@entry[i] + 6) & 1 == 1 )
}

rule SevenZip_AES : encrypted {
    meta:
        author = "forensic-kit"
        description = "7z archive whose header names the AES-256 coder in clear; an encrypted header does so too"
        reference = "https://github.com/ip7z/7zip/blob/main/DOC/Methods.txt"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $magic = { 37 7A BC AF 27 1C }
        $coder = { 24 06 F1 07 01 }
    condition:
        $magic at 0 and $coder
}

rule Office_Encrypted_Package : encrypted {
    meta:
        author = "forensic-kit"
        description = "Office document encrypted with a password (OOXML inside a compound file)"
        reference = "[MS-OFFCRYPTO] 2.3.4"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $package = "EncryptedPackage" wide
        $info = "EncryptionInfo" wide
    condition:
        uint32be(0) == 0xD0CF11E0 and $package and $info
}

rule PDF_Encrypted : encrypted {
    meta:
        author = "forensic-kit"
        description = "PDF that needs a password or restricts its use"
        reference = "ISO 32000-1:2008, 7.6"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $entry = /\/Encrypt[ \r\n]{0,4}([0-9]{1,8} [0-9]{1,5} R|<<)/
    condition:
        uint32be(0) == 0x25504446 and $entry
}

rule Tool_Age_Encrypted : encrypted {
    meta:
        author = "forensic-kit"
        description = "File encrypted with age, binary or armoured"
        reference = "https://age-encryption.org/v1"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $header = "age-encryption.org/v1\n"
        $armour = "-----BEGIN AGE ENCRYPTED FILE-----"
    condition:
        $header at 0 or $armour at 0
}
