"""Byte sources against plain slices of the same bytes."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as some

from forensic_kit.bytesource import SPARSE, FileSource, Joined, Memory, Runs
from forensic_kit.errors import EvidenceLost, Misuse

DATA = bytes(range(256)) * 4


@given(offset=some.integers(0, 1100), length=some.integers(0, 1100))
def test_a_read_is_short_only_at_the_end(offset, length):
    assert Memory(DATA).read(offset, length) == DATA[offset : offset + length]


@given(
    runs=some.lists(some.tuples(some.integers(-1, 1000), some.integers(0, 40)), max_size=8),
    offset=some.integers(0, 300),
    length=some.integers(0, 300),
)
def test_runs_read_as_their_pieces_joined(runs, offset, length):
    plain = b"".join(bytes(n) if start == SPARSE else DATA[start : start + n].ljust(n, b"\0") for start, n in runs)
    assert Runs(Memory(DATA), runs).read(offset, length) == plain[offset : offset + length]


def test_a_run_past_the_end_reads_as_zeros_and_is_reported():
    source = Runs(Memory(DATA), [(1020, 8)])
    assert source.read(0, 8) == DATA[1020:1024] + bytes(4)
    assert [(fault.offset, fault.length) for fault in source.faults.drain()] == [(1024, 4)]
    assert source.faults.drain() == []


def test_stored_skips_holes():
    source = Runs(Memory(DATA), [(0, 10), (SPARSE, 20), (50, 5)])
    assert list(source.stored(5, 28)) == [(5, 5), (30, 3)]


@given(sizes=some.lists(some.integers(0, 9), min_size=1), offset=some.integers(0, 80), length=some.integers(0, 80))
def test_joined_parts_read_as_one(sizes, offset, length):
    parts, position = [], 0
    for size in sizes:
        parts.append(DATA[position : position + size])
        position += size
    joined = Joined(map(Memory, parts))
    assert joined.read(offset, length) == b"".join(parts)[offset : offset + length]


def test_a_file_cut_short_while_open_is_lost_evidence_and_no_fault(tmp_path):
    path = tmp_path / "x.dd"
    path.write_bytes(DATA)
    source = FileSource(path)
    os.truncate(path, 100)
    with pytest.raises(EvidenceLost, match="--resume"):
        source.read(50, 100)
    assert source.read(0, 100) == DATA[:100]


def test_a_file_that_is_not_there_is_told_by_name(tmp_path):
    with pytest.raises(Misuse, match=r"nothing\.dd: cannot be opened"):
        FileSource(tmp_path / "nothing.dd")


def test_a_sibling_never_leads_out_of_the_folder(tmp_path):
    (tmp_path / "secret").write_bytes(b"x")
    folder = tmp_path / "exhibit"
    folder.mkdir()
    (folder / "a.001").write_bytes(b"1")
    (folder / "a.002").write_bytes(b"2")
    source = FileSource(folder / "a.001")
    assert source.sibling("a.002").read(0, 9) == b"2"
    assert source.sibling("../secret") is None
    assert source.sibling("..") is None
