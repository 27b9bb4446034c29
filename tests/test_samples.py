"""The exercise disk is what its truth says: looked at with other people's tools, never with ours."""

import email
import email.policy
import gzip
import hashlib
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "sample_images"
RAW = FOLDER / "exercise.dd"
EWF = FOLDER / "exercise.E01"
TRUTH = json.loads((FOLDER / "exercise.truth.json").read_text(encoding="utf-8"))
VOLUMES = TRUTH["volumes"]
SECTOR = TRUTH["image"]["sector_size"]
# What mkntfs and mke2fs make by themselves.
MADE_BY_FORMATTING = ("/$", "/lost+found")

Find = Callable[[str], str]
each_volume = pytest.mark.parametrize("volume", VOLUMES, ids=lambda volume: volume["filesystem"])


@cache
def raw() -> bytes:
    return RAW.read_bytes()


def said(*command: str | Path) -> bytes:
    return subprocess.run(
        [str(part) for part in command], check=True, capture_output=True, env={**os.environ, "TZ": "UTC"}
    ).stdout


def listing(fls: str, volume: dict[str, Any], image: Path = RAW) -> dict[tuple[str, bool], str]:
    """What fls lists: (path, deleted) to metadata address; a stream has its name behind a colon."""
    text = said(fls, "-r", "-p", "-o", str(volume["start"] // SECTOR), image).decode("utf-8", "replace")
    rows = (re.fullmatch(r"\S+ (\* )?(\S+?)(?:\(realloc\))?:\t(.*)", line) for line in text.splitlines())
    return {("/" + row[3], bool(row[1])): row[2] for row in rows if row and "$OrphanFiles" not in row[3]}


def shown(row: dict[str, Any]) -> str:
    """The path of a truth row as fls prints it."""
    path = row.get("listed_as", row["path"]) + (f":{row['stream']}" if "stream" in row else "")
    return re.sub(r"[\x00-\x1f]", "^", path)


def icat(tool: Find, volume: dict[str, Any], address: str) -> bytes:
    return said(tool("icat"), "-r", "-o", str(volume["start"] // SECTOR), RAW, address)


def contents(tool: Find, volume: dict[str, Any], *states: str) -> list[tuple[dict[str, Any], bytes]]:
    """(truth row, what icat reads) for every row with content in one of these states."""
    found = listing(tool("fls"), volume)
    return [
        (row, icat(tool, volume, found[shown(row), row["state"] != "live"]))
        for row in volume["files"]
        if row["state"] in states and "sha256" in row and not row.get("cleared")
    ]


def test_raw_image_has_the_stated_digests() -> None:
    stated = TRUTH["image"]["raw"]
    assert {kind: hashlib.new(kind, raw()).hexdigest() for kind in ("md5", "sha1", "sha256")} == {
        kind: stated[kind] for kind in ("md5", "sha1", "sha256")
    }
    assert (FOLDER / "exercise.dd.sha256").read_text(encoding="ascii") == f"{stated['sha256']}  exercise.dd\n"


@pytest.fixture
def handle() -> Iterator[Any]:
    import pyewf

    opened = pyewf.open([str(EWF)])
    yield opened
    opened.close()


def test_e01_decodes_to_the_raw_image(handle: Any) -> None:
    assert handle.get_media_size() == len(raw())
    assert hashlib.sha256(handle.read(len(raw()))).hexdigest() == TRUTH["image"]["raw"]["sha256"]


def test_e01_header_is_the_stated_one(handle: Any) -> None:
    stated, header = TRUTH["image"]["e01"]["acquisition"], handle.get_header_values()
    assert {name: header[name] for name in stated} == stated


def test_e01_stores_the_digests_of_the_raw_image(handle: Any) -> None:
    stored = handle.get_hash_values()
    assert (stored["MD5"], stored["SHA1"]) == (TRUTH["image"]["raw"]["md5"], TRUTH["image"]["raw"]["sha1"])


def test_e01_file_has_the_stated_digest() -> None:
    assert hashlib.sha256(EWF.read_bytes()).hexdigest() == TRUTH["image"]["e01"]["sha256"]


def test_e01_satisfies_ewfverify(tool: Find) -> None:
    assert b"SUCCESS" in said(tool("ewfverify"), EWF)


def test_mmls_sees_the_stated_partitions(tool: Find) -> None:
    rows = re.findall(rb"^\d+:  \d\d\d\s+(\d+)\s+\d+\s+(\d+)", said(tool("mmls"), RAW), re.MULTILINE)
    assert [(int(start) * SECTOR, int(length) * SECTOR) for start, length in rows] == [
        (volume["start"], volume["size"]) for volume in VOLUMES
    ]


@each_volume
def test_fls_lists_exactly_the_stated_entries(volume: dict[str, Any], tool: Find) -> None:
    found = {
        (path, gone)
        for path, gone in listing(tool("fls"), volume)
        if not path.startswith(MADE_BY_FORMATTING) or path.startswith("/$Recycle.Bin")
    }
    found -= {(path, gone) for path, gone in found if "(Volume Label Entry)" in path or "/.:" in path}
    assert found == {(shown(row), row["state"] != "live") for row in volume["files"]}


@each_volume
def test_recoverable_content_is_what_was_put_in(volume: dict[str, Any], tool: Find) -> None:
    rows = contents(tool, volume, "live", "deleted")
    assert rows
    wrong = [shown(row) for row, data in rows if hashlib.sha256(data).hexdigest() != row["sha256"]]
    assert wrong == []


@pytest.mark.parametrize("volume", VOLUMES[:2], ids=lambda volume: volume["filesystem"])
def test_overwritten_content_is_gone_and_begins_as_the_new_owner(volume: dict[str, Any], tool: Find) -> None:
    ((lost, data),) = contents(tool, volume, "overwritten")
    ((_, owner),) = [pair for pair in contents(tool, volume, "live") if pair[0]["path"] == lost["overwritten_by"]]
    assert hashlib.sha256(data).hexdigest() != lost["sha256"]
    shared = min(len(data), len(owner))
    assert data[:shared] == owner[:shared]


def test_cleared_file_has_lost_its_size_but_not_its_blocks(tool: Find) -> None:
    volume = VOLUMES[2]
    (row,) = [row for row in volume["files"] if row.get("cleared")]
    assert icat(tool, volume, listing(tool("fls"), volume)[row["path"], True]) == b""
    block = raw().find(b"OVENGATE at nine") - volume["start"]
    assert b"Not Allocated" in said(tool("blkstat"), "-o", str(volume["start"] // SECTOR), RAW, str(block // 1024))


@pytest.mark.parametrize("number, unit", [("1", 4096), ("3", 1024)])
def test_planted_clusters_are_unallocated(number: str, unit: int, tool: Find) -> None:
    (volume,) = [volume for volume in VOLUMES if volume["number"] == number]
    places = [hit["image_offset"] for hit in TRUTH["hits"] if (hit["volume"], hit["area"]) == (number, "unallocated")]
    assert places
    for place in places:
        cluster = (place - volume["start"]) // unit
        text = said(tool("blkstat"), "-o", str(volume["start"] // SECTOR), RAW, str(cluster))
        assert b"Not Allocated" in text


def test_archives_open_to_the_stated_members(tool: Find) -> None:
    seen = 0
    for volume in VOLUMES:
        for row, data in contents(tool, volume, "live", "deleted"):
            if "inside" not in row or not zipfile.is_zipfile(io.BytesIO(data)):
                continue
            archive = zipfile.ZipFile(io.BytesIO(data))
            direct = {name: facts for name, facts in row["inside"].items() if "!" not in name}
            assert set(archive.namelist()) == set(direct)
            for name, facts in direct.items():
                member = archive.read(name, pwd=row.get("password", "").encode() or None)
                assert hashlib.sha256(member).hexdigest() == facts["sha256"]
                seen += 1
    assert seen == 27  # four parts of each of 3 docx, 4 of the odt, 6 of the xlsx, 5 in plain archives


def test_members_that_are_no_zip_of_the_first_level_are_as_stated(tool: Find) -> None:
    rows = [pair for volume in VOLUMES for pair in contents(tool, volume, "live")]
    found = {shown(row): (row, data) for row, data in rows}
    row, data = found["/PRIVATE/HOLIDAY.GZ"]
    assert hashlib.sha256(gzip.decompress(data)).hexdigest() == row["inside"]["HOLIDAY"]["sha256"]
    row, data = found["/Users/mira/Downloads/nested.zip"]
    inner = zipfile.ZipFile(io.BytesIO(zipfile.ZipFile(io.BytesIO(data)).read("inner.zip")))
    assert hashlib.sha256(inner.read("deep.txt")).hexdigest() == row["inside"]["inner.zip!deep.txt"]["sha256"]
    row, data = found["/Users/mira/Mail/the parcel.eml"]
    (attached,) = email.message_from_bytes(data, policy=email.policy.default).iter_attachments()
    assert hashlib.sha256(attached.get_content()).hexdigest() == row["inside"]["parcel.zip"]["sha256"]


def test_last_visit_stands_in_the_wal_only(tool: Find, tmp_path: Path) -> None:
    rows = {shown(row): (row, data) for row, data in contents(tool, VOLUMES[0], "live")}
    facts, main = next((row["facts"], data) for path, (row, data) in rows.items() if path.endswith("/History"))
    log = next(data for path, (_, data) in rows.items() if path.endswith("/History-wal"))
    (tmp_path / "alone").write_bytes(main)
    (tmp_path / "both").write_bytes(main)
    (tmp_path / "both-wal").write_bytes(log)
    seen = {}
    for name in ("alone", "both"):
        base = sqlite3.connect(tmp_path / name)
        seen[name] = [address for (address,) in base.execute("SELECT url FROM urls ORDER BY id")]
        base.close()
    assert seen == {"alone": facts["visits"], "both": facts["visits"] + facts["visits_in_wal_only"]}


@pytest.mark.parametrize("term", TRUTH["terms"])
def test_every_occurrence_of_a_term_in_the_image_is_stated(term: str) -> None:
    rows = [hit for hit in TRUTH["hits"] if hit["term"] == term and hit["image_offset"] is not None]
    stated = {(hit["image_offset"], term.encode(hit["encoding"])) for hit in rows}
    coded = {term.encode(name, "ignore") for name in ("utf-8", "utf-16-le", "windows-1252", "windows-1251")}
    found = {
        (match.start(), code)
        for code in coded
        if len(code) >= len(term)  # a code page without the letters is no way to write the term
        for match in re.finditer(re.escape(code), raw())
    }
    assert found == stated


def test_each_term_is_planted_somewhere() -> None:
    assert {hit["term"] for hit in TRUTH["hits"]} == set(TRUTH["terms"])


def test_keyword_list_holds_the_terms() -> None:
    assert (FOLDER / "exercise.keywords.txt").read_text(encoding="utf-8").splitlines() == TRUTH["terms"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le"])
def test_only_reserved_addresses_and_numbers_occur(encoding: str) -> None:
    text = raw().decode(encoding, "replace")
    addresses = set(re.findall(r"[a-z0-9.]{3,30}@[a-z0-9.-]{2,30}\.[a-z]{2,8}", text))
    phones = set(re.findall(r"(?<!\d)0[127]\d{3} \d{6}(?!\d)", text))
    assert {address.partition("@")[2] for address in addresses} <= {"example.org", "example.com"}
    assert all(phone.startswith(("07700 900", "01632 960")) for phone in phones)


@pytest.mark.long
def test_maker_writes_the_same_image_again(tmp_path: Path, tool: Find) -> None:
    if os.geteuid() != 0:
        pytest.skip("making the disk needs root")
    for name in ("ntfs-3g", "mkfs.fat", "mcopy", "debugfs", "sgdisk", "ewfacquire", "faketime"):
        tool(name)
    said(sys.executable, FOLDER / "make.py", "--out", tmp_path)
    made = json.loads((tmp_path / "exercise.truth.json").read_text(encoding="utf-8"))
    if made["made_with"] != TRUTH["made_with"]:
        pytest.skip("the tools here are other versions than those that made the disk")
    assert made == TRUTH
    assert (tmp_path / "exercise.dd").read_bytes() == raw()
    assert (tmp_path / "exercise.E01").read_bytes() == EWF.read_bytes()
