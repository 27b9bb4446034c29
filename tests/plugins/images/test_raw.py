"""Raw and split raw images: see raw/witness.md."""

import hashlib
import random
import subprocess

import pytest

from forensic_kit import registry
from forensic_kit.api import Damaged, Image
from forensic_kit.bytesource import FileSource, Memory


@pytest.fixture(scope="module")
def plugin():
    return registry.load().get("raw", Image)()


def open_set(plugin, parts, name):
    """The evidence of the file ``name`` among ``parts`` (content by file name)."""
    return plugin.open(Memory(parts[name], name, parts), ())


def whole(source):
    return b"".join(source.pieces())


def test_raw_is_asked_last_and_takes_anything(plugin):
    assert registry.load().of(Image)[-1] is type(plugin)
    assert plugin.matches(b"", "x")


def test_a_single_file_is_the_medium_as_it_is(plugin):
    file = Memory(b"abc" * 1000, "disk.dd")
    evidence = plugin.open(file, ())
    assert (evidence.format, evidence.source, evidence.segments) == ("raw", file, ("disk.dd",))
    assert (evidence.sector_size, evidence.problems) == (512, ())


def test_a_real_split_image_from_000_is_joined(plugin, corpus):
    expected = corpus.manifest("images/split/ext2.splitraw.000")["expected"]
    evidence = plugin.open(FileSource(corpus.path("images/split/ext2.splitraw.000")), ())
    assert evidence.segments == ("ext2.splitraw.000", "ext2.splitraw.001")
    assert evidence.source.size == expected["raw_size"]
    assert hashlib.sha256(whole(evidence.source)).hexdigest() == expected["raw_sha256"]


def test_naming_a_later_part_opens_the_whole_set(plugin, corpus):
    evidence = plugin.open(FileSource(corpus.path("images/split/ext2.splitraw.001")), ())
    assert evidence.segments == ("ext2.splitraw.000", "ext2.splitraw.001")


@pytest.mark.parametrize(
    "names",
    [
        ("d.001", "d.002", "d.003"),
        ("d.000", "d.001"),
        ("d.0001", "d.0002"),
        ("d.dd.001", "d.dd.002"),
        ("d.aa", "d.ab", "d.ac"),
        ("d.AA", "d.AB"),
        ("d.raw.aaa", "d.raw.aab"),
    ],
    ids=" ".join,
)
def test_every_way_of_counting_parts_is_followed(plugin, names):
    parts = {name: bytes([number]) * 512 for number, name in enumerate(names)}
    evidence = open_set(plugin, parts, names[0])
    assert evidence.segments == names
    assert whole(evidence.source) == b"".join(parts.values())
    assert evidence.problems == ()


@pytest.mark.parametrize("options", [("-d", "-a", "3"), ("-a", "2")], ids=" ".join)
def test_what_split_writes_is_joined(plugin, tool, tmp_path, options):
    data = random.Random(1).randbytes(300_000)
    (tmp_path / "disk").write_bytes(data)
    subprocess.run([tool("split"), *options, "-b", "10000", "disk", "disk.dd."], cwd=tmp_path, check=True)
    first = min(tmp_path.glob("disk.dd.*"))
    evidence = plugin.open(FileSource(first), ())
    assert len(evidence.segments) == 30  # .000 to .029, .aa to .bd
    assert whole(evidence.source) == data


def test_after_999_comes_1000(plugin):
    names = [f"d.{number:03d}" for number in range(1, 1003)]
    evidence = open_set(plugin, dict.fromkeys(names, b"x"), "d.001")
    assert evidence.segments[-3:] == ("d.1000", "d.1001", "d.1002")


def test_a_missing_part_ends_the_evidence_and_is_a_gap_that_names_it(plugin):
    parts = {"d.001": b"a" * 512, "d.002": b"b" * 512, "d.004": b"d" * 512}
    evidence = open_set(plugin, parts, "d.001")
    assert whole(evidence.source) == b"a" * 512 + b"b" * 512
    assert [(problem.severity, problem.error, problem.offset) for problem in evidence.problems] == [
        ("gap", "missing-segment", 1024)
    ]
    assert evidence.problems[0].message == (
        "d.003 is missing although d.004 is there: what follows cannot be placed, so the evidence ends before it, at "
        "byte 1024. Copy d.003 beside the other parts and open the image again."
    )


def test_a_missing_part_is_named_too_when_a_later_one_was_asked_for(plugin):
    parts = {"d.001": b"a" * 512, "d.003": b"c" * 512}
    evidence = open_set(plugin, parts, "d.003")
    assert evidence.segments == ("d.001",)
    assert evidence.problems[0].message.startswith("d.002 is missing although d.003 is there")


def test_a_part_far_behind_the_missing_ones_is_told_too(plugin):
    evidence = open_set(plugin, {"d.001": b"a" * 512, "d.090": b"c" * 512}, "d.090")
    assert evidence.segments == ("d.001",)
    assert evidence.problems[0].message.startswith("d.002 is missing although d.090 is there")


def test_parts_without_their_first_one_are_a_gap(plugin):
    parts = {"d.002": b"b" * 512, "d.003": b"c" * 512}
    evidence = open_set(plugin, parts, "d.002")
    assert evidence.problems[0].severity == "gap"
    assert evidence.problems[0].message.startswith("d.001 is missing although d.003 is there")


def test_a_lone_file_with_a_number_is_noted(plugin):
    evidence = open_set(plugin, {"dump.2023": b"x" * 512}, "dump.2023")
    assert [problem.severity for problem in evidence.problems] == ["note"]
    assert evidence.source.size == 512


def test_an_empty_part_ends_the_evidence(plugin):
    evidence = open_set(plugin, {"d.001": b"a" * 512, "d.002": b"", "d.003": b"c" * 512}, "d.001")
    assert evidence.segments == ("d.001",)
    assert evidence.problems[0].message.startswith("d.002 is empty: what follows cannot be placed")


def test_a_shorter_part_in_the_middle_is_noted(plugin):
    evidence = open_set(plugin, {"d.001": b"a" * 512, "d.002": b"b" * 100, "d.003": b"c" * 512}, "d.001")
    assert [(problem.severity, problem.offset) for problem in evidence.problems] == [("note", 612)]
    assert evidence.problems[0].message.startswith("d.002 has 100 bytes where the first part has 512")


def test_an_empty_file_is_damaged_with_a_sentence(plugin):
    with pytest.raises(Damaged, match=r"disk.dd is empty \(0 bytes\)"):
        plugin.open(Memory(b"", "disk.dd"), ())


@pytest.mark.parametrize("name", ["disk.dd", "disk.img", "disk", "disk.bin", "disk.gz"])
def test_an_extension_of_letters_is_not_a_part_of_another_set(plugin, name):
    parts = {name: b"x" * 512, "disk.aa": b"a" * 512, "disk.ab": b"b" * 512, "disk.aaa": b"a" * 512}
    evidence = open_set(plugin, parts, name)
    assert (evidence.segments, evidence.problems) == ((name,), ())


class Unread(Memory):
    """Fails when it is read."""

    def _read(self, offset, length):
        raise AssertionError("read")

    def sibling(self, name):
        return Unread(bytes(512), name) if name in ("d.001", "d.002") else None


def test_opening_reads_nothing(plugin):
    assert plugin.open(Unread(bytes(512), "d.001"), ()).source.size == 1024


@pytest.mark.parametrize(
    ("name", "later"),
    [
        ("d.000", False),
        ("d.001", False),
        ("d.002", True),
        ("d.0013", True),
        ("d.aa", False),
        ("d.ab", True),
        ("d.aab", True),
        ("d.dd", False),
        ("d.gz", False),
        ("d.img", False),
        ("d", False),
    ],
)
def test_only_names_of_later_parts_are_owned(plugin, name, later):
    assert plugin.owns(name) is later
