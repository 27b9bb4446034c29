"""Contents to scan, whole or in windows, and plans made from text."""

import hashlib
from pathlib import Path

from forensic_kit import registry
from forensic_kit.api import At, FileEntry, Locator, Name, Problem, Scanner


class Piece:
    """A content: all of ``data``, or the window from ``start`` to ``end`` with up to ``margin`` bytes more."""

    def __init__(self, data, name="file", *, start=0, end=None, margin=0, kind="file", attributes=None):
        end = len(data) if end is None else end
        self.base = start
        self.data = data[start : end + margin] if (start, end) != (0, len(data)) else data
        self.margin = len(self.data) - (end - start)
        self.whole = (start, end) == (0, len(data)) and kind == "file"
        self.size = len(data)
        self.entry = FileEntry(Locator("X", "1", path=Name(name)), kind, self.size, attributes=attributes or {})
        self.type = "application/octet-stream"
        self.sha256 = hashlib.sha256(data).hexdigest()

    def companion(self, name):
        return None

    def on_disk(self):
        raise NotImplementedError


def windows(data, size, margin, name="file"):
    """The windows of a content, in order."""
    for start in range(0, len(data), size):
        yield Piece(data, name, start=start, end=min(start + size, len(data)), margin=margin)


def plans(name, folder: Path, **options):
    """What the scanner called ``name`` plans."""
    return list(registry.load().get(name, Scanner)().plan(options, folder / "cache"))


def prepared(plan):
    """A scanner that has loaded the plan, as a worker does."""
    scanner = registry.load().get(plan.plugin, Scanner)()
    scanner.prepare(plan)
    return scanner


def scan(scanner, *contents):
    """(hits, problems) of all contents."""
    items = [item for content in contents for item in scanner.scan(content)]
    return [item for item in items if not isinstance(item, Problem)], [i for i in items if isinstance(i, Problem)]


def places(hits):
    """(offset, term id, encoding) of each hit, in order."""
    assert all(isinstance(hit, At) for hit in hits)
    return sorted((hit.offset, hit.record.term_id, hit.record.encoding) for hit in hits)
