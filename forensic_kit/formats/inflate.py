"""Decompresses a stream piece by piece: bounded memory whatever the ratio, and what decodes before an error is
given out before the error is raised."""

import lzma
import zlib
from collections.abc import Iterator
from typing import Any, Final, Protocol

from forensic_kit.errors import Damaged

#: Largest piece given out or fed in at once, bytes.
PIECE: Final = 256 * 1024
# A failing call of bz2 or lzma loses what it decoded: small steps keep that loss small.
_STEP: Final = 1024


class Decoder(Protocol):
    """One compressed stream."""

    #: True after the end that the stream itself marks.
    eof: bool
    #: Bytes taken so far that belong to the stream.
    taken: int

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` decodes to, in pieces of at most `PIECE` bytes; stops at the end of the stream.

        Raises: Damaged: offset is that of the step in the stream that failed, bytes.
        """
        ...


class Stored:
    """No compression."""

    def __init__(self) -> None:
        self.eof = False
        self.taken = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        self.taken += len(data)
        yield data


class Deflate:
    """A raw deflate stream (RFC 1951)."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        self.eof = False
        self.taken = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        while not self.eof:
            before = self._stream.copy()
            try:
                piece = self._stream.decompress(data, PIECE)
            except zlib.error as error:
                self._stream = before
                yield from self._up_to_error(data)
                raise Damaged(f"the deflate stream is damaged: {error}", offset=self.taken) from error
            rest = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            self.taken += len(data) - len(rest)
            self.eof = self._stream.eof
            if piece:
                yield piece
            if not rest and len(piece) < PIECE:
                return
            data = rest

    def _up_to_error(self, data: bytes) -> Iterator[bytes]:
        """The call that fails gives nothing, so the same bytes are decoded again one by one."""
        for position in range(len(data)):
            try:
                piece = self._stream.decompress(data[position : position + 1])
            except zlib.error:
                return
            self.taken += 1
            if piece:
                yield piece


class Blocks:
    """A bzip2, LZMA or xz stream: the standard library gives the three one interface.

    Args: stream: a decompressor of `bz2` or `lzma`; what: its name in messages.
    """

    def __init__(self, stream: Any, what: str) -> None:
        self._stream = stream
        self._what = what
        self.eof = False
        self.taken = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _STEP):
            if self.eof:
                return
            yield from self._step(data[start : start + _STEP])

    def _step(self, data: bytes) -> Iterator[bytes]:
        size = len(data)
        while True:
            try:
                piece = self._stream.decompress(data, PIECE)
            except (OSError, ValueError, lzma.LZMAError) as error:
                raise Damaged(f"the {self._what} stream is damaged: {error}", offset=self.taken) from error
            data = b""
            if piece:
                yield piece
            if self._stream.eof or self._stream.needs_input:
                break
        self.eof = self._stream.eof
        self.taken += size - (len(self._stream.unused_data) if self.eof else 0)
