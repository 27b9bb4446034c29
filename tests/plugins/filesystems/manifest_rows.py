"""Compares what a file-system plugin lists and reads with the corpus manifest, row by row.

The rows are what The Sleuth Kit 4.11.1 printed (fls -rp, icat, icat -r), many of them read by a second program too.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from forensic_kit.api import ByteSource, FileEntry, FileSystem, Joined, Memory, Problem, Volume
from forensic_kit.bytesource import FileSource

TYPES = ("NTFS", "FAT12", "FAT16", "FAT32", "exFAT", "Ext2", "Ext3", "Ext4", "HFS+", "ISO9660")
#: Containers that their own plugins decode and that have no business here.
_OTHER_CONTAINERS = ("virtual disk", "Apple disk image", "tar of virtual disks", "split raw (part)")
_SECTOR = 512


@dataclass(frozen=True)
class Case:
    """One volume of the manifest."""

    image: str
    member: str
    #: The manifest's entry of the volume: type, counts, files.
    truth: dict[str, Any]
    #: Bytes from the start of the image.
    start: int

    @property
    def type(self) -> str:
        """The file system's type as the manifest calls it."""
        kind = self.truth["type"]
        return str(kind["type"] if isinstance(kind, dict) else kind)

    @property
    def id(self) -> str:
        """A name for the test's parameter."""
        return f"{self.image.removeprefix('images/')}{'!' + self.member if self.member else ''}@{self.start}"


def cases(manifest: dict[str, Any]) -> list[Case]:
    """The volumes of plain, packed, split and EWF images whose type is one of `TYPES`."""
    return [
        case
        for row in manifest["files"]
        if row["path"].startswith("images/") and row["format"] not in _OTHER_CONTAINERS
        for case in _of_row(row)
        if case.type in TYPES
    ]


def _of_row(row: dict[str, Any]) -> Iterator[Case]:
    for member in ({"name": "", "expected": row.get("expected")}, *row.get("members", ())):
        expected = member.get("expected")
        for truth in expected.get("volumes", ()) if isinstance(expected, dict) else ():
            yield Case(row["path"], member["name"], truth, (truth.get("start_sector") or 0) * _SECTOR)


def volume(corpus: Any, case: Case) -> Volume:
    """The volume's bytes, decoded."""
    source = image(corpus, case.image, case.member)
    part = source.slice(case.start) if case.start else source
    return Volume(part, case.start, part.size, "test", number="1", image_start=case.start)


def image(corpus: Any, name: str, member: str = "") -> ByteSource:
    """The decoded disk of an image of the corpus."""
    path = corpus.unpacked(name)
    if member:
        return FileSource(path / member)
    row = corpus.manifest(name)
    if row["format"] == "split raw":
        return Joined([FileSource(corpus.path(part)) for part in row["parts"]])
    if row["format"] == "EWF":
        return _decoded_ewf(path)
    return FileSource(path)


def _decoded_ewf(path: Any) -> ByteSource:
    import pyewf

    handle = pyewf.handle()
    handle.open(pyewf.glob(str(path)))
    try:
        return Memory(handle.read(handle.get_media_size()))
    finally:
        handle.close()


def listing(plugin: FileSystem) -> tuple[list[FileEntry], list[Problem]]:
    """Everything the plugin lists."""
    entries: list[FileEntry] = []
    problems: list[Problem] = []
    for item in plugin.entries(frozenset()):
        if isinstance(item, Problem):
            problems.append(item)
        else:
            entries.append(item)
    return entries, problems


def digest(plugin: FileSystem, entry: FileEntry) -> str:
    """SHA-256 of the content, read piece by piece."""
    content = plugin.open(entry)
    hasher = hashlib.sha256()
    for piece in content.pieces():
        hasher.update(piece)
    return hasher.hexdigest()


def differences(plugin: FileSystem, case: Case, entries: list[FileEntry]) -> list[str]:
    """One line for each row of the manifest that the listing does not bear out."""
    named: dict[str, list[FileEntry]] = {}
    for entry in entries:
        if not entry.locator.steps:
            named.setdefault(entry.locator.display, []).append(entry)
    found = []
    for row in case.truth.get("files") or ():
        reasons = [_difference(plugin, row, entry) for entry in named.get(row["path"], ())]
        if "" not in reasons:
            found.append(f"{row['path']} (inode {row.get('inode', '?')}): {'; '.join(reasons) or 'not listed'}")
    return found


def _difference(plugin: FileSystem, row: dict[str, Any], entry: FileEntry) -> str:
    """Why the entry is not what the row says; empty if it is."""
    inode = row.get("inode", entry.locator.inode).split("-")[0]
    if entry.locator.inode != inode:
        return f"inode {entry.locator.inode}"
    deleted = entry.name_state != "allocated"
    if deleted != row["deleted"]:
        return f"name {entry.name_state}"
    if row.get("inode_reallocated"):
        return "" if entry.content_state == "overwritten" else f"content {entry.content_state}, not overwritten"
    if "size" in row and entry.size != row["size"]:
        return f"{entry.size} bytes, not {row['size']}"
    if "sha256" in row and digest(plugin, entry) != _true_digest(row, entry):
        return "content differs"
    return ""


def _true_digest(row: dict[str, Any], entry: FileEntry) -> str:
    """What the content should be.

    icat of The Sleuth Kit prints zeros for the short symbolic links of ext, whose text is in the inode; the manifest
    has the digest of those zeros. The plugin gives the text. `test_links_of_ext_are_their_text` holds it against
    debugfs.
    """
    icat_zeros = hashlib.sha256(bytes(row.get("size", 0))).hexdigest()
    if row.get("kind") == "symlink" and row["sha256"] == icat_zeros:
        return hashlib.sha256(str(entry.attributes["target"]).encode()).hexdigest()
    return str(row["sha256"])
