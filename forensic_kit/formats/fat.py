"""FAT12, FAT16, FAT32 and exFAT: geometry, directory entries, allocation.

Sources: Microsoft "FAT: General Overview of On-Disk Format" 1.03 (fatgen103); Microsoft "exFAT file system
specification" (learn.microsoft.com), sections named below.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from forensic_kit.bytesource import ByteSource
from forensic_kit.errors import Damaged
from forensic_kit.formats.allocation_maps import bitmap_ranges, fat_ranges, scaled, wrapped
from forensic_kit.formats.layout import Layout
from forensic_kit.formats.stored_metadata import Pieces, Stored
from forensic_kit.times import SECOND, Moment, dos

ENTRY: Final = 32  #: bytes of a directory entry
_DAY = 86_400 * SECOND
_CREATED_STEP = SECOND // 100
_WRITTEN_STEP = 2 * SECOND

# fatgen103 section 3: the BIOS parameter block starts at 11.
_PARAMETERS = Layout(
    "<",
    bytes_per_sector="H",
    sectors_per_cluster="B",
    reserved_sectors="H",
    fat_count="B",
    root_entries="H",
    sectors_16="H",
    media="B",
    fat_sectors_16="H",
    _geometry="4s",
    _hidden="I",
    sectors_32="I",
)
_PARAMETERS_OFFSET = 11
_FAT16_TAIL = Layout("<", _drive="2s", boot_signature="B", serial="I", label="11s")
_FAT16_TAIL_OFFSET = 36
_FAT32_TAIL = Layout(
    "<", fat_sectors="I", _flags="4s", root_cluster="I", _rest="18s", boot_signature="B", serial="I", label="11s"
)
_FAT32_TAIL_OFFSET = 36

# exFAT specification 3.1: main boot sector, from offset 72.
_EXFAT = Layout(
    "<",
    volume_sectors="Q",
    fat_offset="I",
    fat_sectors="I",
    heap_offset="I",
    cluster_count="I",
    root_cluster="I",
    serial="I",
    _revision="H",
    _flags="H",
    sector_shift="B",
    cluster_shift="B",
    fat_count="B",
)
_EXFAT_OFFSET = 72

# fatgen103 section 6: a short entry.
_SHORT = Layout(
    "<",
    name="11s",
    attributes="B",
    _nt="B",
    created_hundredths="B",
    created_time="H",
    created_date="H",
    accessed_date="H",
    cluster_high="H",
    written_time="H",
    written_date="H",
    cluster_low="H",
    size="I",
)
# exFAT specification 7.4: file entry; 7.6: stream extension.
_FILE = Layout(
    "<",
    type="B",
    _secondary_count="B",
    _checksum="H",
    attributes="H",
    _reserved="H",
    created="I",
    written="I",
    accessed="I",
    created_10ms="B",
    written_10ms="B",
    created_zone="B",
    written_zone="B",
    accessed_zone="B",
)
_STREAM = Layout(
    "<",
    type="B",
    flags="B",
    _reserved="H",
    _hash="H",
    _more="H",
    valid_length="Q",
    _reserved2="I",
    first_cluster="I",
    length="Q",
)
_BITMAP = Layout("<", type="B", flags="B", _reserved="18s", first_cluster="I", length="Q")
_IN_USE = 0x80
_LABEL_TYPE, _BITMAP_TYPE, _FILE_TYPE, _STREAM_TYPE = 0x03, 0x01, 0x05, 0x40
_LABEL, _LONG_NAME = 0x08, 0x0F
#: libtsk numbers directory entries from here, in the order of the data area (its fatfs documentation).
_FIRST_INODE = 3
#: Bytes of the root directory that are looked at for label and bitmap.
_ROOT_LIMIT = 1 << 20

Kind = Literal["FAT12", "FAT16", "FAT32", "exFAT"]


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the parts of a volume are. Offsets and sizes in bytes."""

    kind: Kind
    sector: int
    cluster: int
    fat_offset: int
    fat_size: int
    #: Where the area begins that holds directory entries: the root directory of FAT12/16, else the first cluster.
    data_offset: int
    #: Where cluster 2 begins.
    heap_offset: int
    cluster_count: int
    #: 0 where the root directory lies before the clusters (FAT12/16).
    root_cluster: int
    label: str
    serial: str


def geometry(source: ByteSource) -> Geometry | None:
    """The geometry in the boot sector; None if it is no FAT or exFAT or its numbers cannot be true."""
    boot = source.read(0, 512)
    if len(boot) < 512:
        return None
    return _exfat_geometry(boot) if boot[3:11] == b"EXFAT   " else _fat_geometry(boot)


def _exfat_geometry(boot: bytes) -> Geometry | None:
    fields = _EXFAT.read(boot, _EXFAT_OFFSET)
    if not (9 <= fields.sector_shift <= 12 and fields.cluster_shift <= 25 - fields.sector_shift):
        return None
    sector = 1 << fields.sector_shift
    heap = fields.heap_offset * sector
    return Geometry(
        kind="exFAT",
        sector=sector,
        cluster=sector << fields.cluster_shift,
        fat_offset=fields.fat_offset * sector,
        fat_size=fields.fat_sectors * sector,
        data_offset=heap,
        heap_offset=heap,
        cluster_count=fields.cluster_count,
        root_cluster=fields.root_cluster,
        label="",
        serial=_serial(fields.serial),
    )


def _fat_geometry(boot: bytes) -> Geometry | None:
    fields = _PARAMETERS.read(boot, _PARAMETERS_OFFSET)
    tail32 = _FAT32_TAIL.read(boot, _FAT32_TAIL_OFFSET)
    sector, per_cluster = fields.bytes_per_sector, fields.sectors_per_cluster
    if (
        sector not in (512, 1024, 2048, 4096)
        or per_cluster == 0
        or per_cluster & (per_cluster - 1)
        or fields.fat_count == 0
        or fields.reserved_sectors == 0
        or not (fields.media == 0xF0 or fields.media >= 0xF8)
    ):
        return None
    fat_sectors = fields.fat_sectors_16 or tail32.fat_sectors
    root_sectors = (fields.root_entries * ENTRY + sector - 1) // sector
    first_data = fields.reserved_sectors + fields.fat_count * fat_sectors
    count = ((fields.sectors_16 or fields.sectors_32) - first_data - root_sectors) // per_cluster
    if fat_sectors == 0 or count <= 0:
        return None
    # fatgen103 section 3.5: the count of clusters alone decides; FAT32 is also told by its missing FAT16 fields.
    kind: Kind = "FAT12" if count < 4085 else "FAT16" if count < 65525 else "FAT32"
    if fields.fat_sectors_16 == 0 and fields.root_entries == 0:
        kind = "FAT32"
    tail = tail32 if kind == "FAT32" else _FAT16_TAIL.read(boot, _FAT16_TAIL_OFFSET)
    known = tail.boot_signature in (0x28, 0x29)
    return Geometry(
        kind=kind,
        sector=sector,
        cluster=sector * per_cluster,
        fat_offset=fields.reserved_sectors * sector,
        fat_size=fat_sectors * sector,
        data_offset=first_data * sector,
        heap_offset=(first_data + root_sectors) * sector,
        cluster_count=count,
        root_cluster=tail32.root_cluster if kind == "FAT32" else 0,
        label=_label(tail.label) if tail.boot_signature == 0x29 else "",
        serial=_serial(tail.serial) if known else "",
    )


def media_agrees(source: ByteSource, found: Geometry) -> bool:
    """Does the first FAT begin with the media byte of the boot sector, as fatgen103 section 4 demands?"""
    return source.read(found.fat_offset, 1) == source.read(_PARAMETERS_OFFSET + 10, 1)


def _serial(value: int) -> str:
    return f"{value >> 16:04X}-{value & 0xFFFF:04X}"


def _label(raw: bytes) -> str:
    """A label as stored in the code page of the maker, of which only ASCII is certain."""
    text = raw.decode("ascii", "replace").rstrip(" \0")
    return "" if text == "NO NAME" else text


class FatVolume:
    """The parts of a FAT or exFAT volume that libtsk does not give."""

    def __init__(self, source: ByteSource, found: Geometry) -> None:
        self._source = source
        self._geometry = found
        self._pieces = Pieces(source)
        self.serial = found.serial
        #: Bytes of a cluster.
        self.cluster = found.cluster
        root = self._root()
        self.label = _root_label(root, exfat=found.kind == "exFAT") or found.label
        self._bitmap = _bitmap_entry(root) if found.kind == "exFAT" else None

    def _root(self) -> bytes:
        """The root directory, up to `_ROOT_LIMIT`."""
        found = self._geometry
        if not found.root_cluster:
            return self._source.read(found.data_offset, min(found.heap_offset - found.data_offset, _ROOT_LIMIT))
        data = bytearray()
        for cluster in self._chain(found.root_cluster, max(1, _ROOT_LIMIT // found.cluster)):
            data += self._source.read(self._cluster_offset(cluster), min(found.cluster, _ROOT_LIMIT))
        return bytes(data)

    def _cluster_offset(self, cluster: int) -> int:
        return self._geometry.heap_offset + (cluster - 2) * self._geometry.cluster

    def _chain(self, cluster: int, limit: int) -> Iterator[int]:
        """At most ``limit`` clusters from ``cluster`` on, as the FAT links them (32-bit entries only)."""
        while limit and 2 <= cluster < self._geometry.cluster_count + 2:
            yield cluster
            limit -= 1
            cluster = int.from_bytes(self._pieces.read(self._geometry.fat_offset + cluster * 4, 4), "little")
            cluster &= 0x0FFFFFFF

    def entry_offset(self, inode: int) -> int:
        """Where the directory entry is that libtsk gives this number; negative for numbers that are none."""
        per_sector = self._geometry.sector // ENTRY
        sector, index = divmod(inode - _FIRST_INODE, per_sector)
        return self._geometry.data_offset + sector * self._geometry.sector + index * ENTRY

    def stored(self, inode: int, size: int) -> Stored | None:
        """Times and attributes of the directory entry; None for the root and libtsk's virtual files."""
        if inode < _FIRST_INODE:
            return None
        offset = self.entry_offset(inode)
        end = self._geometry.heap_offset + self._geometry.cluster_count * self._geometry.cluster
        entry = self._pieces.read(offset, ENTRY) if offset < end else b""
        if len(entry) < ENTRY:
            return None
        if self._geometry.kind != "exFAT":
            return _short_entry(entry)
        if entry[0] & ~_IN_USE != _FILE_TYPE:
            return Stored(is_label=entry[0] & ~_IN_USE == _LABEL_TYPE)
        found = _file_entry(entry)
        # Windows reads zeros behind it. Other readers give what the clusters hold, and so does this program: the
        # files of EFS on exFAT state 0 and have their key there.
        valid = self._valid_length(offset, size)
        if valid is not None and valid < size:
            found.attributes["valid_length"] = valid
        return found

    def _valid_length(self, offset: int, size: int) -> int | None:
        """The ValidDataLength of the file whose file entry is at ``offset``; None where its stream entry is not
        found at the place that follows it, which a directory in scattered clusters can hide."""
        found = self._geometry
        into = offset + ENTRY - found.heap_offset
        places = [offset + ENTRY]
        if into % found.cluster == 0:
            links = list(self._chain(into // found.cluster + 1, 2))
            places = [self._cluster_offset(cluster) for cluster in links[1:]] + places
        for place in places:
            entry = self._pieces.read(place, ENTRY)
            if len(entry) == ENTRY and entry[0] & ~_IN_USE == _STREAM_TYPE:
                fields = _STREAM.read(entry)
                if fields.length == size:
                    return int(fields.valid_length)
        return None

    def used(self) -> Iterator[tuple[int, int]] | None:
        """Everything before the clusters, then what the FAT (or the bitmap of exFAT) says."""
        found = self._geometry
        clusters = self._bitmap_clusters() if found.kind == "exFAT" else self._table_clusters()
        if clusters is None:
            return None
        return wrapped(scaled(clusters, found.cluster, 0), found.heap_offset)

    def _table_clusters(self) -> Iterator[tuple[int, int]]:
        found = self._geometry
        table = self._source.slice(found.fat_offset, found.fat_size)
        width = {"FAT12": 12, "FAT16": 16}.get(found.kind, 32)
        for first, count in fat_ranges(table.pieces(), width, found.cluster_count + 2):
            skip = max(0, 2 - first)  # entries 0 and 1 are no clusters
            if count > skip:
                yield first + skip - 2, count - skip

    def _bitmap_clusters(self) -> Iterator[tuple[int, int]] | None:
        if self._bitmap is None:
            return None
        first, length = self._bitmap
        cluster = self._geometry.cluster
        needed = min(length, (self._geometry.cluster_count + 7) // 8)
        links = self._chain(first, (needed + cluster - 1) // cluster)
        pieces = (self._source.read(self._cluster_offset(link), cluster) for link in links)
        return bitmap_ranges(pieces, self._geometry.cluster_count)


def _entries(directory: bytes) -> Iterator[bytes]:
    """The entries of a directory up to the end mark."""
    for offset in range(0, len(directory) - ENTRY + 1, ENTRY):
        if directory[offset] == 0:
            return
        yield directory[offset : offset + ENTRY]


def _root_label(root: bytes, *, exfat: bool) -> str:
    for entry in _entries(root):
        if exfat:
            if entry[0] == _LABEL_TYPE | _IN_USE:
                return entry[2 : 2 + 2 * min(entry[1], 11)].decode("utf-16-le", "replace")
        elif entry[0] != 0xE5 and entry[11] & _LABEL and entry[11] & 0x3F != _LONG_NAME:
            return _label(entry[:11])
    return ""


def _bitmap_entry(root: bytes) -> tuple[int, int] | None:
    """First cluster and length of the first allocation bitmap (exFAT specification 7.1)."""
    for entry in _entries(root):
        if entry[0] == _BITMAP_TYPE | _IN_USE and not entry[1] & 1:
            fields = _BITMAP.read(entry)
            return fields.first_cluster, fields.length
    return None


def _short_entry(entry: bytes) -> Stored:
    fields = _SHORT.read(entry)
    found = Stored(attributes={"dos": fields.attributes} if fields.attributes else {})
    found.is_label = bool(fields.attributes & _LABEL)
    hundredths = fields.created_hundredths if fields.created_hundredths < 200 else 0
    found.born = _moment(found, fields.created_date, fields.created_time, hundredths, _CREATED_STEP)
    found.modified = _moment(found, fields.written_date, fields.written_time, 0, _WRITTEN_STEP)
    found.accessed = _moment(found, fields.accessed_date, 0, 0, _DAY)
    return found


def _moment(found: Stored, date: int, time: int, hundredths: int, step: int) -> Moment | None:
    try:
        return dos(date, time, hundredths=hundredths, resolution_ns=step)
    except Damaged:
        found.bad_times += 1
        return None


def _file_entry(entry: bytes) -> Stored:
    fields = _FILE.read(entry)
    found = Stored(attributes={"dos": fields.attributes} if fields.attributes else {})
    found.born = _zoned(found, fields.created, fields.created_10ms, fields.created_zone, _CREATED_STEP)
    found.modified = _zoned(found, fields.written, fields.written_10ms, fields.written_zone, _CREATED_STEP)
    found.accessed = _zoned(found, fields.accessed, 0, fields.accessed_zone, _WRITTEN_STEP)
    return found


def _zoned(found: Stored, stamp: int, hundredths: int, zone: int, step: int) -> Moment | None:
    """A time of exFAT (specification 7.4.5 to 7.4.11): local, with the distance of that clock from UTC if known."""
    moment = _moment(found, stamp >> 16, stamp & 0xFFFF, hundredths if hundredths < 200 else 0, step)
    if moment is None or not zone & 0x80:
        return moment
    quarters = (zone & 0x7F) - (0x80 if zone & 0x40 else 0)
    return Moment.of(moment.ns, step, _offset(quarters * 15), f"{stamp:#010x} {hundredths} {zone:#04x}")


def _offset(minutes: int) -> str:
    if minutes == 0:
        return "utc"
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
