"""What the values mean that libtsk gives: type numbers, states, times.

Source: The Sleuth Kit 4.15, tsk/fs/tsk_fs.h. pytsk3 hands its structures through as they are.
"""

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from forensic_kit.errors import Damaged
from forensic_kit.formats.stored_metadata import Stored
from forensic_kit.model import Kind, Locator, Name, State
from forensic_kit.times import SECOND, Moment, mac, unix

ALLOCATED: Final = 1  #: TSK_FS_NAME_FLAG_ALLOC and TSK_FS_META_FLAG_ALLOC


class NameType(IntEnum):
    """TSK_FS_NAME_TYPE_*"""

    UNDEFINED = 0
    DIRECTORY = 3
    REGULAR = 5
    LINK = 6
    VIRTUAL = 10
    VIRTUAL_DIRECTORY = 11


class MetaType(IntEnum):
    """TSK_FS_META_TYPE_*"""

    UNDEFINED = 0
    REGULAR = 1
    DIRECTORY = 2
    LINK = 6
    VIRTUAL = 10
    VIRTUAL_DIRECTORY = 11


class AttributeType(IntEnum):
    """TSK_FS_ATTR_TYPE_*, those that hold content."""

    DEFAULT = 1
    NTFS_DATA = 128
    HFS_DATA = 4352
    HFS_RESOURCE = 4353
    HFS_EXTENDED = 4354
    HFS_COMPRESSION = 4355


NON_RESIDENT, ENCRYPTED, COMPRESSED, SPARSE_FLAG = 0x02, 0x10, 0x20, 0x40  #: TSK_FS_ATTR_*
UNREADABLE: Final = 1 << 16  #: ours, in `Part.flags`: there is content that libtsk does not find
RUN_FILLER, RUN_SPARSE, RUN_ENCRYPTED = 1, 2, 4  #: TSK_FS_ATTR_RUN_FLAG_*

MAIN: Final = frozenset({AttributeType.DEFAULT, AttributeType.NTFS_DATA, AttributeType.HFS_DATA})
_STREAMS = MAIN | {AttributeType.HFS_RESOURCE, AttributeType.HFS_EXTENDED}
_RESOURCE_NAME = b"rsrc"
#: The forms of file system whose mode and owner are stored, not made up by libtsk.
_UNIX = frozenset({"EXT", "FFS", "HFS", "YAFFS2"})
_TYPE_NAMES = {
    0x01: "NTFS",
    0x02: "FAT12",
    0x04: "FAT16",
    0x08: "FAT32",
    0x0A: "exFAT",
    0x10: "UFS1",
    0x20: "UFS1",
    0x40: "UFS2",
    0x80: "Ext2",
    0x100: "Ext3",
    0x2000: "Ext4",
    0x800: "ISO9660",
    0x1000: "HFS+",
    0x4000: "YAFFS2",
}
_AVOIDED = re.compile(r"[^/]*/v[^/]*/[^/]+/.*", re.DOTALL)

Avoided = frozenset[tuple[str, bytes]]


@dataclass(slots=True)
class Found:
    """A name in a directory and the metadata it points to."""

    name: bytes
    inode: int
    type: int  #: `NameType`
    allocated: bool
    file: Any = None  #: pytsk3's file with metadata and attributes; None where there are none
    meta: Any = None
    #: Does the metadata still belong to this name?
    owned: bool = False

    @property
    def meta_allocated(self) -> bool:
        """Is the metadata in use, by whichever file?"""
        return self.meta is not None and bool(int(self.meta.flags) & ALLOCATED)

    @property
    def is_directory(self) -> bool:
        """Both name and metadata say so, or the name says nothing."""
        named = self.type in (NameType.UNDEFINED, NameType.DIRECTORY, NameType.VIRTUAL_DIRECTORY)
        kinds = (MetaType.DIRECTORY, MetaType.VIRTUAL_DIRECTORY)
        return named and self.meta is not None and int(self.meta.type) in kinds

    @property
    def leads_on(self) -> bool:
        """A directory to go into: name and metadata belong together."""
        return self.is_directory and self.owned and (self.allocated or not self.meta_allocated)

    @property
    def name_state(self) -> State:
        """Of the name in its directory."""
        return "allocated" if self.allocated else "unallocated"

    @property
    def meta_state(self) -> State:
        """Of the metadata, whoever's they are."""
        if self.meta is None:
            return "unknown"
        return "allocated" if self.meta_allocated else "unallocated"

    @property
    def content_state(self) -> State:
        """``unknown`` for what is deleted: that takes the whole volume to tell. Metadata that were given to another
        file, or that are in use under another name, are that one's: ``overwritten`` here."""
        if self.meta is None:
            return "unknown"
        if self.meta_allocated:
            return "allocated" if self.allocated and self.owned else "overwritten"
        return "unknown" if self.owned else "overwritten"


@dataclass(slots=True)
class Part:
    """One content of a file."""

    stream: bytes = b""  #: empty for the main content
    size: int = 0
    #: libtsk's attribute type and id, by which it is read; None where libtsk has none for it.
    key: tuple[int, int] | None = None
    flags: int = 0
    runs: tuple[tuple[int, int], ...] | None = None


def type_name(number: int) -> str:
    """The file system of TSK_FS_TYPE_ENUM."""
    return _TYPE_NAMES.get(number, f"libtsk type {number:#x}")


def stream_name(kind: int, number: int, name: bytes, taken: Iterable[bytes]) -> bytes | None:
    """How a stream is called: empty for the main content, None for an attribute that is no content.

    A second stream of the same name gets libtsk's ``type-id`` behind its name.
    """
    if kind not in _STREAMS:
        return None
    if kind == AttributeType.HFS_RESOURCE:
        name = _RESOURCE_NAME
    elif kind in (AttributeType.DEFAULT, AttributeType.HFS_DATA):
        name = b""
    if name in taken or (not name and kind not in MAIN):
        return name + f"{' ' if name else ''}{kind}-{number}".encode()
    return name


def kind_of(found: Found, part: Part, *, label: bool) -> Kind:
    """What an entry is. ``label``: its directory entry is a volume label, which is a file if it has content."""
    if found.meta is None or not found.owned:
        if found.type in (NameType.DIRECTORY, NameType.VIRTUAL_DIRECTORY):
            return "directory"
        if found.meta is None:
            return "file" if found.type in (NameType.REGULAR, NameType.UNDEFINED) else "other"
    kind = int(found.meta.type)
    if kind in (MetaType.DIRECTORY, MetaType.VIRTUAL_DIRECTORY):
        return "directory"
    if kind == MetaType.LINK:
        return "link"
    if kind == MetaType.VIRTUAL:
        return "system"
    if label:
        return "file" if part.size else "other"
    return "file" if kind in (MetaType.REGULAR, MetaType.UNDEFINED) else "other"


def attributes(found: Found, part: Part, family: str) -> dict[str, str | int]:
    """Further metadata, only what says something."""
    meta = found.meta
    if meta is None:
        return {}
    if not found.owned:
        return {"reallocated": 1}
    values: dict[str, str | int] = {}
    if family in _UNIX:
        values = {"mode": f"{int(meta.mode) & 0o7777:04o}", "uid": int(meta.uid), "gid": int(meta.gid)}
    if int(meta.nlink) > 1 and int(meta.type) != MetaType.DIRECTORY:
        values["links"] = int(meta.nlink)
    if family == "NTFS":
        values["sequence"] = int(meta.seq)
    if int(meta.type) == MetaType.LINK and meta.link:
        values["target"] = Name.of(meta.link).text
    for flag, name in ((ENCRYPTED, "encrypted"), (COMPRESSED, "compressed"), (SPARSE_FLAG, "sparse")):
        if part.flags & flag:
            values[name] = 1
    return values


def times(meta: Any, family: str) -> Stored:
    """The times as libtsk gives them, for the file systems whose own are not read from the medium."""
    found = Stored()
    if family == "ISO9660":
        found.born = _recorded(found, int(meta.crtime))
        return found
    for field, name in (("modified", "mtime"), ("accessed", "atime"), ("changed", "ctime"), ("born", "crtime")):
        seconds, nanoseconds = int(getattr(meta, name)), int(getattr(meta, f"{name}_nano"))
        if seconds or nanoseconds:
            setattr(found, field, _moment(found, seconds, nanoseconds, family))
    return found


def _moment(found: Stored, seconds: int, nanoseconds: int, family: str) -> Moment | None:
    try:
        if family == "HFS":
            return mac(seconds + _MAC_EPOCH)
        return unix(seconds, nanoseconds % SECOND, resolution_ns=1 if nanoseconds else SECOND)
    except Damaged:
        found.bad_times += 1
        return None


_MAC_EPOCH = 2_082_844_800  # seconds from 1904-01-01 to 1970-01-01


def _recorded(found: Stored, seconds: int) -> Moment | None:
    """libtsk took the calendar reading for the standard time of this process's zone and gives seconds of UTC: undone
    here.

    -1 is what its conversion gives for a reading that is on no calendar.
    """
    if seconds in (0, -1):
        found.bad_times += seconds == -1
        return None
    here = time.localtime(seconds)
    moment = _moment(found, seconds + here.tm_gmtoff - (3600 if here.tm_isdst else 0), 0, "")
    return moment and Moment.of(moment.ns, SECOND, "local", moment.raw)


def avoided(texts: Iterable[str]) -> Avoided:
    """(inode, path) of the locators among ``texts``, whatever exhibit and volume they name."""
    found = set()
    for text in texts:
        if _AVOIDED.fullmatch(text):
            place = text[text.index("/v") + 2 :]
            locator = Locator.parse("-/v0/" + place[place.index("/") + 1 :])
            found.add((locator.inode, locator.path.bytes))
    return frozenset(found)
