"""What kills a worker costs one entry, is told by name, and the run ends with right totals."""

import pytest

from forensic_kit import pipeline
from tests.engine.toys import image, job, rows

DEEDS = {
    "ABORT": "killed the worker",
    "SEGV": "killed the worker",
    "HANG": "took longer than its limit",
    "EAT": "memory",
    "KILL": "killed the worker",
}


def ordinary(count):
    return [{"name": f"file{n:03}.txt", "data": b"plain text with a needle, number %d" % n} for n in range(count)]


def by_path(case):
    return {row["path"]: row for row in rows(case)["files"] if row["kind"] == "file"}


@pytest.mark.parametrize("deed", DEEDS)
def test_a_content_that_ends_its_worker_costs_that_entry_alone(tmp_path, deed):
    items = ordinary(20)
    items.insert(7, {"name": "bad.bin", "data": deed.encode() + b" now, needle"})
    outcome = pipeline.run(job(image(tmp_path / "x.toy", items), tmp_path / "case"))
    files = by_path(tmp_path / "case")
    assert files["bad.bin"]["state"] == "failed"
    assert DEEDS[deed] in files["bad.bin"]["reason"]
    assert {row["state"] for path, row in files.items() if path != "bad.bin"} == {"done"}
    assert len(files) == 21
    found = rows(tmp_path / "case")
    assert sum(row["type"] == "toy.needle" and row["kind"] == "file" for row in found["findings"]) == 20
    assert [row["path"] for row in found["problems"] if row["severity"] == "gap"] == ["X/v1/7/bad.bin"]
    assert outcome.summary["adds_up"]
    assert outcome.exit_code == 4


def test_a_scanner_that_raises_costs_its_own_stage_alone(tmp_path):
    items = [*ordinary(3), {"name": "bad.bin", "data": b"RAISE now"}]
    pipeline.run(job(image(tmp_path / "x.toy", items), tmp_path / "case"))
    bad = by_path(tmp_path / "case")["bad.bin"]
    assert bad["stages"]["content"] == "done"
    assert bad["stages"]["terms"] == "partial: PluginError"
    assert bad["sha256"]
    messages = [row["message"] for row in rows(tmp_path / "case")["problems"]]
    assert messages == ["toy.scanner: ValueError: raised on command"]


def test_an_entry_that_cannot_be_opened_without_dying_is_told_by_name(tmp_path):
    items = [*ordinary(3), {"name": "bad.bin", "data": b"x" * 40, "open": "SEGV"}]
    pipeline.run(job(image(tmp_path / "x.toy", items), tmp_path / "case"))
    assert by_path(tmp_path / "case")["bad.bin"]["state"] == "failed"


def test_a_directory_that_kills_the_listing_is_left_out_and_told(tmp_path):
    items = ordinary(4)
    items.insert(2, {"name": "bad folder", "data": b"", "kind": "directory", "list": "ABORT"})
    outcome = pipeline.run(job(image(tmp_path / "x.toy", items), tmp_path / "case"))
    assert len(by_path(tmp_path / "case")) == 4
    problems = rows(tmp_path / "case")["problems"]
    assert [(row["severity"], row["stage"], row["path"]) for row in problems] == [("gap", "list", "X/v1/2/bad folder")]
    assert outcome.exit_code == 4


def test_a_listing_that_cannot_be_had_leaves_the_volume_searched_as_space(tmp_path):
    items = ordinary(4)
    items[0]["list"] = "ABORT"
    outcome = pipeline.run(job(image(tmp_path / "x.toy", items), tmp_path / "case"))
    found = rows(tmp_path / "case")
    assert {row["kind"] for row in found["files"]} == {"unallocated"}
    assert sum(row["type"] == "toy.needle" for row in found["findings"]) == 4
    assert outcome.exit_code == 4
    assert outcome.summary["adds_up"]


def test_a_member_that_kills_its_worker_costs_that_member_alone(tmp_path):
    box = b'TOYBOX[["a.txt", "needle one"], ["b.txt", "SEGV now"], ["c.txt", "needle two"]]'
    pipeline.run(job(image(tmp_path / "x.toy", [*ordinary(3), {"name": "box", "data": box}]), tmp_path / "case"))
    members = {row["path"]: row for row in rows(tmp_path / "case")["files"] if row["kind"] == "member"}
    assert {path: row["state"] for path, row in members.items()} == {
        "box!a.txt": "done",
        "box!b.txt": "failed",
        "box!c.txt": "done",
    }
    gaps = [row["path"] for row in rows(tmp_path / "case")["problems"] if row["severity"] == "gap"]
    assert gaps == ["X/v1/3/box!box:b.txt"]


def test_the_case_is_the_same_with_one_worker_and_with_four(tmp_path):
    box = b'TOYBOX[["a.txt", "needle one"], ["a.txt", "needle one"], ["b", "RAISE x"]]'
    items = ordinary(300)
    items += [{"name": f"copy{n}", "data": b"the same needle"} for n in range(50)]
    items += [{"name": "bad", "data": b"ABORT"}, {"name": "box", "data": box}, {"name": "box copy", "data": box}]
    items += [{"name": "gone", "data": b"old needle", "deleted": True}]
    path = image(tmp_path / "x.toy", items, tail=500)
    for jobs in (1, 4):
        pipeline.run(job(path, tmp_path / f"case{jobs}", jobs=jobs))
    assert rows(tmp_path / "case1") == rows(tmp_path / "case4")
