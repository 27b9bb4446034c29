"""The canonical facts of a case. What must come out follows from what report_case.py puts in; see witness.md there."""

import hashlib
import json
import os
import re
import time
from pathlib import Path

import msgspec
import pytest

from forensic_kit import case, facts, registry
from forensic_kit.errors import Misuse
from forensic_kit.facts.charts import charts
from forensic_kit.facts.lists import write_list
from forensic_kit.model import Event
from tests.conftest import ROOT
from tests.plugins.reports import report_case


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One case of 2,000 entries for all tests that only read."""
    return report_case.make(tmp_path_factory.mktemp("case") / "case")


@pytest.fixture(scope="module")
def built(made, tmp_path_factory):
    """Its facts."""
    folder = tmp_path_factory.mktemp("facts")
    facts.write_report(made, folder, (), registry.Registry())
    return folder


def read(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_bytes())


def rows(folder: Path, name: str) -> list[dict]:
    return [
        row
        for shard in read(folder)["lists"][name]["shards"]
        for row in json.loads((folder / shard["file"]).read_bytes())
    ]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_case_gives_the_same_bytes_in_another_zone_and_folder(made, built, tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    try:
        facts.write_report(made, tmp_path / "again", (), registry.Registry())
    finally:
        os.environ.pop("TZ")
        time.tzset()
    assert contents(tmp_path / "again") == contents(built)


def test_the_schema_says_its_version(built):
    assert read(built)["schema"] == "forensic-kit/report/1"


def test_findings_are_counted_once_and_places_each(built):
    # Every 20th of 2,000 entries holds a term, less one that could not be read, one in unallocated space, and one
    # content lies on both exhibits. Every 50th matches a rule; every 50th holds a record, less one unread.
    types = {kind["type"]: (kind["findings"], kind["places"]) for kind in read(built)["findings"]["types"]}
    assert types == {"keyword.hit": (100, 101), "windows.recycle_bin.deleted": (39, 39), "yara.match": (40, 40)}


def test_a_copy_on_another_exhibit_is_a_place_of_the_same_finding(built):
    found = [row for row in rows(built, "findings") if row["path"] == "DCIM/copy.txt"]
    first = [row for row in rows(built, "findings") if row["id"].split(".")[0] == found[0]["id"].split(".")[0]]
    assert [(row["evidence"], row["duplicate"]) for row in first] == [("ABC/1", False), ("XYZ-2", True)]


def test_terms_without_a_hit_are_listed_with_zero(built):
    terms = {row["text"]: row["findings"] for row in rows(built, "terms") if row["list"] == "names"}
    assert sorted(text for text, count in terms.items() if not count) == [f"term {n}" for n in range(31, 41)]
    assert read(built)["terms"][0]["not_hit"] == 10


def test_a_rule_is_counted_by_namespace_and_name(built):
    counts = {
        row["text"]: (row["findings"], row["entries"]) for row in rows(built, "terms") if row["list"] == "loaders"
    }
    assert counts == {"Loader_A": (40, 40), "Never_Met": (0, 0)}


def test_a_plan_says_how_many_items_it_has(built):
    assert [(plan["name"], plan["run"], plan["items"]) for plan in read(built)["plans"]] == [
        ("names", 1, 40),
        ("loaders", 2, 2),
    ]


def test_gaps_come_before_notes_and_are_grouped_by_class(built):
    groups = [(group["severity"], group["error"], group["count"]) for group in read(built)["problems"]["groups"]]
    assert groups == [("gap", "unreadable", 21), ("gap", "Locked", 1), ("note", "trailing", 39), ("note", "overlap", 1)]
    assert [row["severity"] for row in rows(built, "problems")] == ["gap"] * 22 + ["note"] * 40


def test_every_list_is_as_its_index_says(built):
    for name, item in read(built)["lists"].items():
        assert item["rows"] == sum(shard["rows"] for shard in item["shards"]), name
        for shard in item["shards"]:
            data = (built / shard["file"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == shard["sha256"]
            assert (len(data), len(json.loads(data))) == (shard["bytes"], shard["rows"])


def test_a_long_list_is_cut_into_files_of_five_thousand_rows(tmp_path):
    (tmp_path / "facts").mkdir()
    index = write_list(tmp_path, "x", ({"n": number} for number in range(12_001)))
    assert [shard["rows"] for shard in index["shards"]] == [5000, 5000, 2001]
    assert json.loads((tmp_path / "facts/x-0003.json").read_bytes())[-1] == {"n": 12_000}


def test_long_rows_end_a_file_before_it_grows_past_eight_mebibytes(tmp_path):
    (tmp_path / "facts").mkdir()
    index = write_list(tmp_path, "x", ({"text": "x" * 3_000_000} for _ in range(5)))
    assert [shard["rows"] for shard in index["shards"]] == [2, 2, 1]


def test_an_empty_list_has_no_file(tmp_path):
    assert write_list(tmp_path, "x", ()) == {"rows": 0, "shards": []}


def test_looking_at_a_case_changes_no_fact(tmp_path):
    folder = report_case.make(tmp_path / "case", 60)
    facts.write_report(folder, tmp_path / "one", (), registry.Registry())
    with case.open_case(folder, writable=True) as opened:
        for action in ("report written", "content read", "content extracted", "shown"):
            opened.record("A. Examiner", action, {"what": "x"})
    facts.write_report(folder, tmp_path / "two", (), registry.Registry())
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_an_action_that_changes_the_case_moves_the_audit_head(tmp_path):
    folder = report_case.make(tmp_path / "case", 60)
    facts.write_report(folder, tmp_path / "one", (), registry.Registry())
    with case.open_case(folder, writable=True) as opened:
        head = opened.record("A. Examiner", "note added", {"text": "x"})
    facts.write_report(folder, tmp_path / "two", (), registry.Registry())
    assert read(tmp_path / "two")["audit"] == {"entries": head.count, "head": head.hash}
    assert read(tmp_path / "one")["audit"]["entries"] == head.count - 1


def test_an_event_of_a_shared_content_stands_at_every_entry_that_holds_it(tmp_path):
    folder = report_case.make(tmp_path / "case", 60)
    with case.open_case(folder, writable=True) as opened, opened.transaction() as db:
        key = db.execute(
            "SELECT key FROM findings JOIN entries USING (content) WHERE type = 'keyword.hit' "
            "GROUP BY key HAVING count(*) = 2"
        ).fetchone()[0]
        event = Event("visited", report_case.utc(1_600_000_000))
        moment = msgspec.msgpack.encode(event.moment)
        db.execute("INSERT INTO events VALUES(?, ?, ?, ?)", (key, event.meaning, event.moment.utc_ns, moment))
    facts.write_report(folder, tmp_path / "out", (), registry.Registry())
    found = [
        (row["evidence"], row["time"]) for row in rows(tmp_path / "out", "timeline") if row["meaning"] == "visited"
    ]
    assert found == [("ABC/1", "2020-09-13T12:26:40.0012345Z"), ("XYZ-2", "2020-09-13T12:26:40.0012345Z")]


def test_times_before_1970_count_on_their_own_day(tmp_path):
    case.create(tmp_path / "case", "A. Examiner").close()
    with case.open_case(tmp_path / "case", writable=True) as opened:
        disk = {"name": "A", "paths": ["/a"], "format": "raw", "size": 1, "sector_size": 512, "stored_digests": {}}
        opened.add_evidence("A", ["/a"], disk, [{"number": "1", "start": 0, "size": 1, "scheme": "none"}])
        early = report_case.FileEntry(
            report_case.Locator("A", "1", "5", path=report_case.Name("x")), "file", 0, modified=report_case.utc(-3600)
        )
        opened.add_listing(1, [early], ())
    facts.write_report(tmp_path / "case", tmp_path / "out", (), registry.Registry())
    assert [row["day"] for row in rows(tmp_path / "out", "days")] == ["1969-12-31"]


def test_a_few_far_off_times_do_not_flatten_the_chart_of_the_rest():
    # One time on 1980-01-01, 100 on each of ten days from 2024-03-01; 3652 and 19783 days after 1970-01-01.
    days = [(3652, 1, 0), *((19783 + number, 100, number) for number in range(10))]
    whole, detail = charts(days)
    first = {"label": "1980", "files": 1, "events": 0}
    assert (whole["unit"], whole["slots"][0], len(whole["slots"])) == ("year", first, 45)
    assert whole["slots"][-1] == {"label": "2024", "files": 1000, "events": 45}
    ends = (detail["slots"][0]["label"], detail["slots"][-1]["label"])
    assert (detail["unit"], ends) == ("day", ("2024-03-01", "2024-03-10"))
    assert detail["outside"] == {"files": 1, "events": 0}


def test_times_that_lie_together_have_one_chart_without_gaps():
    assert charts([(19783, 5, 1), (19783 + 200, 7, 0)]) == [
        {
            "unit": "month",
            "slots": [
                {"label": "2024-03", "files": 5, "events": 1},
                *({"label": f"2024-{month:02d}", "files": 0, "events": 0} for month in range(4, 9)),
                {"label": "2024-09", "files": 7, "events": 0},
            ],
            "outside": {"files": 0, "events": 0},
        }
    ]


def test_no_times_have_no_chart():
    assert charts([]) == []


def test_a_pass_that_is_not_finished_is_said(tmp_path):
    folder = report_case.make(tmp_path / "case", 60)
    with case.open_case(folder, writable=True) as opened:
        opened.start_run(report_case._plan([]), report_case._facts("2026-05-06T08:00:00Z"))
    facts.write_report(folder, tmp_path / "out", (), registry.Registry())
    report = read(tmp_path / "out")
    assert report["status"]["finished"] is False
    assert "Pass 3 is not finished" in report["statements"][0]["text"]


def test_a_case_without_findings_says_what_was_not_met_and_where(tmp_path):
    case.create(tmp_path / "case", "A. Examiner").close()
    facts.write_report(tmp_path / "case", tmp_path / "out", (), registry.Registry())
    texts = [item["text"] for item in read(tmp_path / "out")["statements"]]
    assert "No match was found in the data searched." in texts
    assert "No pass was run over this case: nothing was examined." in texts


def test_digests_that_differ_are_a_warning(tmp_path):
    folder = report_case.make(tmp_path / "case", 60)
    with case.open_case(folder, writable=True) as opened:
        found = opened.verification(1, 1, "after")
        found["compared"][0] |= {"equal": False, "stored": "0" * 32}
        opened.add_verification(1, 1, "after", found | {"result": "mismatch"})
    facts.write_report(folder, tmp_path / "out", (), registry.Registry())
    report = read(tmp_path / "out")
    assert report["status"]["digests"] == report["exhibits"][0]["result"] == "mismatch"
    said = next(item for item in report["statements"] if item["id"] == "digests:ABC/1")
    assert (said["tone"], said["text"]) == ("warning", "Exhibit ABC/1: 1 of 5 comparisons of digests differ.")


def test_an_exhibit_without_an_earlier_digest_is_never_called_verified(built):
    assert read(built)["exhibits"][1]["result"] == "not verifiable"
    said = next(item for item in read(built)["statements"] if item["id"] == "digests:XYZ-2")
    assert said["tone"] == "warning"
    assert "No digest recorded earlier was there to compare with" in said["text"]


def test_reports_name_files_and_not_the_folders_of_the_lab(built):
    assert read(built)["exhibits"][0]["files"] == ["ABC-1.E01", "ABC-1.E02"]


@pytest.mark.parametrize(
    "phrase",
    ["guilt", "proves", "proof", "suspect", "definitely", "clearly", "complian", "complies", "in accordance with",
     "admissible", "not on the device", "innocent", "illegal"],
)  # fmt: skip
def test_no_sentence_judges_or_claims_to_comply(built, phrase):
    text = json.dumps(read(built)["statements"]).lower()
    templates = Path(registry.resource_folder("plugins")) / "reports" / "templates"
    text += "".join(path.read_text(encoding="utf-8").lower() for path in sorted(templates.rglob("*.*")))
    assert phrase not in text


def test_limits_come_only_from_the_plugin_file_that_the_case_names(tmp_path):
    loaded = registry.load()
    plugin = loaded.loaded["windows.recycle_bin"]
    case.create(tmp_path / "case", "A. Examiner").close()
    with case.open_case(tmp_path / "case", writable=True) as opened:
        plan = report_case._plan([]) | {
            "plugins": {"artefacts/windows.recycle_bin": plugin.sha256, "images/raw": "0" * 64}
        }
        opened.start_run(plan, report_case._facts("2026-05-06T08:00:00Z"))
    facts.write_report(tmp_path / "case", tmp_path / "out", (), loaded)
    said = {item["name"]: (item["described"], item["limits"]) for item in read(tmp_path / "out")["plugins"]}
    assert said == {
        "raw": (False, []),
        "windows.recycle_bin": (True, list(plugin.plugin.limits)),
    }


def test_a_folder_that_holds_something_is_refused(made, tmp_path):
    (tmp_path / "old.txt").write_text("x")
    with pytest.raises(Misuse, match="not an empty folder"):
        facts.write_report(made, tmp_path, (), registry.Registry())


def test_an_unknown_format_is_refused_before_anything_is_written(made, tmp_path):
    with pytest.raises(Misuse, match="no report plugin writes 'docx'"):
        facts.write_report(made, tmp_path / "out", ["docx"], registry.load())
    assert not (tmp_path / "out").exists()


def test_a_report_without_named_formats_is_written_in_all(tmp_path):
    folder = report_case.make(tmp_path / "case", 60)
    written = facts.write_report(folder, tmp_path / "out", (), registry.load())
    names = {path.relative_to(tmp_path / "out").as_posix() for path in written}
    assert {"report.json", "index.html", "report.pdf"} <= names
    assert names == set(contents(tmp_path / "out"))


def test_each_report_of_a_case_has_a_folder_of_its_own(tmp_path):
    assert facts.default_folder(tmp_path) == tmp_path / "reports" / "0001"
    (tmp_path / "reports" / "0007").mkdir(parents=True)
    (tmp_path / "reports" / "mine").mkdir()
    assert facts.default_folder(tmp_path) == tmp_path / "reports" / "0008"


def test_the_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    # FIPS 180-4, example for "abc"
    assert facts.file_digest(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_list_of_all_entries_is_written_only_when_asked_for(made, built, tmp_path):
    assert "files" not in read(built)["lists"]
    facts.write_report(made, tmp_path / "out", (), registry.Registry(), all_files=True)
    assert read(tmp_path / "out")["lists"]["files"]["rows"] == 2006  # 2,000 files, 4 cells, a folder and the copy in it


#: Keys that are data of the case made here and not names of fields.
DATA = re.compile(r"[A-Z].*|.*[./ -].*|utf8|hyperscan|pytsk3|typst|folding|keywords|yara|libmagic|slack|areas|lists")
OUTCOMES = {"content", "terms", "type", "done", "duplicate", "empty", "failed", "partial", "skipped", "windowed"}
KINDS = {"file", "directory", "unallocated", "record"}


def names(value: object) -> set[str]:
    """The keys of all objects in some facts."""
    if isinstance(value, list):
        return set().union(*map(names, value))
    if not isinstance(value, dict):
        return set()
    return {key for key in value if not DATA.fullmatch(key)}.union(*map(names, value.values()))


def test_every_field_stands_in_the_reference(built):
    page = (ROOT / "docs" / "reference" / "report-json.md").read_text(encoding="utf-8")
    quoted = [*re.findall("`([^`]+)`", page), *re.findall("^## (.*)$", page, re.MULTILINE)]
    fields = names(read(built)).union(*(names(rows(built, name)[0]) for name in ("timeline", "terms", "days")))
    assert sorted(fields - set(re.findall(r"\w+", " ".join(quoted))) - OUTCOMES - KINDS - {"name", "version"}) == []
