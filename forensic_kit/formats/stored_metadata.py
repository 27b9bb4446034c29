"""What a file system wrote down about one file, as its own decoder reads it: times, flags, sizes.

libtsk gives most of this, but rounds, converts or drops parts of it (times before 1970, zones of exFAT, deletion
times, initialised sizes). The decoders beside this module read those parts from the medium themselves.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from forensic_kit.bytesource import ByteSource
from forensic_kit.times import Moment

_PIECE = 64 * 1024


@dataclass(slots=True)
class Stored:
    """What is stored of one file. A time that is not stored, or that is on no calendar, is None."""

    modified: Moment | None = None
    accessed: Moment | None = None
    changed: Moment | None = None
    born: Moment | None = None
    deleted: Moment | None = None
    attributes: dict[str, str | int] = field(default_factory=dict)
    #: By stream name ("" the main content): how many bytes from its start were ever written, where that is less
    #: than its size. What follows reads as zeros, whatever the clusters hold.
    initialised: dict[bytes, int] = field(default_factory=dict)
    #: Stored times that are on no calendar.
    bad_times: int = 0
    #: It is the volume's label, not a file.
    is_label: bool = False


class OnDisk(Protocol):
    """One file system's own layout, as far as it is read here."""

    #: The name the volume gives itself.
    label: str
    #: Its serial number or UUID as people write it.
    serial: str

    def stored(self, inode: int, size: int) -> Stored | None:
        """What is stored about a file; None where this decoder reads nothing. ``size``: as libtsk states it."""
        ...

    def used(self) -> Iterator[tuple[int, int]] | None:
        """Byte ranges the allocation map marks used, ascending; None where none is read."""
        ...


class Pieces:
    """Small reads from one source, each answered from pieces of 64 KiB of which the last few stay in memory."""

    def __init__(self, source: ByteSource, keep: int = 64) -> None:
        self.size = source.size
        self._piece = functools.lru_cache(maxsize=keep)(lambda index: source.read(index * _PIECE, _PIECE))

    def read(self, offset: int, length: int) -> bytes:
        """The bytes at ``offset``, short where the source ends, empty for an offset outside it."""
        if offset < 0 or offset >= self.size or length <= 0:
            return b""
        index, skip = divmod(offset, _PIECE)
        data: bytes = self._piece(index)[skip : skip + length]
        while len(data) < length and (index + 1) * _PIECE < self.size:
            index += 1
            data += self._piece(index)[: length - len(data)]
        return data
