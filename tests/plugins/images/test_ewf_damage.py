"""E01 images that are damaged or incomplete: what is said, what reads as zeros, and that the rest is right."""

import random
import struct
import time
import tracemalloc

import pytest

from forensic_kit import registry
from forensic_kit.api import Damaged, ForensicError, Image, Memory
from tests.plugins.images.ewf_images import (
    acquire,
    built,
    chunk_offsets,
    content,
    flip,
    memory,
    section,
    sections,
    summed,
    table,
    volume,
    whole,
)

CHUNK = 32768
RAW = content(4_000_256, seed=9)  # 123 chunks, the last of 2,560 bytes


@pytest.fixture(scope="module")
def plugin():
    return registry.load().get("ewf", Image)()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Segments by name of an image that ewfacquire made with these options; made once each."""
    cache = {}

    def make(ewfacquire, *options):
        if options not in cache:
            path = tmp_path_factory.mktemp("ewf") / "disk.raw"
            path.write_bytes(RAW)
            cache[options] = {found.name: found.read_bytes() for found in acquire(ewfacquire, path, *options)}
        return dict(cache[options])

    return make


@pytest.fixture
def single(made, tool):
    """One segment with compressed and stored chunks."""
    return made(tool("ewfacquire"), "-c", "fast")["IMAGE.E01"]


@pytest.fixture
def split(made, tool):
    """Four segments of stored chunks: 31, 31, 31 and 30 of them."""
    found = made(tool("ewfacquire"), "-c", "none", "-S", "1048576")
    assert [len(chunk_offsets(data)) for data in found.values()] == [31, 31, 31, 30]
    return found


def examine(plugin, segments, name=""):
    """(content, faults, problems) of an image."""
    evidence = plugin.open(memory(segments, name), ())
    return whole(evidence.source), [fault[:3] for fault in evidence.source.faults.drain()], list(evidence.problems)


def zeroed(*ranges):
    """RAW with these (offset, length) zero-filled."""
    expected = bytearray(RAW)
    for offset, length in ranges:
        expected[offset : offset + length] = bytes(min(length, len(RAW) - offset))
    return bytes(expected)


# --- chunks ---------------------------------------------------------------------------------------------------


def compressed_and_stored(data):
    """The number of one compressed chunk and of one stored chunk, neither of them the first or the last."""
    offset = section(data, "table") + 76 + 24
    entries = struct.unpack_from("<123I", data, offset)
    flags = [entry >> 31 for entry in entries[1:-1]]
    return flags.index(1) + 1, flags.index(0) + 1


def test_a_compressed_chunk_with_a_wrong_byte_is_zeros_and_a_fault(plugin, single):
    number, _ = compressed_and_stored(single)
    damaged = flip(single, chunk_offsets(single)[number] + 40)
    read, faults, problems = examine(plugin, {"a.E01": damaged})
    assert faults == [(number * CHUNK, CHUNK, f"chunk {number} does not decompress")]
    assert read == zeroed((number * CHUNK, CHUNK))
    assert problems == []


def test_a_stored_chunk_with_a_wrong_byte_is_zeros_and_a_fault(plugin, single):
    _, number = compressed_and_stored(single)
    damaged = flip(single, chunk_offsets(single)[number] + 40)
    read, faults, _ = examine(plugin, {"a.E01": damaged})
    assert faults == [(number * CHUNK, CHUNK, f"chunk {number} does not match its checksum")]
    assert read == zeroed((number * CHUNK, CHUNK))


def test_the_last_chunk_is_reported_with_the_bytes_the_medium_has(plugin, split):
    split["IMAGE.E04"] = flip(split["IMAGE.E04"], chunk_offsets(split["IMAGE.E04"])[-1])
    _, faults, _ = examine(plugin, split)
    assert faults == [(122 * CHUNK, 2560, "chunk 122 does not match its checksum")]


def test_every_read_that_touches_a_bad_chunk_reports_it(plugin, single):
    number, _ = compressed_and_stored(single)
    source = plugin.open(Memory(flip(single, chunk_offsets(single)[number] + 40), "a.E01"), ()).source
    expected = [(number * CHUNK, CHUNK, f"chunk {number} does not decompress")]
    for offset in (number * CHUNK, number * CHUNK + 512, (number + 1) * CHUNK - 1):
        source.read(offset, 1)
        assert [fault[:3] for fault in source.faults.drain()] == expected
    source.read((number + 1) * CHUNK, CHUNK)
    assert source.faults.drain() == []


# --- tables ---------------------------------------------------------------------------------------------------


def test_table2_is_used_where_the_table_is_damaged(plugin, single):
    offset = section(single, "table")
    read, faults, problems = examine(plugin, {"a.E01": flip(single, offset + 76 + 24 + 4 * 10)})
    assert read == RAW
    assert faults == []
    assert [problem.severity for problem in problems] == ["note"]
    assert problems[0].message == (
        f"a.E01: the table section at {offset} does not match its checksum; the copy in the table2 section at "
        f"{section(single, 'table2')} was used."
    )


def test_two_damaged_tables_lose_no_chunk_that_one_of_them_locates(plugin, single):
    first, second = section(single, "table") + 100, section(single, "table2") + 100
    damaged = flip(flip(single, first + 4 * 10 + 1), second + 4 * 20 + 1)
    read, faults, problems = examine(plugin, {"a.E01": damaged})
    assert (read, faults) == (RAW, [])
    assert [(problem.severity, problem.error) for problem in problems] == [("note", "damaged-table")]


def test_chunks_without_any_table_are_found_by_their_checksums(plugin, single):
    damaged = flip(flip(single, section(single, "table") + 78), section(single, "table2") + 78)
    read, faults, problems = examine(plugin, {"a.E01": damaged})
    assert (read, faults) == (RAW, [])
    assert [problem.severity for problem in problems] == ["note"]
    assert "123 chunks in it were found by their checksums" in problems[0].message


def test_a_chunk_that_points_past_the_end_of_the_file_is_a_fault(plugin):
    start = 13 + 76 + 1052 + 76
    image = built(
        ("volume", volume(2, 128)),
        ("sectors", summed(bytes(CHUNK))),
        ("table", table([start, 0x7000000])),
    )
    read, faults, _ = examine(plugin, {"a.E01": image})
    assert read == bytes(2 * CHUNK)
    assert faults == [(CHUNK, CHUNK, "chunk 1 lies past the end of a.E01")]


def test_fewer_chunks_than_the_volume_section_states_are_a_gap(plugin):
    start = 13 + 76 + 1052 + 76
    image = built(("volume", volume(3, 192)), ("sectors", summed(bytes(CHUNK))), ("table", table([start])))
    _, faults, problems = examine(plugin, {"a.E01": image})
    reason = "the tables of a.E01 locate 1 of the 3 chunks that the volume section states"
    assert faults == [(CHUNK, 2 * CHUNK, reason)]
    assert [(problem.severity, problem.offset) for problem in problems] == [("gap", CHUNK)]
    assert problems[0].message.startswith(f"{reason}: bytes {CHUNK} to {3 * CHUNK} of the medium")


# --- descriptors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["header2", "header", "volume", "sectors", "table", "table2", "data", "hash"])
def test_a_damaged_section_descriptor_costs_no_chunk(plugin, single, kind):
    read, faults, problems = examine(plugin, {"a.E01": flip(single, section(single, kind) + 30)})
    assert (read, faults) == (RAW, [])
    assert {problem.severity for problem in problems} == {"note"}
    after = next(end for name, _, end in sections(single) if name == kind)
    expected = f"the section descriptor at {section(single, kind)} is damaged; reading goes on at {after}."
    assert any(expected in problem.message for problem in problems)


def test_the_next_section_is_searched_where_a_descriptor_does_not_even_point_on(plugin, single):
    offset = section(single, "sectors")
    damaged = single[:offset] + b"\xff" * 76 + single[offset + 76 :]
    read, faults, problems = examine(plugin, {"a.E01": damaged})
    assert (read, faults) == (RAW, [])
    assert f"reading goes on at {section(single, 'table')}" in problems[0].message


def test_a_damaged_descriptor_that_hides_no_chunks_does_not_unplace_the_rest(plugin, split):
    damaged = flip(split["IMAGE.E02"], section(split["IMAGE.E02"], "table2") + 30)
    segments = split | {"IMAGE.E02": damaged}
    del segments["IMAGE.E03"]
    read, faults, _ = examine(plugin, segments)
    assert read == zeroed((62 * CHUNK, 31 * CHUNK))
    assert faults == [(62 * CHUNK, 31 * CHUNK, "segment IMAGE.E03 is missing")]


def test_a_first_segment_without_its_signature_is_still_recognised(plugin, single):
    damaged = flip(single, 1)
    assert plugin.matches(damaged[:4096], "a.E01")
    read, faults, problems = examine(plugin, {"a.E01": damaged})
    assert (read, faults) == (RAW, [])
    assert "signature at the start of the file is damaged" in problems[0].message


def test_size_and_next_offset_that_disagree_are_noted(plugin):
    chunk, start = bytes(CHUNK), 13 + 76 + 1052 + 76
    image = built(("volume", volume(1, 64)), ("sectors", summed(chunk)), ("table", table([start])))
    offset = start - 76
    after = struct.unpack_from("<Q", image, offset + 16)[0]
    changed = image[:offset] + summed(struct.pack("<16sQQ40x", b"sectors", after, 200)) + image[offset + 76 :]
    _, _, problems = examine(plugin, {"a.E01": changed})
    assert [problem.severity for problem in problems] == ["note"]
    assert "states a size of 200 bytes" in problems[0].message


def test_nothing_left_to_describe_the_disk_is_damaged_with_a_sentence(plugin, single):
    with pytest.raises(Damaged, match="no section of this image says how large the disk is"):
        plugin.open(Memory(single[:600], "a.E01"), ())


def test_an_image_without_any_chunks_is_damaged_with_a_sentence(plugin):
    with pytest.raises(Damaged, match=r"a\.E01: none of the 2 chunks of this image can be located"):
        plugin.open(Memory(built(("volume", volume(2, 128))), "a.E01"), ())


def test_a_digest_that_does_not_fit_its_checksum_is_not_used(plugin, single):
    evidence = plugin.open(Memory(flip(single, section(single, "hash") + 76), "a.E01"), ())
    assert evidence.stored_digests == {}
    assert "its digests are not used" in evidence.problems[0].message


# --- segments -------------------------------------------------------------------------------------------------


def test_a_missing_segment_in_the_middle_is_a_gap_and_the_rest_is_in_place(plugin, split):
    del split["IMAGE.E02"]
    read, faults, problems = examine(plugin, split)
    start, length = 31 * CHUNK, 31 * CHUNK
    assert faults == [(start, length, "segment IMAGE.E02 is missing")]
    assert read == zeroed((start, length))
    assert [(problem.severity, problem.error, problem.offset) for problem in problems] == [
        ("gap", "missing-segment", start)
    ]
    assert problems[0].message == (
        f"segment IMAGE.E02 is missing: bytes {start} to {start + length} of the medium (31 of 123 chunks) read as "
        "zeros. Copy it beside the others and open the image again."
    )


def test_a_missing_last_segment_is_a_gap(plugin, split):
    del split["IMAGE.E04"]
    read, faults, problems = examine(plugin, split)
    start = 93 * CHUNK
    assert faults == [(start, len(RAW) - start, "segment IMAGE.E04 is missing")]
    assert read == zeroed((start, len(RAW) - start))
    assert [problem.error for problem in problems] == ["missing-segment"]


def test_a_missing_first_segment_leaves_the_others_in_place(plugin, split):
    del split["IMAGE.E01"]
    read, faults, problems = examine(plugin, split, "IMAGE.E03")
    assert faults == [(0, 31 * CHUNK, "segment IMAGE.E01 is missing")]
    assert read == zeroed((0, 31 * CHUNK))
    assert [problem.severity for problem in problems] == ["gap"]


def test_what_lies_between_two_missing_segments_cannot_be_placed_and_says_so(plugin, split):
    del split["IMAGE.E02"]
    del split["IMAGE.E04"]
    read, faults, problems = examine(plugin, split)
    start = 31 * CHUNK
    reason = "segment IMAGE.E02 is missing; segment IMAGE.E04 is missing; the 31 chunks between cannot be placed"
    assert faults == [(start, len(RAW) - start, reason)]
    assert read == zeroed((start, len(RAW) - start))
    assert [(problem.severity, problem.error) for problem in problems] == [("gap", "unplaced")]


def with_set_identifier(data, identifier):
    """The same segment with another GUID in its volume or data section ("Volume section", offset 64)."""
    for kind, offset, _ in sections(data):
        if kind in ("volume", "data"):
            body = data[offset + 76 : offset + 76 + 1048]
            data = data[: offset + 76] + summed(body[:64] + identifier + body[80:]) + data[offset + 76 + 1052 :]
    return data


def test_a_segment_of_another_image_is_not_mixed_in(plugin, split):
    ours = {name: with_set_identifier(data, bytes(range(16))) for name, data in split.items()}
    assert examine(plugin, ours) == (RAW, [], [])
    other = with_set_identifier(split["IMAGE.E03"], bytes(range(1, 17)))
    read, faults, problems = examine(plugin, ours | {"IMAGE.E03": other})
    reason = "IMAGE.E03 belongs to another image (set 04030201-0605-0807-090a-0b0c0d0e0f10)"
    assert read == zeroed((62 * CHUNK, 31 * CHUNK))
    assert faults == [(62 * CHUNK, 31 * CHUNK, reason)]
    assert [(problem.severity, problem.error) for problem in problems] == [("gap", "wrong-segment")]


def test_a_segment_under_a_wrong_name_is_not_read_in_its_place(plugin, split):
    read, _, problems = examine(plugin, split | {"IMAGE.E02": split["IMAGE.E03"]})
    assert read == zeroed((31 * CHUNK, 31 * CHUNK))
    assert "IMAGE.E02 says that it is segment 3, not 2" in problems[0].message


# --- cut files ------------------------------------------------------------------------------------------------


def test_an_image_cut_in_its_chunks_gives_every_chunk_before_the_cut(plugin, single):
    offsets = chunk_offsets(single)
    cut = offsets[100] + 20
    read, faults, problems = examine(plugin, {"a.E01": single[:cut]})
    start = 100 * CHUNK
    reason = f"a.E01 ends at byte {cut} in the sectors section that starts at byte {section(single, 'sectors')}"
    assert read == zeroed((start, len(RAW) - start))
    assert faults == [(start, len(RAW) - start, reason)]
    assert [(problem.severity, problem.error) for problem in problems] == [("note", "damaged-table"), ("gap", "torn")]


def test_an_image_cut_in_its_table_loses_no_chunk(plugin, single):
    read, faults, problems = examine(plugin, {"a.E01": single[: section(single, "table") + 200]})
    assert (read, faults) == (RAW, [])
    assert problems[-1].severity == "note"
    assert "every chunk of the medium is there" in problems[-1].message


def test_an_acquisition_that_was_stopped_gives_the_chunks_it_wrote(plugin, single):
    # "Corrupt section descriptor": the last sectors section still points to itself.
    offset = section(single, "sectors")
    unfinished = summed(struct.pack("<16sQQ40x", b"sectors", offset, 0))
    cut = chunk_offsets(single)[50]
    read, faults, problems = examine(plugin, {"a.E01": single[:offset] + unfinished + single[offset + 76 : cut]})
    assert read == zeroed((50 * CHUNK, len(RAW) - 50 * CHUNK))
    assert len(faults) == 1
    assert f"in the unfinished sectors section at byte {offset}" in problems[-1].message


def test_a_middle_segment_that_is_cut_leaves_the_later_ones_in_place(plugin, split):
    data = split["IMAGE.E02"]
    read, faults, problems = examine(plugin, split | {"IMAGE.E02": data[: chunk_offsets(data)[20]]})
    assert read == zeroed((51 * CHUNK, 11 * CHUNK))
    assert [fault[:2] for fault in faults] == [(51 * CHUNK, 11 * CHUNK)]
    assert [problem.error for problem in problems if problem.severity == "gap"] == ["torn"]


# --- anything at all ------------------------------------------------------------------------------------------


def survives(plugin, data):
    """Open and read everything: only a ForensicError may come of it."""
    try:
        evidence = plugin.open(Memory(data, "a.E01"), ())
    except ForensicError as error:
        assert error.message
        return
    source = evidence.source
    for offset in range(0, min(source.size, 8 << 20), 1 << 20):
        assert len(source.read(offset, 1 << 20)) == min(1 << 20, source.size - offset)
    source.read(max(0, source.size - 10), 10)
    for fault in source.faults.drain():
        assert 0 <= fault.offset < fault.offset + fault.length <= source.size


def small_image():
    """A few sections of every kind that is read, 6 chunks of 1 KiB."""
    chunks = [random.Random(number).randbytes(1024) for number in range(6)]
    start = 13 + 76 + 1052 + 76
    body = b"".join(map(summed, chunks))
    entries = table([start + number * 1028 for number in range(6)])
    return built(
        ("volume", volume(6, 12, per_chunk=2)),
        ("sectors", body),
        ("table", entries),
        ("table2", entries),
        ("error2", summed(struct.pack("<I512x", 1)) + summed(struct.pack("<2I", 3, 2))),
        ("hash", summed(bytes(32))),
        ("digest", summed(bytes(76))),
    )


def test_an_image_cut_at_any_length_is_read_as_far_as_it_goes(plugin):
    data = small_image()
    for length in range(0, len(data), 7):
        survives(plugin, data[:length])


def test_an_image_with_any_byte_changed_is_read_as_far_as_it_goes(plugin, single):
    places = random.Random(11)
    small = small_image()
    for _ in range(1500):
        survives(plugin, flip(small, places.randrange(len(small)), places.randrange(1, 256)))
    spots = [place for _, offset, _ in sections(single) for place in range(offset, min(offset + 110, len(single)))]
    for _ in range(150):
        survives(plugin, flip(single, places.choice(spots), places.randrange(1, 256)))


def test_changed_numbers_with_right_checksums_are_survived_too(plugin):
    # Checksums stop most random damage at the door; whoever forges an image makes them fit.
    places, data = random.Random(12), small_image()
    heads = [(offset, 72) for _, offset, _ in sections(data)]
    heads += [
        (section(data, "volume") + 76, 1048),
        (section(data, "table") + 76, 20),
        (section(data, "error2") + 76, 516),
    ]
    for _ in range(1500):
        offset, length = places.choice(heads)
        body = bytearray(data[offset : offset + length])
        for _ in range(places.choice((1, 1, 4))):
            body[places.randrange(min(length, 40))] = places.choice((0, 1, 0x7F, 0xFF, places.randrange(256)))
        survives(plugin, data[:offset] + summed(bytes(body)) + data[offset + length + 4 :])


def test_thousands_of_damaged_descriptors_do_not_take_long(plugin):
    data = built(("volume", volume(2, 128)))[:-76]
    for _ in range(5000):
        after = len(data) + 152
        data += b"Y" * 76 + summed(struct.pack("<16sQQ40x", b"data", after, 76))
    began = time.monotonic()
    survives(plugin, data)
    assert time.monotonic() - began < 5


def test_sizes_that_a_forger_states_take_neither_memory_nor_time(plugin):
    entries = table([0xFFFFFFFF] * 4)
    image = built(
        ("volume", volume(0xFFFFFFFF, 1 << 49, per_chunk=32768, sector=4096)),
        ("sectors", bytes(64)),
        ("table", entries),
    )
    tracemalloc.start()
    began = time.monotonic()
    try:
        source = plugin.open(Memory(image, "a.E01"), ()).source
        assert source.size == 1 << 61
        source.read(source.size - 4096, 4096)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20
    assert time.monotonic() - began < 5
