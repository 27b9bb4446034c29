"""What Windows leaves beside a user's files: shortcuts, the recycle bin, the mark of the web."""

import struct
import uuid

_TO_1601 = 11_644_473_600  # seconds from 1601-01-01 to 1970-01-01


def filetime(seconds: int) -> int:
    """100 ns steps since 1601 of a POSIX time. Source: [MS-DTYP] 2.3.3."""
    return (seconds + _TO_1601) * 10_000_000


def zone_identifier(referrer: str, address: str) -> bytes:
    """The stream ``Zone.Identifier`` of a download from the Internet zone. Source: [MS-FSCC] 5.6.1."""
    return f"[ZoneTransfer]\r\nZoneId=3\r\nReferrerUrl={referrer}\r\nHostUrl={address}\r\n".encode("ascii")


def recycled(path: str, size: int, deleted: int) -> bytes:
    """An ``$I`` file as Windows 10 writes it: version 2, size, time of deletion, path.

    Source: libyal documentation "Windows Recycle.Bin file formats", 3.2.
    """
    name = (path + "\0").encode("utf-16-le")
    return struct.pack("<QQQI", 2, size, filetime(deleted), len(name) // 2) + name


def shortcut(path: str, size: int, born: int, written: int, volume_label: str, volume_serial: int) -> bytes:
    """A ``.lnk`` to a local file.

    Source: [MS-SHLLINK] 2.1 (header), 2.3 (link info), 2.4 (strings), 2.5.10 (tracker).
    """
    has_link_info, has_relative_path, is_unicode = 1 << 1, 1 << 3, 1 << 7
    header = struct.pack(
        "<I16sIIQQQIIIHHII",
        *(0x4C, uuid.UUID("00021401-0000-0000-c000-000000000046").bytes_le),
        *(has_link_info | has_relative_path | is_unicode, 0x20),
        *(filetime(born), filetime(written), filetime(written)),
        *(size, 0, 1, 0, 0, 0, 0),
    )
    label = volume_label.encode("ascii") + b"\0"
    volume = struct.pack("<IIII", 16 + len(label), 3, volume_serial, 16) + label  # 3: fixed drive
    base = path.encode("ascii") + b"\0"
    base_offset = 0x1C + len(volume)
    info = struct.pack("<IIIIII", 0x1C, 1, 0x1C, base_offset, 0, base_offset + len(base)) + volume + base + b"\0"
    relative = ".\\" + path.rpartition("\\")[2]
    strings = struct.pack("<H", len(relative)) + relative.encode("utf-16-le")
    return header + struct.pack("<I", len(info) + 4) + info + strings + _tracker() + bytes(4)


def _tracker() -> bytes:
    # Invented ids; the last six bytes of a version 1 UUID would be a network card's address: here a locally set one.
    volume = uuid.UUID("11111111-2222-4333-8444-555555555555").bytes_le
    file = uuid.UUID("0a0b0c0d-1616-11f1-8000-020000000001").bytes_le
    return struct.pack("<IIII16s", 0x60, 0xA0000003, 0x58, 0, b"riverbend-pc") + (volume + file) * 2
