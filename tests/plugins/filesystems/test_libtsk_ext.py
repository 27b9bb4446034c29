"""ext2/3/4: links, inline data, holes, block bitmaps. See libtsk/witness.md."""

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import pytest

from forensic_kit.api import SPARSE
from tests.plugins.filesystems.libtsk_volumes import by_name, ext, opened, run
from tests.plugins.filesystems.manifest_rows import digest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files of each kind that an inode can hold."""
    folder = tmp_path / "tree"
    (folder / "folder").mkdir(parents=True)
    (folder / "file").write_bytes(b"x" * 5000)
    (folder / "tiny").write_text("inline")
    (folder / "short").symlink_to("folder/file")
    (folder / "long").symlink_to("folder/" + "f" * 200)
    os.mkfifo(folder / "pipe")
    with (folder / "holes").open("wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    return folder


@pytest.mark.parametrize("name", ["images/raw/mbr.raw.gz", "images/ext/ext4_symlink_test.bin.gz"])
def test_links_of_ext_are_their_text(corpus: Any, tool: Any, name: str, tmp_path: Path) -> None:
    """icat prints zeros for them, and the manifest has the digest of those; debugfs knows better."""
    image = corpus.unpacked(name)
    start = 512 if "mbr" in name else 0
    part = tmp_path / "part.raw"
    part.write_bytes(image.read_bytes()[start : start + (4 << 20)])
    plugin = opened(part)
    links = [entry for entry in by_name(plugin).values() if entry.kind == "link"]
    assert links
    for entry in links:
        said = re.search(r'Fast link dest: "(.*)"', run(tool("debugfs"), "-R", f"stat <{entry.locator.inode}>", part))
        assert said
        assert plugin.open(entry).read(0, 4096).decode() == entry.attributes["target"] == said[1]


@pytest.mark.parametrize("options", [("-t", "ext2"), ("-t", "ext4"), ("-t", "ext4", "-O", "inline_data")], ids=" ".join)
def test_every_kind_of_file_is_read(tmp_path: Path, tool: Any, tree: Path, options: tuple[str, ...]) -> None:
    plugin = opened(ext(tool, tmp_path, tree, *options))
    entries = by_name(plugin)
    kinds = {name: entries[name].kind for name in ("file", "folder", "short", "long", "pipe")}
    assert kinds == {"file": "file", "folder": "directory", "short": "link", "long": "link", "pipe": "other"}
    content = {name: digest(plugin, entries[name]) for name in ("file", "tiny", "short", "long", "holes")}
    assert content == {
        "file": hashlib.sha256(b"x" * 5000).hexdigest(),
        "tiny": hashlib.sha256(b"inline").hexdigest(),
        "short": hashlib.sha256(b"folder/file").hexdigest(),
        "long": hashlib.sha256(b"folder/" + b"f" * 200).hexdigest(),
        "holes": hashlib.sha256(bytes(1 << 20) + b"end").hexdigest(),
    }


def test_a_hole_has_no_place(tmp_path: Path, tool: Any, tree: Path) -> None:
    entry = by_name(opened(ext(tool, tmp_path, tree, "-t", "ext4", "-b", "4096")))["holes"]
    assert entry.runs is not None and entry.runs[0] == (SPARSE, 1 << 20)
    assert entry.place(5) is None and entry.place(1 << 20) == entry.runs[1][0]


def test_owner_and_mode_are_attributes(tmp_path: Path, tool: Any, tree: Path) -> None:
    (tree / "file").chmod(0o4751)
    disk = ext(tool, tmp_path, tree)
    run(tool("debugfs"), "-w", "-R", "set_inode_field file uid 1001", disk)
    attributes = by_name(opened(disk))["file"].attributes
    assert (attributes["mode"], attributes["uid"]) == ("4751", 1001)


@pytest.mark.parametrize(
    "options",
    [
        ("-t", "ext2", "-b", "1024"),
        ("-t", "ext3", "-b", "2048", "-O", "^sparse_super,^resize_inode"),
        ("-t", "ext4", "-O", "^flex_bg"),
        ("-t", "ext4", "-b", "1024"),
        ("-t", "ext4", "-O", "meta_bg,^resize_inode"),
        ("-t", "ext4", "-O", "^64bit,^metadata_csum,uninit_bg"),
        ("-t", "ext4", "-E", "num_backup_sb=2", "-O", "sparse_super2"),
    ],
    ids=" ".join,
)
def test_used_blocks_are_those_of_dumpe2fs(tmp_path: Path, tool: Any, tree: Path, options: tuple[str, ...]) -> None:
    disk = ext(tool, tmp_path, tree, *options, size=400 << 20)
    said = run(tool("dumpe2fs"), disk)
    count, size = (int(re.search(rf"^{name}:\s+(\d+)", said, re.M)[1]) for name in ("Block count", "Block size"))  # type: ignore[index]
    free = bytearray(count)
    for line in re.findall(r"^  Free blocks: (.+)$", said, re.M):
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", line):
            free[int(first) : int(last or first) + 1] = b"\1" * (int(last or first) + 1 - int(first))
    used = bytearray(count)
    for offset, length in opened(disk).used():
        used[offset // size : (offset + length) // size] = b"\1" * (length // size)
    assert used == bytes(1 - block for block in free)
