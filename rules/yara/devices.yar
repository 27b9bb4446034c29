/*
    Backups of phones and disks of virtual machines.

    Part of forensic-kit, Apache-2.0. A match says what a file looks like, never what it was used for.
*/

rule Apple_Backup_Manifest_Database : backup {
    meta:
        author = "forensic-kit"
        description = "Manifest.db of an iPhone or iPad backup"
        reference = "https://github.com/libimobiledevice/libimobiledevice"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $sqlite = "SQLite format 3\x00"
        $files = /CREATE TABLE Files ?\(fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT/
    condition:
        $sqlite at 0 and $files
}

rule Apple_Backup_Manifest_Plist : backup {
    meta:
        author = "forensic-kit"
        description = "Manifest.plist of an iPhone or iPad backup: encryption state and key bag"
        reference = "https://www.theiphonewiki.com/wiki/ITunes_Backup"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $bag = "BackupKeyBag"
        $encrypted = "IsEncrypted"
    condition:
        (uint32be(0) == 0x62706C69 or uint32be(0) == 0x3C3F786D) and all of them
}

rule Android_Backup_Archive : backup {
    meta:
        author = "forensic-kit"
        description = "Backup made with adb backup; its fourth line says whether it is encrypted"
        reference = "https://android.googlesource.com/platform/frameworks/base (BackupManagerService)"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $head = /ANDROID BACKUP\n[0-9]{1,2}\n[01]\n(none|AES-256)\n/
    condition:
        $head at 0
}

rule Virtual_Disk : virtual_machine {
    meta:
        author = "forensic-kit"
        description = "Disk of a virtual machine: VMDK, VHD, VHDX, VDI or qcow2"
        reference = "https://github.com/libyal (libvmdk, libvhdi, libqcow); https://forums.virtualbox.org/viewtopic.php?t=8046"
        date = "2026-11-22"
        version = "1.0"
    strings:
        $vmdk = "KDMV"
        $descriptor = "# Disk DescriptorFile"
        $vhd = "conectix"
        $vhdx = "vhdxfile"
        $vdi = { 7F 10 DA BE }
        $qcow = { 51 46 49 FB 00 00 00 ( 01 | 02 | 03 ) }
    condition:
        $vmdk at 0 or $descriptor at 0 or $vhd at 0 or (filesize > 511 and $vhd at (filesize - 512)) or $vhdx at 0 or
            $vdi at 64 or $qcow at 0
}
