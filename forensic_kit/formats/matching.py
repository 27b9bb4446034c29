"""What searching for byte patterns needs beside `re`: bounded looking, ranges, and context for people."""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from forensic_kit.formats.atoms import Atom
from forensic_kit.formats.widen import Runs

#: What would make a line of text unreadable or turn its direction.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: Places of one pattern in one content above which they are not kept any more.
_MAX_PLACES: Final = 250_000
#: Starts of a range that are tried one by one; in a longer one `re` searches.
_TRIES: Final = 256
#: Bytes in which runs are looked for at once.
_PIECE: Final = 16 << 20
#: Places at most this many bytes apart are kept as one cluster.
_NEAR: Final = 64
#: Bytes kept from the window before; bounds context and look-behind.
_TAIL: Final = 4096


@dataclass
class Trail:
    """What is carried from one window of an entry to the next."""

    key: str  #: names the entry
    end: int  #: where the next window has to start, from the start of the entry
    tail: bytes = b""  #: bytes before ``end``
    counts: dict[int, int] = field(default_factory=dict)  #: hits so far, by term
    resume: dict[int, int] = field(default_factory=dict)  #: where the last match of a regex ended, by pattern

    def follow(self, window: "Window") -> None:
        """The window is done: expect the next one."""
        self.end = window.base + window.border
        self.tail = bytes(window.buffer[max(0, window.border - _TAIL) : window.border])


class Window:
    """Bytes to search, behind what came before them. Positions are in ``buffer``.

    Args: base: where ``data`` starts in the entry; margin: how much of its end belongs to the next window; tail: the
    bytes before it, for context, look-behind and word edges; size: of the entry, None if ``data`` is all of it.
    """

    def __init__(self, data: memoryview, base: int, margin: int, tail: bytes, size: int | None) -> None:
        self.data = data
        self.shift = len(tail)
        # Looking behind needs one piece of memory; windows after the first are few and bounded.
        self.buffer = memoryview(tail + bytes(data)) if tail else data
        self.base = base - self.shift
        #: Hits count that start before this.
        self.border = len(self.buffer) - margin
        #: Does the entry go on behind the buffer?
        self.is_cut = size is not None and base + len(data) < size

    def release(self) -> None:
        """Give the memory up."""
        if self.buffer is not self.data:
            self.buffer.release()


class Sightings:
    """Where one atom was seen, kept as clusters of near places."""

    def __init__(self) -> None:
        self._clusters: list[tuple[int, int]] = []
        self._too_many = False

    def add(self, place: int) -> None:
        """Take one more place."""
        clusters = self._clusters
        if clusters and clusters[-1][1] <= place <= clusters[-1][1] + _NEAR:
            clusters[-1] = clusters[-1][0], place
        elif not self._too_many:
            clusters.append((place, place))
            if len(clusters) > _MAX_PLACES:
                self._too_many = True
                clusters.clear()

    def starts(self, buffer: memoryview, atom: Atom) -> list[tuple[int, int]] | None:
        """Ranges of ``buffer`` that hold the start of every match whose atom was seen.

        Returns: None when there were too many to keep: then matches may start anywhere.
        """
        if self._too_many:
            return None
        outside = bytes(value not in atom.before for value in range(256))
        found: list[tuple[int, int]] = []
        before = run = 0
        for first, last in sorted(self._clusters):
            if atom.most is None:
                start = _run_start(buffer, before, first, outside)
                # Without a foreign byte since the place before, the run that began there goes on.
                run = run if start == before else start
                before = first
                low = run
            else:
                low = max(0, first - atom.most)
            if last - atom.least >= low:
                found.append((low, last - atom.least + 1))
        return found


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges ascending, those that touch made one."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return found


def _run_start(buffer: memoryview, floor: int, end: int, outside: bytes) -> int:
    """Where the run of bytes that ends at ``end`` begins, none of them marked in ``outside``; at least ``floor``."""
    step = 256
    while end > floor:
        low = max(floor, end - step)
        place = bytes(buffer[low:end]).translate(outside).rfind(1)
        if place >= 0:
            return low + place + 1
        end, step = low, min(step * 4, 1 << 20)
    return floor


def runs_in(buffer: memoryview, runs: Runs) -> Iterator[tuple[int, int]]:
    """Every run of ``buffer`` that is long enough, whole, ascending."""
    table = bytearray(b" " * 256)
    for value in runs.alphabet:
        table[value] = ord("a")
    unit = b"a"
    if runs.wide:
        table[0] = ord("0")
        unit = b"a0"
    needle = unit * runs.least
    whole = re.compile(b"(?:%b)+" % unit)
    position = 0
    started: int | None = None  # a run that goes on behind the piece before
    while position < len(buffer):
        piece = bytes(buffer[position : position + _PIECE]).translate(bytes(table))
        at = 0
        while True:
            if started is None:
                at = piece.find(needle, at)
                if at < 0:
                    break
                started = position + at
            match = whole.match(piece, at)
            at = match.end() if match else at
            if at > len(piece) - len(unit) and position + len(piece) < len(buffer):
                break
            yield started, position + at
            started = None
        # The next piece begins where the run stopped, or early enough for one that only began.
        position += at if started is not None else max(1, len(piece) - len(needle) + 1)


def matches_from(
    pattern: re.Pattern[bytes],
    buffer: memoryview,
    starts: Iterable[tuple[int, int]],
    position: int,
    check: Callable[[], None],
) -> Iterator[tuple[int, int]]:
    """The (start, end) that ``pattern.finditer(buffer, position)`` gives, tried only from ``starts``.

    Args: pattern: never matches the empty text. starts: ranges, ascending, apart, one of which holds the start of
    each match. check: called before each try; may raise.
    """
    next_start = 0  # there is no match between where the last search began and here
    for low, high in starts:
        position = max(position, low)
        while position < high:
            check()
            if high <= next_start:
                break
            if high - position <= _TRIES:
                match = pattern.match(buffer, position)
                if match is None:
                    position += 1
                    continue
            else:
                match = pattern.search(buffer, position)
                if match is None:
                    return
                next_start = match.start()
                if next_start >= high:
                    break
            yield match.span()
            position = match.end()


def matches_in(
    pattern: re.Pattern[bytes],
    buffer: memoryview,
    places: Iterable[tuple[int, int]],
    position: int,
    reach: int,
    check: Callable[[], None],
) -> Iterator[tuple[int, int]]:
    """The (start, end) that ``pattern.finditer(buffer, position)`` gives, looked for only in ``places``.

    Each search stops ``reach`` bytes behind its place. A match that ends inside its place saw only true bytes; one
    that ends behind it may owe that to the stop, so it is made again without.

    Args: pattern: never matches the empty text. places: ascending, apart; every match lies whole in one of them, or
    starts in one and is decided by the ``reach`` bytes behind it. check: called before each search; may raise.
    """
    size = len(buffer)
    for low, high in places:
        position = max(position, low)
        while position < high:
            check()
            match = pattern.search(buffer, position, min(size, high + reach))
            if match is None or match.start() >= high:
                break
            if match.end() > high:
                start = match.start()
                match = pattern.match(buffer, start)
                if match is None:
                    position = start + 1
                    continue
            yield match.span()
            position = match.end()


def context(buffer: memoryview, start: int, end: int, encoding: str, size: int) -> str:
    """The bytes ``start`` to ``end`` with up to ``size`` more on each side, as one readable line.

    Cut at whole characters; what does not decode is U+FFFD, control characters are spelt ``\\xNN``.
    """
    unit = 2 if encoding.startswith("utf-16") else 1
    low = start - min(size, start) // unit * unit
    if encoding == "utf-8":
        whole = low
        while whole < min(start, low + 3) and buffer[whole] & 0xC0 == 0x80:
            whole += 1
        low = whole
    data = bytes(buffer[low : min(len(buffer), end + size)])
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    return _CONTROLS.sub(lambda match: _spelt(match[0]), decoder.decode(data))


def _spelt(char: str) -> str:
    code = ord(char)
    return _SHORT.get(char) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
