"""The BSD disklabel: inside an MBR partition (FreeBSD, NetBSD, OpenBSD) or on a whole disk."""

from collections.abc import Iterator
from itertools import accumulate
from operator import xor
from typing import NamedTuple

from forensic_kit.api import ByteSource, Credential, Damaged, Problem, Volume, VolumeScheme, Window, note
from forensic_kit.formats import bootsector, partition_types
from forensic_kit.formats.layout import Layout, Values

# struct disklabel of 4.4BSD sys/disklabel.h; the names of OpenBSD where it uses a field for something else.
_LABEL = Layout(
    "<",
    d_magic="I",
    d_type="H",
    d_subtype="H",
    d_typename="16s",
    d_packname="16s",
    d_secsize="I",
    _d_geometry="20s",
    _d_spares="48s",
    _d_drivedata="2s",
    d_version="H",  # OpenBSD since 4.2; elsewhere the last of d_drivedata and 0
    _d_spare="16s",
    d_magic2="I",
    d_checksum="H",
    d_npartitions="H",
    _d_bbsize="I",
    _d_sbsize="I",
)
_PARTITION = Layout("<", p_size="I", p_offset="I", p_fsize="I", p_fstype="B", _p_frag="B", _p_cpg="H")
_DISKMAGIC = 0x82564557
_MOST_PARTITIONS = 64
_RAW = 2  # partition c: the whole slice, or the whole disk on OpenBSD
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class _Partition(Window):
    """A partition of a label. The first may begin where the slice does, label included, so without this mark the
    label would be found again inside its own partition."""


class _Entry(NamedTuple):
    letter: str
    offset: int  #: in sectors, as stored
    size: int
    type: int


class _Label(NamedTuple):
    at: int  #: bytes
    length: int
    sector_size: int
    entries: tuple[_Entry, ...]


class BsdDisklabel(VolumeScheme, api=1):
    """Partitions of a little-endian BSD disklabel by letter, without those that stand for the whole slice (c).

    Offsets in a label usually count from the start of the disk, sometimes from the start of the slice. They count
    from the disk where partition c says so (FreeBSD, NetBSD: its offset is the slice's own), or where the slice is
    known to begin elsewhere and the partitions do not fit it otherwise (OpenBSD: c is the whole disk).
    """

    name = "bsd"
    version = "1.0"
    source = "4.4BSD sys/disklabel.h (struct disklabel, dkcksum); OpenBSD disklabel(5)"
    limits = (
        "Big-endian labels (m68k, SPARC, PowerPC) are not read.",
        "Partitions that OpenBSD lists for other slices of the disk are left out: the outer table has them.",
    )
    order = 15  # before MBR: FreeBSD's boot code in front of a label holds a false table

    def matches(self, source: ByteSource, sector_size: int) -> bool:
        """Both magic numbers and the checksum, and no partition table in front that is meant seriously."""
        if isinstance(source, _Partition) or _read(source, sector_size) is None:
            return False
        mbr = bootsector.slots(source.read(0, bootsector.SIZE))
        return mbr is None or not bootsector.is_consistent(mbr)

    def volumes(
        self, sources: tuple[ByteSource, ...], credentials: tuple[Credential, ...], sector_size: int
    ) -> Iterator[Volume | Problem]:
        """The label as a table, then the partitions by letter."""
        slice_ = sources[0]
        label = _read(slice_, sector_size)
        if label is None:
            raise Damaged("the BSD disklabel is gone since it was found")
        area = slice_.slice(label.at, label.length)
        yield Volume(area, label.at, area.size, "bsd", "BSD disklabel", role="table", sector_size=label.sector_size)
        base = _base(slice_, label)
        for number, entry in enumerate(label.entries):
            if entry.size and not _is_raw(number, entry, label, base, slice_.size):
                yield _volume(slice_, label, entry, base)


def _read(source: ByteSource, sector_size: int) -> _Label | None:
    """The label of a slice or disk; None if it has none, or its checksum is wrong."""
    # LABELSECTOR and LABELOFFSET: 1 and 0 on PCs, 0 and 64 on others.
    for at in dict.fromkeys((512, sector_size, 64)):
        data = source.read(at, _LABEL.size + _MOST_PARTITIONS * _PARTITION.size)
        if len(data) < _LABEL.size:
            continue
        fields = _LABEL.read(data)
        length = _LABEL.size + fields.d_npartitions * _PARTITION.size
        if (
            fields.d_magic == fields.d_magic2 == _DISKMAGIC
            and 0 < fields.d_npartitions <= _MOST_PARTITIONS
            and fields.d_secsize in (512, 1024, 2048, 4096)
            and length <= len(data)
            and _checksum(data[:length]) == 0
        ):
            return _Label(at, length, fields.d_secsize, tuple(_entries(data, fields)))
    return None


def _checksum(data: bytes) -> int:
    """The exclusive or of all 16-bit words: 0 for a sound label, which contains its own complement (dkcksum)."""
    *_, result = accumulate(memoryview(data).cast("H"), xor)
    return int(result)


def _entries(data: bytes, label: Values) -> Iterator[_Entry]:
    for number in range(label.d_npartitions):
        fields = _PARTITION.read(data, _LABEL.size + number * _PARTITION.size)
        high_offset = high_size = 0
        if label.d_version:  # OpenBSD: p_fsize is p_offseth and p_sizeh, the upper 16 bits
            high_offset, high_size = fields.p_fsize & 0xFFFF, fields.p_fsize >> 16
        letter = _LETTERS[number] if number < len(_LETTERS) else str(number)
        yield _Entry(letter, fields.p_offset | high_offset << 32, fields.p_size | high_size << 32, fields.p_fstype)


def _is_raw(number: int, entry: _Entry, label: _Label, base: int, size: int) -> bool:
    """Does it only stand for the whole slice or disk (c; on NetBSD also d)? Others of type "unused" may hold data."""
    spans = entry.offset <= base and (entry.offset + entry.size - base) * label.sector_size >= size
    return entry.type == partition_types.BSD_UNUSED and (number == _RAW or spans)


def _base(slice_: ByteSource, label: _Label) -> int:
    """From which sector the label counts, seen from the slice: 0, or the sector of the disk where the slice begins."""
    raw = label.entries[_RAW] if len(label.entries) > _RAW else None
    if raw is not None and raw.offset:
        return raw.offset
    used = [entry for entry in label.entries if entry.size and entry.type != partition_types.BSD_UNUSED]
    reach = raw.size if raw is not None and raw.size else max((entry.offset + entry.size for entry in used), default=0)
    if reach * label.sector_size <= slice_.size:
        return 0
    start = _start_in_disk(slice_) // label.sector_size
    return start if any(entry.offset >= start for entry in used) else 0


def _start_in_disk(source: ByteSource) -> int:
    """Where a slice begins in what it was cut from, as far down as that is known; bytes."""
    start = 0
    while isinstance(source, Window):
        start, source = start + source.offset, source.below
    return start


def _volume(slice_: ByteSource, label: _Label, entry: _Entry, base: int) -> Volume | Problem:
    start, size = (entry.offset - base) * label.sector_size, entry.size * label.sector_size
    type_ = partition_types.bsd_name(entry.type)
    if start < 0 or (base and start >= slice_.size):
        return note(
            f"partition {entry.letter} of the BSD disklabel, {type_}, lies at sector {entry.offset}, outside the slice "
            "that holds the label: it was left out here. Does the outer table list it?",
            error="outside-slice",
            offset=label.at,
        )
    source = _Partition(slice_, start, size)
    return Volume(source, start, size, "bsd", type_, label=entry.letter, sector_size=label.sector_size)
