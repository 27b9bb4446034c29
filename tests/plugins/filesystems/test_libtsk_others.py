"""Detection, HFS+ in its wrapper, raw discs, UFS, YAFFS2, allocation maps. See libtsk/witness.md."""

import hashlib
import itertools
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from forensic_kit.api import Memory
from forensic_kit.formats import superblocks
from tests.plugins.filesystems.libtsk_volumes import by_name, opened, refused_or_opened, run
from tests.plugins.filesystems.manifest_rows import digest, image, listing

_NOT_OURS = {
    "XFS": ("images/xfs/xfs.bin.gz", 0),
    "Btrfs": ("images/btrfs/compress-zstd.raw.xz", 0),
    "APFS": ("images/raw/dfvfs_apfs.raw", 40 * 512),
    "BitLocker": ("images/bitlocker/aes_128.bin.gz", 0),
    "LUKS": ("images/luks/luks1_aes-ecb.bin.gz", 0),
    "a partition table": ("images/dfir_ntfs/mbr-512-p4.bin", 0),
}


@pytest.mark.parametrize("what", _NOT_OURS)
def test_what_libtsk_does_not_read_is_left_to_others(corpus: Any, what: str) -> None:
    name, start = _NOT_OURS[what]
    assert not refused_or_opened(image(corpus, name).slice(start))[0]


@pytest.mark.parametrize("size", [0, 1, 511, 512, 1024, 2112 * 64, 1 << 20])
def test_noise_and_nothing_are_no_file_system(size: int) -> None:
    noise = random.Random(size).randbytes(size)
    assert not refused_or_opened(noise)[0]
    assert not refused_or_opened(bytes(size))[0]
    assert not refused_or_opened(b"\xff" * size)[0]


def test_a_swap_area_is_no_file_system() -> None:
    swap = bytearray(1 << 20)
    swap[4086:4096] = b"SWAPSPACE2"
    assert not refused_or_opened(bytes(swap))[0]


def test_a_fat_over_an_old_ext_superblock_is_opened_as_fat_and_told(corpus: Any) -> None:
    disk = bytearray(image(corpus, "images/ewf/kml_samples.E01").read(0, 5000 * 512))
    old = corpus.path("images/ext/tiny.ext4").read_bytes()
    reserved = int.from_bytes(disk[14:16], "little") * 512
    # Move the FATs up by 8 sectors, so that sectors 2 and 3 are reserved ones, and leave a superblock there.
    moved = disk[:reserved] + bytes(8 * 512) + disk[reserved:]
    moved[14:16] = (reserved // 512 + 8).to_bytes(2, "little")
    total = int.from_bytes(moved[19:21], "little") + 8
    moved[19:21] = total.to_bytes(2, "little")
    moved[1024:2048] = old[1024:2048]
    plugin = opened(bytes(moved))
    assert plugin.facts.type == "FAT12"
    problems = listing(plugin)[1]
    assert [problem.severity for problem in problems if problem.error == "also"] == ["note"]
    assert "signs of EXT" in next(problem.message for problem in problems if problem.error == "also")


@pytest.fixture
def hfs(corpus: Any) -> bytes:
    """An HFS+ volume with a resource fork and an extended attribute."""
    return bytes(corpus.path("images/raw/dfvfs_hfsplus.raw").read_bytes())


def test_hfs_streams_are_resource_forks_and_extended_attributes(hfs: bytes) -> None:
    plugin = opened(hfs)
    streams = {name: entry for name, entry in by_name(plugin).items() if entry.kind == "stream"}
    assert {name: entry.size for name, entry in streams.items()} == {
        "a_directory/a_file:myxattr": 21,
        "a_directory/a_resourcefork:rsrc": 17,
    }
    # dfvfs' own test data script (utils/create_hfsplus.sh) writes these two texts.
    assert plugin.open(streams["a_directory/a_file:myxattr"]).read(0, 99) == b"My extended attribute"
    assert plugin.open(streams["a_directory/a_resourcefork:rsrc"]).read(0, 99) == b"My resource fork\n"


def test_hfs_plus_in_its_wrapper_has_places_in_the_volume(hfs: bytes) -> None:
    """TN1150 "HFS Wrapper": allocation blocks of 4 KiB from sector 16 on, the embedded volume in block 2."""
    wrapper = bytearray(8192 + 2 * 4096)
    wrapper[1024:1026] = b"BD"
    struct.pack_into(">I", wrapper, 1024 + 20, 4096)  # drAlBlkSiz
    struct.pack_into(">H", wrapper, 1024 + 28, 16)  # drAlBlSt
    struct.pack_into(">2sHH", wrapper, 1024 + 124, b"H+", 2, len(hfs) // 4096)  # drEmbedSigWord, drEmbedExtent
    plain, wrapped = opened(hfs), opened(bytes(wrapper) + hfs)
    inner, outer = by_name(plain), by_name(wrapped)
    assert outer.keys() == inner.keys()
    assert outer["passwords.txt"].runs == tuple(
        (start + 16384, size) for start, size in inner["passwords.txt"].runs or ()
    )
    assert digest(wrapped, outer["passwords.txt"]) == digest(plain, inner["passwords.txt"])
    first, *rest = plain.used()
    assert list(wrapped.used()) == [(0, first[1] + 16384), *((start + 16384, size) for start, size in rest)]


def test_a_disc_with_raw_sectors_is_read_without_places(corpus: Any) -> None:
    """Mode 1 sectors (ECMA-130): 16 bytes of sync and header, 2048 of data, 288 of correction."""
    plain = corpus.path("images/raw/iso9660-level1.raw").read_bytes()
    sync = b"\0" + b"\xff" * 10 + b"\0"
    raw = b"".join(
        sync + index.to_bytes(3, "big") + b"\x01" + plain[start : start + 2048].ljust(2048, b"\0") + bytes(288)
        for index, start in enumerate(range(0, len(plain), 2048))
    )
    disc, flat = opened(raw), opened(plain)
    entries, truth = by_name(disc), by_name(flat)
    files = [name for name, entry in truth.items() if entry.kind == "file" and entry.size]
    assert files
    for name in files:
        assert entries[name].runs is None
        assert digest(disc, entries[name]) == digest(flat, truth[name])


@pytest.mark.parametrize("order", ["le", "be"])
def test_ufs1_is_listed_and_read(tmp_path: Path, tool: Any, order: str) -> None:
    tree, disk = tmp_path / "tree", tmp_path / "ufs.raw"
    (tree / "folder").mkdir(parents=True)
    content = random.Random(3).randbytes(150_000)
    (tree / "folder" / "large.bin").write_bytes(content)
    (tree / "small.txt").write_text("small")
    run(tool("makefs"), "-t", "ffs", "-B", order, "-o", "version=1", "-s", "8m", disk, tree)
    plugin = opened(disk)
    entries = by_name(plugin)
    assert plugin.facts.type == "UFS1"
    assert digest(plugin, entries["folder/large.bin"]) == hashlib.sha256(content).hexdigest()
    assert digest(plugin, entries["small.txt"]) == hashlib.sha256(b"small").hexdigest()
    assert plugin.used() is None


def _yaffs2(content: bytes) -> bytes:
    """Pages of 2048 + 64 bytes as mkyaffs2image writes them; tags at the start of the spare area."""
    pages: list[bytes] = []

    def page(data: bytes, number: int, chunk: int, size: int) -> None:
        tags = struct.pack("<IIII", 0x1001 + len(pages) // 64, number, chunk, size)
        pages.append(data.ljust(2048, b"\xff") + tags.ljust(64, b"\xff"))

    def header(kind: int, number: int, parent: int, name: bytes, size: int = 0) -> None:
        mode = {1: 0o100644, 3: 0o40755}[kind]
        data = struct.pack("<IIH256s", kind, parent, 0xFFFF, name).ljust(268, b"\xff")
        data += struct.pack("<IIIIIIIi", mode, 1000, 1000, 1600000000, 1600000000, 1600000000, size, -1)
        page(data, number, 0, 0xFFFF)

    header(3, 1, 1, b"")
    header(3, 257, 1, b"docs")
    for number in range(4):
        header(3, 300 + number, 1, b"folder %d" % number)
    header(1, 258, 257, b"large.bin", len(content))
    for start in range(0, len(content), 2048):
        part = content[start : start + 2048]
        page(part, 258, start // 2048 + 1, len(part))
    header(1, 258, 257, b"large.bin", len(content))
    while len(pages) % 64:
        pages.append(b"\xff" * 2112)
    return b"".join(pages)


def test_yaffs2_is_opened_on_strong_evidence_only(tmp_path: Path, tool: Any) -> None:
    content = random.Random(7).randbytes(700_000)
    disk = tmp_path / "yaffs2.raw"
    disk.write_bytes(_yaffs2(content))
    plugin = opened(disk)
    entry = by_name(plugin)["docs/large.bin"]
    assert digest(plugin, entry) == hashlib.sha256(content).hexdigest()
    assert f"r/r {entry.locator.inode}:\tdocs/large.bin" in run(tool("fls"), "-f", "yaffs2", "-rp", disk)
    first_page_blank = b"\xff" * 2112 + disk.read_bytes()[2112:]
    assert not list(superblocks.candidates(Memory(first_page_blank)))


@pytest.mark.parametrize(
    "name",
    ["images/fat/fat12.dd", "images/fat/rust-fat16.img", "images/exfat/test.exfat", "images/ntfs/testfs1.ntfs",
     "images/ext/hierarchy_64.ext4", "images/raw/dfvfs_hfsplus.raw", "images/dfir_ntfs/fat_lfn_test.raw.gz"],
)  # fmt: skip
def test_used_space_is_that_of_blkls(corpus: Any, tool: Any, name: str) -> None:
    path = corpus.unpacked(name)
    plugin = opened(path)
    lines = (line.split("|") for line in run(tool("blkls"), "-e", "-l", path).splitlines())
    said = {int(number): state == "a" for number, state in (line for line in lines if line[0].isdigit())}
    size = int(plugin._fs.info.block_size)
    ranges = list(plugin.used())
    assert all(first + length < after for (first, length), (after, _) in itertools.pairwise(ranges))
    used = {block for start, length in ranges for block in range(start // size, (start + length) // size)}
    assert used == {number for number, allocated in said.items() if allocated}


def test_a_map_that_cannot_be_read_is_a_gap_and_no_empty_map(corpus: Any) -> None:
    disk = bytearray(corpus.path("images/exfat/test.exfat").read_bytes())
    disk[disk.index(b"\x81\0" + bytes(18) + b"\x02\0\0\0")] = 0x01  # the bitmap's entry is no longer in use
    matches, plugin = refused_or_opened(Memory(bytes(disk)))
    assert matches
    assert plugin.used() is None
    assert [problem.severity for problem in listing(plugin)[1] if problem.error == "allocation-map"] == ["gap"]
