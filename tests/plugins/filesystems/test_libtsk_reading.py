"""What goes wrong below, floods and loops, and what the engine asks for: see libtsk/witness.md."""

from pathlib import Path
from typing import Any

import pytest

from forensic_kit.api import EvidenceLost, FileEntry, Locator, Memory, Misuse, Name, Problem, Volume
from forensic_kit.bytesource import ByteSource, Faults, FileSource
from tests.plugins.filesystems.libtsk_volumes import by_name, ext, opened, plugin_class, refused_or_opened, run
from tests.plugins.filesystems.manifest_rows import image, listing


class _Failing(ByteSource):
    """A disk whose storage goes away: reads that touch ``lost`` fail once it is set."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)
        self.faults = Faults()
        self.lost: range | None = None

    def _read(self, offset: int, length: int) -> bytes:
        if self.lost and offset < self.lost.stop and offset + length > self.lost.start:
            raise EvidenceLost("the disk was unplugged")
        return self._data[offset : offset + length]


@pytest.fixture
def ext4(corpus: Any) -> bytes:
    """A small ext4 with a few folders."""
    return bytes(corpus.path("images/ext/hierarchy_64.ext4").read_bytes())


def test_lost_storage_stops_the_opening(ext4: bytes) -> None:
    source = _Failing(ext4)
    source.lost = range(2048, len(ext4))
    with pytest.raises(EvidenceLost, match="unplugged"):
        refused_or_opened(source)


def test_lost_storage_stops_the_listing_and_blames_no_directory(tmp_path: Path, tool: Any) -> None:
    tree = tmp_path / "tree"
    for number in range(40):
        (tree / f"folder {number}").mkdir(parents=True)
        (tree / f"folder {number}" / "file").write_bytes(bytes(range(256)) * 4096)
    source = _Failing(ext(tool, tmp_path, tree, "-t", "ext2", size=64 << 20).read_bytes())
    items = opened(source).entries(frozenset())
    next(items)
    source.lost = range(source.size)
    with pytest.raises(EvidenceLost, match="unplugged"):
        list(items)


def test_lost_storage_stops_the_reading_of_content(ext4: bytes) -> None:
    source = _Failing(ext4)
    plugin = opened(source)
    entry = next(entry for entry in by_name(plugin).values() if entry.kind == "file" and entry.runs)
    source.lost = range(len(ext4))
    with pytest.raises(EvidenceLost, match="unplugged"):
        plugin.open(entry).read(0, entry.size)


def test_content_that_has_no_clusters_is_zeros_and_a_fault(corpus: Any) -> None:
    """A FAT file whose size says more than its chain holds."""
    disk = bytearray(corpus.path("images/fat/rust-fat12.img").read_bytes())
    entry = disk.index(b"SHORT   TXT")
    disk[entry + 28 : entry + 32] = (100_000).to_bytes(4, "little")
    source = Memory(bytes(disk))
    plugin = opened(source)
    found = by_name(plugin)["short.txt"]
    content = plugin.open(found)
    data = content.read(0, 200_000)
    assert (len(data), data[:14], data[-1000:]) == (100_000, b"Rust is cool!\n", bytes(1000))
    assert [fault.reason for fault in content.faults.drain()] == ["the file system has no clusters for this part"]


def test_a_deleted_file_larger_than_the_volume_gives_what_there_is(tmp_path: Path, tool: Any) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "gone").write_text("gone")
    disk = ext(tool, tmp_path, tmp_path / "tree", "-t", "ext2", "-b", "1024")
    inode = by_name(opened(disk))["gone"].locator.inode
    for command in ("rm gone", f"set_inode_field <{inode}> size 50000000"):
        run(tool("debugfs"), "-w", "-R", command, disk)
    found = by_name(opened(disk))["gone"]
    assert found.attributes["stated_size"] == 50000000
    assert found.size <= 16 << 20


def test_a_volume_label_that_has_content_is_a_file(corpus: Any) -> None:
    """DFTT 9: the label bit hides two files from most tools."""
    plugin = opened(image(corpus, "images/dftt/9-fat-label.zip", "9-fat-label/9-fat-label.dd"))
    entries = by_name(plugin)
    hidden = [
        (name, entry.kind, entry.size) for name, entry in entries.items() if "Volume Label" in name and "#" not in name
    ]
    assert hidden == [
        ("LABEL2      (Volume Label Entry)", "file", 96541),
        ("dir1/FILE2   DLL (Volume Label Entry)", "file", 14610),
    ]
    assert plugin.open(entries["dir1/FILE2   DLL (Volume Label Entry)"]).read(0, 3) == b"\xff\xd8\xff"


def test_a_label_without_content_is_no_file(corpus: Any) -> None:
    plugin = opened(image(corpus, "images/dftt/6-undel-fat.zip", "6-undel-fat/6-fat-undel.dd"))
    assert by_name(plugin)["FAT_REC_1   (Volume Label Entry)"].kind == "other"


def test_the_tables_of_fat_are_system_entries_with_places(corpus: Any) -> None:
    entries = by_name(opened(corpus.path("images/fat/fat12.dd")))
    assert {name: (entries[name].kind, entries[name].runs) for name in ("$MBR", "$FAT1", "$FAT2")} == {
        "$MBR": ("system", ((0, 512),)),
        "$FAT1": ("system", ((512, 1024),)),
        "$FAT2": ("system", ((1536, 1024),)),
    }


def test_a_directory_inside_itself_is_listed_once_and_told(corpus: Any) -> None:
    plugin = opened(corpus.unpacked("images/dfir_ntfs/fat32_loop.raw.gz"))
    assert [problem.message for problem in listing(plugin)[1] if problem.error == "loop"] == [
        "directories that lie inside themselves, listed once: 1 (the first: test_dir/n40/4/T1/4)."
    ]


def test_an_avoided_directory_is_left_out_with_all_that_is_in_it(ext4: bytes) -> None:
    plugin = opened(ext4)
    folder = by_name(plugin)["directory1"].locator
    for text in (str(folder), str(Locator("ABC/1", "2.1", folder.inode, path=folder.path))):
        items = list(plugin.entries(frozenset({text})))
        names = [item.locator.display for item in items if isinstance(item, FileEntry)]
        gaps = [item.message for item in items if isinstance(item, Problem) and item.severity == "gap"]
        assert not [name for name in names if name.startswith("directory1")]
        assert gaps == ["directory1: left out, its listing ended the worker before."]


def test_orphans_can_be_left_out(corpus: Any) -> None:
    plugin = opened(corpus.unpacked("images/dfir_ntfs/fat_deleted_dir_2.raw.gz"))
    items = list(plugin.entries(frozenset({"$OrphanFiles"})))
    assert not [item for item in items if isinstance(item, FileEntry) and item.locator.path.text.startswith("$Orphan")]
    assert [item.error for item in items if isinstance(item, Problem) and item.severity == "gap"] == ["avoided"]


def test_orphans_end_at_their_limit(corpus: Any) -> None:
    plugin = opened(corpus.unpacked("images/dfir_ntfs/fat_deleted_dir_2.raw.gz"))
    plugin.orphans = 10
    items = list(plugin.entries(frozenset()))
    orphans = [
        item for item in items if isinstance(item, FileEntry) and item.locator.path.text.startswith("$OrphanFiles/")
    ]
    assert len([item for item in orphans if not item.locator.steps]) == 10
    assert [item.message for item in items if isinstance(item, Problem) and item.error == "budget"] == [
        "$OrphanFiles: listed up to the limit of 10 names."
    ]


def test_a_directory_that_cannot_be_listed_is_a_gap_and_the_rest_goes_on(corpus: Any) -> None:
    disk = bytearray(corpus.path("images/ext/hierarchy_64.ext4").read_bytes())
    plugin = opened(bytes(disk))
    folder = plugin._fs.open_meta(int(by_name(plugin)["directory2"].locator.inode))
    block = next(run.addr for part in folder for run in part)
    disk[block * 1024 : block * 1024 + 1024] = b"\xff" * 1024
    entries, problems = listing(opened(bytes(disk)))
    assert "directory1/subdirectory1" in {entry.locator.display for entry in entries}
    assert [problem.severity for problem in problems if problem.error == "directory"] in (["gap"], [])


def test_siblings_are_found_in_any_case_where_the_file_system_knows_none(corpus: Any) -> None:
    plugin = opened(corpus.path("images/fat/rust-fat12.img"))
    entry = by_name(plugin)["short.txt"]
    found = plugin.sibling(entry, "LONG.txt")
    assert found is not None and found.locator.display == "long.txt"
    assert plugin.sibling(entry, "absent") is None


def test_siblings_of_ext_are_found_in_their_own_case_only(ext4: bytes) -> None:
    plugin = opened(ext4)
    entry = by_name(plugin)["directory1/fortune1"]
    assert plugin.sibling(entry, "fortune6") == by_name(plugin)["directory1/fortune6"]
    assert plugin.sibling(entry, "FORTUNE6") is None


@pytest.mark.parametrize(
    "locator",
    [Locator("E", "1", "999999999", path=Name("x")), Locator("E", "1", "-", path=Name("nowhere")),
     Locator("E", "1", "12", Name("no such stream"), Name("passwords.txt"))],
)  # fmt: skip
def test_a_locator_that_names_nothing_is_misuse(ext4: bytes, locator: Locator) -> None:
    with pytest.raises(Misuse):
        opened(ext4).entry(locator)


def test_names_that_are_no_utf8_keep_their_bytes(tmp_path: Path, tool: Any) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "plain").write_text("x")
    disk = tmp_path / "ext.raw"
    with disk.open("wb") as file:
        file.truncate(4 << 20)
    run(tool("mke2fs"), "-q", "-F", "-t", "ext2", "-d", tree, disk)
    changed = disk.read_bytes().replace(b"plain", b"p\xe4\xf6\xfcn")
    entry = next(entry for entry in by_name(opened(changed)).values() if entry.locator.path.text.startswith("p\ufffd"))
    assert entry.locator.path == Name("p\ufffd\ufffd\ufffdn", "70e4f6fc6e")
    assert opened(changed).entry(entry.locator) == entry


def test_looking_the_plugin_up_loads_no_format_library() -> None:
    import subprocess
    import sys

    code = "import sys; from forensic_kit import registry; registry.load(); print('pytsk3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_one_class_opens_many_volumes_at_once(corpus: Any) -> None:
    first, second = plugin_class()(), plugin_class()()
    for plugin, name in ((first, "images/fat/fat12.dd"), (second, "images/ext/tiny.ext4")):
        source = FileSource(corpus.path(name))
        assert plugin.matches(Volume(source, 0, source.size, "none"))
    assert (first.facts.type, second.facts.type) == ("FAT12", "Ext4")
