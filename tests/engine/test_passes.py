"""A second exhibit or a late list is a new pass that does only what is new; ids never change."""

import pytest

from forensic_kit import pipeline
from forensic_kit.case import open_case
from forensic_kit.errors import Misuse
from tests.engine.toys import image, job, rows

ITEMS = [
    {"name": "a.txt", "data": b"needle and haystack"},
    {"name": "b.txt", "data": b"only a haystack"},
    {"name": "box", "data": b'TOYBOX[["m.txt", "needle in a haystack"]]'},
]
LATE = {"toy.scanner": {"word": "haystack"}}


def findings(case):
    return {row["id"]: row for row in rows(case)["findings"]}


def test_the_same_run_again_has_nothing_to_do(tmp_path):
    exhibit = image(tmp_path / "x.toy", ITEMS)
    first = pipeline.run(job(exhibit, tmp_path / "case"))
    again = pipeline.run(job(exhibit, tmp_path / "case"))
    assert again.message.startswith("nothing new")
    assert again.exit_code == first.exit_code


def test_a_late_list_runs_alone_and_reaches_members_too(tmp_path):
    exhibit = image(tmp_path / "x.toy", ITEMS)
    pipeline.run(job(exhibit, tmp_path / "case"))
    before = findings(tmp_path / "case")
    pipeline.run(job(exhibit, tmp_path / "case", options=LATE))
    after = findings(tmp_path / "case")
    assert {id_: row for id_, row in after.items() if row["run"] == 1} == before
    late = sorted((row["path"], row["offset"]) for row in after.values() if row["run"] == 2)
    assert late == [("a.txt", 11), ("b.txt", 7), ("box", 30), ("box!m.txt", 12)]


def test_a_second_exhibit_leaves_the_first_as_it_was(tmp_path):
    exhibit = image(tmp_path / "x.toy", ITEMS)
    other = image(tmp_path / "y.toy", [*ITEMS, {"name": "d.txt", "data": b"another needle"}])
    pipeline.run(job(exhibit, tmp_path / "case"))
    before = rows(tmp_path / "case")
    both = job(exhibit, tmp_path / "case")
    both.exhibits["A"] = other
    pipeline.run(both)
    after = rows(tmp_path / "case")
    assert [row for row in after["files"] if row["evidence"] == "X"] == before["files"]
    old = {row["id"] for row in before["findings"]}
    assert old <= {row["id"] for row in after["findings"]}
    assert {row["path"] for row in after["findings"] if row["evidence"] == "A"} == {
        "a.txt",
        "box",
        "box!m.txt",
        "d.txt",
    }


def test_both_exhibits_at_once_find_what_two_passes_find(tmp_path):
    exhibit = image(tmp_path / "x.toy", ITEMS)
    other = image(tmp_path / "y.toy", [*ITEMS, {"name": "d.txt", "data": b"another needle"}])
    pipeline.run(job(exhibit, tmp_path / "one"))
    for case in ("one", "two"):
        both = job(exhibit, tmp_path / case)
        both.exhibits["A"] = other
        pipeline.run(both)
    assert findings(tmp_path / "one").keys() == findings(tmp_path / "two").keys()


def test_other_evidence_under_a_known_name_is_refused(tmp_path):
    pipeline.run(job(image(tmp_path / "x.toy", ITEMS), tmp_path / "case"))
    with pytest.raises(Misuse, match="other evidence called X"):
        pipeline.run(job(image(tmp_path / "y.toy", ITEMS, tail=5000), tmp_path / "case"))


def test_evidence_that_moved_is_the_same_evidence(tmp_path):
    path = image(tmp_path / "x.toy", ITEMS)
    pipeline.run(job(path, tmp_path / "case"))
    moved = path.rename(tmp_path / "elsewhere.toy")
    outcome = pipeline.run(job(moved, tmp_path / "case"))
    assert outcome.message.startswith("nothing new")


def test_every_pass_and_its_plan_are_in_the_audit_log(tmp_path):
    exhibit = image(tmp_path / "x.toy", ITEMS)
    pipeline.run(job(exhibit, tmp_path / "case"))
    pipeline.run(job(exhibit, tmp_path / "case", options=LATE))
    with open_case(tmp_path / "case") as case:
        actions = [row[0] for row in case.db.execute("SELECT action FROM audit ORDER BY number")]
        plans = case.db.execute("SELECT run, digest FROM plans ORDER BY run").fetchall()
    assert actions == ["case created", "run started", "run finished", "run started", "run finished"]
    assert plans == [(1, "toy needle"), (2, "toy haystack")]
