"""Every row of the corpus manifest, and two ways to each answer: see libtsk/witness.md."""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from forensic_kit.api import FileEntry, Problem
from tests.conftest import ROOT
from tests.plugins.filesystems.libtsk_volumes import opened, refused_or_opened
from tests.plugins.filesystems.manifest_rows import Case, cases, differences, digest, image, listing, volume

_MANIFEST = Path(os.environ.get("FORENSIC_KIT_CORPUS", ROOT.parent / "shared" / "corpus")) / "MANIFEST.json"
_CASES = cases(json.loads(_MANIFEST.read_text(encoding="utf-8"))) if _MANIFEST.is_file() else []
#: libtsk refuses these, the version that made the manifest as well as ours.
_REFUSED = {
    "images/ntfs/ntfs-2m.raw.gz": "NTFS: Unable to open the image as a filesystem at offset: 0x00000000 with error: "
    "Invalid magic value (Not a NTFS file system (invalid cluster size 244))",
    "images/dfir_ntfs/fat32_small.raw.gz": "FAT: Unable to open the image as a filesystem at offset: 0x00000000 with "
    "error: Invalid magic value (Invalid FAT image (numroot == 0, and not TSK_FS_TYPE_FAT32))",
}


@pytest.fixture(
    scope="module", params=[case for case in _CASES if case.image not in _REFUSED], ids=lambda case: case.id
)
def listed(request: pytest.FixtureRequest, corpus: Any) -> tuple[Case, Any, list[FileEntry], list[Problem]]:
    """A volume of the corpus, opened and listed once for all tests of it."""
    plugin = opened(volume(corpus, request.param).source)
    return request.param, plugin, *listing(plugin)


def test_every_row_of_the_manifest_is_listed_and_read(listed: Any) -> None:
    case, plugin, entries, _problems = listed
    assert differences(plugin, case, entries) == []


def test_the_volume_is_what_fsstat_says(listed: Any) -> None:
    case, plugin, _entries, _problems = listed
    said = case.truth["type"]
    assert plugin.facts.type == said["type"]
    if "volume_name" in said:  # fsstat prints no name for FAT and exFAT
        assert plugin.facts.label == said["volume_name"]
    # fsstat prints UUIDs of ext backwards and drops leading zeros.
    serial = plugin.facts.serial.replace("-", "").lower().lstrip("0")
    printed = said.get("volume_id", "").removeprefix("0x").replace("-", "").lower()
    if said["type"].startswith("Ext"):
        serial = bytes.fromhex(plugin.facts.serial.replace("-", ""))[::-1].hex().replace("0", "")
        printed = printed.replace("0", "")
    if said["type"] == "exFAT":  # each half without its zeros
        high, low = said["volume_id"].split("-")
        printed = f"{high:>04}{low:>04}".lower().lstrip("0")
    assert serial == printed.lstrip("0")


def test_no_part_of_a_sound_volume_is_a_gap(listed: Any) -> None:
    _case, _plugin, _entries, problems = listed
    assert [problem.message for problem in problems if problem.severity == "gap"] == []


def test_no_two_entries_have_one_locator(listed: Any) -> None:
    _case, _plugin, entries, _problems = listed
    counted = Counter(str(entry.locator) for entry in entries)
    assert [text for text, count in counted.items() if count > 1] == []


def test_a_locator_alone_gives_the_same_entry_in_another_process(listed: Any, corpus: Any) -> None:
    case, _plugin, entries, _problems = listed
    other = opened(volume(corpus, case).source)
    sample = [entry for entry in entries if not entry.locator.steps][::7]
    assert [other.entry(entry.locator) for entry in sample] == sample


def test_runs_hold_the_bytes_that_libtsk_reads(listed: Any) -> None:
    _case, plugin, entries, _problems = listed
    placed = [entry for entry in entries if entry.runs and entry.kind in ("file", "link", "stream") and entry.size]
    for entry in placed:
        file = plugin._fs.open_meta(int(entry.locator.inode))  # the library itself, beside the plugin
        attributes = [part.info for part in file]
        wanted = entry.locator.stream.bytes
        info = next(info for info in attributes if int(info.type) in (1, 128, 4352, 4353) and (info.name or b"") in
                    ((wanted,) if wanted != b"rsrc" else (b"RSRC",)))  # fmt: skip
        hasher, position = hashlib.sha256(), 0
        while position < entry.size:
            data = file.read_random(position, min(1 << 20, entry.size - position), int(info.type), info.id)
            hasher.update(data)
            position += len(data)
        assert digest(plugin, entry) == hasher.hexdigest(), entry.locator


@pytest.mark.parametrize("name", _REFUSED)
def test_a_volume_that_libtsk_refuses_is_not_opened_and_says_why(corpus: Any, name: str) -> None:
    start = 65536 if "ntfs" in Path(name).name else 0
    source = image(corpus, name)
    matches, plugin = refused_or_opened(source.slice(start))
    assert not matches
    assert plugin.refused == _REFUSED[name]
