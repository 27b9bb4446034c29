"""What partition tables mean by their type codes: data only.

Sources: for MBR the published lists of partition identifiers (A. Brouwer, "Partition types"; Microsoft Learn
"Partition types"); for GPT the UEFI specification 2.10 table 5.7, Microsoft Learn "PARTITION_INFORMATION_GPT", the
Discoverable Partitions Specification of the UAPI group, Apple TN2166 and FreeBSD gpart(8); for APM Apple "Inside
Macintosh: Devices" 3-27 and TN1189; for BSD the FSTYPENAMES of disklabel.h.
"""

#: MBR types that hold a chain of extended boot records instead of files.
EXTENDED = frozenset({0x05, 0x0F, 0x15, 0x1F, 0x85})
#: The MBR type with which a GPT disk protects itself from programs that know MBR only.
PROTECTIVE = 0xEE
#: A Windows dynamic disk: the volumes lie where the LDM database says, not where the table does.
MBR_DYNAMIC = 0x42

MBR = {
    0x01: "FAT12",
    0x02: "XENIX root",
    0x03: "XENIX usr",
    0x04: "FAT16 below 32 MiB",
    0x05: "Extended",
    0x06: "FAT16",
    0x07: "NTFS / exFAT / HPFS",
    0x08: "AIX",
    0x09: "AIX bootable",
    0x0A: "OS/2 Boot Manager",
    0x0B: "FAT32",
    0x0C: "FAT32 LBA",
    0x0E: "FAT16 LBA",
    0x0F: "Extended LBA",
    0x11: "Hidden FAT12",
    0x12: "Maker's diagnostics",
    0x14: "Hidden FAT16 below 32 MiB",
    0x15: "Hidden extended",
    0x16: "Hidden FAT16",
    0x17: "Hidden NTFS / exFAT / HPFS",
    0x1B: "Hidden FAT32",
    0x1C: "Hidden FAT32 LBA",
    0x1E: "Hidden FAT16 LBA",
    0x1F: "Hidden extended LBA",
    0x27: "Windows Recovery",
    0x39: "Plan 9",
    0x3C: "PartitionMagic",
    0x42: "Windows dynamic disk (LDM)",
    0x4D: "QNX 4",
    0x4E: "QNX 4 second",
    0x4F: "QNX 4 third",
    0x63: "Unix System V",
    0x64: "Novell NetWare",
    0x65: "Novell NetWare",
    0x80: "Minix, old",
    0x81: "Minix",
    0x82: "Linux swap / Solaris x86",
    0x83: "Linux",
    0x84: "Hibernation / OS/2 hidden C:",
    0x85: "Linux extended",
    0x86: "NTFS volume set",
    0x87: "NTFS volume set",
    0x88: "Linux plain text",
    0x8E: "Linux LVM",
    0x93: "Amoeba",
    0x9F: "BSD/OS",
    0xA0: "Laptop hibernation",
    0xA5: "FreeBSD",
    0xA6: "OpenBSD",
    0xA8: "Apple UFS",
    0xA9: "NetBSD",
    0xAB: "Apple Boot",
    0xAF: "Apple HFS / HFS+",
    0xB7: "BSDI",
    0xB8: "BSDI swap",
    0xBE: "Solaris boot",
    0xBF: "Solaris",
    0xDA: "Data without a file system",
    0xDE: "Dell Utility",
    0xE8: "LUKS",
    0xEA: "Boot Loader Specification",
    0xEB: "BeOS",
    0xEE: "GPT protective",
    0xEF: "EFI System",
    0xF2: "DOS secondary",
    0xFB: "VMware VMFS",
    0xFC: "VMware swap",
    0xFD: "Linux RAID autodetect",
}

GPT_UNUSED = "00000000-0000-0000-0000-000000000000"
#: A Windows dynamic disk on GPT: its data and its LDM database.
GPT_DYNAMIC = frozenset({"af9b60a0-1431-4f62-bc68-3311714a69ad", "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3"})
GPT_STORAGE_SPACES = "e75caf8f-f680-4cee-afa3-b001e56efc2d"

GPT = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI System",
    "024dee41-33e7-11d3-9d69-0008c781f39f": "MBR partition scheme",
    "21686148-6449-6e6f-744e-656564454649": "BIOS boot",
    "e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
    "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
    "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3": "Windows LDM metadata",
    "af9b60a0-1431-4f62-bc68-3311714a69ad": "Windows LDM data",
    "de94bba4-06d1-4d40-a16a-bfd50179d6ac": "Windows Recovery",
    "e75caf8f-f680-4cee-afa3-b001e56efc2d": "Windows Storage Spaces",
    "558d43c5-a1ac-43c0-aac8-d1472b2923d1": "Windows Storage Replica",
    "37affc90-ef7d-4e96-91c3-2d7ae055b174": "IBM GPFS",
    "0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux file system",
    "a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
    "e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
    "933ac7e1-2eb4-4f13-b844-0e14e2aef915": "Linux home",
    "3b8f8425-20e0-4f3b-907f-1a25a76f98e8": "Linux server data",
    "4d21b016-b534-45c2-a9fb-5c16e091fd2d": "Linux variable data",
    "7ec6f557-3bc5-4aca-b293-16ef5df639d1": "Linux temporary data",
    "773f91ef-66d4-49b5-bd83-d683bf40ad16": "Linux user home",
    "bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux extended boot",
    "44479540-f297-41b2-9af7-d131d5f0458a": "Linux root x86",
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root x86-64",
    "69dad710-2ce4-4e3c-b16c-21a1d49abed3": "Linux root ARM",
    "b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root ARM-64",
    "8484680c-9521-48c6-9c11-b0720656f69e": "Linux usr x86-64",
    "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5": "Linux verity root x86-64",
    "ca7d7ccb-63ed-4c53-861c-1742536059cc": "LUKS",
    "7ffec5c9-2d00-49b7-8941-3ea10a5586b7": "Linux dm-crypt",
    "8da63339-0007-60c0-c436-083ac8230908": "Linux reserved",
    "48465300-0000-11aa-aa11-00306543ecac": "Apple HFS / HFS+",
    "7c3457ef-0000-11aa-aa11-00306543ecac": "Apple APFS",
    "55465300-0000-11aa-aa11-00306543ecac": "Apple UFS",
    "52414944-0000-11aa-aa11-00306543ecac": "Apple RAID",
    "52414944-5f4f-11aa-aa11-00306543ecac": "Apple RAID offline",
    "426f6f74-0000-11aa-aa11-00306543ecac": "Apple Boot",
    "4c616265-6c00-11aa-aa11-00306543ecac": "Apple Label",
    "53746f72-6167-11aa-aa11-00306543ecac": "Apple CoreStorage",
    "69646961-6700-11aa-aa11-00306543ecac": "Apple APFS Preboot (iBoot)",
    "52637672-7900-11aa-aa11-00306543ecac": "Apple APFS Recovery",
    "83bd6b9d-7f41-11dc-be0b-001560b84f0f": "FreeBSD boot",
    "516e7cb4-6ecf-11d6-8ff8-00022d09712b": "FreeBSD disklabel",
    "516e7cb5-6ecf-11d6-8ff8-00022d09712b": "FreeBSD swap",
    "516e7cb6-6ecf-11d6-8ff8-00022d09712b": "FreeBSD UFS",
    "516e7cb8-6ecf-11d6-8ff8-00022d09712b": "FreeBSD Vinum",
    "516e7cba-6ecf-11d6-8ff8-00022d09712b": "FreeBSD ZFS",
    "824cc7a0-36a8-11e3-890a-952519ad3f61": "OpenBSD data",
    "49f48d32-b10e-11dc-b99b-0019d1879648": "NetBSD swap",
    "49f48d5a-b10e-11dc-b99b-0019d1879648": "NetBSD FFS",
    "49f48d82-b10e-11dc-b99b-0019d1879648": "NetBSD LFS",
    "49f48daa-b10e-11dc-b99b-0019d1879648": "NetBSD RAID",
    "6a898cc3-1dd2-11b2-99a6-080020736631": "Apple ZFS / Solaris usr",
    "6a85cf4d-1dd2-11b2-99a6-080020736631": "Solaris root",
    "6a945a3b-1dd2-11b2-99a6-080020736631": "Solaris reserved",
    "fe3a2a5d-4f32-41a7-b725-accc3285a309": "ChromeOS kernel",
    "3cb8e202-3b7e-47dd-8a3c-7ff2a13cfcec": "ChromeOS root",
    "2e0a753d-9e48-43b0-8337-b15192cb1b5e": "ChromeOS reserved",
    "aa31e02a-400f-11db-9590-000c2911d1b8": "VMware VMFS",
    "9d275380-40ad-11db-bf97-000c2911d1b8": "VMware diagnostic",
    "9198effc-31c0-11db-8f78-000c2911d1b8": "VMware reserved",
}

APM = {
    "Apple_partition_map": "Apple partition map",
    "Apple_HFS": "Apple HFS / HFS+",
    "Apple_HFSX": "Apple HFSX",
    "Apple_UFS": "Apple UFS",
    "Apple_APFS": "Apple APFS",
    "Apple_CoreStorage": "Apple CoreStorage",
    "Apple_Boot": "Apple boot",
    "Apple_RAID": "Apple RAID",
    "Apple_Driver": "Apple driver",
    "Apple_Driver43": "Apple SCSI driver",
    "Apple_Driver43_CD": "Apple SCSI CD driver",
    "Apple_Driver_ATA": "Apple ATA driver",
    "Apple_Driver_ATAPI": "Apple ATAPI driver",
    "Apple_FWDriver": "Apple FireWire driver",
    "Apple_Driver_IOKit": "Apple IOKit driver",
    "Apple_Patches": "Apple patches",
    "Apple_MFS": "Apple MFS",
    "Apple_PRODOS": "Apple ProDOS",
    "Apple_UNIX_SVR2": "A/UX or Linux",
    "Apple_Bootstrap": "Linux bootstrap",
    "Apple_Rhapsody_UFS": "Rhapsody UFS",
    "CD_ROM_Mode_1": "CD-ROM mode 1",
}
#: APM entries that only say that blocks are free.
APM_FREE = frozenset({"Apple_Free", "Apple_Void"})

#: FS_UNUSED of disklabel.h: the entry holds no files (customary for c, which spans the whole slice).
BSD_UNUSED = 0
BSD = {
    0: "unused",
    1: "swap",
    2: "Version 6",
    3: "Version 7",
    4: "System V",
    5: "4.1BSD",
    6: "Eighth Edition",
    7: "4.2BSD FFS",
    8: "MSDOS",
    9: "4.4BSD LFS",
    10: "in use, kind not stated",
    11: "HPFS",
    12: "ISO 9660",
    13: "boot",
    17: "ext2",
    18: "NTFS",
    19: "RAID",
    20: "CCD",
    27: "ZFS",
}

# By definition these hold code or nothing, never a file system.
_WITHOUT_FILES = (
    "e3c9e316-0b5c-4db8-817d-f92df00215ae",
    "21686148-6449-6e6f-744e-656564454649",
    "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f",
    "83bd6b9d-7f41-11dc-be0b-001560b84f0f",
    "516e7cb5-6ecf-11d6-8ff8-00022d09712b",
    "49f48d32-b10e-11dc-b99b-0019d1879648",
    "6a945a3b-1dd2-11b2-99a6-080020736631",
    "(Apple_partition_map)",
    "(Apple_Driver",
    "(Apple_FWDriver",
    "(Apple_Patches",
)


def mbr_name(code: int) -> str:
    """An MBR type in words with its code: ``Linux (0x83)``."""
    return f"{MBR.get(code, 'unknown type')} (0x{code:02x})"


def gpt_name(guid: str) -> str:
    """A GPT type in words with its GUID (lower case)."""
    return f"{GPT.get(guid, 'unknown type')} ({guid})"


def apm_name(code: str) -> str:
    """An APM type in words with its code."""
    return f"{APM.get(code, 'other type')} ({code})"


def bsd_name(code: int) -> str:
    """A BSD disklabel file system type in words with its number."""
    return f"{BSD.get(code, 'unknown type')} ({code})"


def holds_no_files(type_: str) -> bool:
    """Does the table say that this volume never holds files (`Volume.type` as our schemes write it)?

    A claim of the table only: what lies there is still looked at. It tells a routine limit from a gap.
    """
    return any(code in type_ for code in _WITHOUT_FILES)
