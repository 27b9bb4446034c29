"""Windows Recycle Bin: what $I files (Vista and later) and INFO2 (95 to XP) say about deleted files."""

from collections.abc import Iterator
from typing import Annotated

from forensic_kit.api import (
    Artefact,
    At,
    Content,
    Damaged,
    Moment,
    NotThisFormat,
    Problem,
    Record,
    Unsupported,
    filetime,
    note,
    when,
)
from forensic_kit.formats.layout import Layout, text16

_HEADER = Layout(
    "<",
    version="Q",  # 0
    size="Q",  # 8
    deleted="Q",  # 16
)
_NAME_LENGTH = Layout("<", characters="I")  # 24, version 2 only: with the closing NUL
_NAME_1 = (24, 520)  # version 1: 260 characters, zero-filled
_NAME_2 = 28
# Windows has no longer paths: 32,767 characters and a NUL.
_LONGEST_PATH = 32_768


class DeletedFile(Record, tag="windows.recycle_bin.deleted"):
    """One file or folder moved to the Recycle Bin; its content is in the $R file of the same name."""

    original_path: str  #: as stored, with drive letter
    #: The stored UTF-16LE in hex where ``original_path`` lost something; else empty.
    original_path_raw: str
    size: int  #: bytes, of the deleted file, or of everything in the deleted folder
    format_version: int  #: 1 (Vista to 8.1) or 2 (10 and later)
    deleted: Annotated[Moment | None, when("deleted")] = None


class RecycleBin(Artefact, api=1):
    """Reads $I files."""

    name, version = "windows.recycle_bin", "1.0"
    # Also outside its folder: exported files, and bins of other names.
    paths = ("*/$I*",)
    source = "https://github.com/libyal/dtformats: Windows Recycle.Bin file formats, chapter 3 ($I)"
    limits = (
        "Does not say whether the $R file with the content still exists: look for the same name with $R.",
        "The user is the one whose SID names the folder, which the record does not repeat.",
    )

    def parse(self, content: Content) -> Iterator[Record | At | Problem]:
        data = bytes(content.data[: _NAME_2 + 2 * _LONGEST_PATH])
        header = _HEADER.read(data)
        moment, problem = _moment(header.deleted, 16)
        try:
            start, length = _name_place(header.version, data)
        except Damaged:
            yield DeletedFile("", "", header.size, header.version, moment)
            raise
        stored = data[start : start + length]
        path, raw = _path(stored)
        yield DeletedFile(path, raw, header.size, header.version, moment)
        if problem:
            yield problem
        if len(stored) < length:
            raise Damaged(
                f"cut short: {length} bytes of path were expected at {start}, there are {len(stored)}", offset=start
            )
        if rest := content.size - start - length:
            yield note(f"{rest} bytes follow the path", error="trailing", offset=start + length)


def _name_place(version: int, data: bytes) -> tuple[int, int]:
    """Where the path is and how long it should be, bytes."""
    if version == 1:
        return _NAME_1
    if version == 2:
        characters = _NAME_LENGTH.read(data, 24).characters
        if characters > _LONGEST_PATH:
            raise Damaged(f"a path of {characters} characters is longer than Windows allows", offset=24)
        return _NAME_2, 2 * characters
    if version < 0x100:
        raise Unsupported(f"version {version} of the $I file is not known; versions 1 and 2 are read")
    raise NotThisFormat("the name is that of a Recycle Bin $I file, the first bytes are not")


def _path(stored: bytes) -> tuple[str, str]:
    """The path up to its NUL, and its bytes in hex where it does not decode."""
    path = text16(stored)
    try:
        exact = path.encode("utf-16-le")
    except UnicodeEncodeError:
        exact = b""
    return path, "" if stored.startswith(exact) and "\ufffd" not in path else stored.hex()


def _moment(ticks: int, offset: int) -> tuple[Moment | None, Problem | None]:
    """A deletion time; out of range is told and left empty, since the rest of the record still stands."""
    try:
        return filetime(ticks), None
    except Damaged as error:
        return None, note(error.message, error="time", offset=offset)


# --- INFO2 ----------------------------------------------------------------------------------------------------

_INFO2_HEADER = Layout(
    "<",
    version="I",  # 0
    _unknown1="I",  # 4
    _unknown2="I",  # 8
    record_size="I",  # 12
    _unknown3="I",  # 16
)
_INFO2_RECORD = Layout(
    "<",
    ansi_path="260s",  # 0
    index="I",  # 260
    drive="I",  # 264, 0 is A
    deleted="Q",  # 268
    size="I",  # 276
)
_UNICODE_PATH = Layout("<", path="520s")  # 280, in records of 800 bytes only
_VERSIONS = {0: "95", 2: "NT 4", 4: "98 or ME", 5: "2000, XP or 2003"}


class DeletedFileXP(Record, tag="windows.recycle_bin_xp.deleted"):
    """One record of an INFO2 file; the content is in the file ``D`` + drive letter + ``record_index``."""

    original_path: str  #: from the Unicode path where there is one, else from the ANSI one
    #: The stored bytes in hex where ``original_path`` lost something or its code page is a guess; else empty.
    original_path_raw: str
    size: int  #: bytes on disk, in whole clusters
    format_version: int  #: of the INFO2 header
    record_index: int
    drive: str  #: letter with colon, from the drive number; empty if it is none
    #: True where the first byte of the ANSI path was zeroed: restored or emptied from the bin.
    removed: bool
    deleted: Annotated[Moment | None, when("deleted")] = None


class RecycleBinXP(Artefact, api=1):
    """Reads INFO2 files."""

    name, version = "windows.recycle_bin_xp", "1.0"
    paths = ("*/INFO2", "*/RECYCLED/INFO")
    source = "https://github.com/libyal/dtformats: Windows Recycler file formats, chapter 2 (INFO2)"
    limits = (
        "ANSI paths (Windows 95 to ME) are read as Windows-1252, since the file does not name its code page.",
        "A removed record without Unicode path has lost its first character, shown as U+FFFD.",
        "The two counters of the header are not reported: their meaning is not documented.",
    )

    def parse(self, content: Content) -> Iterator[Record | At | Problem]:
        header = _INFO2_HEADER.read(content.data)
        if header.record_size not in (280, 800):
            raise NotThisFormat(
                f"the name is that of a Recycle Bin index, but its records of {header.record_size} bytes are of no "
                "known size (280 or 800)"
            )
        if header.version not in _VERSIONS:
            yield note(f"version {header.version} is not known; read like the known ones", error="version", offset=0)
        offset = _INFO2_HEADER.size
        while offset + header.record_size <= content.size:
            record = bytes(content.data[offset : offset + header.record_size])
            if record.strip(b"\0"):
                yield from _record(record, offset, header.version)
            offset += header.record_size
        if content.size > offset:
            raise Damaged(
                f"cut short: a record of {header.record_size} bytes was expected, {content.size - offset} are there",
                offset=offset,
            )


def _record(data: bytes, offset: int, version: int) -> Iterator[At | Problem]:
    values = _INFO2_RECORD.read(data)
    moment, problem = _moment(values.deleted, offset + 268)
    removed = values.ansi_path[0] == 0
    if len(data) >= _INFO2_RECORD.size + _UNICODE_PATH.size:
        path, raw = _path(_UNICODE_PATH.read(data, _INFO2_RECORD.size).path)
    else:
        path, raw = _ansi(values.ansi_path, removed=removed)
    drive = f"{chr(ord('A') + values.drive)}:" if values.drive < 26 else ""
    yield At(offset, DeletedFileXP(path, raw, values.size, version, values.index, drive, removed, moment))
    if problem:
        yield problem


def _ansi(stored: bytes, *, removed: bool) -> tuple[str, str]:
    text = stored[1:] if removed else stored
    text = text.split(b"\0", 1)[0]
    path = ("\ufffd" if removed else "") + text.decode("cp1252", "replace")
    return path, "" if text.isascii() and not removed else stored.rstrip(b"\0").hex()
