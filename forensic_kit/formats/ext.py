"""ext2, ext3 and ext4: superblock, group descriptors, inodes, block bitmaps.

Sources: the Linux kernel's "ext4 Data Structures and Algorithms" (Documentation/filesystems/ext4), sections named
below; Dave Poirier, "The Second Extended File System".
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from forensic_kit.bytesource import ByteSource
from forensic_kit.errors import Damaged
from forensic_kit.formats.allocation_maps import bitmap_ranges, joined, scaled
from forensic_kit.formats.layout import Layout
from forensic_kit.formats.stored_metadata import Pieces, Stored
from forensic_kit.times import SECOND, Moment, unix

SUPERBLOCK: Final = 1024  #: its offset in the volume
_MAGIC = 0xEF53

# "Super Block"; offsets 0 to 0x88, then the fields behind them one by one.
_SUPER = Layout(
    "<",
    inodes_count="I",
    blocks_count_lo="I",
    _reserved_blocks="I",
    _free="Q",
    first_data_block="I",
    log_block_size="I",
    _log_cluster_size="I",
    blocks_per_group="I",
    _clusters_per_group="I",
    inodes_per_group="I",
    _times="Q",
    _mounts="I",
    magic="H",
    _state="18s",
    revision="I",
    _defaults="I",
    _first_inode="I",
    inode_size="H",
    _group="H",
    feature_compat="I",
    feature_incompat="I",
    feature_ro_compat="I",
    uuid="16s",
    volume_name="16s",
)
_TAIL = Layout("<", reserved_gdt_blocks="H")  # at 0xCE
_WIDE = Layout("<", descriptor_size="H", _defaults="I", first_meta_bg="I")  # at 0xFE
_HIGH = Layout("<", blocks_count_hi="I")  # at 0x150
_BACKUPS = Layout("<", first="I", second="I")  # at 0x24C

_SPARSE_SUPER, _GDT_CSUM, _METADATA_CSUM = 0x1, 0x10, 0x400  # ro_compat
_META_BG, _64BIT = 0x10, 0x80  # incompat
_SPARSE_SUPER2 = 0x200  # compat
_BLOCK_UNINIT = 0x2  # bg_flags

# "Block Group Descriptors": the low halves, and from 0x20 the high ones where the descriptor is 64 bytes long.
_GROUP = Layout("<", block_bitmap="I", inode_bitmap="I", inode_table="I", _counts="6s", flags="H")
_GROUP_HIGH = Layout("<", block_bitmap="I", inode_bitmap="I", inode_table="I")

# "Index Nodes".
_INODE = Layout(
    "<",
    mode="H",
    _uid="H",
    _size="I",
    accessed="i",
    changed="i",
    modified="i",
    deleted="I",
    _gid="H",
    links="H",
    _blocks="I",
    flags="I",
)
_INODE_EXTRA = Layout(
    "<",
    extra_size="H",
    _checksum="H",
    changed="I",
    modified="I",
    accessed="I",
    born="i",
    born_extra="I",
)
_EXTRA_OFFSET = 128
_ENCRYPTED, _COMPRESSED = 0x800, 0x4


@dataclass(frozen=True, slots=True)
class _Group:
    block_bitmap: int
    inode_bitmap: int
    inode_table: int
    flags: int


def looks_like_ext(source: ByteSource) -> bool:
    """Is there a superblock whose numbers can be true?"""
    data = source.read(SUPERBLOCK, 1024)
    if len(data) < 1024:
        return False
    fields = _SUPER.read(data)
    return bool(
        fields.magic == _MAGIC
        and fields.log_block_size <= 6
        and fields.inodes_count
        and fields.blocks_count_lo
        and 8 <= fields.blocks_per_group <= 1 << 28
        and 8 <= fields.inodes_per_group <= 1 << 28
    )


class ExtVolume:
    """The parts of an ext volume that libtsk does not give."""

    def __init__(self, source: ByteSource) -> None:
        self._source = source
        self._pieces = Pieces(source)
        data = source.read(SUPERBLOCK, 1024)
        fields = self._super = _SUPER.read(data)
        self.label = fields.volume_name.split(b"\0")[0].decode("utf-8", "replace")
        self.serial = str(uuid.UUID(bytes=fields.uuid))
        self._block = 1024 << fields.log_block_size
        wide = bool(fields.feature_incompat & _64BIT)
        self._blocks = fields.blocks_count_lo | (_HIGH.read(data, 0x150).blocks_count_hi << 32 if wide else 0)
        self._wide = _WIDE.read(data, 0xFE)
        stated = self._wide.descriptor_size if wide else 32
        self._descriptor = stated if 32 <= stated <= self._block else 64
        self._inode = fields.inode_size if fields.revision else 128
        self._reserved_gdt = _TAIL.read(data, 0xCE).reserved_gdt_blocks
        self._backups = tuple(_BACKUPS.read(data, 0x24C).values())
        # Blocks are counted from first_data_block on.
        count = self._blocks - fields.first_data_block
        groups = (count + fields.blocks_per_group - 1) // fields.blocks_per_group
        # There is a descriptor for each group, so the volume bounds them, whatever the superblock says.
        self._groups = max(0, min(groups, source.size // self._descriptor))

    # --- groups ---

    def _first_block(self, group: int) -> int:
        return int(self._super.first_data_block + group * self._super.blocks_per_group)

    def _descriptor_place(self, group: int) -> int:
        """Byte offset of a group's descriptor ("Block Group Descriptors" and "Meta Block Groups")."""
        per_block = self._block // self._descriptor
        index, slot = divmod(group, per_block)
        if not self._super.feature_incompat & _META_BG or index < self._wide.first_meta_bg:
            block = self._super.first_data_block + 1 + index
        else:
            first = index * per_block
            block = self._first_block(first) + self._has_super(first)
        return int(block * self._block + slot * self._descriptor)

    def _group(self, group: int) -> _Group | None:
        data = self._pieces.read(self._descriptor_place(group), self._descriptor)
        if len(data) < self._descriptor:
            return None
        low = _GROUP.read(data)
        high = _GROUP_HIGH.read(data, 32) if self._descriptor >= 64 else None
        return _Group(
            low.block_bitmap | (high.block_bitmap << 32 if high else 0),
            low.inode_bitmap | (high.inode_bitmap << 32 if high else 0),
            low.inode_table | (high.inode_table << 32 if high else 0),
            low.flags,
        )

    def _has_super(self, group: int) -> bool:
        """Does the group begin with a copy of the superblock ("Block Groups", sparse_super)?"""
        if group == 0:
            return True
        if self._super.feature_compat & _SPARSE_SUPER2:
            return group in self._backups
        if not self._super.feature_ro_compat & _SPARSE_SUPER or group == 1:
            return True
        return any(_is_power(group, base) for base in (3, 5, 7))

    # --- files ---

    def stored(self, inode: int, size: int) -> Stored | None:
        """Times and flags of an inode; None for one that is outside the tables."""
        group, index = divmod(inode - 1, self._super.inodes_per_group)
        if not 1 <= inode <= self._super.inodes_count or not 0 <= group < self._groups:
            return None
        found = self._group(group)
        data = found and self._pieces.read(found.inode_table * self._block + index * self._inode, self._inode)
        return _inode(data, int(self._super.inodes_count)) if data and len(data) == self._inode >= 128 else None

    # --- blocks ---

    def used(self) -> Iterator[tuple[int, int]] | None:
        """What the block bitmaps say. The block before the first group (boot sector) counts as used."""
        return joined(scaled(self._used_blocks(), self._block, 0))

    def _used_blocks(self) -> Iterator[tuple[int, int]]:
        if self._super.first_data_block:
            yield 0, int(self._super.first_data_block)
        unwritten = {group: list(self._super_blocks(group)) for group in self._without_bitmap()}
        self._add_tables(unwritten)
        for group in range(self._groups):
            first = self._first_block(group)
            blocks = min(self._super.blocks_per_group, self._blocks - first)
            if group in unwritten:
                yield from joined(sorted(unwritten[group]))
                continue
            found = self._group(group)
            if found is None:
                return
            bitmap = self._source.read(found.block_bitmap * self._block, self._block)
            for bit, count in bitmap_ranges([bitmap], blocks):
                yield first + bit, count

    def _without_bitmap(self) -> Iterator[int]:
        """The groups whose bitmap was never written: nothing but file-system tables is in them."""
        if not self._super.feature_ro_compat & (_GDT_CSUM | _METADATA_CSUM):
            return
        for group in range(self._groups):
            found = self._group(group)
            if found is None:
                return
            if found.flags & _BLOCK_UNINIT:
                yield group

    def _super_blocks(self, group: int) -> Iterator[tuple[int, int]]:
        """The copies of superblock and group descriptors in a group."""
        per_block = self._block // self._descriptor
        count = int(self._has_super(group))
        if self._super.feature_incompat & _META_BG and group // per_block >= self._wide.first_meta_bg:
            # "Meta Block Groups": the first, second and last group of each hold its block of descriptors.
            count += group % per_block in (0, 1, per_block - 1)
        elif count:
            tables = (self._groups + per_block - 1) // per_block
            if self._super.feature_incompat & _META_BG:
                tables = min(tables, self._wide.first_meta_bg)
            count += tables + self._reserved_gdt
        if count:
            yield self._first_block(group), min(count, self._super.blocks_per_group)

    def _add_tables(self, unwritten: dict[int, list[tuple[int, int]]]) -> None:
        """Add the bitmaps and inode tables, of whichever group, that lie in groups without a bitmap (flex_bg)."""
        per_group = self._super.blocks_per_group
        table = min((self._super.inodes_per_group * self._inode + self._block - 1) // self._block, per_group)
        for group in range(self._groups if unwritten else 0):
            found = self._group(group)
            if found is None:
                return
            for start, count in ((found.block_bitmap, 1), (found.inode_bitmap, 1), (found.inode_table, table)):
                low = start - self._super.first_data_block
                for holder in range(low // per_group, min((low + count - 1) // per_group + 1, self._groups)):
                    if holder in unwritten:
                        first = self._first_block(holder)
                        begin, end = max(start, first), min(start + count, first + per_group)
                        unwritten[holder].append((begin, end - begin))


def _is_power(number: int, base: int) -> bool:
    while number % base == 0:
        number //= base
    return number == 1


def _inode(data: bytes, inodes: int) -> Stored:
    fields = _INODE.read(data)
    found = Stored()
    if fields.flags & _ENCRYPTED:
        found.attributes["encrypted"] = 1
    if fields.flags & _COMPRESSED:
        found.attributes["compressed"] = 1
    extra = None
    if len(data) >= _EXTRA_OFFSET + _INODE_EXTRA.size:
        extra = _INODE_EXTRA.read(data, _EXTRA_OFFSET)
    # "Inode Timestamps": the extra words count only as far as extra_size says they are there.
    there = extra.extra_size if extra else 0
    changed = extra.changed if extra and there >= 8 else 0
    modified = extra.modified if extra and there >= 12 else 0
    accessed = extra.accessed if extra and there >= 16 else 0
    born = extra.born_extra if extra and there >= 24 else 0
    step = 1 if (changed | modified | accessed | born) >> 2 else SECOND
    found.changed = _moment(found, fields.changed, changed, step)
    found.modified = _moment(found, fields.modified, modified, step)
    found.accessed = _moment(found, fields.accessed, accessed, step)
    if extra and there >= 20 and (extra.born or born):
        found.born = _moment(found, extra.born, born, step)
    # The field links the list of orphaned inodes until they are gone; only then does it hold a time.
    if fields.deleted > inodes:
        found.deleted = _moment(found, fields.deleted, 0, SECOND)
    return found


def _moment(found: Stored, seconds: int, extra: int, step: int) -> Moment | None:
    """Seconds since 1970 with the two epoch bits and the nanoseconds of the extra word."""
    nanoseconds = extra >> 2
    if nanoseconds >= SECOND:
        found.bad_times += 1
        nanoseconds = 0
    try:
        return unix(seconds + ((extra & 3) << 32), nanoseconds, resolution_ns=step)
    except Damaged:
        found.bad_times += 1
        return None
