"""The Master Boot Record: four primary slots, and chains of extended boot records for the rest."""

from collections import deque
from collections.abc import Iterator

from forensic_kit.api import ByteSource, Credential, Problem, Volume, VolumeScheme, Window, gap, note
from forensic_kit.formats import bootsector, partition_types, signatures
from forensic_kit.formats.bootsector import Slot

_SECTOR_SIZES = (512, 4096)
#: More extended boot records than any system writes; a chain that goes on is made to go on.
_MOST_RECORDS = 1024


class _FromStart(Window):
    """A volume that begins at byte 0 of its disk, as on sticks made from a disc image. The table stands in its
    own first sector, so without this mark the table would be found again inside its own partition."""


class MasterBootRecord(VolumeScheme, api=1):
    """Partitions of a disk with a Master Boot Record: primaries by slot, then logicals in the order of the chain.

    A sector size is not stored in an MBR. `matches` looks where the table points for each usual size: when nothing
    recognisable lies there with the size asked for, and something does with another, it says no, so that the
    engine asks again with that one. When nothing tells, the size asked for is believed.
    """

    name = "mbr"
    version = "1.0"
    source = (
        "IBM PC / Microsoft conventions for MBR and EBR as in Microsoft Learn 'Disk Concepts and Troubleshooting'; "
        "checked against mmls of The Sleuth Kit, sfdisk and the corpus of dfir_ntfs"
    )
    limits = (
        "AAP, NEWLDR and other extensions with more than four primary slots are not read.",
        "Windows dynamic disks (LDM): the table's areas are listed, not the volumes of the LDM database.",
    )
    order = 20  # GPT first: every GPT disk also starts with a protective MBR. BSD: its boot code holds a false table.

    def matches(self, source: ByteSource, sector_size: int) -> bool:
        """Refuses file systems' own boot sectors, GPT disks and disc images, all of which may end in 55 AA too."""
        if isinstance(source, _FromStart):
            return False
        sector = source.read(0, bootsector.SIZE)
        table = bootsector.slots(sector)
        if table is None or not bootsector.is_plausible(table):
            return False
        used = [slot for slot in table if slot.used]
        if not used:
            return bootsector.is_empty_table(sector) and not _holds_file_system(source, sector)
        if bootsector.is_protective(table) and bootsector.gpt_signature_at(source) is not None:
            return False
        consistent = bootsector.is_consistent(table)
        if bootsector.file_system(sector) and not consistent:
            return False
        starts = [slot.first_sector * sector_size for slot in used]
        if not consistent and not any(0 < start < source.size for start in starts):
            return False
        iso_end = bootsector.iso_end(source)
        if iso_end and not any(iso_end <= start < source.size for start in starts):
            return False  # the table only repeats what the ISO 9660 volume holds
        return _sector_size(source, used, sector_size) == sector_size

    def volumes(
        self, sources: tuple[ByteSource, ...], credentials: tuple[Credential, ...], sector_size: int
    ) -> Iterator[Volume | Problem]:
        """Table sectors as they are met, primaries by slot, then logicals by chain."""
        disk = sources[0]
        table = bootsector.slots(disk.read(0, bootsector.SIZE)) or ()
        yield _table(disk, 0, sector_size, "Master Boot Record")
        yield from _remarks(disk, table)
        extended = []
        for slot in table:
            if slot.used and slot.extended:
                extended.append(slot)
            elif slot.used:
                yield _volume(disk, slot, 0, sector_size)
        seen: set[int] = set()
        for slot in extended:
            yield from _logicals(disk, slot, sector_size, seen)


def _holds_file_system(source: ByteSource, sector: bytes) -> bool:
    """An empty table proves nothing: boot code in front of a file system looks the same."""
    return bool(bootsector.file_system(sector) or bootsector.iso_end(source) or _is_recognisable(source))


def _is_recognisable(source: ByteSource) -> bool:
    """Does a file system or anything else that we know begin at byte 0?"""
    return bool(
        bootsector.file_system(source.read(0, bootsector.SIZE))
        or source.read(1080, 2) == b"\x53\xef"  # ext superblock magic
        or source.read(1024, 2) in (b"H+", b"HX", b"BD")  # HFS+, HFSX, HFS
        or signatures.recognise(source)
    )


def _sector_size(source: ByteSource, used: list[Slot], asked: int) -> int:
    """The sector size in which the table counts, judged by what lies where it points."""
    if _proofs(source, used, asked):
        return asked
    for other in _SECTOR_SIZES:
        inside = all(slot.end * other <= source.size for slot in used)
        if other != asked and inside and _proofs(source, used, other):
            return other
    return asked


def _proofs(source: ByteSource, used: list[Slot], sector_size: int) -> bool:
    for slot in used:
        start = slot.first_sector * sector_size
        if not 0 < start < source.size:
            continue
        if slot.extended:
            if bootsector.slots(source.read(start, bootsector.SIZE)) is not None:
                return True
        elif _is_recognisable(source.slice(start)):
            return True
    return False


def _remarks(disk: ByteSource, table: tuple[Slot, ...]) -> Iterator[Problem]:
    header = bootsector.gpt_signature_at(disk)
    if bootsector.is_protective(table):
        yield gap(
            "the MBR says that the partitions are in a GPT, and neither its header nor the backup at the end of the "
            "disk is there. Was the whole disk imaged? Compare its size with the device's.",
            error="gpt-missing",
        )
    elif header is not None:
        yield note(
            f"a GPT header stands at byte {header} beside a complete MBR that does not mention it: the MBR is used. "
            "The disk was probably partitioned anew; look at the old table by hand if it matters",
            error="gpt-stale",
            offset=header,
        )
    if any(slot.type == partition_types.MBR_DYNAMIC for slot in table):
        yield gap(
            "this is a Windows dynamic disk: where its volumes lie is in the LDM database, which this version does "
            "not read. What begins at the start of a partition is opened; spanned and striped volumes are not",
            error="ldm",
        )


def _logicals(disk: ByteSource, extended: Slot, sector_size: int, seen: set[int]) -> Iterator[Volume | Problem]:
    """The logical volumes of one extended partition.

    A logical volume counts from its own record; the link to the next record counts from the extended partition.
    """
    base = extended.first_sector
    queue = deque([base])
    while queue:
        sector = queue.popleft()
        offset = sector * sector_size
        problem = _refused(disk, sector, offset, seen)
        if problem is not None:
            yield problem
            continue
        seen.add(sector)
        table = bootsector.slots(disk.read(offset, bootsector.SIZE))
        if table is None:
            yield gap(
                f"the extended boot record at sector {sector} does not end in 55 AA: logical volumes from there on "
                "are not known. Compare with another tool",
                error="ebr-signature",
                offset=offset,
            )
            continue
        yield _table(disk, offset, sector_size, "Extended Boot Record")
        for slot in table:
            if slot.used and not slot.extended:
                yield _volume(disk, slot, sector, sector_size)
            elif slot.used:
                queue.append(base + slot.first_sector)
                if slot.first_sector >= extended.sector_count:
                    yield note(
                        f"the extended boot record at sector {sector} leads to sector {base + slot.first_sector}, "
                        "outside the extended partition; it was followed",
                        error="ebr-outside",
                        offset=offset,
                    )


def _refused(disk: ByteSource, sector: int, offset: int, seen: set[int]) -> Problem | None:
    """Why the chain of extended boot records ends here; None if it goes on."""
    if sector in seen:
        why, error = "was already read: the chain goes round in a circle and was left there", "ebr-loop"
    elif len(seen) >= _MOST_RECORDS:
        why, error = f"is one more than the {_MOST_RECORDS} that are followed; the chain was left there", "ebr-limit"
    elif offset + bootsector.SIZE > disk.size:
        why, error = "lies past the end of the disk; logical volumes from there on are not known", "ebr-past-end"
    else:
        return None
    return gap(f"the extended boot record at sector {sector} {why}", error=error, offset=offset)


def _volume(disk: ByteSource, slot: Slot, base: int, sector_size: int) -> Volume | Problem:
    start, size = (base + slot.first_sector) * sector_size, slot.sector_count * sector_size
    type_ = partition_types.mbr_name(slot.type)
    if slot.first_sector == 0 and not (base == 0 and bootsector.iso_end(disk)):
        return note(
            f"slot {slot.number} of the table at sector {base}, {type_}, begins at that very sector: no volume can "
            "lie over its own table, so it was left out",
            error="over-table",
            offset=start,
        )
    source = disk.slice(start, size) if start else _FromStart(disk, 0, size)
    return Volume(source, start, size, "mbr", type_, sector_size=sector_size)


def _table(disk: ByteSource, offset: int, sector_size: int, type_: str) -> Volume:
    return Volume(disk.slice(offset, sector_size), offset, sector_size, "mbr", type_, role="table")
