"""A file's clusters as byte runs: holes, uninitialised tails, slack; and content that only a library can read."""

from collections.abc import Callable, Iterable, Sequence

from forensic_kit.bytesource import SPARSE, ByteSource, Faults

Run = tuple[int, int]
#: No run reaches beyond this, whatever the evidence says: offsets stay within 63 bits.
_LIMIT = 1 << 62
_STEP = 1 << 20
_RETRY = 64 * 1024


def byte_runs(blocks: Iterable[tuple[int, int, int, bool]], block_size: int, start: int) -> tuple[Run, ...] | None:
    """Runs in bytes, neighbours joined, gaps filled with holes.

    Args: blocks: (place in content, place in volume, count, is a hole), in blocks, in content order.
    start: where block 0 of the file system is in the volume.
    Returns: None where the runs overlap or reach beyond any volume, so that they cannot be believed.
    """
    runs: list[Run] = []
    position = 0
    for place, address, count, hole in blocks:
        if place < position or (address + count) * block_size + start > _LIMIT or place + count > _LIMIT:
            return None
        if place > position:
            _append(runs, SPARSE, (place - position) * block_size)
        _append(runs, SPARSE if hole else start + address * block_size, count * block_size)
        position = place + count
    return tuple(runs)


def _append(runs: list[Run], offset: int, length: int) -> None:
    if length <= 0:
        return
    if runs:
        last, size = runs[-1]
        if (last == SPARSE and offset == SPARSE) or (last != SPARSE and last + size == offset):
            runs[-1] = (last, size + length)
            return
    runs.append((offset, length))


def part(runs: Sequence[Run], offset: int, length: int) -> list[Run]:
    """The runs of a part of the content."""
    found: list[Run] = []
    position = 0
    for start, size in runs:
        low, high = max(offset, position), min(offset + length, position + size)
        if low < high:
            _append(found, SPARSE if start == SPARSE else start + low - position, high - low)
        position += size
    return found


def length_of(runs: Sequence[Run]) -> int:
    """Bytes that runs cover, holes included."""
    return sum(size for _start, size in runs)


def with_tail(runs: Sequence[Run], size: int) -> tuple[Run, ...]:
    """The same runs with a hole behind them up to ``size``, where the file system leaves out holes at the end."""
    found = list(runs)
    _append(found, SPARSE, size - length_of(runs))
    return tuple(found)


def without_end_hole(runs: Sequence[Run], size: int) -> tuple[Run, ...]:
    """The same runs without the hole behind ``size`` that some file systems list."""
    rest = length_of(runs) - size
    if rest > 0 and runs[-1][0] == SPARSE:
        length = runs[-1][1] - rest
        return (*runs[:-1], (SPARSE, length)) if length > 0 else tuple(runs[:-1])
    return tuple(runs)


def placed(runs: Sequence[Run]) -> tuple[Run, ...]:
    """The same runs up to the last one that is no hole."""
    found = list(runs)
    while found and found[-1][0] == SPARSE:
        found.pop()
    return tuple(found)


def uninitialised(runs: Sequence[Run], initialised: int, size: int) -> tuple[Run, ...]:
    """The same runs with a hole from ``initialised`` to ``size``: what was never written reads as zeros.

    The clusters behind the hole belong to no content, so that they are looked at as space of the file system.
    """
    found = part(runs, 0, initialised)
    _append(found, SPARSE, min(size, length_of(runs)) - initialised)
    for offset, length in part(runs, size, _LIMIT):
        _append(found, offset, length)
    return tuple(found)


def slack(runs: Sequence[Run], size: int) -> tuple[Run, ...]:
    """The allocated bytes behind the content; holes are none."""
    return tuple(run for run in part(runs, size, _LIMIT) if run[0] != SPARSE)


class Padded(ByteSource):
    """Content of which the last part has no place: zeros there, reported as a fault; ``gone``: of a deleted file."""

    def __init__(self, below: ByteSource, size: int, reason: str, *, gone: bool) -> None:
        self._below = below
        self._reason = reason
        self._gone = gone
        self.size = size
        self.name = below.name
        self.faults = below.faults

    def _read(self, offset: int, length: int) -> bytes:
        data = self._below.read(offset, length)
        if len(data) < length:
            self.faults.add(offset + len(data), length - len(data), self._reason, gone=self._gone)
            data += bytes(length - len(data))
        return data


class Fetched(ByteSource):
    """Content that a library decodes.

    Args: fetch: gives bytes at (offset, length), short or OSError where it cannot. What it does not give reads as
    zeros and is reported; a failing stretch is tried again in steps of 64 KiB.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, faults: Faults, name: str = "") -> None:
        self._fetch = fetch
        self.size = size
        self.faults = faults
        self.name = name

    def _read(self, offset: int, length: int) -> bytes:
        parts = []
        for start in range(offset, offset + length, _STEP):
            wanted = min(_STEP, offset + length - start)
            data = self._tried(start, wanted)
            parts.append(data if len(data) == wanted else self._pieces(start, wanted))
        return b"".join(parts)

    def _pieces(self, offset: int, length: int) -> bytes:
        out = bytearray()
        for start in range(offset, offset + length, _RETRY):
            wanted = min(_RETRY, offset + length - start)
            data = self._tried(start, wanted)
            if len(data) < wanted:
                self.faults.add(start + len(data), wanted - len(data), "the file system gives no bytes here")
            out += data + bytes(wanted - len(data))
        return bytes(out)

    def _tried(self, offset: int, length: int) -> bytes:
        try:
            return self._fetch(offset, length)[:length]
        except OSError:
            return b""
