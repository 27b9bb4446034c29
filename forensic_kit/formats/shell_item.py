"""Windows Shell item lists (ID lists): the items of a path as Explorer stores them in links, jump lists, shell bags.

Source: libyal/libfwsi, "Windows Shell Item format specification" (the format itself is not documented by Microsoft);
[MS-SHLLINK] 2.2 for the list around the items.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from forensic_kit.errors import Damaged
from forensic_kit.formats.layout import Layout, text16
from forensic_kit.times import Moment, dos

_ITEM = Layout("<", size="H", class_type="B")
_FILE_ENTRY = Layout(
    "<",
    item_size="H",  # 0
    class_type="B",  # 2
    _unknown="B",  # 3
    size="I",  # 4
    date="H",  # 8
    time="H",  # 10
    attributes="H",  # 12
)
_NAME: Final = 14
_EXTENSION = Layout(
    "<",
    size="H",  # 0
    version="H",  # 2
    signature="I",  # 4
    created_date="H",  # 8
    created_time="H",  # 10
    accessed_date="H",  # 12
    accessed_time="H",  # 14
    identifier="H",  # 16
)
_FILE_REFERENCE = Layout("<", _empty="2s", entry_low="I", entry_high="H", sequence="H", _unknown="8s")  # at 18
_FILE_ENTRY_EXTENSION: Final = 0xBEEF0004
#: Names of root folders that do not depend on the Windows version (winshl-kb, shell folder identifiers).
FOLDERS: Final = {
    "20d04fe0-3aea-1069-a2d8-08002b30309d": "My Computer",
    "208d2c60-3aea-1069-a2d7-08002b30309d": "Network",
    "21ec2020-3aea-1069-a2dd-08002b30309d": "Control Panel",
    "450d8fba-ad25-11d0-98a8-0800361b1103": "My Documents",
    "59031a47-3f72-44a7-89c5-5595fe6b30ee": "Users Files",
    "645ff040-5081-101b-9f08-00aa002f954e": "Recycle Bin",
    "871c5380-42a0-1069-a2ea-08002b30309d": "Internet Explorer",
    "031e4825-7b94-4dc3-b131-e946b44c8dd5": "Libraries",
    "679f85cb-0220-4080-b29b-5540cc05aab6": "Quick Access",
    "b4bfcc3a-db2c-424c-b029-7fe99a87c641": "Desktop",
}
_MOST_ITEMS: Final = 32_768


@dataclass(frozen=True, slots=True)
class Item:
    """One step of a path."""

    offset: int  #: in the data given, bytes
    #: ``root volume file network control_panel``, or ``unknown`` for shapes that are not documented.
    kind: str
    class_type: int  #: the class type indicator
    #: The long name where there is one; empty for what is only named by its identifier.
    name: str = ""
    identifier: str = ""  #: GUID in lower case, of root folders and control panel items
    short_name: str = ""
    size: int | None = None  #: bytes, files only; the lower 32 bits
    attributes: int | None = None  #: lower 16 bits of the file attribute flags
    modified: Moment | None = None
    created: Moment | None = None
    accessed: Moment | None = None
    mft_entry: int | None = None
    mft_sequence: int | None = None
    #: A name was read as Windows-1252, which is a guess.
    guessed: bool = False
    #: A stored date is on no calendar and was left out.
    bad_date: bool = False


def items(data: bytes, start: int, length: int) -> Iterator[Item]:
    """The items of the list that fills ``length`` bytes at ``start``; its closing zero may be missing.

    Raises: Damaged: an item that runs past the end of the list; what came before it was given.
    """
    position, end = start, min(start + length, len(data))
    for _ in range(_MOST_ITEMS):
        if position + 2 > end:
            return
        size = int.from_bytes(data[position : position + 2], "little")
        if size == 0:
            return
        if size < 3 or position + size > end:
            raise Damaged(f"a shell item of {size} bytes does not fit into the {end - position} left", offset=position)
        yield item(data[position : position + size], position)
        position += size


def item(data: bytes, offset: int) -> Item:
    """One item; ``data`` is exactly its bytes. What cannot be read in a known shape comes back as ``unknown``."""
    class_type = _ITEM.read(data).class_type
    try:
        if class_type == 0x1F and len(data) >= 20:
            return Item(offset, "root", class_type, *_folder(data[4:20]))
        if class_type & 0x70 == 0x20:
            return _volume(data, offset, class_type)
        if class_type & 0x70 == 0x30:
            return _file_entry(data, offset, class_type)
        if class_type & 0x70 == 0x40:
            return _network(data, offset, class_type)
        if class_type == 0x71 and len(data) >= 30:
            return Item(offset, "control_panel", class_type, *_folder(data[14:30]))
        if class_type == 0x74 and data[6:10] == b"CFSF":
            return _delegate(data, offset)
    except Damaged:
        pass  # too short for its shape: the caller is told by the kind
    return Item(offset, "unknown", class_type)


def path(steps: Sequence[Item]) -> str:
    """The path of a list, in the notation ``<folder>`` and ``<unknown item 0x61>`` for what has no name of its own.

    "My Computer" in front of a drive is left out.
    """
    parts: list[str] = []
    for number, step in enumerate(steps):
        if step.kind == "root" and number + 1 < len(steps) and steps[number + 1].name[1:2] == ":":
            continue
        if step.kind == "unknown":
            parts.append(f"<unknown item {step.class_type:#04x}>")
        elif step.identifier:
            parts.append(f"<{step.name or step.identifier}>")
        elif step.kind == "network" and parts and step.name.startswith("\\\\"):
            parts = [step.name]  # a UNC path is whole: server and provider items stand in front of the share
        else:
            parts.append(step.name.removesuffix("\\"))
    text = "\\".join(parts)
    return text + "\\" if len(text) == 2 and text[1] == ":" else text


def _folder(guid: bytes) -> tuple[str, str]:
    identifier = str(uuid.UUID(bytes_le=guid))
    return FOLDERS.get(identifier, ""), identifier


def _volume(data: bytes, offset: int, class_type: int) -> Item:
    if class_type & 1:
        name, guessed = _ansi(data[3:23])
        return Item(offset, "volume", class_type, name, guessed=guessed)
    if len(data) >= 20:
        return Item(offset, "volume", class_type, *_folder(data[4:20]))
    return Item(offset, "unknown", class_type)


def _network(data: bytes, offset: int, class_type: int) -> Item:
    name, guessed = _ansi(data[5:])
    return Item(offset, "network", class_type, name, guessed=guessed)


def _delegate(data: bytes, offset: int) -> Item:
    """A file entry inside the item of a user's profile folder; its extension block follows two GUIDs."""
    size = int.from_bytes(data[10:12], "little")
    inner = data[10 : 10 + 2 + size]
    if len(inner) < _NAME or inner[2] & 0x70 != 0x30:
        return Item(offset, "unknown", data[2])
    return _file_entry(inner, offset, data[2], outer=data)


def _file_entry(data: bytes, offset: int, class_type: int, outer: bytes | None = None) -> Item:
    entry = _FILE_ENTRY.read(data)
    guessed = False
    if entry.class_type & 4:
        name = text16(data[_NAME:])
    else:
        name, guessed = _ansi(data[_NAME:])
    modified, bad = _fat_utc(entry.date, entry.time)
    values: dict[str, object] = {"short_name": "", "name": name, "modified": modified, "bad_date": bad}
    values["guessed"] = guessed
    _extension(data if outer is None else outer, values)
    return Item(offset, "file", class_type, size=entry.size, attributes=entry.attributes, **values)  # type: ignore[arg-type]


def _extension(data: bytes, values: dict[str, object]) -> None:
    """Adds what the block 0xbeef0004 says; items of before Windows XP have none."""
    place = int.from_bytes(data[-2:], "little")
    if not _NAME < place <= len(data) - _EXTENSION.size:
        return
    block = _EXTENSION.read(data, place)
    if block.signature != _FILE_ENTRY_EXTENSION or block.version < 3 or place + block.size > len(data):
        return
    created, bad_created = _fat_utc(block.created_date, block.created_time)
    accessed, bad_accessed = _fat_utc(block.accessed_date, block.accessed_time)
    values.update(created=created, accessed=accessed)
    values["bad_date"] = values["bad_date"] or bad_created or bad_accessed
    at = place + _EXTENSION.size
    if block.version >= 7:
        reference = _FILE_REFERENCE.read(data, at)
        if entry := reference.entry_low | reference.entry_high << 32:
            values.update(mft_entry=entry, mft_sequence=reference.sequence)
        at += _FILE_REFERENCE.size
    at += 2  # long string size
    at += (4 if block.version >= 9 else 0) + (4 if block.version >= 8 else 0)
    if long_name := text16(data[at : place + block.size - 2]):
        values.update(name=long_name, short_name=values["name"], guessed=False)


def _ansi(data: bytes) -> tuple[str, bool]:
    """Text up to NUL in the system's code page, which no item names: Windows-1252 is assumed."""
    text = data.split(b"\0", 1)[0]
    return text.decode("cp1252", "replace"), not text.isascii()


def _fat_utc(date: int, time: int) -> tuple[Moment | None, bool]:
    """A FAT date and time that the Shell made from a UTC time; (None, True) where it is on no calendar."""
    try:
        moment = dos(date, time)
    except Damaged:
        return None, True
    return (Moment.of(moment.ns, moment.resolution_ns, "utc", moment.raw) if moment else None), False
