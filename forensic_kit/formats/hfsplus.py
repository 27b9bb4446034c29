"""HFS+ and HFSX: volume header, wrapper, label, allocation file.

Source: Apple Technical Note TN1150 "HFS Plus Volume Format", sections named below.
"""

from collections.abc import Iterator
from typing import Final

from forensic_kit.bytesource import ByteSource
from forensic_kit.formats.allocation_maps import bitmap_ranges, scaled
from forensic_kit.formats.layout import Layout, take
from forensic_kit.formats.stored_metadata import Stored

HEADER: Final = 1024  #: offset of the volume header, and of an HFS master directory block
ALLOCATION_INODE: Final = 6  #: kHFSAllocationFileID
_SIGNATURES = (b"H+", b"HX")

# "Volume Header", up to the catalog file; a fork is size, clump size, block count and eight extents.
_HEADER = Layout(
    ">",
    signature="2s",
    version="H",
    _attributes="36s",
    block_size="I",
    total_blocks="I",
    _counts="24s",
    _encodings="Q",
    _finder="24s",
    serial="8s",
    allocation="80s",
    _extents="80s",
    catalog="80s",
)
_FORK = Layout(">", size="Q", _clump="I", _blocks="I", extents="64s")
_EXTENT = Layout(">", start="I", count="I")
# "HFS Wrapper": of the master directory block only what leads to the embedded volume.
_WRAPPER = Layout(
    ">",
    signature="2s",
    _until_block_size="18s",
    block_size="I",
    _clump="I",
    first_block="H",
    _until_embedded="94s",
    embedded_signature="2s",
    embedded_start="H",
    embedded_count="H",
)
_NODE = Layout(">", next="I", _previous="I", kind="b", _height="B", records="H", _reserved="H")
_TREE = Layout(">", _depth="H", _root="I", _leaves="I", first_leaf="I", _last_leaf="I", node_size="H")
_KEY = Layout(">", length="H", parent="I", name_length="H")
_LEAF = -1
_ROOT_PARENT = 1  # kHFSRootParentID: the only entry in it is the root folder, whose name is the volume's


def start(source: ByteSource) -> int | None:
    """Where the HFS+ volume begins: 0, or behind the HFS wrapper that old systems put around it; None if none does."""
    head = source.read(HEADER, _WRAPPER.size)
    if head[:2] in _SIGNATURES:
        return 0
    if head[:2] != b"BD" or len(head) < _WRAPPER.size:
        return None
    fields = _WRAPPER.read(head)
    if fields.embedded_signature not in _SIGNATURES:
        return None
    offset = fields.first_block * 512 + fields.embedded_start * fields.block_size
    return int(offset) if source.read(offset + HEADER, 2) in _SIGNATURES else None


class HfsVolume:
    """The parts of an HFS+ volume that libtsk does not give.

    Args: source: starts at the HFS+ volume itself. allocation: the content of the allocation file; None where it
    cannot be read.
    """

    def __init__(self, source: ByteSource, allocation: ByteSource | None) -> None:
        self._source = source
        self._allocation = allocation
        self._header = _HEADER.read(source.read(HEADER, _HEADER.size))
        self.serial = "" if not any(self._header.serial) else self._header.serial.hex().upper()
        self.label = self._name()

    def _name(self) -> str:
        """The name of the root folder, the first record of the first leaf of the catalog ("Catalog File Keys")."""
        extents = _FORK.read(self._header.catalog).extents
        first = _EXTENT.read(extents)
        catalog = self._source.slice(first.start * self._header.block_size, first.count * self._header.block_size)
        head = catalog.read(0, _NODE.size + _TREE.size)
        if len(head) < _NODE.size + _TREE.size:
            return ""
        tree = _TREE.read(head, _NODE.size)
        node = catalog.read(tree.first_leaf * tree.node_size, tree.node_size)
        if len(node) < _NODE.size + _KEY.size or _NODE.read(node).kind != _LEAF:
            return ""
        key = _KEY.read(node, _NODE.size)
        end = _NODE.size + _KEY.size + 2 * key.name_length
        if key.parent != _ROOT_PARENT or key.name_length > 255 or end > len(node):
            return ""
        return take(node, _NODE.size + _KEY.size, 2 * key.name_length).decode("utf-16-be", "replace")

    def stored(self, inode: int, size: int) -> Stored | None:
        """None: libtsk gives the times of HFS+ as they are, whole seconds."""
        return None

    def used(self) -> Iterator[tuple[int, int]] | None:
        """What the allocation file marks ("Allocation File"): a bit per block, highest bit of a byte first."""
        if self._allocation is None:
            return None
        ranges = bitmap_ranges(self._allocation.pieces(), self._header.total_blocks, msb_first=True)
        return scaled(ranges, self._header.block_size, 0)
