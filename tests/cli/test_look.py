"""info, ls, cat, extract, parse, verify: looking in without a case. Truth: sample_images/exercise.truth.json."""

import hashlib
import json

import pytest

from tests.cli.conftest import SAMPLES, fkit

TRUTH = json.loads((SAMPLES / "exercise.truth.json").read_text(encoding="utf-8"))
RAW = TRUTH["image"]["raw"]


def test_info_names_volumes_and_stored_digests():
    ran = fkit("info", SAMPLES / "exercise.E01", "--json")
    (evidence,) = json.loads(ran.out)["evidence"]
    assert ran.code == 0
    assert (evidence["format"], evidence["size"], evidence["sector_size"]) == ("E01", RAW["size"], 512)
    assert evidence["stored_digests"] == {"md5": RAW["md5"], "sha1": RAW["sha1"]}
    assert [(volume["start"], volume["size"], volume["filesystem"]) for volume in evidence["volumes"]] == [
        (1048576, 12582912, "NTFS"),
        (13631488, 8388608, "FAT16"),
        (23068672, 8388608, "Ext4"),
    ]


def test_info_in_words_shows_no_control_characters():
    ran = fkit("info", SAMPLES / "exercise.E01")
    assert "volume 1: NTFS" in ran.text
    assert all(char.isprintable() or char == "\n" for char in ran.text)


def test_ls_gives_a_line_for_every_file_the_truth_has():
    ran = fkit("ls", "-r", "--json", SAMPLES / "exercise.dd")
    listed = {(row["volume"], "/" + row["path"]) for row in ran.rows}
    for volume in TRUTH["volumes"]:
        for row in volume["files"]:
            stream = f":{row['stream']}" if row.get("stream") else ""
            assert (volume["number"], (row.get("listed_as") or row["path"]) + stream) in listed


def test_ls_without_r_stays_at_the_top():
    ran = fkit("ls", SAMPLES / "exercise.dd", "--volume", "3", "--json")
    assert ran.rows
    assert all("/" not in row["path"] for row in ran.rows)


def test_cat_writes_the_bytes_the_maker_put_in():
    rows = fkit("ls", "-r", "--json", SAMPLES / "exercise.dd").rows
    wanted = next(row for row in TRUTH["volumes"][0]["files"] if row["path"].endswith("offer letter.docx"))
    (found,) = [row for row in rows if "/" + row["path"] == wanted["path"]]
    ran = fkit("cat", found["locator"], SAMPLES / "exercise.dd")
    assert ran.code == 0
    assert hashlib.sha256(ran.out).hexdigest() == wanted["sha256"]


def test_cat_opens_a_member_of_an_archive_by_its_locator():
    rows = fkit("ls", "-r", "--json", SAMPLES / "exercise.dd").rows
    wanted = next(row for row in TRUTH["volumes"][0]["files"] if row["path"].endswith("offer letter.docx"))
    (found,) = [row for row in rows if "/" + row["path"] == wanted["path"]]
    ran = fkit("cat", found["locator"] + "!zip:word/document.xml", SAMPLES / "exercise.dd")
    assert hashlib.sha256(ran.out).hexdigest() == wanted["inside"]["word/document.xml"]["sha256"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("cat", "nonsense", SAMPLES / "exercise.dd"), 2, "not a locator"),
        (("cat", "exercise.dd/v9/1/x", SAMPLES / "exercise.dd"), 2, "no volume 9"),
        (("info", "nothing.dd"), 2, "no such file"),
        (("info",), 2, "no evidence was named"),
        (("info", "--exhibit", "A", SAMPLES / "exercise.dd"), 2, "NAME=PATH"),
        (("verify", SAMPLES / "exercise.dd", "--expect", "sha256:12"), 2, "--expect"),
        (("parse", SAMPLES / "exercise.dd", "--as", "no.such"), 2, "no artefact plugin"),
        (("info", SAMPLES / "exercise.dd", SAMPLES / "exercise.dd"), 2, "two exhibits"),
    ],
)
def test_wrong_use_is_exit_2_with_what_to_try(arguments, code, says):
    ran = fkit(*arguments)
    assert (ran.code, ran.out) == (code, b"")
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_verify_compares_with_the_image_the_sidecar_and_what_is_expected():
    e01 = fkit("verify", SAMPLES / "exercise.E01", "--json").rows[0]
    raw = fkit("verify", SAMPLES / "exercise.dd", "--json", "--expect", f"md5:{RAW['md5']}").rows[0]
    assert e01["result"] == raw["result"] == "verified"
    assert e01["sha256"] == raw["sha256"] == RAW["sha256"]
    assert {item["algorithm"] for item in e01["compared"]} == {"md5", "sha1"}
    assert {(item["algorithm"], item["origin"].split(" ")[0]) for item in raw["compared"]} == {
        ("md5", "given"),
        ("sha256", "exercise.dd.sha256"),
    }


def test_verify_ends_with_5_where_a_digest_differs():
    ran = fkit("verify", SAMPLES / "exercise.dd", "--expect", "md5:" + "0" * 32)
    assert ran.code == 5
    assert "DIFFERS" in ran.text


def test_nothing_to_compare_with_is_not_verifiable_and_never_verified(tmp_path):
    (tmp_path / "copy.dd").write_bytes((SAMPLES / "exercise.dd").read_bytes())
    ran = fkit("verify", tmp_path / "copy.dd", "--json")
    assert (ran.code, ran.rows[0]["result"]) == (0, "not verifiable")


def test_extract_writes_safe_names_and_a_manifest_that_leads_back(tmp_path):
    ran = fkit("extract", SAMPLES / "exercise.dd", "--out", tmp_path / "out", "--state", "live")
    rows = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    assert ran.code in (0, 4)
    assert len(rows) > 60
    written = {
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()
    }
    assert written == {row["written"] for row in rows} | {"manifest.jsonl"}
    for row in rows:
        data = (tmp_path / "out" / row["written"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (row["size"], row["sha256"])
        assert not set('<>:"\\|?*\t\n\x1b') & set(row["written"])
        assert all(part not in (".", "..") for part in row["written"].split("/"))
    originals = {row["original"]: row["sha256"] for row in rows}
    for row in TRUTH["volumes"][2]["files"]:
        if row["kind"] == "file" and row["state"] == "live" and "path_raw" not in row:
            assert originals[row["path"].lstrip("/")] == row["sha256"], row["path"]


def test_extract_does_not_write_over_an_earlier_extraction(tmp_path):
    fkit("extract", SAMPLES / "exercise.dd", "--out", tmp_path / "out", "--path", "*/nothing")
    ran = fkit("extract", SAMPLES / "exercise.dd", "--out", tmp_path / "out")
    assert ran.code == 3
    assert "extracted here already" in ran.err


def test_parse_prints_the_records_of_a_loose_file(corpus):
    ran = fkit("parse", corpus.path("artefacts/plaso/recycler/$I103S5F.jpg"), "--as", "windows.recycle_bin", "--json")
    # log2timeline's test: original_filename and file_size of this file
    record = ran.rows[0]["record"]
    assert (
        record["original_path"].endswith("Alloy Research\\Alloy Research\\Alloy Research Datasheet.pdf")
        or record["size"]
    )
    assert ran.rows[0]["events"][0]["meaning"] == "deleted"


def test_help_loads_no_plugin_and_names_every_command():
    ran = fkit("--help")
    for name in ("info", "ls", "cat", "extract", "parse", "verify", "run", "case", "report", "audit", "doctor"):
        assert f"  {name} " in ran.text


def test_output_to_a_pipe_that_closes_is_no_error():
    import subprocess
    import sys

    program = "from forensic_kit.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "ls", "-r", "--json", str(SAMPLES / "exercise.dd")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read().decode()
    assert process.wait(timeout=60) in (0, 4)
    assert "Traceback" not in errors
