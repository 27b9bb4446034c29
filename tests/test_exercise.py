"""The main job on the exercise disk against what its maker put in; no code of ours wrote `exercise.truth.json`."""

import json

import pytest

from forensic_kit import pipeline, profile, registry
from forensic_kit.case import open_case
from forensic_kit.queries import Reader
from tests.conftest import ROOT

SAMPLES = ROOT / "sample_images"
TRUTH = json.loads((SAMPLES / "exercise.truth.json").read_text(encoding="utf-8"))
#: What this version's keyword lists are searched in.
ENCODINGS = ("utf-8", "utf-16-le")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A case of the E01 with the exercise's own list and the project's rules."""
    folder = tmp_path_factory.mktemp("exercise") / "case"
    outcome = pipeline.run(
        pipeline.Job(
            {"EX": SAMPLES / "exercise.E01"},
            folder,
            profile.load("standard"),
            registry.load(),
            options={
                "keywords": {"lists": [str(SAMPLES / "exercise.keywords.txt")]},
                "yara": {"rules": [str(ROOT / "rules" / "yara")]},
            },
        )
    )
    assert outcome.summary["adds_up"]
    return folder


@pytest.fixture(scope="module")
def files(case):
    """Rows by (volume, path as the truth writes it, stream)."""
    with open_case(case) as opened:
        rows = list(Reader(opened).files("container IS NULL AND kind IN ('file', 'stream', 'link', 'directory')"))
    found = {}
    for row in rows:
        path = row["path"].removesuffix(f":{row['stream']}") if row["stream"] else row["path"]
        found.setdefault((row["volume"], "/" + path, row["stream"] or None), []).append(row)
    return found


@pytest.fixture(scope="module")
def findings(case):
    """All findings."""
    with open_case(case) as opened:
        return list(Reader(opened).findings())


def entries():
    """(volume, row) of everything the maker put in."""
    return [(volume["number"], row) for volume in TRUTH["volumes"] for row in volume["files"]]


def listed(row):
    """The path under which a file shows: a deleted FAT name has lost its first letter."""
    return row.get("listed_as") or row["path"]


def test_every_file_put_in_is_listed_live_or_deleted_as_it_is(files):
    missing = []
    for volume, row in entries():
        found = files.get((volume, listed(row), row.get("stream")), [])
        if not any(item["allocated"] == (row["state"] == "live") for item in found):
            missing.append((volume, row["path"], row.get("stream"), row["state"], len(found)))
    assert missing == []


def test_every_content_put_in_comes_out_with_its_digest(files):
    wrong = []
    for volume, row in entries():
        if "sha256" not in row or row["state"] == "overwritten" or row.get("cleared"):
            continue
        found = files.get((volume, listed(row), row.get("stream")), [])
        if not any((item["sha256"], item["size"]) == (row["sha256"], row["size"]) for item in found):
            wrong.append(
                (volume, row["path"], row["state"], row["size"], [(item["size"], item["sha256"]) for item in found])
            )
    assert wrong == []


def test_what_was_overwritten_is_said_to_be_and_is_not_searched(files):
    checked = 0
    for volume, row in entries():
        if row["state"] == "overwritten":
            (found,) = files[volume, listed(row), row.get("stream")]
            assert found["content_state"] == "overwritten"
            assert found["stages"]["terms"] == "skipped: overwritten"
            checked += 1
    assert checked >= 2


def test_every_planted_hit_with_a_place_is_found_at_its_byte(findings):
    places = {
        (row["record"]["term"], row["record"]["encoding"], row["image_offset"])
        for row in findings
        if row["type"] == "keyword.hit"
    }
    planted = {
        (hit["term"], hit["encoding"], hit["image_offset"])
        for hit in TRUTH["hits"]
        if hit["image_offset"] is not None and hit["encoding"] in ENCODINGS
    }
    assert len(planted) > 100
    assert planted - places == set()


def test_no_hit_is_found_where_none_was_planted(findings):
    planted = {hit["image_offset"] for hit in TRUTH["hits"] if hit["image_offset"] is not None}
    found = {
        row["image_offset"] for row in findings if row["type"] == "keyword.hit" and row["image_offset"] is not None
    }
    assert found - planted == set()


def test_hits_in_archive_members_are_found(findings):
    found = {
        (row["record"]["term"], row["record"]["encoding"], row["offset"])
        for row in findings
        if row["type"] == "keyword.hit" and row["kind"] == "member"
    }
    packed = [
        hit
        for hit in TRUTH["hits"]
        if hit["area"] == "member"
        and hit["encoding"] in ENCODINGS
        and hit["path"].endswith((".zip", ".docx", ".gz", ".jpg"))
        and not hit["path"].endswith("locked.zip")
    ]
    assert len(packed) > 5
    missing = [hit for hit in packed if (hit["term"], hit["encoding"], hit["offset"]) not in found]
    assert missing == []


def test_the_facts_of_the_artefacts_are_the_ones_put_in(findings):
    by_type = {}
    for row in findings:
        by_type.setdefault(row["type"], []).append(row["record"])
    facts = {key: value for _, row in entries() for key, value in row.get("facts", {}).items()}
    visits = [(record["url"], record["state"]) for record in by_type["chromium.history.visit"]]
    assert sorted(url for url, state in visits if state != "wal") == sorted(facts["visits"])
    assert [url for url, state in visits if state == "wal"] == facts["visits_in_wal_only"]
    assert [record["url"] for record in by_type["chromium.history.download"]] == facts["downloads"]
    (thrown,) = by_type["windows.recycle_bin.deleted"]
    assert (thrown["original_path"], thrown["size"]) == (facts["original"], facts["original_size"])
    assert thrown["deleted"]["time"].startswith("2026-03-04T15:30:00")
    (shortcut,) = by_type["windows.lnk.shortcut"]
    assert facts["target"] in json.dumps(shortcut).replace("\\\\", "\\")


def test_a_locked_member_is_a_gap_and_its_content_is_not_claimed_to_be_searched(case):
    with open_case(case) as opened:
        reader = Reader(opened)
        gaps = [row["path"] for row in reader.problems() if row["error"] == "Locked"]
        (member,) = reader.files("locator LIKE '%locked.zip!zip:secret.txt'")
    assert gaps == [member["locator"]]
    assert (member["state"], member["reason"], member["sha256"]) == ("skipped", "locked", None)
