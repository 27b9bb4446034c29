"""Every artefact parser and unpacker against cut and flipped bytes: results or a ForensicError, and soon.

A plugin's samples are the files of ``tests/plugins/<kind>/<file stem>/input/`` and those that ``corpus.txt`` beside it
names. A new plugin is tested here without a line of its own. FORENSIC_KIT_TORN=full flips ten times as many bytes.
"""

import os
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forensic_kit import registry
from forensic_kit.api import Artefact, ForensicError, Member, PluginError, Unpacker
from tests.conftest import ROOT
from tests.plugins.content import LooseContent

#: Longest time for one torn content, seconds.
SECONDS = 5
#: What one content may add to the memory of the process, KiB.
MEMORY = 512 * 1024
#: The engine's budgets would stop an unpacker; here this many bytes a content are enough.
UNPACKED = 16 << 20
FULL = os.environ.get("FORENSIC_KIT_TORN") == "full"


def loaded():
    found = registry.load().loaded.values()
    return [item for item in found if issubclass(item.plugin, Artefact | Unpacker) and item.origin == "bundled"]


def samples_of(item, corpus) -> list[Path]:
    folder = ROOT / "tests" / "plugins" / item.plugin.kind / item.path.stem
    found = sorted(path for path in (folder / "input").glob("*") if path.is_file())
    names = folder / "corpus.txt"
    if names.is_file():
        lines = [line.strip() for line in names.read_text(encoding="utf-8").splitlines()]
        found += [corpus.unpacked(line) for line in lines if line and not line.startswith("#")]
    return [path for path in found if path.is_file()]


def cuts(size: int) -> Iterator[int]:
    """Lengths to cut at: every one up to 4 KiB, then in steps."""
    yield from range(min(size, 4096))
    yield from range(4096, size, max(1, (size - 4096) // 64))


def torn(data: bytes, seed: str) -> Iterator[tuple[str, bytes]]:
    """(what was done, the bytes)"""
    yield "whole", data
    for length in cuts(len(data)):
        yield f"cut to {length} bytes", data[:length]
    dice = random.Random(seed)
    for _ in range(2000 if FULL else 200):
        # Headers are at the start: half of the flips go there.
        place = dice.randrange(min(len(data), 4096) if dice.random() < 0.5 else len(data))
        flipped = bytearray(data)
        flipped[place] ^= dice.randrange(1, 256)
        yield f"byte {place} flipped to {flipped[place]:#04x}", bytes(flipped)


def exhaust(plugin: Artefact | Unpacker, content: LooseContent) -> None:
    """Ask for everything the plugin gives."""
    if isinstance(plugin, Artefact):
        for _ in plugin.parse(content):
            pass
        return
    plugin.wants(content)
    left = UNPACKED
    for item in plugin.unpack(content, ()):
        if not isinstance(item, Member) or item.locked or item.kind == "directory":
            continue
        try:
            for piece in item.open():
                left -= len(piece)
                if left < 0:
                    return
        except ForensicError:
            continue


@pytest.mark.parametrize("item", loaded(), ids=lambda item: item.plugin.name)
def test_torn_bytes_give_results_or_a_forensic_error(item, corpus):
    samples = samples_of(item, corpus)
    assert samples, f"{item.plugin.name} has no sample in tests/plugins/{item.plugin.kind}/{item.path.stem}"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in samples:
        for what, data in torn(path.read_bytes(), f"{item.plugin.name} {path.name}"):
            where = f"{item.plugin.name} on {path.name}, {what}"
            content = LooseContent(data, path.name, type="application/octet-stream")
            started = time.monotonic()
            # guarded() turns everything that is no ForensicError into a PluginError that names it.
            result = registry.guarded(lambda content=content: exhaust(item.plugin(), content), what=where)
            assert not isinstance(result, PluginError), result.message
            assert time.monotonic() - started < SECONDS, f"{where}: too slow"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < MEMORY, f"{item.plugin.name}: too much memory"
