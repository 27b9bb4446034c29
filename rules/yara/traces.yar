/*
    Traces of wiping and hiding, and the EICAR test.

    Part of forensic-kit, Apache-2.0. A match says what a file looks like, never what it was used for.
*/

rule Wiping_Tool_Traces : anti_forensics {
    meta:
        author = "forensic-kit"
        description = "Names that programs for wiping disks and files leave behind; legitimate use is common"
        reference = "Program documentation of the tools named"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $sdelete = "Sysinternals SDelete" ascii wide nocase
        $sdelete_key = "Sysinternals\\SDelete" ascii wide nocase
        $eraser = "Eraser Task List" ascii wide nocase
        $bleachbit = "bleachbit.ini" ascii wide nocase
        $dban = "Darik's Boot and Nuke" ascii wide nocase
        $killdisk = "Active@ KillDisk" ascii wide nocase
        $privazer = "PrivaZer" ascii wide
        $nwipe = "nwipe: " ascii
    condition:
        any of them
}

rule Steganography_Tool_Traces : anti_forensics {
    meta:
        author = "forensic-kit"
        description = "Names that programs for hiding data in pictures and sound leave behind"
        reference = "Program documentation of the tools named"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $steghide = "steghide" ascii wide nocase fullword
        $openstego = "OpenStego" ascii wide nocase fullword
        $silenteye = "SilentEye" ascii wide nocase fullword
        $deepsound = "DeepSound" ascii wide nocase fullword
        $outguess = "outguess" ascii wide nocase fullword
        $openpuff = "OpenPuff" ascii wide nocase fullword
        $stegdetect = "stegdetect" ascii wide nocase fullword
    condition:
        any of them
}

rule JPEG_With_Appended_Archive : anti_forensics {
    meta:
        author = "forensic-kit"
        description = "Picture with a ZIP, RAR or 7z archive right behind its end"
        reference = "ISO/IEC 10918-1 (EOI marker)"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $zip = { FF D9 50 4B 03 04 }
        $rar = { FF D9 52 61 72 21 1A 07 }
        $seven = { FF D9 37 7A BC AF 27 1C }
    condition:
        uint16be(0) == 0xFFD8 and any of them
}

rule EICAR_Test_File : test {
    meta:
        author = "forensic-kit"
        description = "The standard file for testing virus scanners; harmless"
        reference = "https://www.eicar.org/download-anti-malware-testfile/"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $test = { 58 35 4F 21 50 25 40 41 50 5B 34 5C 50 5A 58 35 34 28 50 5E 29 37 43 43 29 37 7D 24 45 49 43 41 52 2D 53 54 41 4E 44 41 52 44 2D 41 4E 54 49 56 49 52 55 53 2D 54 45 53 54 2D 46 49 4C 45 21 24 48 2B 48 2A }
    condition:
        $test at 0 and filesize <= 128
}
