"""BSD disklabels: written by fdisk (absolute offsets, like FreeBSD) and packed after disklabel.h for the others."""

import random
import struct
from functools import reduce
from operator import xor

from forensic_kit.api import Memory
from forensic_kit.bytesource import FileSource
from tests.plugins.volumes.volume_reading import image, matching, mmls, patched, read, run, scheme, sectors, survives

MAGIC = 0x82564557


def label(*partitions, version=0):
    """A label in one sector; partitions are (size, offset, type)."""
    data = bytearray(148 + 16 * len(partitions))
    struct.pack_into("<I", data, 0, MAGIC)
    struct.pack_into("<I", data, 40, 512)  # d_secsize
    struct.pack_into("<H", data, 114, version)
    struct.pack_into("<IHH", data, 132, MAGIC, 0, len(partitions))
    for number, (size, offset, kind) in enumerate(partitions):
        high = (offset >> 32) | (size >> 32) << 16
        struct.pack_into("<IIIB", data, 148 + 16 * number, size & 0xFFFFFFFF, offset & 0xFFFFFFFF, high, kind)
    words = struct.unpack(f"<{len(data) // 2}H", data)
    struct.pack_into("<H", data, 136, reduce(xor, words))
    return bytes(data)


def slice_(packed, sectors_=1000):
    return Memory(bytes(512) + packed.ljust(512, b"\0") + bytes((sectors_ - 2) * 512))


def in_disk(packed, start, length, disk_length=3000):
    """The slice as a window of a disk, as the engine hands it on."""
    data = bytearray(disk_length * 512)
    data[(start + 1) * 512 : (start + 1) * 512 + len(packed)] = packed
    return Memory(bytes(data)).slice(start * 512, length * 512)


def test_a_label_inside_an_mbr_partition_gives_volumes_inside_the_slice(tmp_path, tool):
    path = image(tmp_path, 64 << 20)
    commands = "o\nn\np\n1\n2048\n100000\nt\na5\nb\ny\nn\na\n2064\n+20M\nn\nb\n50000\n60000\nt\nb\n1\nw\nr\nw\n"
    run(tool("fdisk"), "-w", "never", str(path), text=commands)
    disk = FileSource(path)
    assert matching(disk) == "mbr"
    (outer,), _, _ = read("mbr", disk)
    assert outer.type == "FreeBSD (0xa5)"
    assert matching(outer.source) == "bsd"
    volumes, tables, problems = read("bsd", outer.source)
    assert sectors(volumes) == [(16, 40961), (47952, 10001)]
    absolute = {(2048 + start, length) for start, length in sectors(volumes)}
    assert absolute <= set(mmls(tool("mmls"), path, "-t", "bsd", "-o", "2048"))
    assert [volume.label for volume in volumes] == ["a", "b"]
    assert [(table.start, table.size) for table in tables] == [(512, 148 + 4 * 16)]
    assert problems == []


def test_offsets_from_the_start_of_the_slice_are_taken_as_they_are():
    source = in_disk(label((500, 0, 7), (200, 500, 1), (1000, 0, 0)), 63, 1000)
    assert sectors(read("bsd", source)[0]) == [(0, 500), (500, 200)]


def test_openbsd_counts_from_the_disk_and_lists_other_slices_too():
    """c is the whole disk; i is another slice's FAT."""
    packed = label((500, 64, 7), (300, 564, 1), (3000, 0, 0), (700, 2000, 8), version=1)
    volumes, _, problems = read("bsd", in_disk(packed, 64, 1000))
    assert sectors(volumes) == [(0, 500), (500, 300)]
    assert [(problem.severity, problem.error) for problem in problems] == [("note", "outside-slice")]


def test_openbsd_sizes_have_48_bits():
    volumes, _, _ = read("bsd", slice_(label((5 << 32, 1 << 32, 7), version=1)))
    assert sectors(volumes) == [(1 << 32, 5 << 32)]


def test_netbsd_leaves_out_c_and_d():
    source = in_disk(label((500, 63, 7), (100, 563, 1), (1000, 63, 0), (3000, 0, 0)), 63, 1000)
    assert sectors(read("bsd", source)[0]) == [(0, 500), (500, 100)]


def test_a_partition_marked_unused_inside_the_slice_is_still_a_volume():
    source = slice_(label((500, 16, 7), (0, 0, 0), (1000, 0, 0), (100, 600, 0)))
    assert sectors(read("bsd", source)[0]) == [(16, 500), (600, 100)]


def test_the_label_is_not_found_again_in_a_partition_that_starts_where_the_slice_does():
    volumes, _, _ = read("bsd", slice_(label((500, 0, 7))))
    assert volumes[0].source.read(512, 4) == struct.pack("<I", MAGIC)
    assert matching(volumes[0].source) == ""


def test_the_false_table_of_freebsd_boot_code_does_not_hide_the_label():
    """boot1 carries one slot, type a5, sector 0, 50000 sectors (sys/boot/i386/boot2, "fake partition table")."""
    table = bytes(48) + bytes.fromhex("80000100a5feffff0000000050c30000") + b"\x55\xaa"
    assert matching(patched(slice_(label((500, 16, 7))), (446, table))) == "bsd"


def test_an_old_label_under_a_newer_mbr_is_refused():
    slot = struct.pack("<B3sB3sII", 0, b"\0\0\0", 0x83, b"\0\0\0", 63, 900)
    assert matching(patched(slice_(label((500, 16, 7))), (446, slot), (510, b"\x55\xaa"))) == "mbr"


def test_a_label_with_a_wrong_checksum_is_refused():
    assert not scheme("bsd").matches(patched(slice_(label((500, 16, 7))), (512 + 149, b"\x77")), 512)


def test_torn_and_flipped_labels_never_break_it():
    good = slice_(label((500, 16, 7), (200, 516, 1), (1000, 0, 0)))
    data = good.read(0, good.size)
    for cut in (0, 64, 512, 513, 600, 512 + 147, 512 + 148 + 20):
        survives("bsd", Memory(data[:cut]), 512)
    rng = random.Random(7)
    for _ in range(300):
        entries = [(rng.randrange(2**32), rng.randrange(2**32), rng.randrange(256)) for _ in range(8)]
        survives("bsd", slice_(label(*entries, version=rng.randrange(2))), 512)
        survives("bsd", patched(good, (512 + rng.randrange(200), bytes([rng.randrange(256)]))), 512)
