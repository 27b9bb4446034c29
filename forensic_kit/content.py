"""One content, read once: hashed while it is read, kept in memory or spooled to a file, shown as one buffer.

Above `Limits.whole` and for space cut into cells, consumers see windows with a margin instead.
"""

import hashlib
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from forensic_kit.bytesource import ByteSource, Fault
from forensic_kit.errors import CaseFull, LimitReached
from forensic_kit.model import Digests, FileEntry
from forensic_kit.space import MARGIN

#: Contents up to this size stay in memory; larger ones go through a file in the case's temporary folder.
IN_MEMORY: Final = 32 << 20
_PIECE: Final = 4 << 20
WINDOW: Final = 64 << 20


class Limits(msgspec.Struct, frozen=True):
    """Bounds on one content, from the profile."""

    whole: int = 4 << 30  #: bytes; larger contents are shown in windows


class Content:
    """What scanners, parsers and unpackers are given; see `forensic_kit.api.Content`."""

    def __init__(self, entry: FileEntry, data: Any, temp: Path, *, close: Callable[[], None] = lambda: None) -> None:
        self.entry = entry
        self.type = ""
        self.size = entry.size
        self.data = data
        self.base = 0
        self.margin = 0
        self.whole = True
        self.sha256 = ""
        self.find_companion: Callable[[str], Content | None] = lambda _: None
        self._temp = temp
        self._close = close
        self._copies: list[Path] = []
        self._companions: list[Content] = []

    def companion(self, name: str) -> "Content | None":
        """The file called ``name`` in the same folder, or None."""
        found = self.find_companion(name)
        if found is not None:
            self._companions.append(found)
        return found

    def on_disk(self) -> Path:
        """A private copy as a file, deleted when the entry is done."""
        folder = Path(tempfile.mkdtemp(dir=self._temp))
        self._copies.append(folder)
        path = folder / "content"  # never a name out of evidence
        with writing(path), path.open("wb") as out:
            out.write(self.data)
        return path

    def discard(self) -> None:
        """Delete the copies and companions and give up the buffer."""
        for companion in self._companions:
            companion.discard()
        self._companions.clear()
        for folder in self._copies:
            shutil.rmtree(folder, ignore_errors=True)  # swept again when the case is next opened
        self._copies.clear()
        self.data = b""
        self._close()


class Hasher:
    """The three digests of what is fed to it."""

    def __init__(self) -> None:
        self._hashes = (
            hashlib.md5(usedforsecurity=False),
            hashlib.sha1(usedforsecurity=False),
            hashlib.sha256(),
        )

    def update(self, data: "bytes | memoryview") -> None:
        """Take the next bytes."""
        for one in self._hashes:
            one.update(data)

    @property
    def digests(self) -> Digests:
        """Of all bytes so far."""
        return Digests(*(one.hexdigest() for one in self._hashes))


class Buffer(Protocol):
    """A whole content as one buffer."""

    data: Any
    digests: Digests

    def close(self) -> None:
        """Give it up."""
        ...


class Held:
    """A content in memory."""

    def __init__(self, data: bytes, digests: Digests) -> None:
        self.data: Any = data
        self.digests = digests

    def close(self) -> None:
        """Give it up."""
        self.data = b""


class Spooled:
    """A content in a nameless temporary file, mapped."""

    def __init__(self, file: Any, size: int, digests: Digests) -> None:
        self._file = file
        self.data: Any = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
        self.digests = digests

    def close(self) -> None:
        """Give it up; the file is gone with its handle."""
        try:
            self.data.close()
        except BufferError:
            # A plugin kept a view; the mapping goes when the view does.
            self.data = b""
        self._file.close()


def read_whole(pieces: Iterator[bytes], expected: int, temp: Path, *, limit: int) -> "Held | Spooled":
    """Everything ``pieces`` gives, hashed while it comes.

    Args: expected: bytes, decides memory or file at once; pieces may give more or fewer. limit: bytes.
    Raises: LimitReached: the content is larger than ``limit``. CaseFull: the temporary folder is full.
    """
    hasher = Hasher()
    held: list[bytes] = []
    size = 0
    spool = None
    try:
        for piece in pieces:
            size += len(piece)
            if size > limit:
                raise LimitReached(f"larger than the limit of {limit} bytes")
            hasher.update(piece)
            held.append(piece)
            if spool is None and size > IN_MEMORY:
                with writing(temp):
                    spool = tempfile.TemporaryFile(dir=temp)  # noqa: SIM115 - lives as long as the content
            if spool is not None:
                with writing(temp):
                    for part in held:
                        _write_sparse(spool, part)
                held = []
        if spool is None:
            data = held[0] if len(held) == 1 else b"".join(held)
            return Held(data, hasher.digests)
        with writing(temp):
            spool.truncate(size)
            spool.flush()
        return Spooled(spool, size, hasher.digests)
    except BaseException:
        if spool is not None:
            spool.close()
        raise


def _write_sparse(file: Any, piece: bytes) -> None:
    """Zeros are not written but skipped, so that a huge sparse file needs no disk."""
    if not piece[0] and not piece[-1] and piece.count(0) == len(piece):
        file.seek(len(piece), os.SEEK_CUR)
    else:
        file.write(piece)


def pieces_of(source: ByteSource) -> Iterator[bytes]:
    """A source's bytes in order, in pieces that suit reading and hashing."""
    yield from source.pieces(_PIECE)


def windows(source: ByteSource, size: int, *, hasher: Hasher) -> Iterator[tuple[int, bytes, int]]:
    """(base, data, margin) of each window of a content too large to be shown whole; hashes what it reads.

    ``source`` may be longer than ``size``: what follows is margin for the last window and not hashed.
    """
    base = 0
    carried = b""
    while base < size:
        end = min(base + WINDOW, size)
        have = base + len(carried)
        data = carried + source.read(have, end + MARGIN - have)
        margin = max(0, len(data) - (end - base))
        hasher.update(memoryview(data)[: end - base])
        yield base, data, margin
        carried = data[end - base :]
        base = end


def fault_text(faults: list[Fault]) -> str:
    """The first unreadable ranges in words, and how many more."""
    shown = "; ".join(f"{fault.length} bytes at {fault.offset} ({fault.reason})" for fault in faults[:3])
    more = f"; and {len(faults) - 3} more ranges" if len(faults) > 3 else ""
    return shown + more


class writing:
    """Turns a refused write to the case's own disk into `CaseFull`: no entry is to blame for it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            raise CaseFull(
                f"{self._path}: temporary files cannot be written: {error.strerror}. "
                "Make room on the disk of the case, then use --resume."
            ) from error
