"""APM: maps packed after Inside Macintosh: Devices, chapter 3, and read back by mmls. The corpus map is in
test_volumes_corpus.py."""

import random
import struct

import pytest

from forensic_kit.api import Memory
from tests.plugins.volumes.volume_reading import matching, mmls, patched, read, scheme, sectors, survives


def entry(count, start, blocks, name, kind):
    return struct.pack(">2sHIII32s32s", b"PM", 0, count, start, blocks, name, kind)


def disk(*entries, block=512, stated=512, size=400):
    data = bytearray(size * block)
    data[:8] = struct.pack(">2sHI", b"ER", stated, size)
    for number, packed in enumerate(entries, 1):
        data[number * block : number * block + len(packed)] = packed
    return Memory(bytes(data))


MAP = (
    entry(4, 1, 63, b"Apple", b"Apple_partition_map"),
    entry(4, 64, 100, b"Macintosh HD", b"Apple_HFS"),
    entry(4, 164, 36, b"Extra", b"Apple_Free"),
    entry(4, 200, 200, b"R\x8esum\x8e", b"Apple_UNIX_SVR2"),  # MacRoman
)


def errors(problems):
    return [(problem.severity, problem.error) for problem in problems]


def test_partitions_come_in_map_order_with_names_and_free_space_is_none(tmp_path, tool):
    source = disk(*MAP)
    assert matching(source) == "apm"
    volumes, tables, problems = read("apm", source)
    assert sectors(volumes) == [(1, 63), (64, 100), (200, 200)]
    assert [volume.label for volume in volumes] == ["Apple", "Macintosh HD", "Résumé"]
    assert [(table.start, table.size) for table in tables] == [(0, 5 * 512)]
    assert problems == []
    path = tmp_path / "mac.raw"
    path.write_bytes(source.read(0, source.size))
    assert set(sectors(volumes)) == set(mmls(tool("mmls"), path, "-t", "mac")) - {(164, 36)}


@pytest.mark.parametrize(("block", "stated"), [(512, 512), (512, 2048), (2048, 2048), (4096, 4096)])
def test_the_map_is_found_whatever_block_size_the_descriptor_says(block, stated):
    source = disk(*MAP, block=block, stated=stated)
    assert matching(source) == "apm"
    assert sectors(read("apm", source)[0], block) == [(1, 63), (64, 100), (200, 200)]


def test_the_partition_of_the_map_holds_no_map_of_its_own():
    volumes, _, _ = read("apm", disk(*MAP))
    assert matching(volumes[0].source) == ""


def test_a_map_under_a_newer_mbr_is_refused():
    slot = struct.pack("<B3sB3sII", 0, b"\0\0\0", 0x83, b"\0\0\0", 63, 300)
    assert matching(patched(disk(*MAP), (446, slot), (510, b"\x55\xaa"))) == "mbr"


def test_torn_entries_are_a_gap_and_the_others_are_read():
    volumes, _, problems = read("apm", patched(disk(*MAP), (2 * 512, b"XX")))
    assert sectors(volumes) == [(1, 63), (200, 200)]
    assert errors(problems) == [("gap", "apm-entry")]


def test_a_map_of_millions_of_entries_is_bounded():
    volumes, _, problems = read("apm", disk(entry(2**32 - 1, 1, 63, b"", b"Apple_partition_map"), *MAP[1:]))
    assert len(volumes) == 3
    assert errors(problems) == [("gap", "apm-limit"), ("gap", "apm-entry")]
    full = disk(*[entry(1400, 1, 63, b"", b"Apple_partition_map")] * 1400, size=1500)
    assert len(read("apm", full)[0]) == 1024


def test_a_partition_at_block_0_is_left_out():
    volumes, _, problems = read("apm", disk(MAP[0], entry(4, 0, 400, b"all", b"Apple_HFS"), *MAP[2:]))
    assert sectors(volumes) == [(1, 63), (200, 200)]
    assert errors(problems) == [("note", "over-table")]


def test_random_bytes_after_a_signature_are_no_map():
    rng = random.Random(6)
    data = bytearray(rng.randbytes(4096))
    data[512:514] = b"PM"
    assert not scheme("apm").matches(Memory(bytes(data)), 512)


def test_torn_and_flipped_maps_never_break_it():
    good = disk(*MAP)
    data = good.read(0, good.size)
    for cut in (0, 7, 512, 513, 570, 1024, 1500, 2048 + 20):
        survives("apm", Memory(data[:cut]), 512)
    rng = random.Random(6)
    for _ in range(300):
        places = [rng.choice((0, 512, 1024, 1536)) + rng.randrange(80) for _ in range(3)]
        survives("apm", patched(good, *((place, bytes([rng.randrange(256)])) for place in places)), 512)
