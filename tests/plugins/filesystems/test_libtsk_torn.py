"""Whole listings of damaged volumes, in a process of their own: libtsk may end it, the plugin may not misbehave."""

import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT

_PROGRAM = """
import random, sys
from pathlib import Path
from forensic_kit.api import FileEntry, ForensicError, Memory, Volume
from tests.plugins.filesystems.libtsk_volumes import plugin_class

data, source = Path(sys.argv[1]).read_bytes(), random.Random(20261124)
for turn in range(int(sys.argv[2])):
    torn = bytearray(data)
    for _ in range(source.choice((1, 5, 50))):
        torn[source.randrange(min(len(torn), 300_000))] = source.choice((0, 1, 0xFF, 0x7F, 0x80))
    if turn % 5 == 0:
        del torn[source.randrange(len(torn)):]
    plugin = plugin_class()()
    try:
        if plugin.matches(Volume(Memory(bytes(torn)), 0, len(torn), "none")):
            for count, item in enumerate(plugin.entries(frozenset())):
                assert count < 50_000, "no end"
                if isinstance(item, FileEntry) and count < 200:
                    content = plugin.open(item)
                    assert content.size == item.size
                    assert len(content.read(0, 4096)) == min(4096, item.size)
                    assert len(content.read(max(0, item.size - 99), 99)) == min(99, item.size)
                    if not item.locator.steps:
                        plugin.entry(item.locator)
            list(plugin.used() or ())
    except ForensicError:
        pass
print("well")
"""


@pytest.mark.parametrize(
    "name",
    ["images/ext/hierarchy_64.ext4", "images/fat/rust-fat12.img", "images/exfat/test.exfat", "images/ntfs/testfs1.ntfs",
     "images/raw/dfvfs_hfsplus.raw", "images/raw/iso9660-level1.raw"],
)  # fmt: skip
def test_damaged_volumes_give_entries_problems_or_a_forensic_error(corpus: Any, name: str) -> None:
    command = [sys.executable, "-c", _PROGRAM, corpus.path(name), "15"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    if done.returncode < 0:
        pytest.skip(f"libtsk itself ended with signal {-done.returncode}, which costs a worker, not the run")
    assert (done.stdout, done.stderr) == ("well\n", "")
