"""The GUID Partition Table, from its primary header or, where that is damaged, from the backup."""

import uuid
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from forensic_kit.api import ByteSource, Credential, Problem, Volume, VolumeScheme, gap, note
from forensic_kit.formats import bootsector, partition_types
from forensic_kit.formats.layout import Layout, Values, text16

# UEFI 2.10, table 5-5.
_HEADER = Layout(
    "<",
    signature="8s",
    revision="I",
    header_size="I",
    header_crc32="I",
    _reserved="I",
    my_lba="Q",
    alternate_lba="Q",
    first_usable_lba="Q",
    last_usable_lba="Q",
    disk_guid="16s",
    partition_entry_lba="Q",
    number_of_partition_entries="I",
    size_of_partition_entry="I",
    partition_entry_array_crc32="I",
)
_HEADER_CRC = slice(16, 20)
# UEFI 2.10, table 5-6.
_ENTRY = Layout(
    "<",
    partition_type_guid="16s",
    unique_partition_guid="16s",
    starting_lba="Q",
    ending_lba="Q",
    attributes="Q",
    partition_name="72s",
)
_MOST_ENTRIES = 16384
_LARGEST_ENTRY = 4096
_LARGEST_ARRAY = 16 << 20
_LARGEST_OFFSET = 1 << 63  # what a file offset can be on any system


@dataclass(frozen=True)
class _Table:
    """One copy of the table, with what is wrong with it."""

    name: str  #: for messages: ``primary``, ``backup``
    offset: int  #: of its header, bytes
    fields: Values | None  #: None where there is no header that could be used at all
    array: bytes
    #: What breaks the specification, as ends of a sentence; empty for a sound copy.
    damage: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Can entries be read from it, sound or not?"""
        return self.fields is not None and bool(self.array)


class GuidPartitionTable(VolumeScheme, api=1):
    """Partitions of a GPT in the order of its entries; checksums of header and entries are verified."""

    name = "gpt"
    version = "1.0"
    source = "UEFI Specification 2.10, chapter 5 'GUID Partition Table (GPT) Disk Layout'"
    limits = (
        f"At most {_MOST_ENTRIES} entries are read.",
        "Of a hybrid MBR only the GPT is used.",
        "Windows dynamic disks and Storage Spaces: the table's areas are listed, not the volumes in them.",
    )
    order = 0  # before MBR: every GPT disk also starts with a protective MBR

    def matches(self, source: ByteSource, sector_size: int) -> bool:
        """A GPT signature where this sector size puts it, and no MBR that says otherwise."""
        places = (sector_size, _last_header(source, sector_size))
        if not any(place > 0 and _signed(source, place) for place in places):
            return False
        mbr = bootsector.slots(source.read(0, bootsector.SIZE))
        if mbr is not None and any(slot.used for slot in mbr) and not bootsector.is_protective(mbr):
            return False  # an older GPT under a newer MBR; the MBR scheme says so
        iso_end = bootsector.iso_end(source)
        if not iso_end:
            return True
        # A disc image that starts from a stick: its table repeats what the ISO volume holds, unless more follows.
        table, _ = _choose(_copies(source, sector_size))
        entries = () if table is None else _entries(table)
        return any(iso_end <= entry.starting_lba * sector_size < source.size for _, entry in entries)

    def volumes(
        self, sources: tuple[ByteSource, ...], credentials: tuple[Credential, ...], sector_size: int
    ) -> Iterator[Volume | Problem]:
        """The table's own areas, what is wrong with it, then the partitions."""
        disk = sources[0]
        yield _area(disk, 0, sector_size, "Protective MBR")
        yield from _mbr_remarks(disk)
        copies = _copies(disk, sector_size)
        table, problems = _choose(copies)
        yield from problems
        for copy in copies:
            yield from _areas(disk, copy, sector_size)
        if table is None or table.fields is None:
            return
        for number, entry in _entries(table):
            yield from _partition(disk, number, entry, table.fields, sector_size)


# --- choosing a copy ------------------------------------------------------------------------------------------


def _last_header(disk: ByteSource, sector_size: int) -> int:
    """Where the backup header belongs, bytes: the last whole sector (UEFI 2.10, 5.3.1)."""
    return (disk.size // sector_size - 1) * sector_size


def _signed(disk: ByteSource, offset: int) -> bool:
    return disk.read(offset, 8) == bootsector.GPT_SIGNATURE


def _copies(disk: ByteSource, sector_size: int) -> list[_Table]:
    """The primary copy and the backup, where there is room for one, wherever it stands."""
    primary = _read(disk, "primary", sector_size, sector_size)
    last = _last_header(disk, sector_size)
    if last <= sector_size:
        return [primary]
    backup = _read(disk, "backup", last, sector_size)
    if primary.fields is not None and backup.fields is None:
        stated = primary.fields.alternate_lba * sector_size
        if sector_size < stated < disk.size and _signed(disk, stated):  # written when the disk was smaller
            backup = _read(disk, "backup", stated, sector_size)
    return [primary, backup]


def _choose(copies: list[_Table]) -> tuple[_Table | None, list[Problem]]:
    """The copy to believe, and what the examiner should know about the choice."""
    primary, backup = copies[0], copies[-1]
    damage = "; ".join(f"{copy.name} copy: {', '.join(copy.damage)}" for copy in copies if copy.damage)
    if not primary.damage:
        return primary, list(_backup_remarks(primary, backup, damage))
    if not backup.damage:
        message = f"the primary GPT is damaged and the backup at byte {backup.offset} was used ({damage})"
        return backup, [note(message, error="gpt-backup", offset=primary.offset)]
    for copy in copies:
        if copy.usable:
            message = (
                f"both copies of the GPT are damaged ({damage}): the partitions are listed as the {copy.name} copy "
                "has them, and some may be missing or wrong. Compare with another tool"
            )
            return copy, [gap(message, error="gpt-damaged", offset=copy.offset)]
    message = f"neither copy of the GPT can be read ({damage}): its partitions are not known"
    return None, [gap(message, error="gpt-damaged", offset=primary.offset)]


def _backup_remarks(primary: _Table, backup: _Table, damage: str) -> Iterator[Problem]:
    """What is odd about the backup beside a sound primary copy."""
    if backup.damage:
        yield note(
            f"the backup GPT is missing or damaged and the primary was used ({damage}). An image of the whole disk "
            "has one",
            error="gpt-backup",
            offset=backup.offset,
        )
    elif backup is not primary and backup.array != primary.array:
        yield note(
            f"the primary and the backup GPT, at byte {backup.offset}, are both sound and list different partitions: "
            "the primary was used. Look at the backup by hand",
            error="gpt-differs",
            offset=backup.offset,
        )


def _read(disk: ByteSource, name: str, offset: int, sector_size: int) -> _Table:
    """One copy, judged."""
    sector = disk.read(offset, sector_size)
    if len(sector) < _HEADER.size or not _signed(disk, offset):
        return _Table(name, offset, None, b"", ("no signature",))
    fields = _HEADER.read(sector)
    damage = list(_header_damage(sector, fields, offset, sector_size))
    size, count = fields.size_of_partition_entry, fields.number_of_partition_entries
    if not _ENTRY.size <= size <= _LARGEST_ENTRY or size % 8:
        return _Table(name, offset, None, b"", (*damage, f"impossible entry size of {size} bytes"))
    wanted = min(count, _MOST_ENTRIES, _LARGEST_ARRAY // size) * size
    array = disk.read(fields.partition_entry_lba * sector_size, wanted)
    if len(array) < wanted:
        damage.append("the entries reach past the end of the disk")
    elif wanted < count * size:
        damage.append(f"{count} entries, of which {wanted // size} were read and none checked")
    elif zlib.crc32(array) != fields.partition_entry_array_crc32:
        damage.append("wrong checksum of the entries")
    return _Table(name, offset, fields, array, tuple(damage))


def _header_damage(sector: bytes, fields: Values, offset: int, sector_size: int) -> Iterator[str]:
    if not _HEADER.size <= fields.header_size <= sector_size:
        yield f"impossible header size of {fields.header_size} bytes"
    else:
        header = bytearray(sector[: fields.header_size])
        header[_HEADER_CRC] = bytes(4)
        if zlib.crc32(header) != fields.header_crc32:
            yield "wrong checksum of the header"
    if fields.my_lba * sector_size != offset:
        yield f"the header says it stands in sector {fields.my_lba}"


# --- what is in it --------------------------------------------------------------------------------------------


def _mbr_remarks(disk: ByteSource) -> Iterator[Problem]:
    mbr = bootsector.slots(disk.read(0, bootsector.SIZE))
    if mbr is None or not bootsector.is_protective(mbr):
        yield note("the disk has a GPT and no protective MBR; the GPT was used", error="gpt-unprotected", offset=0)
        return
    others = [slot for slot in mbr if slot.used and slot.type != partition_types.PROTECTIVE]
    if others:
        listed = ", ".join(
            f"{partition_types.mbr_name(slot.type)} at sector {slot.first_sector}, {slot.sector_count} sectors"
            for slot in others
        )
        yield note(
            f"hybrid MBR: it lists {listed} beside the GPT. The GPT was used; compare the two by hand",
            error="gpt-hybrid",
            offset=0,
        )


def _areas(disk: ByteSource, copy: _Table, sector_size: int) -> Iterator[Volume]:
    """The sectors of one copy: header and entry array."""
    if not _signed(disk, copy.offset):
        return
    yield _area(disk, copy.offset, sector_size, "GPT header")
    if copy.usable and copy.fields is not None:
        whole = -(-len(copy.array) // sector_size) * sector_size
        yield _area(disk, copy.fields.partition_entry_lba * sector_size, whole, "GPT partition entries")


def _area(disk: ByteSource, offset: int, size: int, type_: str) -> Volume:
    source = disk.slice(offset, size)
    return Volume(source, offset, source.size, "gpt", type_, role="table")


def _entries(table: _Table) -> Iterator[tuple[int, Values]]:
    """The entries in use with their numbers, from 0."""
    if table.fields is None:
        return
    size = table.fields.size_of_partition_entry
    for number in range(len(table.array) // size):
        offset = number * size
        if any(table.array[offset : offset + 16]):  # a type of all zeros is an unused entry
            yield number, _ENTRY.read(table.array, offset)


def _partition(
    disk: ByteSource, number: int, entry: Values, header: Values, sector_size: int
) -> Iterator[Volume | Problem]:
    type_ = str(uuid.UUID(bytes_le=entry.partition_type_guid))
    first, last = entry.starting_lba, entry.ending_lba
    start, where = first * sector_size, f"GPT entry {number}, {partition_types.gpt_name(type_)},"
    if first == 0 or last < first or last * sector_size >= _LARGEST_OFFSET:
        yield gap(
            f"{where} says sectors {first} to {last}, which cannot be: it was left out. Compare with another tool",
            error="gpt-entry",
        )
        return
    if not header.first_usable_lba <= first <= last <= header.last_usable_lba:
        yield note(
            f"{where} has sectors {first} to {last}; the header allows {header.first_usable_lba} to "
            f"{header.last_usable_lba} only. It was opened all the same",
            error="gpt-unusable",
            offset=start,
        )
    if type_ in partition_types.GPT_DYNAMIC or type_ == partition_types.GPT_STORAGE_SPACES:
        yield gap(
            f"{where} belongs to a volume manager of Windows: where its volumes lie is in a database that this "
            "version does not read. What begins at the start of the partition is opened, nothing else",
            error="volume-manager",
            offset=start,
        )
    size = (last - first + 1) * sector_size
    yield Volume(
        disk.slice(start, size),
        start,
        size,
        "gpt",
        partition_types.gpt_name(type_),
        label=text16(entry.partition_name),
        serial=str(uuid.UUID(bytes_le=entry.unique_partition_guid)),
        sector_size=sector_size,
    )
