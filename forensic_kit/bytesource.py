"""Read-only bytes at offsets: the one shape in which evidence travels through the program.

``read`` gives exactly what was asked for, short only at the end of the source. Bytes that the medium or its
container cannot give (a bad sector, a torn chunk) are zero-filled, as EWF asks, and **reported** to the
source's ``faults``: whoever reads drains them and marks what it read as partial. Losing the storage below
raises `EvidenceLost` instead, because then no entry is to blame.
"""

import abc
import bisect
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from forensic_kit.errors import EvidenceLost, Misuse

#: The offset of a run that is not stored anywhere: it reads as zeros.
SPARSE = -1
PIECE = 1 << 20


class Fault(NamedTuple):
    """A range that could not be read and was filled with zeros."""

    offset: int  #: in the source that reports it (for an image: in the decoded medium)
    length: int
    reason: str
    #: True where the bytes are no longer anywhere (a deleted file's clusters): a limit of what is left, no failure.
    gone: bool = False


class Faults:
    """What could not be read since the last drain. One per opened image, shared by all that is cut from it."""

    def __init__(self) -> None:
        self._seen: dict[Fault, None] = {}

    def add(self, offset: int, length: int, reason: str, *, gone: bool = False) -> None:
        """Record one unreadable range; the same range twice counts once."""
        self._seen[Fault(offset, length, reason, gone)] = None

    def drain(self) -> list[Fault]:
        """All faults since the last call, by offset."""
        found, self._seen = sorted(self._seen), {}
        return found


class ByteSource(abc.ABC):
    """Bytes 0 to ``size``. Subclasses give ``size`` and ``_read``."""

    #: Length in bytes.
    size: int
    #: What it is called, for messages and for ``sibling``.
    name: str = ""
    #: Where unreadable ranges are reported.
    faults: Faults

    def read(self, offset: int, length: int) -> bytes:
        """Bytes ``offset`` to ``offset + length``, short only at the end of the source, empty past it."""
        if offset < 0 or length < 0:
            raise ValueError(f"read at {offset} of {length} bytes")
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        data = self._read(offset, length)
        if len(data) != length:
            raise EvidenceLost(
                f"{self.name or type(self).__name__}: asked for {length} bytes at {offset}, got {len(data)}. "
                "Was the file cut short while it was being read? Check the storage, then use --resume."
            )
        return data

    @abc.abstractmethod
    def _read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes; the range is inside the source and not empty."""

    def sibling(self, name: str) -> "ByteSource | None":
        """The file called ``name`` in the folder of this one, or None: how segments and parents are found."""
        return None

    def slice(self, offset: int, length: int | None = None) -> "ByteSource":
        """A part of this source as a source; cut at this source's end."""
        return Window(self, offset, self.size - offset if length is None else length)

    def pieces(self, size: int = PIECE) -> Iterator[bytes]:
        """The whole content in order, ``size`` bytes at a time."""
        for offset in range(0, self.size, size):
            yield self.read(offset, size)

    def stored(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """The parts of a range that are not known to read as zeros: (offset, length). Lets holes be skipped."""
        yield offset, min(length, self.size - offset)


class Memory(ByteSource):
    """Bytes already in memory."""

    def __init__(self, data: bytes, name: str = "", siblings: dict[str, bytes] | None = None) -> None:
        self.size = len(data)
        self.name = name
        self.faults = Faults()
        self._data = data
        self._siblings = siblings or {}

    def _read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]

    def sibling(self, name: str) -> ByteSource | None:
        data = self._siblings.get(name)
        return None if data is None else Memory(data, name, self._siblings)


class FileSource(ByteSource):
    """A file or block device on the examiner's machine, opened read-only and read with pread (never mapped:
    a truncated file must be an error, not a SIGBUS)."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.name = self.path.name
        self.faults = Faults()
        try:
            self._file = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
            self.size = os.lseek(self._file, 0, os.SEEK_END)
        except OSError as error:
            raise Misuse(
                f"{path}: cannot be opened: {error.strerror}. Check the path and your rights to it."
            ) from error

    def _read(self, offset: int, length: int) -> bytes:
        parts: list[bytes] = []
        while length:
            try:
                part = os.pread(self._file, length, offset)
            except OSError as error:
                raise EvidenceLost(
                    f"{self.path}: reading {length} bytes at {offset} failed: {error.strerror}. "
                    "Check the storage that holds the evidence, then use --resume."
                ) from error
            if not part:
                break
            parts.append(part)
            offset += len(part)
            length -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def sibling(self, name: str) -> ByteSource | None:
        path = self.path.parent / name
        # A name from inside a container must not lead out of the exhibit's own folder.
        if path.parent != self.path.parent or name in ("", ".", "..") or not path.is_file():
            return None
        return FileSource(path)

    def close(self) -> None:
        """Give the file handle back. Reading afterwards is an error."""
        os.close(self._file)
        self._file = -1


class Window(ByteSource):
    """A contiguous part of another source."""

    def __init__(self, below: ByteSource, offset: int, length: int) -> None:
        if offset < 0 or length < 0:
            raise ValueError(f"window at {offset} of {length} bytes")
        self.below = below
        self.offset = offset
        self.size = max(0, min(length, below.size - offset))
        self.name = below.name
        self.faults = below.faults

    def _read(self, offset: int, length: int) -> bytes:
        return self.below.read(self.offset + offset, length)

    def stored(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        for start, size in self.below.stored(self.offset + offset, min(length, self.size - offset)):
            yield start - self.offset, size


class Runs(ByteSource):
    """Pieces of another source joined together: a file's clusters, a stripe set, unallocated space.

    Args: runs: (offset in ``below``, length) in content order; offset `SPARSE` reads as zeros. size: where the
    content ends, at most the sum of the runs; the rest of the last run is not part of it.
    """

    def __init__(self, below: ByteSource, runs: Sequence[tuple[int, int]], size: int | None = None) -> None:
        self.below = below
        self.name = below.name
        self.faults = below.faults
        self._runs: list[tuple[int, int]] = []
        self._starts: list[int] = []  # content offset at which each run begins
        total = 0
        for offset, length in runs:
            if length <= 0:
                continue
            self._runs.append((offset, length))
            self._starts.append(total)
            total += length
        self.size = total if size is None else min(size, total)

    def _parts(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        index = bisect.bisect_right(self._starts, offset) - 1
        while length:
            start, run = self._runs[index]
            skip = offset - self._starts[index]
            size = min(run - skip, length)
            yield (SPARSE if start == SPARSE else start + skip), size
            offset, length, index = offset + size, length - size, index + 1

    def _read(self, offset: int, length: int) -> bytes:
        parts = []
        for start, size in self._parts(offset, length):
            data = bytes(size) if start == SPARSE else self.below.read(start, size)
            if len(data) < size:  # a run that points past the end of the volume
                self.faults.add(start + len(data), size - len(data), "past the end of the volume")
                data += bytes(size - len(data))
            parts.append(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def stored(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        length = min(length, self.size - offset)
        if length <= 0:
            return
        for start, size in self._parts(offset, length):
            if start != SPARSE:
                yield offset, size
            offset += size


class Joined(ByteSource):
    """Several sources one after another: a split raw image."""

    def __init__(self, parts: Iterable[ByteSource]) -> None:
        self._parts = list(parts)
        self._starts: list[int] = []
        self.size = 0
        for part in self._parts:
            self._starts.append(self.size)
            self.size += part.size
        self.name = self._parts[0].name if self._parts else ""
        self.faults = Faults()

    def _read(self, offset: int, length: int) -> bytes:
        index = bisect.bisect_right(self._starts, offset) - 1
        out = []
        while length:
            data = self._parts[index].read(offset - self._starts[index], length)
            out.append(data)
            offset, length, index = offset + len(data), length - len(data), index + 1
        return b"".join(out)
