"""What searching for byte patterns needs beside `re`: bounded looking, ranges, and context for people."""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

#: What would make a line of text unreadable or turn its direction.
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: Places of one pattern in one content above which they are not kept any more.
_MAX_PLACES: Final = 100_000
#: Ends at most this many bytes apart are kept as one cluster.
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


class Ends:
    """Where an automaton says that matches of one pattern end, kept as clusters of near ends."""

    def __init__(self) -> None:
        self._clusters: list[tuple[int, int]] = []
        self._too_many = False

    def add(self, end: int) -> None:
        """Take one more end."""
        clusters = self._clusters
        if clusters and clusters[-1][1] <= end <= clusters[-1][1] + _NEAR:
            clusters[-1] = clusters[-1][0], end
        elif not self._too_many:
            clusters.append((end, end))
            if len(clusters) > _MAX_PLACES:
                self._too_many = True
                clusters.clear()

    def places(self, buffer: memoryview, alphabet: bytes, width: int | None) -> list[tuple[int, int]] | None:
        """Ranges of ``buffer``, ascending and apart, that hold whole every match with one of these ends.

        Args: alphabet: every byte that can be part of a match; width: the most bytes a match can have, None if any.
        Returns: None when there were too many ends to keep: then matches may be anywhere.
        """
        if self._too_many:
            return None
        outside = bytes(value not in alphabet for value in range(256))
        found: list[tuple[int, int]] = []
        before = run = 0
        for first, last in sorted(self._clusters):
            start = _run_start(buffer, before, first, outside)
            # Without a foreign byte since the end before, the run that began there goes on.
            run = run if start == before else start
            before = first
            low = run if width is None else max(run, first - width)
            if found and low <= found[-1][1]:
                low, last = min(low, found[-1][0]), max(last, found[-1][1])
                found.pop()
            found.append((low, last))
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
