"""NTFS: streams, initialised sizes, compression, names that outlived their files. See libtsk/witness.md."""

import hashlib
import os
import random
import struct
from pathlib import Path
from typing import Any

import pytest

from forensic_kit.api import SPARSE, FileEntry, Memory, Problem
from tests.plugins.filesystems.libtsk_volumes import blank, by_name, mount, mounted_ntfs, opened, run
from tests.plugins.filesystems.manifest_rows import digest, listing

_NOISE = random.Random(11).randbytes(100_000)
_TEXT = b"compress me please\n" * 20_000


@pytest.fixture
def copied(tmp_path: Path, tool: Any) -> Path:
    """An NTFS with one file of three streams, written by ntfscp without a mount."""
    disk, content = blank(tmp_path / "ntfs.raw", 8 << 20), tmp_path / "content"
    run(tool("mkntfs"), "-q", "-F", "-f", disk)
    for stream, data in (("", _NOISE[:5000]), ("small", b"a resident stream"), ("large", _NOISE)):
        content.write_bytes(data)
        options = ("-N", stream) if stream else ()
        run(tool("ntfscp"), "-q", "-f", *options, disk, content, "file.bin")
    return disk


def test_streams_are_entries_of_their_own(copied: Path) -> None:
    plugin = opened(copied)
    entries = by_name(plugin)
    found = {
        name: (entries[name].kind, digest(plugin, entries[name])) for name in entries if name.startswith("file.bin")
    }
    assert {name: value for name, value in found.items() if "#" not in name} == {
        "file.bin": ("file", hashlib.sha256(_NOISE[:5000]).hexdigest()),
        "file.bin:small": ("stream", hashlib.sha256(b"a resident stream").hexdigest()),
        "file.bin:large": ("stream", hashlib.sha256(_NOISE).hexdigest()),
    }


def test_resident_content_has_no_place_and_no_slack(copied: Path) -> None:
    entries = by_name(opened(copied))
    assert entries["file.bin:small"].runs is None
    assert "file.bin:small#slack" not in entries


def test_slack_is_what_the_last_cluster_holds_behind_the_content(copied: Path) -> None:
    disk = bytearray(copied.read_bytes())
    start = disk.index(_NOISE[:5000])
    disk[start + 5000 : start + 5012] = b"old secrets!"
    plugin = opened(bytes(disk))
    slack = by_name(plugin)["file.bin#slack"]
    assert (slack.kind, slack.runs, slack.size) == ("slack", ((start + 5000, 8192 - 5000),), 3192)
    assert plugin.open(slack).read(0, 12) == b"old secrets!"
    assert (slack.modified, slack.born) == (None, None)


def _shortened(disk: bytes, initialised: int) -> bytes:
    """The same NTFS with a smaller initialised size of the file of 5,000 bytes (offset 56 of its $DATA)."""
    changed = bytearray(disk)
    sizes = struct.pack("<QQ", 5000, 5000)
    place = changed.index(sizes)
    assert changed.find(sizes, place + 1) == -1
    struct.pack_into("<Q", changed, place + 8, initialised)
    return bytes(changed)


def test_what_was_never_written_reads_as_zeros(copied: Path) -> None:
    plugin = opened(_shortened(copied.read_bytes(), 1234))
    entry = by_name(plugin)["file.bin"]
    assert plugin.open(entry).read(0, 5000) == _NOISE[:1234] + bytes(5000 - 1234)
    assert entry.attributes["initialised_size"] == 1234


def test_clusters_behind_the_initialised_size_belong_to_no_content(copied: Path) -> None:
    disk = copied.read_bytes()
    start = disk.index(_NOISE[:5000])
    entry = by_name(opened(_shortened(disk, 1234)))["file.bin"]
    assert entry.runs == ((start, 1234), (SPARSE, 5000 - 1234), (start + 5000, 8192 - 5000))


def test_the_stream_as_large_as_the_volume_is_not_listed(copied: Path) -> None:
    names = by_name(opened(copied))
    assert "$BadClus" in names and "$BadClus:$Bad" not in names


@pytest.fixture
def lived_in(tmp_path: Path, tool: Any) -> Path:
    """An NTFS on which files were compressed, linked, moved, renamed and deleted, all by ntfs-3g."""
    with mounted_ntfs(tool, tmp_path) as (disk, point):
        for folder in ("one", "two", "packed"):
            (point / folder).mkdir()
        (point / "one" / "a.txt").write_text("in two folders")
        os.link(point / "one" / "a.txt", point / "two" / "b.txt")
        (point / "one:hidden").write_text("a stream of a directory")
        (point / "one" / "big.bin").write_bytes(_NOISE)
        os.setxattr(point / "packed", "system.ntfs_attrib_be", bytes.fromhex("00000810"))
        (point / "packed" / "text").write_bytes(_TEXT)
        for number in range(300):
            (point / "two" / f"a name so long that few fit a record {number:03}").write_text(f"content {number}")
        run(tool("umount"), point)
        mount(tool, disk, point)
        for number in range(150, 300):
            name = f"a name so long that few fit a record {number:03}"
            (point / "two" / name).rename(point / "one" / f"moved {number:03}")
        (point / "one" / "big.bin").unlink()
    return disk


def test_hard_links_are_listed_under_every_name(lived_in: Path) -> None:
    entries = by_name(opened(lived_in))
    assert entries["one/a.txt"].locator.inode == entries["two/b.txt"].locator.inode
    assert entries["one/a.txt"].attributes["links"] == 2


def test_directories_have_streams_too(lived_in: Path) -> None:
    plugin = opened(lived_in)
    stream = by_name(plugin)["one:hidden"]
    assert (stream.kind, plugin.open(stream).read(0, 99)) == ("stream", b"a stream of a directory")


def test_compressed_content_is_read_decoded_and_has_no_place(lived_in: Path) -> None:
    plugin = opened(lived_in)
    entry = by_name(plugin)["packed/text"]
    assert (entry.attributes["compressed"], entry.runs, entry.size) == (1, None, len(_TEXT))
    assert digest(plugin, entry) == hashlib.sha256(_TEXT).hexdigest()


def test_old_names_of_moved_files_are_not_live(lived_in: Path, tool: Any) -> None:
    """fls shows names left in unused index records as live files (sleuthkit#2735)."""
    plugin = opened(lived_in)
    old = [entry for name, entry in by_name(plugin).items() if name.startswith("two/a name") and int(name[-3:]) >= 150]
    assert old, "ntfs-3g left no old names: this test proves nothing"
    assert any(line.startswith("r/r ") and "two/a name" in line and line.rstrip()[-3:] >= "150"
               for line in run(tool("fls"), "-rp", lived_in).splitlines())  # fmt: skip
    assert {(entry.name_state, entry.content_state) for entry in old} == {("unallocated", "overwritten")}
    moved = by_name(plugin)["one/moved 200"]
    assert (moved.name_state, moved.content_state) == ("allocated", "allocated")


def test_a_deleted_file_is_listed_with_what_its_metadata_point_to(lived_in: Path) -> None:
    plugin = opened(lived_in)
    entry = by_name(plugin)["one/big.bin"]
    assert (entry.name_state, entry.meta_state, entry.content_state) == ("unallocated", "unallocated", "unknown")
    assert digest(plugin, entry) == hashlib.sha256(_NOISE).hexdigest()


def test_a_torn_record_of_a_file_costs_that_file_only(copied: Path) -> None:
    disk = bytearray(copied.read_bytes())
    record = disk.rindex(b"FILE", 0, disk.index("file.bin".encode("utf-16-le")))
    disk[record : record + 4] = b"BAAD"
    entries, problems = listing(opened(Memory(bytes(disk))))
    assert "$Bitmap" in {entry.locator.display for entry in entries}
    assert all(isinstance(item, (FileEntry, Problem)) for item in (*entries, *problems))
