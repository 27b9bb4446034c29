"""E01 and s01 images that are as they should be: see ewf/witness.md."""

import hashlib
import random
import struct
import zlib

import pytest

from forensic_kit import registry
from forensic_kit.api import Image, Unsupported
from forensic_kit.bytesource import FileSource, Memory
from tests.plugins.images.ewf_images import acquire, built, content, memory, summed, table, volume, whole

CORPUS = (
    "images/ewf/ext2.E01",
    "images/ewf/ext2.split.E01",
    "images/ewf/german_ansi.E01",
    "images/ewf/kml_samples.E01",
    "images/ewf/nps-2010-emails.E01",
    "images/sleuthkit/image.E01",
    "images/sleuthkit/imageformat_mmls_1.E01",
)
RAW = content(2_000_384)  # 61 full chunks and one of 1,536 bytes


@pytest.fixture(scope="module")
def plugin():
    return registry.load().get("ewf", Image)()


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "disk.raw"
    path.write_bytes(RAW)
    return path


def facts(evidence):
    return {fact.name: fact.value for fact in evidence.facts}


@pytest.mark.parametrize("name", CORPUS)
def test_a_real_image_decodes_to_the_digest_of_the_manifest(plugin, corpus, name):
    expected = corpus.manifest(name)["expected"]
    evidence = plugin.open(FileSource(corpus.path(name)), ())
    assert evidence.source.size == expected["raw_size"]
    assert hashlib.sha256(whole(evidence.source)).hexdigest() == expected["raw_sha256"]
    assert evidence.stored_digests["md5"] == expected["ewf"]["md5_stored"]
    assert evidence.sector_size == int(expected["ewf"]["bytes_per_sector"])
    assert evidence.problems == ()
    assert evidence.source.faults.drain() == []


@pytest.mark.parametrize("name", CORPUS)
def test_reads_at_any_place_give_what_pyewf_gives(plugin, corpus, name):
    pyewf = pytest.importorskip("pyewf")
    source = plugin.open(FileSource(corpus.path(name)), ()).source
    handle = pyewf.handle()
    handle.open(pyewf.glob(str(corpus.path(name))))
    try:
        places = random.Random(name)
        for _ in range(60):
            offset = places.randrange(source.size)
            length = places.choice((1, 512, 4096, 100_000))
            wanted = min(length, source.size - offset)
            assert source.read(offset, length) == handle.read_buffer_at_offset(wanted, offset)
    finally:
        handle.close()


def test_a_real_image_keeps_what_the_imager_wrote_down(plugin, corpus):
    found = facts(plugin.open(FileSource(corpus.path("images/sleuthkit/imageformat_mmls_1.E01")), ()))
    # ewfinfo shows the same; dates of a header section are local to the imaging machine.
    assert found["case number"] == "1"
    assert found["description"] == "Test E01 for sleuthkit"
    assert found["examiner"] == "Rishwanth"
    assert found["notes"] == "Used to test sleuthkit libraries"
    assert found["acquired"] == "2018-05-16T15:05:08"
    assert found["software version"] == "ADI2.9.0.13"
    assert found["operating system"] == "Windows 200x"
    assert found["media type"] == "fixed"


def test_a_header2_section_gives_the_acquisition_time_in_utc(plugin, corpus):
    found = facts(plugin.open(FileSource(corpus.path("images/ewf/ext2.E01")), ()))
    assert found["acquired"] == "2021-07-22T15:33:18Z"  # manifest: Thu Jul 22 15:33:18 2021


def test_the_set_identifier_is_the_one_that_ewfinfo_prints(plugin, corpus):
    name = "images/ewf/german_ansi.E01"
    found = facts(plugin.open(FileSource(corpus.path(name)), ()))
    assert found["set identifier"] == corpus.manifest(name)["expected"]["ewf"]["set_identifier"]


def test_digest_sections_give_md5_and_sha1(plugin, corpus):
    evidence = plugin.open(FileSource(corpus.path("images/sleuthkit/imageformat_mmls_1.E01")), ())
    # As `ewfinfo` prints them.
    assert evidence.stored_digests == {
        "md5": "8ec671e301095c258224aad701740503",
        "sha1": "067bc6ab29685ee19b0cf82c9d15ac510d1e7d95",
    }


@pytest.mark.parametrize(
    "options",
    [
        ("-c", "none"),
        ("-c", "fast", "-b", "16"),
        ("-c", "best", "-b", "512"),
        ("-c", "empty-block", "-b", "1024"),
        ("-c", "fast", "-f", "smart"),
        ("-c", "fast", "-f", "ewf"),
        ("-c", "fast", "-f", "ftk"),
        ("-c", "none", "-f", "encase2"),
        ("-c", "fast", "-f", "encase7"),
        ("-c", "fast", "-f", "linen7"),
        ("-c", "best", "-f", "ewfx", "-d", "sha1"),
        ("-c", "none", "-f", "smart", "-S", "1048576"),
        ("-c", "none", "-S", "1048576"),
    ],
    ids=" ".join,
)
def test_what_ewfacquire_writes_decodes_to_its_input(plugin, tool, raw, options):
    segments = acquire(tool("ewfacquire"), raw, *options)
    evidence = plugin.open(FileSource(segments[0]), ())
    assert whole(evidence.source) == RAW
    assert evidence.stored_digests["md5"] == hashlib.md5(RAW).hexdigest()
    assert evidence.segments == tuple(path.name for path in segments)
    assert (evidence.problems, evidence.source.faults.drain()) == ((), [])


def test_ewfacquires_words_and_sector_size_come_back(plugin, tool, raw):
    words = (
        "-C",
        "case 7",
        "-E",
        "item 3",
        "-e",
        "A. Examiner",
        "-D",
        "grey laptop",
        "-N",
        "seal 4",
        "-m",
        "removable",
    )
    segments = acquire(tool("ewfacquire"), raw, *words, "-P", "1024", "-c", "fast")
    evidence = plugin.open(FileSource(segments[0]), ())
    found = facts(evidence)
    assert evidence.sector_size == 1024
    assert [found[name] for name in ("case number", "evidence number", "examiner", "description", "notes")] == [
        "case 7",
        "item 3",
        "A. Examiner",
        "grey laptop",
        "seal 4",
    ]
    assert found["media type"] == "removable"


def test_an_ewfx_image_stores_sha1_in_its_xhash(plugin, tool, raw):
    segments = acquire(tool("ewfacquire"), raw, "-f", "ewfx", "-d", "sha1")
    assert plugin.open(FileSource(segments[0]), ()).stored_digests["sha1"] == hashlib.sha1(RAW).hexdigest()


def test_segments_go_on_from_e99_to_eaa(plugin, tool, tmp_path):
    path = tmp_path / "disk.raw"
    noise = random.Random(5)
    expected = hashlib.md5()
    with path.open("wb") as out:
        for _ in range(101):
            piece = noise.randbytes(1 << 20)
            expected.update(piece)
            out.write(piece)
    segments = acquire(tool("ewfacquire"), path, "-c", "none", "-S", "1048576")
    assert [segment.suffix for segment in segments[98:101]] == [".E99", ".EAA", ".EAB"]
    evidence = plugin.open(FileSource(segments[0]), ())
    assert evidence.segments == tuple(segment.name for segment in segments)
    decoded = hashlib.md5()
    for piece in evidence.source.pieces():
        decoded.update(piece)
    assert decoded.hexdigest() == expected.hexdigest()


def test_naming_a_later_segment_opens_the_whole_set(plugin, corpus):
    evidence = plugin.open(FileSource(corpus.path("images/ewf/ext2.split.E02")), ())
    assert evidence.segments == ("ext2.split.E01", "ext2.split.E02")
    assert hashlib.md5(whole(evidence.source)).hexdigest() == "196066add11fb71c4c49cf1bb50d6d24"  # as stored


def test_segments_in_the_other_letter_case_are_found(plugin, corpus):
    one = corpus.path("images/ewf/ext2.split.E01").read_bytes()
    two = corpus.path("images/ewf/ext2.split.E02").read_bytes()
    evidence = plugin.open(memory({"disk.E01": one, "disk.e02": two}), ())
    assert evidence.segments == ("disk.E01", "disk.e02")
    assert hashlib.md5(whole(evidence.source)).hexdigest() == "196066add11fb71c4c49cf1bb50d6d24"


def test_small_reads_decode_a_chunk_once(plugin, corpus):
    file = Counting(corpus.path("images/ewf/nps-2010-emails.E01").read_bytes())
    source = plugin.open(file, ()).source
    before = file.reads
    for offset in range(0, 32768, 512):
        source.read(offset, 512)
    assert file.reads - before == 2  # the table's page and the chunk


class Counting(Memory):
    """Counts how often it is read."""

    def __init__(self, data):
        super().__init__(data, "disk.E01")
        self.reads = 0

    def _read(self, offset, length):
        self.reads += 1
        return super()._read(offset, length)


def test_table_entries_are_relative_to_the_tables_base_offset(plugin):
    chunk = random.Random(2).randbytes(32768)
    start = 13 + 76 + 1052 + 76  # file header, volume, descriptor of sectors
    image = built(
        ("volume", volume(1, 64)), ("sectors", bytes(100) + summed(chunk)), ("table", table([70], base=start + 30))
    )
    assert whole(plugin.open(Memory(image, "a.E01"), ()).source) == chunk


@pytest.mark.parametrize("stored", [summed, zlib.compress], ids=["stored", "compressed"])
def test_a_last_chunk_that_was_filled_up_is_cut_to_the_medium(plugin, stored):
    chunk, last = random.Random(2).randbytes(32768), b"end".ljust(32768, b"\0")
    start = 13 + 76 + 1052 + 76
    flag = 0 if stored is summed else 1 << 31
    image = built(
        ("volume", volume(2, 65)),
        ("sectors", summed(chunk) + stored(last)),
        ("table", table([start, start + 32772 | flag])),
    )
    source = plugin.open(Memory(image, "a.E01"), ()).source
    assert whole(source) == chunk + last[:512]
    assert source.faults.drain() == []


class Sparse(Memory):
    """A segment larger than 4 GiB of which only a few stretches are kept; the rest are zeros."""

    def __init__(self, size, stretches):
        super().__init__(b"", "big.E01")
        self.size = size
        self._stretches = stretches

    def _read(self, offset, length):
        out = bytearray(length)
        for start, data in self._stretches.items():
            first, last = max(start, offset), min(start + len(data), offset + length)
            if first < last:
                out[first - offset : last - offset] = data[first - start : last - start]
        return bytes(out)


def descriptor(kind, offset, size):
    return summed(struct.pack("<16sQQ40x", kind, offset if kind == b"done" else offset + size, size))


def big_segment(entries, base, chunks):
    """One sectors section of 3 GiB with chunks at the given offsets, then their table."""
    start = 13 + 76 + 1052
    size = 3 << 30
    end = start + size
    body = table(entries, base)
    stretches = {
        0: b"EVF\x09\x0d\x0a\xff\x00\x01\x01\x00\x00\x00",
        13: descriptor(b"volume", 13, 76 + 1052) + volume(len(entries), 64 * len(entries)),
        start: descriptor(b"sectors", start, size),
        end: descriptor(b"table", end, 76 + len(body)) + body,
        end + 76 + len(body): descriptor(b"done", end + 76 + len(body), 76),
    }
    return Sparse(end + 76 + len(body) + 76, stretches | chunks)


def test_chunks_past_2_gib_are_found_by_a_base_offset(plugin):
    # "Table section: EnCase 6 to 7": 31 bits from the base offset.
    one, two = random.Random(3).randbytes(32768), b"compressed".ljust(32768, b".")
    base = (1 << 31) + 5000
    chunks = {base + 100: summed(one), base + 100 + 32772: zlib.compress(two)}
    source = plugin.open(big_segment([100, (100 + 32772) | 1 << 31], base, chunks), ()).source
    assert whole(source) == one + two
    assert source.faults.drain() == []


def test_encase_6_7_1_offsets_of_32_bits_are_read_as_such(plugin):
    # "Table entries offset overflow": once 31 bits do not do, all 32 are the offset of a stored chunk.
    one, two, three = (random.Random(seed).randbytes(32768) for seed in (4, 5, 6))
    places = [0x7FFF0000, 0x7FFF0000 + 32772, 0x80001000]
    entries = [places[0], places[1], places[2]]
    chunks = {place: summed(chunk) for place, chunk in zip(places, (one, two, three), strict=True)}
    source = plugin.open(big_segment(entries, 0, chunks), ()).source
    assert whole(source) == one + two + three
    assert source.faults.drain() == []


def test_unreadable_sectors_of_the_acquisition_are_a_gap_and_faults(plugin):
    errors = summed(struct.pack("<I512x", 2)) + summed(struct.pack("<4I", 3, 2, 70, 1))  # "Error2 section"
    chunk = summed(bytes(32768))
    start = 13 + 76 + 1052 + 76
    image = built(
        ("volume", volume(2, 128)),
        ("sectors", chunk * 2),
        ("table", table([start, start + 32772])),
        ("error2", errors),
    )
    evidence = plugin.open(Memory(image, "a.E01"), ())
    assert [(problem.severity, problem.message) for problem in evidence.problems] == [
        ("gap", "a.E01: the imager could not read 3 sectors and stored zeros for them: 3-4, 70-70.")
    ]
    evidence.source.read(0, 1536)
    assert evidence.source.faults.drain() == []
    evidence.source.read(0, 32768)
    assert [fault[:3] for fault in evidence.source.faults.drain()] == [
        (1536, 1024, "the imager could not read these sectors")
    ]


@pytest.mark.parametrize(
    ("head", "kind"),
    [(b"EVF2\r\n\x81\0", "Ex01"), (b"LVF\t\r\n\xff\0", "L01"), (b"LEF2\r\n\x81\0", "Lx01"), (b"ADCRYPT\0", "AD-enc")],
)
def test_relatives_of_the_format_are_recognised_and_refused_with_a_sentence(plugin, head, kind):
    assert plugin.matches(head + bytes(100), "a.E01")
    with pytest.raises(Unsupported, match=kind):
        plugin.open(Memory(head + bytes(100), "a.E01"), ())


def test_a_real_ex01_is_refused_with_a_sentence(plugin, corpus):
    with pytest.raises(Unsupported, match=r"EWF2.* is not read yet"):
        plugin.open(FileSource(corpus.path("images/ewf/zeros_128s.Ex01")), ())


def test_other_files_are_not_taken_for_ewf(plugin):
    assert not plugin.matches(bytes(4096), "disk.E01")
    assert not plugin.matches(b"EVF?" * 100, "disk.dd")


@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("a.E01", False),
        ("a.E02", True),
        ("a.e99", True),
        ("a.EAA", True),
        ("a.s02", True),
        ("a.E00", False),
        ("a.IMG", False),
        ("a.dd", False),
        ("a.iso", False),
        ("E02", False),
        (".E02", False),
    ],
)
def test_only_names_of_later_segments_are_owned(plugin, name, later):
    assert plugin.owns(name) is later
