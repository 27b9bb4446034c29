"""Space against a plain set of bytes, written down the slow way."""

import io
import itertools

from hypothesis import given
from hypothesis import strategies as some

from forensic_kit.model import CELL, FileEntry, Locator, Name
from forensic_kit.space import Claims, cells, merged, outside_files, without

ranges = some.lists(some.tuples(some.integers(0, 60), some.integers(0, 12)), max_size=8).map(
    lambda items: sorted((start, start + length) for start, length in items)
)


def covered(items):
    return {byte for start, end in items for byte in range(start, end)}


@given(ranges)
def test_merged_ranges_cover_the_same_and_do_not_touch(items):
    found = list(merged(items))
    assert covered(found) == covered(items)
    assert all(first[1] < second[0] for first, second in itertools.pairwise(found))


@given(ranges, ranges)
def test_without_takes_away_the_holes_and_nothing_else(items, holes):
    items, holes = list(merged(items)), list(merged(holes))
    found = list(without(items, holes))
    assert covered(found) == covered(items) - covered(holes)
    assert found == sorted(found)


@given(ranges, ranges)
def test_files_system_and_unallocated_add_up_to_the_volume(claims, used):
    claims = [(start, min(end, 50)) for start, end in merged(claims) if start < 50]
    used = [(start, min(end, 50)) for start, end in merged(used) if start < 50]
    entries = list(outside_files(50, claims, used))
    runs = [(start, start + length) for entry in entries for start, length in entry.runs]
    assert covered(runs) == set(range(50)) - covered(claims)
    assert sum(end - start for start, end in runs) == len(covered(runs))


def test_space_is_cut_at_cell_borders_and_the_rest_is_margin():
    first, second = cells([(CELL - 10, CELL + 100_000)], "unallocated", "unallocated")
    assert (first.runs, first.size, first.margin) == (((CELL - 10, 10),), 10, 65536)
    assert (second.runs, second.margin) == (((CELL, 100_000),), 0)
    assert str(second.locator) == f"/v/-/#unallocated@{CELL}+{CELL}"


def test_ranges_apart_in_two_cells_have_no_margin():
    first, _ = cells([(0, 10), (CELL, CELL + 5)], "unallocated", "unallocated")
    assert first.margin == 0


def entry(name, runs, size, state="allocated"):
    return FileEntry(Locator("", "", "1", path=Name(name)), "file", size, content_state=state, runs=runs)


def test_a_deleted_file_is_overwritten_when_one_of_its_clusters_is_claimed():
    claims = Claims(io.BytesIO())
    for item in (
        entry("live", ((0, 100), (200, 100)), 150),
        entry("taken", ((250, 50),), 40, "unknown"),
        entry("free", ((100, 100),), 100, "unknown"),
        entry("only its slack", ((150, 100),), 50, "unknown"),
        entry("hole", ((-1, 100),), 100, "unknown"),
    ):
        claims.add(item)
        claims.remember(item)
    assert {locator.rsplit("/", 1)[-1]: state for locator, state in claims.states()} == {
        "taken": "overwritten",
        "free": "unallocated",
        "only its slack": "unallocated",
        "hole": "unallocated",
    }


def test_a_million_runs_that_touch_become_one_range():
    claims = Claims(io.BytesIO())
    for start in range(0, 1_200_000 * 512, 512 * 1000):
        claims.add(entry("x", tuple((start + 512 * n, 512) for n in range(1000)), 512_000))
    assert claims.ranges() == [(0, 1_200_000 * 512)]
