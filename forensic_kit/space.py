"""What of a volume belongs to whom: which deleted content was overwritten, and what no file claims.

Unallocated is what no live entry's runs claim, less what the allocation map marks used; what the map marks used
and no entry claims is ``system`` space (directories, tables, journals). Both are cut into fixed cells.
"""

import bisect
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import msgspec

from forensic_kit.bytesource import SPARSE
from forensic_kit.model import CELL, FileEntry, Kind, Locator, State, Step

Range = tuple[int, int]  #: (start, end), bytes
MARGIN: Final = 64 * 1024
_COMPACT_AT: Final = 500_000
_SHIFT: Final = 64
_MASK: Final = (1 << _SHIFT) - 1


class Claims:
    """The runs of live entries, merged as they come so that millions fit in little memory.

    Args: spool: an open temporary file that keeps the deleted entries until the whole volume is known.
    """

    def __init__(self, spool: BinaryIO) -> None:
        self._packed: list[int] = []  # start << 64 | end: sorts by start and costs one object a run
        self._compact_at = _COMPACT_AT
        self._spool = spool
        self._encoder = msgspec.msgpack.Encoder()

    def add(self, entry: FileEntry) -> None:
        """Take note of an entry as it is listed."""
        if not entry.runs or entry.kind == "slack":
            return
        if entry.content_state == "allocated":
            self._packed.extend(
                start << _SHIFT | start + length for start, length in entry.runs if start != SPARSE and length
            )
            if len(self._packed) > self._compact_at:
                self._compact()

    def remember(self, entry: FileEntry) -> None:
        """Keep a deleted entry until `states` can tell about it."""
        if entry.content_state == "unknown":
            used = list(clipped(entry.runs or (), entry.size)) if entry.kind != "slack" else list(entry.runs or ())
            record = self._encoder.encode((str(entry.locator), used))
            self._spool.write(len(record).to_bytes(4, "big") + record)

    def _compact(self) -> None:
        self._packed.sort()
        self._packed = [start << _SHIFT | end for start, end in merged(map(_unpack, self._packed))]
        self._compact_at = max(_COMPACT_AT, 2 * len(self._packed))

    def ranges(self) -> list[Range]:
        """What live entries claim, ascending and disjoint."""
        self._compact()
        return [_unpack(item) for item in self._packed]

    def states(self) -> Iterator[tuple[str, State]]:
        """(locator, content state) of every deleted entry that was remembered."""
        ranges = self.ranges()
        starts = [start for start, _ in ranges]
        self._spool.seek(0)
        while header := self._spool.read(4):
            locator, runs = msgspec.msgpack.decode(
                self._spool.read(int.from_bytes(header, "big")), type=tuple[str, list[tuple[int, int]]]
            )
            taken = any(_overlaps(ranges, starts, start, start + length) for start, length in runs if start != SPARSE)
            yield locator, "overwritten" if taken else "unallocated"


def _unpack(item: int) -> Range:
    return item >> _SHIFT, item & _MASK


def _overlaps(ranges: list[Range], starts: list[int], start: int, end: int) -> bool:
    index = bisect.bisect_right(starts, start) - 1
    if index >= 0 and ranges[index][1] > start:
        return True
    return index + 1 < len(ranges) and ranges[index + 1][0] < end


def clipped(runs: Iterable[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """The runs that hold the first ``size`` bytes: the slack of the last one is cut off."""
    for start, length in runs:
        if size <= 0:
            return
        yield start, min(length, size)
        size -= length


def merged(ranges: Iterable[Range]) -> Iterator[Range]:
    """Ascending ranges, those that touch or overlap made one."""
    current: Range | None = None
    for start, end in ranges:
        if end <= start:
            continue
        if current and start <= current[1]:
            current = (current[0], max(current[1], end))
            continue
        if current:
            yield current
        current = (start, end)
    if current:
        yield current


def without(ranges: Iterable[Range], holes: Iterable[Range]) -> Iterator[Range]:
    """The parts of ``ranges`` that no hole covers; both ascending and disjoint."""
    hole_iterator = iter(holes)
    hole = next(hole_iterator, None)
    for range_start, end in ranges:
        start = range_start
        while hole and hole[1] <= start:
            hole = next(hole_iterator, None)
        while hole and hole[0] < end:
            if hole[0] > start:
                yield start, hole[0]
            start = max(start, hole[1])
            if hole[1] >= end:
                break
            hole = next(hole_iterator, None)
        if start < end:
            yield start, end


def cells(ranges: Iterable[Range], kind: Kind, state: State) -> Iterator[FileEntry]:
    """Ascending ranges of a volume as entries, one for each cell of 64 MiB that holds any of them."""
    runs: list[tuple[int, int]] = []
    cell = -1
    for range_start, end in ranges:
        start = range_start
        while start < end:
            here = start // CELL
            if here != cell and runs:
                # A range that goes on in the next cell is shown to scanners as this cell's margin.
                touches = sum(runs[-1]) == start
                yield _cell_entry(cell, runs, kind, state, min(MARGIN, end - start) if touches else 0)
                runs = []
            cell = here
            stop = min(end, (here + 1) * CELL)
            runs.append((start, stop - start))
            start = stop
    if runs:
        yield _cell_entry(cell, runs, kind, state, 0)


def _cell_entry(cell: int, runs: list[tuple[int, int]], kind: Kind, state: State, margin: int) -> FileEntry:
    step = Step(kind, start=cell * CELL, length=CELL)
    return FileEntry(
        Locator("", "", steps=(step,)),
        kind,
        sum(length for _, length in runs),
        name_state=state,
        meta_state=state,
        content_state=state,
        runs=tuple(runs),
        margin=margin,
    )


def outside_files(size: int, claims: list[Range], used: Iterable[Range] | None) -> Iterator[FileEntry]:
    """The system and then the unallocated cells of a volume.

    Args: size: of the volume in bytes; used: what the allocation map marks used (start, end), None without a map.
    """
    marked = list(merged(used or ()))
    yield from cells(without(marked, claims), "system", "allocated")
    taken = merged(sorted([*claims, *marked]))
    yield from cells(without([(0, size)], taken), "unallocated", "unallocated")
