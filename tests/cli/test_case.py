"""case, report, audit, rules, keywords, plugins, doctor: on a case of the exercise disk."""

import json
import shutil
import sqlite3

import pytest

from tests.cli.conftest import SAMPLES, fkit
from tests.conftest import ROOT

RAW = (SAMPLES / "exercise.dd").read_bytes()
FILE_FIELDS = {
    "evidence",
    "volume",
    "path",
    "inode",
    "stream",
    "kind",
    "size",
    "allocated",
    "name_state",
    "meta_state",
    "content_state",
    "modified",
    "accessed",
    "changed",
    "born",
    "zone",
    "md5",
    "sha1",
    "sha256",
    "mime",
    "state",
    "reason",
    "stages",
    "locator",
}
FINDING_FIELDS = {
    "id",
    "type",
    "plugin",
    "evidence",
    "volume",
    "path",
    "sha256",
    "where",
    "offset",
    "image_offset",
    "record",
}


def test_summary_adds_up_by_stage_and_outcome(exercise):
    facts = json.loads(fkit("case", "summary", exercise, "--json").out)
    content = facts["ledger"]["stages"]["content"]
    assert facts["ledger"]["adds_up"] and not facts["ledger_faults"]
    assert sum(cell["entries"] for cell in content.values()) == facts["ledger"]["entries"]
    assert sum(cell["bytes"] for cell in content.values()) == facts["ledger"]["bytes"]


def test_files_have_the_documented_fields(exercise):
    rows = fkit("case", "files", exercise, "--json").rows
    assert all(set(row) >= FILE_FIELDS for row in rows)
    assert {row["kind"] for row in rows} >= {"file", "directory", "link", "stream", "slack", "unallocated", "member"}
    assert [row["locator"] for row in rows] == sorted(row["locator"] for row in rows)


def test_files_can_be_narrowed(exercise):
    rows = fkit("case", "files", exercise, "--json", "--deleted", "--kind", "file").rows
    assert rows and not any(row["allocated"] for row in rows)
    rows = fkit("case", "files", exercise, "--json", "--path", "*/DOWNLOADS/*").rows
    assert rows and all("/downloads/" in row["path"].lower() for row in rows)


def test_findings_have_the_documented_fields_and_the_bytes_they_name(exercise):
    rows = fkit("case", "findings", exercise, "--json").rows
    assert all(set(row) >= FINDING_FIELDS for row in rows)
    hits = [row for row in rows if row["type"] == "keyword.hit" and row["image_offset"] is not None]
    assert len(hits) > 100
    for row in hits:
        matched = bytes.fromhex(row["record"]["matched"])
        assert RAW[row["image_offset"] : row["image_offset"] + len(matched)] == matched


def test_yara_strings_name_their_bytes_in_the_image(exercise):
    rows = fkit("case", "findings", exercise, "--json", "--type", "yara.match").rows
    strings = [string for row in rows for string in row["record"]["strings"] if string["image_offset"] is not None]
    assert strings
    for string in strings:
        data = bytes.fromhex(string["data"])
        assert RAW[string["image_offset"] : string["image_offset"] + len(data)] == data


def test_show_prints_the_bytes_of_a_finding_from_the_evidence(exercise):
    hit = next(
        row for row in fkit("case", "findings", exercise, "--json", "--type", "keyword.hit").rows if row["image_offset"]
    )
    (shown,) = fkit("case", "show", exercise, hit["id"], "--bytes", "32", "--json").rows
    assert bytes.fromhex(shown["bytes"]).startswith(bytes.fromhex(hit["record"]["matched"]))
    ran = fkit("case", "show", exercise, "ffffffffffffffff.0000000000000000")
    assert ran.code == 2


def test_cat_from_a_case_opens_slack_and_unallocated_space(exercise):
    rows = fkit("case", "files", exercise, "--json", "--kind", "slack").rows
    row = next(row for row in rows if row["size"] > 100)
    ran = fkit("cat", row["locator"], "--case", exercise)
    import hashlib

    assert hashlib.sha256(ran.out).hexdigest() == row["sha256"]


def test_the_timeline_has_the_documented_fields(exercise):
    rows = fkit("case", "timeline", exercise, "--json").rows
    assert all(set(row) >= {"time", "zone", "meaning", "type", "path", "record"} for row in rows)
    assert any(row["type"] == "chromium.history.visit" for row in rows)
    assert all(row["time"].endswith("Z") == (row["zone"] == "utc") for row in rows)


def test_problems_name_the_locked_member(exercise):
    rows = fkit("case", "problems", exercise, "--json").rows
    assert all(set(row) >= {"severity", "stage", "plugin", "path", "error", "message"} for row in rows)
    assert [row["path"].rsplit("/", 1)[-1] for row in rows if row["severity"] == "gap"] == ["locked.zip!zip:secret.txt"]


def test_search_finds_paths_and_records_and_says_what_it_covers(exercise):
    ran = fkit("case", "search", exercise, "CAREERS", "--json")
    assert {row["in"] for row in ran.rows} == {"record"}
    assert "Not searched: the bytes of files" in ran.err
    assert {row["in"] for row in fkit("case", "search", exercise, "kdbx", "--json").rows} >= {"path"}


def test_names_out_of_evidence_reach_the_terminal_harmless(exercise):
    text = fkit("case", "files", exercise).text
    assert "\x1b" not in text and "\u202e" not in text


def test_the_same_case_gives_the_same_report_bytes(exercise, tmp_path):
    for name in ("one", "two"):
        ran = fkit("report", exercise, "--out", tmp_path / name)
        assert ran.code == 0, ran.err
    one = {
        path.relative_to(tmp_path / "one"): path.read_bytes()
        for path in (tmp_path / "one").rglob("*")
        if path.is_file()
    }
    two = {
        path.relative_to(tmp_path / "two"): path.read_bytes()
        for path in (tmp_path / "two").rglob("*")
        if path.is_file()
    }
    assert one == two
    assert any(path.name == "report.json" for path in one) and any(path.suffix == ".pdf" for path in one)
    assert any(path.name == "index.html" for path in one)


def test_audit_verify_holds_and_shows_tampering(exercise, tmp_path):
    ran = fkit("audit", "verify", exercise)
    assert ran.code == 0
    head = ran.text.split(":")[0]
    copy = tmp_path / "copy"
    shutil.copytree(exercise, copy)
    with sqlite3.connect(copy / "case.db") as db:
        db.execute("DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)")
    assert fkit("audit", "verify", copy).code == 5
    assert fkit("audit", "verify", copy, "--head", head).code == 5
    actions = [row["action"] for row in fkit("audit", "show", exercise, "--json").rows]
    assert actions[:3] == ["case created", "run started", "run finished"]


def test_a_mismatch_stops_the_exhibit_unless_it_is_accepted_with_a_reason(tmp_path):
    common = ("run", SAMPLES / "exercise.dd", "--expect", "md5:" + "0" * 32, "--verify", "before", "--quiet")
    assert fkit(*common, "--case", tmp_path / "stopped").code == 5
    assert fkit("case", "files", tmp_path / "stopped", "--json").rows == []
    assert fkit(*common, "--case", tmp_path / "accepted", "--accept-mismatch", "known, see note 4").code == 5
    assert len(fkit("case", "files", tmp_path / "accepted", "--json").rows) > 100


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--keywords", "nothing.txt"), "nothing.txt"),
        (("-o", "nonsense"), "PLUGIN.NAME=VALUE"),
        (("-o", "yara.nonsense=1"), "no option"),
        (("-o", "no.such=1"), "no plugin"),
        (("--only", "nonsense"), "no scanner"),
        (("--skip", "nonsense"), "no plugin"),
        (("--profile", "nonsense"), "no profile"),
        (("--plugins", "/nonexistent"), "no such folder"),
    ],
)
def test_wrong_use_of_run_is_exit_2_and_makes_no_case(tmp_path, more, says):
    ran = fkit("run", SAMPLES / "exercise.dd", "--case", tmp_path / "case", *more)
    assert ran.code == 2
    assert says in ran.err
    assert not (tmp_path / "case" / "case.db").exists()


def test_a_rule_that_does_not_compile_is_told_with_file_and_line_before_anything_starts(tmp_path):
    rules = tmp_path / "bad.yar"
    rules.write_text("rule a {\n condition:\n  nonsense\n}\n", encoding="utf-8")
    ran = fkit("run", SAMPLES / "exercise.dd", "--case", tmp_path / "case", "--rules", rules)
    assert ran.code == 2
    assert "bad.yar" in ran.err and "3" in ran.err
    assert fkit("rules", "check", rules).code == 2  # nothing is left to run
    (tmp_path / "good.yar").write_text("rule b { condition: true }\n", encoding="utf-8")
    checked = fkit("rules", "check", tmp_path)
    assert checked.code == 3
    assert "bad.yar" in checked.text and "1 rules compile" in checked.text


def test_our_own_rules_and_lists_are_in_order():
    assert fkit("rules", "check").code == 0
    assert len(fkit("rules", "list", "--json").rows) >= 20
    for path in sorted((ROOT / "rules" / "keywords").iterdir()):
        assert fkit("keywords", "check", path).code == 0


def test_plugins_are_listed_shown_and_begun(tmp_path):
    names = {row["name"] for row in fkit("plugins", "list", "--json").rows}
    assert names >= {"ewf", "raw", "mbr", "gpt", "libtsk", "zip", "gzip", "yara", "keywords", "filetype"}
    assert "limits" in fkit("plugins", "show", "libtsk", "--json").text
    fkit("plugins", "new", "my.format", "--out", tmp_path)
    (tmp_path / "sample.dat").write_bytes(b"DATA\0\0\0\0")
    ran = fkit("parse", tmp_path / "sample.dat", "--as", "my.format", "--plugins", tmp_path, "--json")
    assert ran.rows[0]["record"]["written"]["time"] == "1970-01-01T00:00:00Z"


def test_a_broken_plugin_is_listed_with_its_reason_and_the_rest_go_on(tmp_path):
    (tmp_path / "bad.py").write_text("import no_such_module\n", encoding="utf-8")
    ran = fkit("plugins", "list", "--plugins", tmp_path, "--json")
    assert ran.code == 3
    assert "no_such_module" in ran.err
    assert any(row.get("name") == "libtsk" for row in ran.rows)


def test_doctor_finds_this_machine_fit():
    ran = fkit("doctor", "--json")
    failed = [row for row in ran.rows if not row["ok"] and row["check"] != "disk space"]
    assert failed == []
