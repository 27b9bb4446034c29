"""NTFS: boot sector, file records, the cluster bitmap.

Only what libtsk leaves out or rounds: exact FILETIMEs, initialised sizes, names with their parents, reparse tags.
Sources: Microsoft's [MS-FSCC] (attribute types, reparse tags, file attributes); the layout of file records as in
Richard Russon and Yuval Fledel, "NTFS Documentation" (the Linux-NTFS project).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from forensic_kit.bytesource import SPARSE, ByteSource, Memory, Runs
from forensic_kit.errors import Damaged
from forensic_kit.formats.allocation_maps import bitmap_ranges, scaled
from forensic_kit.formats.layout import Layout
from forensic_kit.formats.stored_metadata import Pieces, Stored
from forensic_kit.times import Moment, filetime

OEM: Final = b"NTFS    "
#: Records of the files that hold the volume's name and the cluster bitmap.
VOLUME_INODE: Final = 3
BITMAP_INODE: Final = 6
#: Its stream $Bad is as large as the volume, and all hole but for the bad clusters.
BAD_CLUSTERS_INODE: Final = 8

_BOOT = Layout(
    "<",
    bytes_per_sector="H",
    sectors_per_cluster="B",
    _until_sectors="26s",
    sectors="Q",
    mft_cluster="Q",
    _mirror="Q",
    record_clusters="b",
    _pad="3s",
    _index_clusters="b",
    _pad2="3s",
    serial="Q",
)
_BOOT_OFFSET = 11

_RECORD = Layout(
    "<",
    signature="4s",
    fixup_offset="H",
    fixup_count="H",
    _log="Q",
    sequence="H",
    links="H",
    attributes_offset="H",
    flags="H",
    used="I",
    _allocated="I",
    base="Q",
)
_IN_USE = 0x1
_ATTRIBUTE = struct.Struct("<IIBBHHH")  # type, length, non-resident, name length, name offset, flags, id
_RESIDENT = struct.Struct("<IH")  # at 16: length, offset
_NON_RESIDENT = struct.Struct("<QQHHIQQQ")  # at 16: first and last VCN, run list, unit, pad, allocated, size, init
_FILE_NAME = struct.Struct("<QQQQQQQIIBB")  # parent, 4 times, 2 sizes, flags, reparse, name length, name space
_LIST_ENTRY = struct.Struct("<IHBBQQH")  # type, length, name length, name offset, first VCN, record, id
_TIMES = struct.Struct("<QQQQI")  # born, modified, record changed, accessed, flags

_STANDARD, _LIST, _NAME, _VOLUME_NAME, _DATA, _REPARSE = 0x10, 0x20, 0x30, 0x60, 0x80, 0xC0
_END = 0xFFFFFFFF
_WANTED_FROM_LIST = frozenset({_STANDARD, _NAME, _DATA, _REPARSE})
_REFERENCE = (1 << 48) - 1
_MAX_ATTRIBUTES = 4096  # a 64 KiB record of the smallest attributes
_MAX_EXTENSIONS = 256  # records read for one file whose attributes do not fit its own
_MAX_LIST = 1 << 18


class FileName(NamedTuple):
    """One name of a file."""

    parent: int
    parent_sequence: int
    name: str  #: undecodable units become U+FFFD


@dataclass(slots=True)
class Record:
    """One file record with its extension records, as far as they were read."""

    inode: int
    sequence: int = 0
    in_use: bool = False
    base: int = 0  #: record this one extends; 0 for a file's own
    standard: tuple[int, int, int, int, int] | None = None  #: four FILETIMEs and the flags
    names: list[FileName] = field(default_factory=list)
    #: By stream name: (initialised size, size).
    streams: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    volume_name: str = ""
    reparse_tag: int = 0
    #: False where an attribute list could not be followed to its end: names may be missing.
    complete: bool = True
    list_data: bytes = b""


def unprotected(data: bytes, stride: int = 512) -> bytes:
    """A record with its update sequence taken out ("Fixup"): the last two bytes of each sector put back.

    Raises: Damaged: the sectors were not written together, or the header is no record's.
    """
    if len(data) < _RECORD.size:
        raise Damaged("a file record is cut short")
    fields = _RECORD.read(data)
    offset, count = fields.fixup_offset, fields.fixup_count
    if offset + 2 * count > len(data) or count < 1 or (count - 1) * stride > len(data):
        raise Damaged(f"the update sequence of a file record ({count} words at {offset}) lies outside it")
    fixed = bytearray(data)
    check = data[offset : offset + 2]
    for index in range(1, count):
        end = index * stride
        if data[end - 2 : end] != check:
            raise Damaged(f"sector {index - 1} of a file record is not of the same writing as the others")
        fixed[end - 2 : end] = data[offset + 2 * index : offset + 2 * index + 2]
    return bytes(fixed)


def parse_record(data: bytes, inode: int, volume: ByteSource | None = None, cluster: int = 0) -> Record:
    """The record in ``data`` without its extensions.

    Args: volume, cluster: to read an attribute list that is not in the record itself.
    Raises: Damaged: no file record, or torn.
    """
    if data[:4] != b"FILE":
        raise Damaged("no file record")
    data = unprotected(data)
    fields = _RECORD.read(data)
    record = Record(inode, fields.sequence, bool(fields.flags & _IN_USE), fields.base & _REFERENCE)
    position = fields.attributes_offset
    for _ in range(_MAX_ATTRIBUTES):
        if position + _ATTRIBUTE.size > len(data):
            break
        kind, length, non_resident, name_length, name_offset, _flags, _id = _ATTRIBUTE.unpack_from(data, position)
        if kind == _END or length < 24 or position + length > len(data):
            break
        attribute = data[position : position + length]
        name = attribute[name_offset : name_offset + 2 * name_length].decode("utf-16-le", "replace").encode()
        if non_resident:
            _non_resident(record, kind, name, attribute, volume, cluster)
        else:
            _resident(record, kind, name, attribute)
        position += length
    return record


def _resident(record: Record, kind: int, name: bytes, attribute: bytes) -> None:
    size, offset = _RESIDENT.unpack_from(attribute, 16)
    value = attribute[offset : offset + size]
    if kind == _STANDARD and len(value) >= _TIMES.size:
        record.standard = _TIMES.unpack_from(value)
    elif kind == _NAME and len(value) >= _FILE_NAME.size:
        parent, *_rest, length, _space = _FILE_NAME.unpack_from(value)
        text = value[_FILE_NAME.size : _FILE_NAME.size + 2 * length].decode("utf-16-le", "replace")
        record.names.append(FileName(parent & _REFERENCE, parent >> 48, text))
    elif kind == _DATA:
        record.streams.setdefault(name, (size, size))
    elif kind == _VOLUME_NAME:
        record.volume_name = value.decode("utf-16-le", "replace")
    elif kind == _REPARSE and len(value) >= 4:
        record.reparse_tag = int.from_bytes(value[:4], "little")
    elif kind == _LIST:
        record.list_data = value


def _non_resident(
    record: Record, kind: int, name: bytes, attribute: bytes, volume: ByteSource | None, cluster: int
) -> None:
    if len(attribute) < 16 + _NON_RESIDENT.size:
        return
    first, _last, runs, _unit, _pad, _allocated, size, initialised = _NON_RESIDENT.unpack_from(attribute, 16)
    if kind == _DATA and first == 0:
        record.streams.setdefault(name, (initialised, size))
    elif kind == _LIST:
        if volume is None or size > _MAX_LIST:
            record.complete = False
            return
        record.list_data = Runs(volume, list(run_list(attribute[runs:], cluster)), size).read(0, size)
    elif kind == _REPARSE:
        record.reparse_tag = record.reparse_tag or 1  # its tag lies outside the record: some reparse point


def run_list(data: bytes, cluster: int) -> Iterator[tuple[int, int]]:
    """The runs of a non-resident attribute in bytes, holes as `SPARSE` ("Data Runs")."""
    position = place = 0
    while position < len(data) and data[position]:
        lengths, places = data[position] & 15, data[position] >> 4
        if position + 1 + lengths + places > len(data) or lengths > 8 or places > 8:
            return
        length = int.from_bytes(data[position + 1 : position + 1 + lengths], "little")
        step = data[position + 1 + lengths : position + 1 + lengths + places]
        place += int.from_bytes(step, "little", signed=True)
        position += 1 + lengths + places
        if place < 0 or length > 1 << 40 or place > 1 << 40:
            return
        yield (place * cluster if places else SPARSE), length * cluster


class NtfsVolume:
    """The parts of an NTFS volume that libtsk does not give.

    Args: mft, bitmap: the contents of $MFT and $Bitmap; None where they cannot be read.
    """

    def __init__(self, source: ByteSource, mft: ByteSource | None, bitmap: ByteSource | None) -> None:
        self._source = source
        self._mft = Pieces(mft or Memory(b""))
        self._bitmap = bitmap
        self._last: Record | None = None
        fields = _BOOT.read(source.read(0, 512), _BOOT_OFFSET)
        # "Boot Sector": cluster sizes above 128 sectors are negative powers of two, record sizes too.
        per_cluster = fields.sectors_per_cluster
        sectors = 1 << (256 - per_cluster) if per_cluster > 0xE0 else per_cluster
        self._cluster = fields.bytes_per_sector * sectors
        clusters = fields.record_clusters
        self._record = clusters * self._cluster if clusters > 0 else 1 << min(-clusters, 16)
        self._clusters = fields.sectors // sectors if sectors else 0
        self.serial = f"{fields.serial:016X}"
        volume = self.record(VOLUME_INODE)
        self.label = volume.volume_name if volume else ""

    def record(self, inode: int) -> Record | None:
        """A file's record, names and streams in its extension records included; None if it is no record."""
        if self._last is not None and self._last.inode == inode:
            return self._last
        record = self._own(inode)
        if record is not None and record.list_data:
            self._follow(record)
        self._last = record
        return record

    def is_stale(self, inode: int, parent: int, name: bytes) -> bool:
        """Is this name, which an index of ``parent`` holds, none that the file says it has?

        Index records that are not in use keep the names of files that were moved or renamed since. True only
        beyond doubt: all names known, and none mended by a decoder.
        """
        record = self.record(inode)
        if record is None or not record.complete or not record.names:
            return False
        here = [other.name for other in record.names if other.parent == parent]
        if not here:
            return True
        doubtful = b"^" in name or any("\ufffd" in other or not other.isprintable() for other in here)
        return not doubtful and name.decode("utf-8", "replace") not in here

    def _own(self, inode: int) -> Record | None:
        data = self._mft.read(inode * self._record, self._record)
        try:
            return parse_record(data, inode, self._source, self._cluster)
        except Damaged:
            return None

    def _follow(self, record: Record) -> None:
        """Add what the records of the attribute list hold ("$ATTRIBUTE_LIST")."""
        wanted: dict[int, None] = {}
        position = 0
        data = record.list_data
        while position + _LIST_ENTRY.size <= len(data):
            kind, length, *_names, first, reference, _id = _LIST_ENTRY.unpack_from(data, position)
            if kind in _WANTED_FROM_LIST and first == 0 and reference & _REFERENCE != record.inode:
                wanted[reference & _REFERENCE] = None
            if length < _LIST_ENTRY.size:
                record.complete = False
                break
            position += length
        record.complete = record.complete and len(wanted) <= _MAX_EXTENSIONS
        for inode in list(wanted)[:_MAX_EXTENSIONS]:
            part = self._own(inode)
            if part is None or part.base != record.inode:
                record.complete = False
                continue
            record.names += part.names
            record.standard = record.standard or part.standard
            record.reparse_tag = record.reparse_tag or part.reparse_tag
            for name, sizes in part.streams.items():
                record.streams.setdefault(name, sizes)

    def stored(self, inode: int, size: int) -> Stored | None:
        """Times and flags of $STANDARD_INFORMATION, initialised sizes of the streams."""
        record = self.record(inode)
        return None if record is None else stored(record)

    def used(self) -> Iterator[tuple[int, int]] | None:
        """What $Bitmap marks."""
        if self._bitmap is None:
            return None
        return scaled(bitmap_ranges(self._bitmap.pieces(), self._clusters), self._cluster, 0)


def stored(record: Record) -> Stored:
    """The times, flags and initialised sizes of a record."""
    found = Stored(initialised={name: done for name, (done, size) in record.streams.items() if done < size})
    if record.standard:
        born, modified, changed, accessed, flags = record.standard
        found.born = _moment(found, born)
        found.modified = _moment(found, modified)
        found.changed = _moment(found, changed)
        found.accessed = _moment(found, accessed)
        if flags & 0xFFFFFF:
            found.attributes["dos"] = flags & 0xFFFFFF
    if record.reparse_tag:
        found.attributes["reparse"] = f"{record.reparse_tag:#010x}"
    return found


def _moment(found: Stored, ticks: int) -> Moment | None:
    try:
        return filetime(ticks)
    except Damaged:
        found.bad_times += 1
        return None
