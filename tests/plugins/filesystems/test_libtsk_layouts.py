"""The decoders below the plugin: maps, runs, records, and what they make of torn bytes. See libtsk/witness.md."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from forensic_kit.api import SPARSE, ForensicError, Memory
from forensic_kit.formats import content_runs, ext, fat, hfsplus, ntfs, superblocks
from forensic_kit.formats.allocation_maps import bitmap_ranges, fat_ranges, joined
from forensic_kit.formats.directory_tree import Tally, Tree
from forensic_kit.formats.libtsk_values import Found, NameType
from forensic_kit.formats.stored_metadata import Pieces


def _bit_by_bit(data: bytes, bits: int, *, msb_first: bool) -> list[tuple[int, int]]:
    order = range(7, -1, -1) if msb_first else range(8)
    flags = [byte >> bit & 1 for byte in data for bit in order][:bits]
    return list(joined((index, 1) for index, flag in enumerate(flags) if flag))


@pytest.mark.parametrize("msb_first", [False, True])
@pytest.mark.parametrize("bits", [0, 1, 7, 8, 9, 1000, 96 * 1024 * 8 + 5, 200_000 * 8])
def test_a_bitmap_gives_its_runs(bits: int, msb_first: bool) -> None:
    source = random.Random(bits)
    data = b"".join(
        source.choice((bytes(n), b"\xff" * n, source.randbytes(n % 50))) for n in source.choices(range(9000), k=60)
    )
    data = data.ljust((bits + 7) // 8, b"\x5a")
    pieces = [data[start : start + 70_001] for start in range(0, len(data), 70_001)]
    assert list(bitmap_ranges(pieces, bits, msb_first=msb_first)) == _bit_by_bit(data, bits, msb_first=msb_first)


@pytest.mark.parametrize("width", [12, 16, 32])
def test_a_fat_gives_its_used_entries(width: int) -> None:
    source = random.Random(width)
    values = [source.choice((0, 0, 0, source.randrange(1, 1 << min(width, 28)))) for _ in range(150_000)]
    if width == 12:
        pairs = zip(values[::2], values[1::2], strict=True)
        data = b"".join((low | high << 12).to_bytes(3, "little") for low, high in pairs)
    else:
        top = 0xF0000000 if width == 32 else 0  # the reserved bits of FAT32, which are no part of the value
        data = b"".join((value | top).to_bytes(width // 8, "little") for value in values)
    pieces = [data[start : start + 10_007] for start in range(0, len(data), 10_007)]
    expected = list(joined((index, 1) for index, value in enumerate(values[:140_000]) if value))
    assert list(fat_ranges(pieces, width, 140_000)) == expected


def test_runs_are_joined_and_gaps_are_holes() -> None:
    blocks = [(0, 10, 2, False), (2, 12, 1, False), (5, 20, 1, False), (6, 0, 2, True)]
    assert content_runs.byte_runs(blocks, 512, 1000) == (
        (1000 + 10 * 512, 3 * 512), (SPARSE, 2 * 512), (1000 + 20 * 512, 512), (SPARSE, 1024),
    )  # fmt: skip


@pytest.mark.parametrize(
    "blocks", [[(0, 1, 4, False), (2, 9, 1, False)], [(0, 1 << 60, 4, False)], [(0, 1, 1 << 62, True)]]
)
def test_runs_that_cannot_be_true_are_none(blocks: Any) -> None:
    assert content_runs.byte_runs(blocks, 4096, 0) is None


def test_slack_begins_where_the_content_ends() -> None:
    runs = ((100, 50), (SPARSE, 30), (400, 50))
    assert content_runs.slack(runs, 40) == ((140, 10), (400, 50))
    assert content_runs.slack(runs, 130) == ()


def test_an_uninitialised_tail_is_a_hole_and_the_slack_stays() -> None:
    assert content_runs.uninitialised(((100, 50), (400, 50)), 20, 70) == ((100, 20), (SPARSE, 50), (420, 30))


def test_small_reads_cross_pieces() -> None:
    data = random.Random(1).randbytes(200_000)
    pieces = Pieces(Memory(data), keep=1)
    for offset, length in ((0, 10), (65_530, 20), (65_536, 1), (131_000, 69_000), (199_990, 99), (200_000, 1), (-1, 5)):
        assert pieces.read(offset, length) == (data[offset : offset + length] if offset >= 0 else b"")


def _named(inode: int, name: bytes) -> Found:
    class Meta:
        type, flags = 2, 1

    return Found(name, inode, NameType.DIRECTORY, True, object(), Meta, True)


def test_a_tree_without_end_is_walked_to_its_depth() -> None:
    tally = Tally()
    tree = Tree(lambda inode, path, live: iter([_named(inode + 1, b"deeper")]), frozenset(), tally)
    places = list(tree.walk(_named(1, b""), b""))
    assert len(places) == 256
    assert [(problem.severity, problem.error) for problem in tally.problems()] == [("gap", "depth")]


def test_paths_that_repeat_without_end_are_cut() -> None:
    """Each directory holds two of one name: listing every path would take 2 to the 255th power steps."""
    tally = Tally()
    pairs = lambda inode, path, live: iter([_named(2 * inode, b"x"), _named(2 * inode + 1, b"x")])  # noqa: E731
    tree = Tree(pairs, frozenset(), tally)
    for count, _place in enumerate(tree.walk(_named(1, b""), b"")):
        assert count < 100_000
    assert ("gap", "budget") in [(problem.severity, problem.error) for problem in tally.problems()]


def test_names_alike_are_numbered_across_directories_of_one_path() -> None:
    folders = {1: [_named(2, b"d"), _named(3, b"d")], 2: [_named(9, b"same")], 3: [_named(9, b"same")]}
    tree = Tree(lambda inode, path, live: iter(folders.get(inode, [])), frozenset(), Tally())
    places = [(place.path, place.found.inode, place.repeat) for place in tree.walk(_named(1, b""), b"")]  # type: ignore[union-attr]
    assert places == [(b"d", 2, 0), (b"d/same", 9, 0), (b"d", 3, 0), (b"d/same", 9, 1)]


def _read_fat(data: bytes) -> None:
    found = fat.geometry(Memory(data))
    if found:
        volume = fat.FatVolume(Memory(data), found)
        for inode in range(0, 3000, 7):
            volume.stored(inode, 100)
        _bounded(volume.used())


def _read_ext(data: bytes) -> None:
    if ext.looks_like_ext(Memory(data)):
        volume = ext.ExtVolume(Memory(data))
        for inode in range(300):
            volume.stored(inode, 100)
        _bounded(volume.used())


def _read_hfs(data: bytes) -> None:
    if hfsplus.start(Memory(data)) == 0:
        _bounded(hfsplus.HfsVolume(Memory(data), Memory(data[4096:8192])).used())


def _read_ntfs(data: bytes) -> None:
    if data[3:11] == ntfs.OEM:
        mft = Memory(data[16384 : 16384 + 64 * 1024])
        volume = ntfs.NtfsVolume(Memory(data), mft, Memory(data[:2048]))
        for inode in range(100):
            volume.stored(inode, 100)
            volume.is_stale(inode, 5, b"name")
        _bounded(volume.used())


def _bounded(ranges: Any) -> None:
    last = -1
    for count, (start, length) in enumerate(ranges or ()):
        assert start > last and length > 0 and count < 100_000
        last = start + length


_SAMPLES: dict[str, tuple[Callable[[bytes], None], str]] = {
    "FAT12": (_read_fat, "images/fat/rust-fat12.img"),
    "exFAT": (_read_fat, "images/exfat/test.exfat"),
    "ext4": (_read_ext, "images/ext/hierarchy_64.ext4"),
    "HFS+": (_read_hfs, "images/raw/dfvfs_hfsplus.raw"),
    "NTFS": (_read_ntfs, "images/ntfs/testfs1.ntfs"),
    "any": (lambda data: list(superblocks.candidates(Memory(data))) and None, "images/raw/iso9660-level1.raw"),
}


@pytest.mark.parametrize("kind", _SAMPLES)
def test_torn_bytes_give_values_or_a_forensic_error(corpus: Any, kind: str) -> None:
    read, name = _SAMPLES[kind]
    data = corpus.path(name).read_bytes()[: 1 << 20]
    read(data)
    source = random.Random(20261124)
    for turn in range(120):
        torn = bytearray(data)
        for _ in range(source.choice((1, 4, 40))):
            torn[source.randrange(min(len(torn), 70_000 if turn % 2 else 2048))] = source.choice(
                (0, 0xFF, 0x7F, 0x80, 1)
            )
        if turn % 5 == 0:
            del torn[source.randrange(len(torn)) :]
        try:
            read(bytes(torn))
        except ForensicError:
            continue
