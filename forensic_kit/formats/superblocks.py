"""Which file systems a volume shows strong signs of, in the order in which they are to be believed.

Sources: ECMA-119 8.4 and 8.5 (ISO 9660); FreeBSD sys/ufs/ffs/fs.h; Charles Manning, "How YAFFS Works" and the
structure of an object header there; the other file systems in the modules that read them.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from forensic_kit.bytesource import ByteSource
from forensic_kit.formats import ext, fat, hfsplus, ntfs
from forensic_kit.formats.layout import Layout
from forensic_kit.formats.stored_metadata import Stored

Family = Literal["NTFS", "FAT", "EXT", "HFS", "ISO9660", "FFS", "YAFFS2"]


class Candidate(NamedTuple):
    """A file system that may be in the volume."""

    family: Family
    start: int = 0  #: where it begins in the volume, bytes


def candidates(source: ByteSource) -> Iterator[Candidate]:
    """What the bytes say, surest first. Nothing is guessed: no sign, no candidate."""
    boot = source.read(0, 512)
    if boot[3:11] == ntfs.OEM:
        yield Candidate("NTFS")
        return
    geometry = fat.geometry(source) if boot[510:512] == b"\x55\xaa" else None
    # FAT before ext: Windows formats over an ext superblock without wiping it, mke2fs wipes the boot sector.
    sure = geometry is not None and (geometry.kind == "exFAT" or fat.media_agrees(source, geometry))
    if sure:
        yield Candidate("FAT")
    if ext.looks_like_ext(source):
        yield Candidate("EXT")
    start = hfsplus.start(source)
    if start is not None:
        yield Candidate("HFS", start)
    if _iso_descriptor(source) is not None:
        yield Candidate("ISO9660")
    if _ufs_superblock(source) is not None:
        yield Candidate("FFS")
    if geometry is not None and not sure:
        yield Candidate("FAT")
    if _is_yaffs2(source):
        yield Candidate("YAFFS2")


class Described:
    """A file system of which only label and serial number are read here."""

    def __init__(self, label: str = "", serial: str = "") -> None:
        self.label = label
        self.serial = serial

    def stored(self, inode: int, size: int) -> Stored | None:
        """None: what libtsk gives is all there is."""
        return None

    def used(self) -> Iterator[tuple[int, int]] | None:
        """None: no allocation map, or none that is read here."""
        return None


def nothing_read(source: ByteSource) -> Described:
    """For file systems that say nothing of themselves."""
    return Described()


# --- ISO 9660 ---

_ISO = Layout("<", type="B", identifier="5s", version="B", _flags="B", _system="32s", volume="32s")
#: Offset of sector 16's data: plain sectors, and raw ones of mode 1 and mode 2 form 1.
_ISO_PLACES = (16 * 2048, 16 * 2352 + 16, 16 * 2352 + 24)


def _iso_descriptor(source: ByteSource) -> bytes | None:
    for place in _ISO_PLACES:
        data = source.read(place, _ISO.size)
        if len(data) == _ISO.size and data[1:6] == b"CD001" and data[0] <= 3:
            return data
    return None


def iso9660(source: ByteSource) -> Described:
    """The label of the primary volume descriptor (ECMA-119 8.4.7)."""
    data = _iso_descriptor(source)
    return Described(_ISO.read(data).volume.decode("ascii", "replace").rstrip(" \0") if data else "")


# --- UFS ---

_UFS_PLACES = (65536, 8192, 262144)
_UFS_SIZE = 1376
_UFS_BLOCKS = ("block_size", "fragment_size", "fragments")
_UFS_MAGIC_OFFSET, _UFS_BLOCKS_OFFSET, _UFS_ID_OFFSET, _UFS_LABEL_OFFSET = 1372, 48, 144, 680
_UFS1, _UFS2 = 0x011954, 0x19540119


def _ufs_superblock(source: ByteSource) -> tuple[bytes, Literal["<", ">"]] | None:
    for place in _UFS_PLACES:
        data = source.read(place, _UFS_SIZE)
        if len(data) < _UFS_SIZE:
            continue
        for order in ("<", ">"):
            magic = Layout(order, magic="I").read(data, _UFS_MAGIC_OFFSET).magic
            sizes = Layout(order, **dict.fromkeys(_UFS_BLOCKS, "I")).read(data, _UFS_BLOCKS_OFFSET)
            if (
                magic in (_UFS1, _UFS2)
                and 4096 <= sizes.block_size <= 65536
                and 512 <= sizes.fragment_size <= sizes.block_size
                and sizes.fragment_size * sizes.fragments == sizes.block_size
            ):
                return data, "<" if order == "<" else ">"
    return None


def ufs(source: ByteSource) -> Described:
    """The volume name (UFS2 only) and the two words of the file-system id."""
    found = _ufs_superblock(source)
    if found is None:
        return Described()
    data, order = found
    words = Layout(order, first="I", second="I").read(data, _UFS_ID_OFFSET)
    serial = f"{words.first:08x}{words.second:08x}" if words.first or words.second else ""
    label = data[_UFS_LABEL_OFFSET : _UFS_LABEL_OFFSET + 32].split(b"\0")[0]
    return Described(label.decode("utf-8", "replace"), serial)


# --- YAFFS2 ---

_YAFFS2_PAGE = 2048 + 64
_YAFFS2_HEADER = Layout("<", type="I", parent="I", sum="H", name="256s")
_YAFFS2_LOOKED_AT = 4096  # pages
_YAFFS2_NEEDED = 4  # object headers among them


def _is_yaffs2(source: ByteSource) -> bool:
    """There is no magic number: several pages must be object headers, the first one too, in whole pages."""
    if source.size % _YAFFS2_PAGE or not _is_object_header(source, 0):
        return False
    pages = min(source.size // _YAFFS2_PAGE, _YAFFS2_LOOKED_AT)
    found = 0
    for page in range(pages):
        found += _is_object_header(source, page)
        if found >= _YAFFS2_NEEDED:
            return True
    return False


def _is_object_header(source: ByteSource, page: int) -> bool:
    data = source.read(page * _YAFFS2_PAGE, _YAFFS2_HEADER.size)
    if len(data) < _YAFFS2_HEADER.size:
        return False
    fields = _YAFFS2_HEADER.read(data)
    name, end, _rest = fields.name.partition(b"\0")
    return bool(
        1 <= fields.type <= 5
        and 1 <= fields.parent <= 0x3FFFF
        and fields.sum == 0xFFFF
        and end
        and all(byte >= 0x20 for byte in name)
        and b"/" not in name
    )
