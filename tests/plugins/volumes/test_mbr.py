"""MBR: disks made by sfdisk and fdisk, read back by mmls; then tables that no tool would write."""

import random
import struct

import pytest

from forensic_kit.api import Memory
from forensic_kit.bytesource import FileSource
from tests.plugins.volumes.volume_reading import image, matching, mmls, patched, read, run, scheme, sectors, survives

NESTED = """label: dos
start=2048, size=2000, type=83
start=5000, size=1000, type=7, bootable
start=8000, size=1000, type=82
start=10000, size=50000, type=f
start=12000, size=1000, type=83
start=14000, size=1000, type=b
start=16000, size=1000, type=8e
start=18000, size=1000, type=7
start=20000, size=1000, type=83
"""


def slot(type_, first, count, status=0):
    return struct.pack("<B3sB3sII", status, b"\0\0\0", type_, b"\0\0\0", first, count)


def sector(*slots):
    return bytes(446) + b"".join(slots).ljust(64, b"\0") + b"\x55\xaa"


def disk(size_sectors, **sectors_):
    """A disk with the given 512-byte sectors, s0=..., s100=..."""
    data = bytearray(size_sectors * 512)
    for name, content in sectors_.items():
        start = int(name[1:]) * 512
        data[start : start + 512] = content
    return Memory(bytes(data))


def errors(problems):
    return [(problem.severity, problem.error) for problem in problems]


def test_primaries_come_by_slot_and_logicals_by_chain(tmp_path, tool):
    path = image(tmp_path, 64 << 20)
    run(tool("sfdisk"), "--quiet", str(path), text=NESTED)
    source = FileSource(path)
    assert matching(source) == "mbr"
    volumes, tables, problems = read("mbr", source)
    assert sectors(volumes) == [
        (2048, 2000),
        (5000, 1000),
        (8000, 1000),
        (12000, 1000),
        (14000, 1000),
        (16000, 1000),
        (18000, 1000),
        (20000, 1000),
    ]
    assert [volume.type for volume in volumes[:4]] == [
        "Linux (0x83)",
        "NTFS / exFAT / HPFS (0x07)",
        "Linux swap / Solaris x86 (0x82)",
        "Linux (0x83)",
    ]
    assert [table.type for table in tables] == ["Master Boot Record"] + ["Extended Boot Record"] * 5
    assert problems == []
    assert sorted(sectors(volumes)) == mmls(tool("mmls"), path)


def test_a_disk_with_4096_byte_sectors_is_read_with_them(tmp_path, tool):
    path = image(tmp_path, 256 << 20)
    commands = "o\nn\np\n1\n256\n+10M\nn\ne\n2\n8192\n\nn\nl\n10000\n11279\nn\nl\n20000\n21279\nw\n"
    run(tool("fdisk"), "-b", "4096", "-w", "never", str(path), text=commands)
    source = FileSource(path)
    assert matching(source, 512) == ""  # the extended boot records show the sector size
    assert matching(source, 4096) == "mbr"
    volumes, _, problems = read("mbr", source, 4096)
    assert sectors(volumes, 4096) == [(256, 2560), (10000, 1280), (20000, 1280)]
    assert sorted(sectors(volumes, 4096)) == mmls(tool("mmls"), path, "-b", "4096")
    assert {volume.sector_size for volume in volumes} == {4096}
    assert problems == []


def test_without_any_hint_the_sector_size_asked_for_is_believed():
    source = disk(4096, s0=sector(slot(0x83, 100, 200)))
    assert scheme("mbr").matches(source, 512)
    assert scheme("mbr").matches(source, 4096)


def test_a_chain_that_goes_round_stops_with_a_gap():
    source = disk(
        1000,
        s0=sector(slot(5, 100, 800)),
        s100=sector(slot(0x83, 10, 20), slot(5, 50, 100)),
        s150=sector(slot(0x83, 10, 20), slot(5, 0, 100)),
    )
    volumes, tables, problems = read("mbr", source)
    assert sectors(volumes) == [(110, 20), (160, 20)]
    assert len(tables) == 3
    assert errors(problems) == [("gap", "ebr-loop")]


def test_a_chain_that_leaves_the_disk_stops_with_a_gap():
    source = disk(1000, s0=sector(slot(5, 100, 800)), s100=sector(slot(0x83, 10, 20), slot(5, 5000, 100)))
    volumes, _, problems = read("mbr", source)
    assert sectors(volumes) == [(110, 20)]
    assert errors(problems) == [("note", "ebr-outside"), ("gap", "ebr-past-end")]


def test_an_extended_partition_without_a_boot_record_is_a_gap():
    volumes, _, problems = read("mbr", disk(1000, s0=sector(slot(0x83, 10, 20), slot(5, 100, 800))))
    assert sectors(volumes) == [(10, 20)]
    assert errors(problems) == [("gap", "ebr-signature")]


def test_an_endless_chain_is_left_after_1024_records():
    records = {f"s{n}": sector(slot(0x83, 1, 1), slot(5, n + 1 - 100, 1)) for n in range(100, 1500)}
    volumes, tables, problems = read("mbr", disk(1500, s0=sector(slot(5, 100, 1400)), **records))
    assert (len(volumes), len(tables)) == (1024, 1025)
    assert errors(problems) == [("gap", "ebr-limit")]


def test_a_volume_over_its_own_table_is_left_out():
    source = disk(1000, s0=sector(slot(0x83, 0, 500), slot(0x83, 500, 100)))
    volumes, _, problems = read("mbr", source)
    assert sectors(volumes) == [(500, 100)]
    assert errors(problems) == [("note", "over-table")]


def test_a_gpt_disk_is_refused_and_one_that_lost_its_gpt_is_a_gap():
    lost = disk(1000, s0=sector(slot(0xEE, 1, 999)))
    assert matching(lost) == "mbr"
    assert errors(read("mbr", lost)[2]) == [("gap", "gpt-missing")]
    assert not scheme("mbr").matches(patched(lost, (512, b"EFI PART")), 512)
    assert not scheme("mbr").matches(patched(lost, (4096, b"EFI PART")), 512)
    assert not scheme("mbr").matches(patched(lost, (999 * 512, b"EFI PART")), 512)


def test_a_dynamic_disk_is_a_gap():
    assert errors(read("mbr", disk(1000, s0=sector(slot(0x42, 63, 900))))[2]) == [("gap", "ldm")]


def test_boot_code_of_a_file_system_is_no_table_and_a_table_over_an_old_one_is():
    boot = bytearray(sector())
    boot[:11] = b"\xeb\x58\x90MSDOS5.0"
    boot[11:22] = struct.pack("<HBHBHHB", 512, 8, 32, 2, 0, 0, 0xF8)
    assert matching(disk(1000, s0=bytes(boot))) == ""
    boot[446:462] = b"Disk error\r\nPres"  # messages where the table would be
    assert matching(disk(1000, s0=bytes(boot))) == ""
    boot[446:478] = slot(0x83, 63, 500) + slot(0x20, 100, 0x65727020)  # code that passes for status bytes
    assert matching(disk(1000, s0=bytes(boot))) == ""
    boot[462:478] = bytes(16)
    # fdisk leaves the first 446 bytes alone, so an old parameter block may stand before a good table.
    boot[446:462] = slot(0x83, 63, 900)
    assert matching(disk(1000, s0=bytes(boot))) == "mbr"


def test_a_disc_image_with_a_table_is_a_file_system_unless_a_partition_follows_it():
    data = bytearray(4000 * 512)
    data[:512] = sector(slot(0x17, 0, 1000), slot(0xEF, 200, 100))
    data[32768:32774] = b"\x01CD001"
    data[32768 + 80 : 32768 + 84] = struct.pack("<I", 250)  # 250 blocks of 2048 bytes: 1000 sectors
    assert matching(Memory(bytes(data))) == ""
    data[:512] = sector(slot(0x17, 0, 3000), slot(0xEF, 200, 100), slot(0x83, 1000, 3000))
    source = Memory(bytes(data))
    assert matching(source) == "mbr"
    volumes, _, problems = read("mbr", source)
    assert sectors(volumes) == [(0, 3000), (200, 100), (1000, 3000)]
    assert problems == []
    assert matching(volumes[0].source) == ""  # the table is not found again inside its own first partition


def test_a_bootable_disc_image_of_genisoimage_is_refused(tmp_path, tool):
    folder = tmp_path / "content"
    folder.mkdir()
    (folder / "file.txt").write_text("x")
    run(tool("genisoimage"), "-quiet", "-hfs", "-part", "-o", str(tmp_path / "hybrid.iso"), str(folder))
    source = FileSource(tmp_path / "hybrid.iso")
    assert source.read(0, 2) == b"ER"  # it does hold an Apple partition map
    assert matching(source) == ""


@pytest.mark.parametrize("sector_size", [512, 4096])
def test_torn_and_flipped_tables_never_break_it(sector_size):
    good = disk(
        600,
        s0=sector(slot(0x83, 10, 20), slot(5, 100, 400)),
        s100=sector(slot(0x83, 10, 20), slot(5, 50, 100)),
        s150=sector(slot(0x83, 10, 20)),
    )
    data = good.read(0, good.size)
    for cut in (0, 1, 446, 509, 511, 512, 100 * 512 + 300, 150 * 512):
        survives("mbr", Memory(data[:cut]), sector_size)
    rng = random.Random(4)
    for _ in range(300):
        places = [rng.choice((0, 100, 150)) * 512 + rng.randrange(446, 512) for _ in range(4)]
        survives("mbr", patched(good, *((place, bytes([rng.randrange(256)])) for place in places)), sector_size)
