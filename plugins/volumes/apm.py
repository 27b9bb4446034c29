"""The Apple Partition Map: a chain of blocks from block 1 on, one partition each."""

import string
from collections.abc import Iterator

from forensic_kit.api import ByteSource, Credential, Problem, Volume, VolumeScheme, gap, note
from forensic_kit.formats import bootsector, partition_types
from forensic_kit.formats.layout import Layout, Values

# Inside Macintosh: Devices, chapter 3, "The Driver Descriptor Record" and "The Partition Map".
_DRIVER_DESCRIPTOR = Layout(">", sbSig="2s", sbBlkSize="H", sbBlkCount="I")
_ENTRY = Layout(
    ">",
    pmSig="2s",
    _pmSigPad="H",
    pmMapBlkCnt="I",
    pmPyPartStart="I",
    pmPartBlkCnt="I",
    pmPartName="32s",
    pmParType="32s",
)
_DESCRIPTOR_SIGNATURE = b"ER"
_ENTRY_SIGNATURE = b"PM"
_BLOCK_SIZES = (512, 1024, 2048, 4096)
_MOST_ENTRIES = 1024
_TYPE_CHARACTERS = frozenset((string.ascii_letters + string.digits + "_-. /").encode())


class ApplePartitionMap(VolumeScheme, api=1):
    """Partitions of an Apple Partition Map in the map's order, the map's own entry included.

    Blocks have the size that the driver descriptor states, or 512 bytes where the map only makes sense with that
    (discs whose descriptor says 2048). Apple_Free and Apple_Void entries describe free space and are no volumes.
    """

    name = "apm"
    version = "1.0"
    source = "Apple, Inside Macintosh: Devices (1994), chapter 3; Apple Technical Note TN1189"
    limits = (f"At most {_MOST_ENTRIES} entries are read.",)
    order = 10

    def matches(self, source: ByteSource, sector_size: int) -> bool:
        """An entry in block 1. The map states its own block size, so the sector size asked for counts for little."""
        if source.read(0, 2) == _ENTRY_SIGNATURE:
            return False  # the partition that holds the map itself: its second block is an entry too
        block = _block_size(source, sector_size)
        if not block:
            return False
        mbr = bootsector.slots(source.read(0, bootsector.SIZE))
        iso_end = bootsector.iso_end(source)
        if mbr is not None and bootsector.is_consistent(mbr) and not iso_end:
            return False  # an older map under a newer MBR, which leaves block 1 alone
        starts = (entry.pmPyPartStart * block for _, entry in _entries(source, block) if not _is_free(entry))
        # A disc that Macs see as HFS and others as ISO 9660: the map only repeats it, unless more follows.
        return not iso_end or any(iso_end <= start < source.size for start in starts)

    def volumes(
        self, sources: tuple[ByteSource, ...], credentials: tuple[Credential, ...], sector_size: int
    ) -> Iterator[Volume | Problem]:
        """The map as a table, then the partitions."""
        disk = sources[0]
        block = _block_size(disk, sector_size)
        if not block:
            yield gap("the first entry of the Apple partition map is torn: its partitions are not known", error="apm")
            return
        stated = _entry(disk, block, 1).pmMapBlkCnt
        area = disk.slice(0, (1 + min(stated, _MOST_ENTRIES)) * block)
        yield Volume(area, 0, area.size, "apm", "Apple partition map", role="table", sector_size=block)
        if stated > _MOST_ENTRIES:
            yield gap(
                f"the Apple partition map states {stated} entries; the first {_MOST_ENTRIES} were read",
                error="apm-limit",
                offset=block,
            )
        found = 0
        for number, entry in _entries(disk, block):
            found += 1
            yield from _partition(disk, number, entry, block)
        missing = min(stated, _MOST_ENTRIES) - found
        if missing:
            yield gap(
                f"{missing} of {stated} entries of the Apple partition map are no entries: their partitions are not "
                "known. Compare with another tool",
                error="apm-entry",
                offset=block,
            )


def _block_size(source: ByteSource, sector_size: int) -> int:
    """The size of a block of the map in bytes; 0 if there is no map."""
    descriptor = source.read(0, _DRIVER_DESCRIPTOR.size)
    stated = 0
    if len(descriptor) == _DRIVER_DESCRIPTOR.size:
        fields = _DRIVER_DESCRIPTOR.read(descriptor)
        if fields.sbSig == _DESCRIPTOR_SIGNATURE and fields.sbBlkSize in _BLOCK_SIZES:
            stated = fields.sbBlkSize
    sizes = [size for size in dict.fromkeys((stated, sector_size, 512)) if size and _is_first(source, size)]
    # On discs that state 2048, entry 4 of a map in 512-byte blocks stands where block 1 would: the map that lists
    # itself, as each should, is the true one.
    listing_itself = [size for size in sizes if any(_is_map(entry) for _, entry in _entries(source, size))]
    return next(iter(listing_itself or sizes), 0)


def _is_first(source: ByteSource, block: int) -> bool:
    """Does block 1 hold an entry that can be the first of a map?"""
    data = source.read(block, _ENTRY.size)
    if len(data) < _ENTRY.size:
        return False
    entry = _ENTRY.read(data)
    kind = entry.pmParType.split(b"\0", 1)[0]
    return (
        entry.pmSig == _ENTRY_SIGNATURE and entry.pmMapBlkCnt > 0 and bool(kind) and _TYPE_CHARACTERS.issuperset(kind)
    )


def _entry(source: ByteSource, block: int, number: int) -> Values:
    return _ENTRY.read(source.read(number * block, _ENTRY.size))


def _entries(source: ByteSource, block: int) -> Iterator[tuple[int, Values]]:
    """The entries with their numbers, from 1; blocks that are no entry are left out."""
    count = min(_entry(source, block, 1).pmMapBlkCnt, _MOST_ENTRIES)
    for number in range(1, count + 1):
        if (number + 1) * block > source.size:
            return
        entry = _entry(source, block, number)
        if entry.pmSig == _ENTRY_SIGNATURE:
            yield number, entry


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("mac_roman")


def _is_map(entry: Values) -> bool:
    return _text(entry.pmParType) == "Apple_partition_map"


def _is_free(entry: Values) -> bool:
    return _text(entry.pmParType) in partition_types.APM_FREE


def _partition(disk: ByteSource, number: int, entry: Values, block: int) -> Iterator[Volume | Problem]:
    if _is_free(entry):
        return
    start, size = entry.pmPyPartStart * block, entry.pmPartBlkCnt * block
    type_ = partition_types.apm_name(_text(entry.pmParType))
    if not start:
        yield note(
            f"entry {number} of the Apple partition map, {type_}, begins at block 0: no volume can lie over its own "
            "map, so it was left out",
            error="over-table",
            offset=number * block,
        )
        return
    yield Volume(disk.slice(start, size), start, size, "apm", type_, label=_text(entry.pmPartName), sector_size=block)
