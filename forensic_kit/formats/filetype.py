"""Short names of file types by their first bytes, as LOKI gives them to YARA rules in the variable ``filetype``."""

from typing import Final

UNKNOWN: Final = "UNKNOWN"

#: (first bytes, name); of those that fit, the longest decides.
_TYPES: Final = (
    (b"MZ", "EXE"),
    (b"\x7fELF", "ELF"),
    (b"\xce\xfa\xed\xfe", "MACH-O"),
    (b"\xcf\xfa\xed\xfe", "MACH-O"),
    (b"\xca\xfe\xba\xbe", "Class"),
    (b"%PDF", "PDF"),
    (b"{\\rtf1", "RTF"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "OLE"),
    (b"PK\x03\x04", "ZIP"),
    (b"PK\x05\x06", "PKZIP"),
    (b"PK\x03\x04\x14\x00\x06\x00", "Office"),
    (b"PK\x03\x04\x14\x00\x08\x00", "JAR"),
    (b"Rar!\x1a\x07", "RAR"),
    (b"7z\xbc\xaf\x27\x1c", "7Zip"),
    (b"\x1f\x8b\x08", "GZIP"),
    (b"BZh", "BZip2"),
    (b"MSCF", "CAB"),
    (b"\x60\xea", "ARJ"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"regf", "Registry Hive"),
    (b"ElfFil", "EVTX"),
    (b"0\x00\x00\x00LfLe", "EVT"),
    (b"L\x00\x00\x00\x01\x14\x02\x00", "LNK"),
    (b"FILE", "NTFS MFT"),
    (b"MDMP", "MDMP"),
    (b"KDM", "VMDK"),
    (b"COWD", "VMDK"),
    (b"# Disk D", "VMDK"),
    (b"conectix", "VHD"),
    (b"\xd4\xc3\xb2\xa1", "WINPCAP"),
    (b"\xa1\xb2\xc3\xd4", "LIBPCAP"),
    (b"FWS", "FWS (Flash)"),
    (b"CWS", "SWF"),
    (b"ZWS", "SWF"),
    (b"<?xml", "XML"),
    (b"<?php", "PHP"),
    (b"<%", "JSP"),
    (b"#!/", "UNIX SCRIPT"),
    (b"AES", "AESCrypt"),
)
_LONGEST_FIRST: Final = tuple(sorted(_TYPES, key=lambda row: -len(row[0])))


def short_type(head: bytes) -> str:
    """The short name of a content's type; `UNKNOWN` where no first bytes fit.

    Names follow https://github.com/Neo23x0/Loki (file-type-signatures). Left out: its one- and two-byte marks that
    fit too much (E8, E9, EB, FF FE).
    """
    return next((name for magic, name in _LONGEST_FIRST if head.startswith(magic)), UNKNOWN)
