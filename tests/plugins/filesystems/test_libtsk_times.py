"""Times: resolution, zone, what libtsk drops. See libtsk/witness.md for who says so."""

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from forensic_kit.api import Moment
from forensic_kit.bytesource import FileSource, Memory
from forensic_kit.times import SECOND
from tests.plugins.filesystems.libtsk_volumes import by_name, ext, opened, run

_DAY = 86_400 * SECOND


@pytest.fixture(params=["UTC", "America/New_York"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The zone of the process, which libtsk would use."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def _fls(tool: Any, image: Path) -> dict[str, tuple[int, int, int, int]]:
    """(accessed, modified, changed, born) in seconds by path, as fls of The Sleuth Kit prints them for UTC."""
    lines = run(tool("fls"), "-r", "-m", "", image, env={**os.environ, "TZ": "UTC"}).splitlines()
    rows = [line.split("|") for line in lines]
    return {re.sub(r" \(deleted.*\)$", "", row[1].lstrip("/")): tuple(map(int, row[7:11])) for row in rows}  # type: ignore[misc]


@pytest.mark.parametrize(
    "name",
    ["images/fat/fat12.dd", "images/sleuthkit/fat_dst_test.dd", "images/exfat/test.exfat",
     "images/ext/hierarchy_64.ext4", "images/raw/dfvfs_hfsplus.raw", "images/raw/iso9660-level1.raw",
     "images/ntfs/testfs1.ntfs"],
)  # fmt: skip
def test_times_are_those_of_fls_whatever_the_zone_of_the_process(corpus: Any, tool: Any, zone: str, name: str) -> None:
    image = corpus.path(name)
    truth = _fls(tool, image)
    checked = 0
    plugin = opened(image)
    for path, entry in by_name(plugin).items():
        if path not in truth or entry.attributes.get("reallocated"):
            continue
        moments = (entry.accessed, entry.modified, entry.changed, entry.born)
        found = [moment.ns // SECOND if moment else 0 for moment in moments]
        # fls 4.11 leaves out the odd second that FAT and exFAT keep in their hundredths, and prints a FILETIME of 0
        # as 2076-11-29T08:54:34.
        said = [0 if seconds == 3373865674 else seconds for seconds in truth[path]]
        odd = {0, 1} if plugin.facts.type in ("FAT12", "exFAT") else {0}
        assert {mine - theirs for mine, theirs in zip(found, said, strict=True)} <= odd, path
        checked += 1
    assert checked >= 4


def test_fat_times_are_local_and_as_exact_as_their_fields(corpus: Any) -> None:
    """fls -l with TZ=UTC: 2006-04-02 06:59:58; the words by fatgen103 section 6: 26<<9|4<<5|2 and 6<<11|59<<5|29."""
    entry = by_name(opened(corpus.path("images/sleuthkit/fat_dst_test.dd")))["2006_end_of_EST"]
    assert entry.modified == Moment.of(1143961198 * SECOND, 2 * SECOND, "local", "0x3482 0x377d 0")
    assert entry.born is not None and entry.accessed is not None
    assert (entry.born.zone, entry.born.resolution_ns) == ("local", SECOND // 100)
    assert (entry.accessed.zone, entry.accessed.resolution_ns) == ("local", _DAY)


def test_exfat_times_carry_the_offset_that_is_stored_beside_them(corpus: Any) -> None:
    """exfat_win_stat.txt came with the image; its machine stood at UTC+3 (exfat_lin_part.txt says MSK)."""
    stat = corpus.path("images/dfir_ntfs/exfat_win_stat.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    truth = {row.split("\t")[0].lstrip("/"): row.split("\t")[1:4] for row in stat}
    entries = by_name(opened(corpus.unpacked("images/dfir_ntfs/exfat_win.raw.gz")))
    found = {path: [moment.iso for moment in (entries[path].modified, entries[path].accessed, entries[path].born)]
             for path in truth if path in entries}  # fmt: skip
    assert len(found) > 300
    for path, (modified, accessed, born) in found.items():
        said = [_as_iso(text) for text in truth[path]]
        assert [modified, accessed, born] == [said[0], said[1].replace(".00+", "+"), said[2]], path


def _as_iso(text: str) -> str:
    stamp, _, fraction = text.replace(" ", "T").partition(".")
    return f"{stamp}.{fraction[:2] or '00'}+03:00"


def test_ntfs_times_are_filetimes(corpus: Any) -> None:
    """istat of The Sleuth Kit 4.11.1, entry 4: Created 2023-01-23 20:45:12.000000000 (UTC)."""
    entry = by_name(opened(corpus.path("images/ntfs/testfs1.ntfs")))["$AttrDef"]
    # 1674506712 s after 1970, 11644473600 s more after 1601.
    assert entry.born == Moment.of(1674506712 * SECOND, 100, "utc", "133189803120000000")


def test_a_filetime_before_1970_is_not_lost(corpus: Any) -> None:
    image = bytearray(corpus.path("images/ntfs/testfs1.ntfs").read_bytes())
    record = image.index(b"FILE", image.index("$AttrDef".encode("utf-16-le")) - 400)
    standard = image.index(b"\x10\0\0\0", record + 48)
    image[standard + 24 : standard + 32] = (100_000_000_000_000_000).to_bytes(8, "little")
    born = by_name(opened(bytes(image)))["$AttrDef"].born
    assert born is not None
    # 10**17 steps of 100 ns are 10**10 s: 115,740 days and 17:46:40 after 1601-01-01.
    assert born.iso == "1917-11-21T17:46:40.0000000Z"


@pytest.fixture
def stamped(tmp_path: Path, tool: Any) -> Path:
    """An ext4 with a file from 2040, one from a plain second, and a deleted one."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("late", "gone", "whole"):
        (tree / name).write_text(name)
    disk = ext(tool, tmp_path, tree, "-t", "ext4", "-I", "256")
    commands = tmp_path / "commands"
    commands.write_text(
        "set_inode_field late mtime 20400102030405\nset_inode_field late mtime_extra 0x1d6f3459\n"
        "set_inode_field whole mtime_extra 0\nset_inode_field whole atime_extra 0\n"
        "set_inode_field whole ctime_extra 0\nset_inode_field whole crtime_extra 0\nrm gone\n"
    )
    run(tool("debugfs"), "-w", "-f", commands, disk)
    return disk


def test_ext4_times_have_nanoseconds_and_go_past_2038(stamped: Path) -> None:
    entry = by_name(opened(stamped))["late"]
    assert entry.modified is not None
    # 0x1d6f3459: epoch bits 1, nanoseconds 0x1d6f3459 >> 2 = 123456790; 2040-01-02 needs the first epoch bit.
    assert entry.modified.iso == "2040-01-02T03:04:05.123456790Z"


def test_ext4_times_without_extra_words_are_whole_seconds(stamped: Path) -> None:
    entry = by_name(opened(stamped))["whole"]
    assert entry.modified is not None
    assert entry.modified.resolution_ns == SECOND


def test_an_ext_file_says_when_it_was_deleted(stamped: Path, tool: Any) -> None:
    entry = by_name(opened(stamped))["gone"]
    assert (entry.name_state, entry.meta_state) == ("unallocated", "unallocated")
    dtime = re.search(r"dtime: 0x([0-9a-f]+)", run(tool("debugfs"), "-R", f"stat <{entry.locator.inode}>", stamped))
    assert dtime and entry.deleted is not None
    assert entry.deleted.ns == int(dtime[1], 16) * SECOND


def test_times_on_no_calendar_are_left_out_and_counted(corpus: Any) -> None:
    image = bytearray(corpus.path("images/sleuthkit/fat_dst_test.dd").read_bytes())
    entry = image.index(b"2006_E~1")
    image[entry + 24 : entry + 26] = (0xFFFF).to_bytes(2, "little")  # written on day 31 of month 15
    plugin = opened(Memory(bytes(image)))
    items = list(plugin.entries(frozenset()))
    changed = next(item for item in items if hasattr(item, "locator") and item.locator.display == "2006_end_of_EST")
    assert changed.modified is None
    told = [item.message for item in items if getattr(item, "error", "") == "time"]
    assert told == ["files with stored times that are on no calendar, left out: 1 (the first: 2006_end_of_EST)."]


def test_zero_is_never(corpus: Any) -> None:
    assert by_name(opened(FileSource(corpus.path("images/fat/rust-fat12.img"))))["$MBR"].modified is None
