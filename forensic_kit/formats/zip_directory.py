"""Zip archives: where the members are, from the central directory and from the local headers themselves.

Reads structures only; nothing is decompressed here. Source: PKWARE APPNOTE.TXT 6.3.10 (sections in the comments).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from forensic_kit.errors import Damaged, Unsupported
from forensic_kit.formats.layout import Layout, take

LOCAL: Final = b"PK\x03\x04"
CENTRAL: Final = b"PK\x01\x02"
END: Final = b"PK\x05\x06"
DESCRIPTOR: Final = b"PK\x07\x08"
_END64: Final = b"PK\x06\x06"
_END64_LOCATOR: Final = b"PK\x06\x07"
_SIGNATURE = re.compile(rb"PK(?:\x03\x04|\x01\x02|\x05\x06|\x06\x06|\x07\x08)")
#: Most that can follow the start of an end record: the record and a comment, bytes.
TAIL: Final = 22 + 0xFFFF
_U32: Final = 0xFFFFFFFF

# 4.3.7
_LOCAL = Layout(
    "<",
    signature="4s",  # 0
    version_needed="H",  # 4
    flags="H",  # 6
    method="H",  # 8
    time="H",  # 10
    date="H",  # 12
    crc="I",  # 14
    compressed="I",  # 18
    size="I",  # 22
    name_length="H",  # 26
    extra_length="H",  # 28
)
# 4.3.12
_CENTRAL = Layout(
    "<",
    signature="4s",  # 0
    version_made="B",  # 4
    system="B",  # 5
    version_needed="H",  # 6
    flags="H",  # 8
    method="H",  # 10
    time="H",  # 12
    date="H",  # 14
    crc="I",  # 16
    compressed="I",  # 20
    size="I",  # 24
    name_length="H",  # 28
    extra_length="H",  # 30
    comment_length="H",  # 32
    disk="H",  # 34
    internal_attributes="H",  # 36
    external_attributes="I",  # 38
    header_offset="I",  # 42
)
# 4.3.16
_END_RECORD = Layout(
    "<",
    signature="4s",  # 0
    disk="H",  # 4
    directory_disk="H",  # 6
    entries_here="H",  # 8
    entries="H",  # 10
    directory_size="I",  # 12
    directory_offset="I",  # 16
    comment_length="H",  # 20
)
# 4.3.14
_END64_RECORD = Layout(
    "<",
    signature="4s",  # 0
    record_size="Q",  # 4
    version_made="H",  # 12
    version_needed="H",  # 14
    disk="I",  # 16
    directory_disk="I",  # 20
    entries_here="Q",  # 24
    entries="Q",  # 32
    directory_size="Q",  # 40
    directory_offset="Q",  # 48
)
# 4.3.15
_LOCATOR64 = Layout("<", signature="4s", disk="I", record_offset="Q", disks="I")
_EXTRA = Layout("<", id="H", size="H")


@dataclass(frozen=True, slots=True)
class Entry:
    """One member as a header states it."""

    name: bytes
    flags: int
    method: int
    time: int
    date: int
    crc: int
    #: Bytes in the archive; None where only the stream's own end tells.
    compressed: int | None
    #: Bytes decompressed; None where no header tells.
    size: int | None
    #: Of the local header, from the start of the archive's bytes.
    offset: int
    extra: bytes
    listed: bool  #: in the central directory
    system: int = 0  #: 4.4.2.2, 0 is MS-DOS, 3 is Unix
    external_attributes: int = 0
    comment: bytes = b""

    @property
    def encrypted(self) -> bool:
        """4.4.4 bit 0."""
        return bool(self.flags & 1)

    @property
    def utf8(self) -> bool:
        """4.4.4 bit 11: name and comment are UTF-8."""
        return bool(self.flags & 0x800)


@dataclass(frozen=True, slots=True)
class Directory:
    """Where the central directory lies."""

    start: int  #: from the start of the data, bytes
    entries: int  #: how many it says it holds
    #: Added to every offset the archive states: bytes in front of it that its maker did not count.
    shift: int
    #: First byte after the archive's end record and comment.
    end: int


def extras(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """(id, data) of the extra fields, 4.5; stops where one runs past the end."""
    position = 0
    while position + 4 <= len(extra):
        field = _EXTRA.read(extra, position)
        position += 4
        if position + field.size > len(extra):
            return
        yield field.id, extra[position : position + field.size]
        position += field.size


def find_directory(data: Any) -> Directory | None:
    """The central directory that the last end record points to; None where no end record leads to one.

    Raises: Unsupported: a part of a split archive.
    """
    start = max(0, len(data) - TAIL)
    tail = bytes(data[start:])
    position = tail.rfind(END)
    while position >= 0:
        found = _from_end_record(data, start + position)
        if found:
            return found
        position = tail.rfind(END, 0, position + 3)
    return None


def _from_end_record(data: Any, position: int) -> Directory | None:
    if position + _END_RECORD.size > len(data):
        return None
    record = _END_RECORD.read(data, position)
    end = position + _END_RECORD.size + record.comment_length
    directory_end = position
    if record64 := _end_record64(data, position):
        record, directory_end = record64
    if record.disk not in (0, 0xFFFF, _U32) and end == len(data):
        raise Unsupported(
            f"this is part {record.disk + 1} of a split zip archive, which is not joined yet. "
            "Join the parts in order into one file and add that as evidence."
        )
    # The directory ends where its end record begins; the stated offset counts from where the maker saw the start.
    for start in (directory_end - record.directory_size, record.directory_offset):
        if 0 <= start <= directory_end and (not record.entries or bytes(data[start : start + 4]) == CENTRAL):
            return Directory(start, record.entries, start - record.directory_offset, min(end, len(data)))
    return None


def _end_record64(data: Any, position: int) -> tuple[Any, int] | None:
    """The zip64 end record and where it lies, if one stands before the end record at ``position``."""
    at = position - _LOCATOR64.size
    if at < 0 or bytes(data[at : at + 4]) != _END64_LOCATOR:
        return None
    locator = _LOCATOR64.read(data, at)
    # Bytes put in front of the archive make the stated offset wrong: the record also ends right before its locator.
    for place in (locator.record_offset, at - _END64_RECORD.size):
        if 0 <= place <= len(data) - _END64_RECORD.size and bytes(data[place : place + 4]) == _END64:
            return _END64_RECORD.read(data, place), place
    return None


def central_entries(data: Any, directory: Directory) -> Iterator[Entry]:
    """The members in the directory's order; ends where no further entry begins.

    Raises: Damaged: an entry runs past the end of the data.
    """
    position = directory.start
    while bytes(data[position : position + 4]) == CENTRAL:
        head = _CENTRAL.read(data, position)
        at = position + _CENTRAL.size
        name = take(data, at, head.name_length)
        extra = take(data, at + head.name_length, head.extra_length)
        comment = take(data, at + head.name_length + head.extra_length, head.comment_length)
        position = at + head.name_length + head.extra_length + head.comment_length
        size, compressed, offset = _zip64(extra, head.size, head.compressed, head.header_offset)
        yield Entry(
            name, head.flags, head.method, head.time, head.date, head.crc, compressed, size,
            offset + directory.shift, extra, True, head.system, head.external_attributes, comment,
        )  # fmt: skip


def _zip64(extra: bytes, size: int, compressed: int, offset: int) -> tuple[int, int, int]:
    """4.5.3: only the values that are all ones in the header stand in the field, in this order."""
    values = [size, compressed, offset]
    for id_, field in extras(extra):
        if id_ != 1:
            continue
        at = 0
        for index, value in enumerate(values):
            if value == _U32 and at + 8 <= len(field):
                values[index] = int.from_bytes(field[at : at + 8], "little")
                at += 8
    return values[0], values[1], values[2]


def local_header(data: Any, offset: int) -> tuple[Entry, int]:
    """The local header at ``offset`` and where its member's bytes start. Raises Damaged if there is none."""
    head = _LOCAL.read(data, offset) if offset >= 0 else None
    if head is None or head.signature != LOCAL:
        raise Damaged(f"no local header at {offset}, where the directory says one is", offset=offset)
    at = offset + _LOCAL.size
    name = take(data, at, head.name_length)
    extra = take(data, at + head.name_length, head.extra_length)
    size, compressed, _ = _zip64(extra, head.size, head.compressed, 0)
    # 4.4.4 bit 3: sizes and CRC follow the data; the header then holds zeros.
    later = bool(head.flags & 8) and not compressed
    entry = Entry(
        name, head.flags, head.method, head.time, head.date, head.crc,
        None if later else compressed, None if later else size, offset, extra, False,
    )  # fmt: skip
    return entry, at + head.name_length + head.extra_length


def local_entries(data: Any, start: int, end: int) -> Iterator[tuple[Entry, int, int]]:
    """Members whose local header lies between ``start`` and ``end``: (entry, start of its bytes, end of them).

    Used where the central directory is silent. A signature that no sound header follows is passed over.
    """
    position = start
    view = memoryview(data)
    while position < end:
        match = _LOCAL_SIGNATURE.search(view, position, end)
        if not match:
            return
        offset = match.start()
        position = offset + 4
        if not _plausible(data, offset):
            continue
        try:
            entry, at = local_header(data, offset)
        except Damaged:
            continue  # a header that is cut off: the caller counts what no member covers
        if at > end:
            continue
        entry, stop = _measured(data, entry, at, end)
        yield entry, at, stop
        position = stop


# Version needed up to 6.3, any flags, a method below 256: what chance bytes after a signature seldom are.
_LOCAL_SIGNATURE = re.compile(rb"PK\x03\x04[\x00-\x3f]...[\x00-\x63]\x00", re.DOTALL)
_METHODS = frozenset((0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 14, 16, 18, 19, 20, 93, 94, 95, 96, 97, 98, 99))  # 4.4.5


def _plausible(data: Any, offset: int) -> bool:
    """Chance bytes after a signature seldom make a header: a known method and a name without NUL."""
    if offset + _LOCAL.size > len(data):
        return False
    head = _LOCAL.read(data, offset)
    if head.method not in _METHODS or not 0 < head.name_length <= 4096:
        return False
    at = offset + _LOCAL.size
    return b"\0" not in bytes(data[at : at + head.name_length])


def _measured(data: Any, entry: Entry, at: int, end: int) -> tuple[Entry, int]:
    """The entry with the sizes of its data descriptor (4.3.9) where the header holds none, and its end."""
    if entry.compressed is not None:
        return entry, min(at + entry.compressed, end)
    for match in _SIGNATURE.finditer(memoryview(data), at, end):
        place = match.start()
        if match.group() != DESCRIPTOR:
            return _sized(entry, place - at, None), place
        for width in (4, 8):
            field = bytes(data[place + 8 : place + 8 + 2 * width])
            stated = int.from_bytes(field[:width], "little")
            if len(field) == 2 * width and stated == place - at:
                crc = int.from_bytes(data[place + 4 : place + 8], "little")
                return _sized(entry, stated, int.from_bytes(field[width:], "little"), crc), place
    return _sized(entry, end - at, None), end


def _sized(entry: Entry, compressed: int, size: int | None, crc: int = 0) -> Entry:
    return Entry(
        entry.name, entry.flags, entry.method, entry.time, entry.date, crc, compressed, size,
        entry.offset, entry.extra, False,
    )  # fmt: skip
