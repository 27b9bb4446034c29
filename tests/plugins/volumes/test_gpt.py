"""GPT: disks made by sgdisk and fdisk, damaged on purpose; values as those tools print them."""

import random
import shutil
import struct
import zlib

import pytest

from forensic_kit.api import Memory
from forensic_kit.bytesource import FileSource
from tests.plugins.volumes.volume_reading import image, matching, mmls, patched, read, run, sectors, survives

SIZE = 8 << 20
LAST = SIZE - 512
GUID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(scope="module")
def partitioned(tmp_path_factory):
    """Two partitions: 2048 to 4095 "boot", 4096 to 9999 "Größe". sgdisk takes a second, so made once."""
    path = image(tmp_path_factory.mktemp("gpt"), SIZE)
    program = shutil.which("sgdisk", path="/usr/sbin:/sbin:/usr/bin")
    if program is None:
        pytest.skip("the program sgdisk is not installed")
    run(
        program, "--set-alignment=1",
        "--new=1:2048:4095", "--typecode=1:ef00", "--change-name=1:boot", f"--partition-guid=1:{GUID}",
        "--new=2:4096:9999", "--typecode=2:0700", "--change-name=2:Größe",
        str(path),
    )  # fmt: skip
    return path


@pytest.fixture
def disk(partitioned, tmp_path):
    """A copy of its own of the partitioned disk."""
    return FileSource(shutil.copyfile(partitioned, tmp_path / "disk.raw"))


def with_checksums(source, **fields):
    """The disk with fields of the primary header changed and its checksum made right again."""
    offsets = {"count": (80, "<I"), "entry_size": (84, "<I"), "array_crc": (88, "<I"), "array_lba": (72, "<Q")}
    header = bytearray(source.read(512, 92))
    for name, value in fields.items():
        struct.pack_into(offsets[name][1], header, offsets[name][0], value)
    struct.pack_into("<I", header, 16, 0)
    struct.pack_into("<I", header, 16, zlib.crc32(header))
    return patched(source, (512, bytes(header)), (LAST, bytes(512)))


def errors(problems):
    return [(problem.severity, problem.error) for problem in problems]


def test_partitions_names_and_guids_are_those_that_sgdisk_wrote(disk, tool):
    assert matching(disk) == "gpt"
    volumes, tables, problems = read("gpt", disk)
    assert sectors(volumes) == [(2048, 2048), (4096, 5904)] == mmls(tool("mmls"), disk.path)
    assert [volume.label for volume in volumes] == ["boot", "Größe"]
    assert volumes[0].serial == GUID
    assert volumes[1].type == "Microsoft basic data (ebd0a0a2-b9e5-4433-87c0-68b6b72699c7)"
    assert sorted((table.start // 512, table.size // 512) for table in tables) == [
        (0, 1), (1, 1), (2, 32), (16351, 32), (16383, 1),
    ]  # fmt: skip
    assert problems == []


def test_a_disk_with_4096_byte_sectors_has_its_header_at_byte_4096(tmp_path, tool):
    path = image(tmp_path, 64 << 20)
    run(tool("fdisk"), "-b", "4096", "-w", "never", str(path), text="g\nn\n1\n256\n+4M\nn\n2\n2000\n2999\nw\n")
    source = FileSource(path)
    assert matching(source, 512) == ""
    assert matching(source, 4096) == "gpt"
    volumes, _, problems = read("gpt", source, 4096)
    assert sectors(volumes, 4096) == [(256, 1024), (2000, 1000)] == mmls(tool("mmls"), path, "-b", "4096")
    assert problems == []


@pytest.mark.parametrize(
    "damage",
    [(512, bytes(512)), (512 + 60, b"\xff"), (2 * 512 + 56, b"\xff")],
    ids=["header wiped", "header flipped", "entries flipped"],
)
def test_the_backup_is_used_where_the_primary_is_damaged(disk, damage):
    source = patched(disk, damage)
    assert matching(source) == "gpt"
    volumes, _, problems = read("gpt", source)
    assert sectors(volumes) == [(2048, 2048), (4096, 5904)]
    assert errors(problems) == [("note", "gpt-backup")]


def test_a_missing_backup_is_a_note(disk):
    volumes, _, problems = read("gpt", Memory(disk.read(0, 6 << 20)))
    assert len(volumes) == 2
    assert errors(problems) == [("note", "gpt-backup")]


def test_the_backup_of_a_disk_that_has_grown_is_found_where_the_header_says(disk):
    source = Memory(disk.read(0, SIZE) + bytes(1 << 20))
    volumes, tables, problems = read("gpt", source)
    assert len(volumes) == 2
    assert LAST in [table.start for table in tables]
    assert problems == []


def test_two_damaged_copies_are_a_gap_and_still_read(disk):
    source = patched(disk, (512 + 60, b"\xff"), (LAST + 60, b"\xff"))
    volumes, _, problems = read("gpt", source)
    assert sectors(volumes) == [(2048, 2048), (4096, 5904)]
    assert ("gap", "gpt-damaged") in errors(problems)


def test_two_copies_that_cannot_be_read_are_a_gap(disk):
    impossible = struct.pack("<I", 7)  # entries of 7 bytes
    source = patched(disk, (512 + 84, impossible), (LAST + 84, impossible))
    assert matching(source) == "gpt"
    volumes, _, problems = read("gpt", source)
    assert volumes == []
    assert errors(problems) == [("gap", "gpt-damaged")]


def test_copies_that_differ_are_a_note(disk):
    """The backup of another disk: every checksum is right, the partitions are not the same."""
    array = bytearray(disk.read(LAST - 32 * 512, 32 * 512))
    array[128:256] = bytes(128)  # without the second partition
    header = bytearray(disk.read(LAST, 92))
    struct.pack_into("<I", header, 88, zlib.crc32(array))
    struct.pack_into("<I", header, 16, 0)
    struct.pack_into("<I", header, 16, zlib.crc32(header))
    volumes, _, problems = read("gpt", patched(disk, (LAST - 32 * 512, bytes(array)), (LAST, bytes(header))))
    assert len(volumes) == 2
    assert errors(problems) == [("note", "gpt-differs")]


def test_a_hybrid_mbr_is_a_note(disk, tool):
    run(tool("sgdisk"), "--hybrid=2", str(disk.path))
    assert matching(disk) == "gpt"
    (problem,) = read("gpt", disk)[2]
    assert (problem.severity, problem.error) == ("note", "gpt-hybrid")
    assert "at sector 4096, 5904 sectors" in problem.message


def test_a_gpt_without_any_mbr_is_read_and_one_under_a_newer_mbr_is_not(disk):
    bare = patched(disk, (0, bytes(512)))
    assert matching(bare) == "gpt"
    assert errors(read("gpt", bare)[2]) == [("note", "gpt-unprotected")]
    empty = patched(disk, (446, bytes(64)))
    assert matching(empty) == "gpt"
    assert errors(read("gpt", empty)[2]) == [("note", "gpt-unprotected")]
    slot = struct.pack("<B3sB3sII", 0, b"\0\0\0", 0x83, b"\0\0\0", 63, 5000)
    newer = patched(disk, (446, slot.ljust(64, b"\0")))
    assert matching(newer) == "mbr"
    assert errors(read("mbr", newer)[2]) == [("note", "gpt-stale")]


@pytest.mark.parametrize("name", ["array_lba", "count", "entry_size"])
def test_headers_that_lie_about_their_entries_are_bounded(disk, name):
    huge = {"array_lba": 2**64 - 1, "count": 2**32 - 1, "entry_size": 2**31}[name]
    source = with_checksums(disk, **{name: huge})
    volumes, _, problems = read("gpt", source)
    assert len(volumes) <= 16384
    assert ("gap", "gpt-damaged") in errors(problems)


def entry(first, last, kind=b"\x01" * 16):
    return kind + b"\x02" * 16 + struct.pack("<QQQ", first, last, 0) + "x".encode("utf-16-le").ljust(72, b"\0")


@pytest.mark.parametrize(("first", "last"), [(0, 100), (5000, 4999), (2**63, 2**64 - 1)])
def test_entries_that_cannot_be_are_left_out_with_a_gap(disk, first, last):
    array = (entry(first, last) + entry(2048, 4095)).ljust(32 * 512, b"\0")
    source = with_checksums(patched(disk, (1024, array)), array_crc=zlib.crc32(array))
    volumes, _, problems = read("gpt", source)
    assert sectors(volumes) == [(2048, 2048)]
    assert ("gap", "gpt-entry") in errors(problems)


def test_storage_spaces_and_dynamic_disks_are_a_gap(disk, tool):
    run(tool("sgdisk"), "--typecode=1:4202", "--typecode=2:4200", str(disk.path))  # Storage Spaces, LDM data
    assert errors(read("gpt", FileSource(disk.path))[2]) == [("gap", "volume-manager")] * 2


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_torn_and_flipped_tables_never_break_it(disk, sector_size):
    data = disk.read(0, 64 << 10)
    for cut in (0, 511, 512, 519, 600, 1024, 1100, 1024 + 32 * 512):
        survives("gpt", Memory(data[:cut]), sector_size)
    small = Memory(data)
    rng = random.Random(5)
    for _ in range(150):
        places = [rng.choice((512, 512, 1024)) + rng.randrange(92) for _ in range(3)]
        survives("gpt", patched(small, *((place, bytes([rng.randrange(256)])) for place in places)), sector_size)
