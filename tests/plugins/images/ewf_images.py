"""E01 images for the tests: made by ewfacquire from seeded bytes, or cut and changed in memory."""

import hashlib
import random
import struct
import subprocess
import zlib
from pathlib import Path

from forensic_kit.api import Memory


def content(size: int, seed: int = 1) -> bytes:
    """Bytes that compress in part: noise, text and zeros by turns, so that chunks of both kinds occur."""
    source, out = random.Random(seed), bytearray()
    while len(out) < size:
        out += source.randbytes(40_000) + b"a line of text that compresses %d\n" % len(out) * 2_000 + bytes(50_000)
    return bytes(out[:size])


def acquire(ewfacquire: str, raw: Path, *options: str) -> list[Path]:
    """The segments that ewfacquire makes of ``raw``, in order."""
    target = raw.with_name("IMAGE")
    command = [ewfacquire, "-u", "-q", *options, "-t", str(target), str(raw)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    # .E99 before .EAA: length and ASCII order agree with the order of segments.
    return sorted(path for path in raw.parent.glob("IMAGE.*") if len(path.suffix) == 4)


def memory(segments: dict[str, bytes], name: str = "") -> Memory:
    """The segment ``name`` (the first one) in memory, the others as its siblings."""
    name = name or next(iter(segments))
    return Memory(segments[name], name, segments)


def sections(data: bytes) -> list[tuple[str, int, int]]:
    """(type, offset, next offset) of every section, read without the code under test."""
    found, offset = [], 13
    while True:
        kind, after = struct.unpack_from("<16sQ", data, offset)
        found.append((kind.rstrip(b"\0").decode(), offset, after))
        if found[-1][0] in ("done", "next"):
            return found
        offset = after


def section(data: bytes, kind: str, nth: int = 0) -> int:
    """Offset of the descriptor of the nth section of a kind."""
    return [offset for name, offset, _ in sections(data) if name == kind][nth]


def chunk_offsets(data: bytes, nth: int = 0) -> list[int]:
    """Where the chunks of the nth table start in the file."""
    offset = section(data, "table", nth) + 76
    count, base = struct.unpack_from("<I4xQ", data, offset)
    return [base + (entry & 0x7FFFFFFF) for entry in struct.unpack_from(f"<{count}I", data, offset + 24)]


def flip(data: bytes, offset: int, mask: int = 0xFF) -> bytes:
    """The same bytes with one changed."""
    return data[:offset] + bytes([data[offset] ^ mask]) + data[offset + 1 :]


def built(*parts: tuple[str, bytes], number: int = 1, last: bool = True) -> bytes:
    """A segment file with these sections, as the format document lays them out, closed by done or next."""
    data = b"EVF\x09\x0d\x0a\xff\x00\x01" + struct.pack("<HH", number, 0)
    for kind, body in parts:
        after = len(data) + 76 + len(body)
        data += summed(struct.pack("<16sQQ40x", kind.encode(), after, 76 + len(body))) + body
    return data + summed(struct.pack("<16sQQ40x", b"done" if last else b"next", len(data), 0))


def summed(data: bytes) -> bytes:
    """Bytes followed by their Adler-32."""
    return data + struct.pack("<I", zlib.adler32(data))


def volume(chunks: int, sectors: int, *, per_chunk: int = 64, sector: int = 512) -> bytes:
    """The body of a volume section."""
    return summed(struct.pack("<B3xIIIQ", 1, chunks, per_chunk, sector, sectors).ljust(1048, b"\0"))


def table(entries: list[int], base: int = 0) -> bytes:
    """The body of a table section."""
    body = struct.pack(f"<{len(entries)}I", *entries)
    return summed(struct.pack("<I4xQ4x", len(entries), base)) + summed(body)


def sha256(data: bytes) -> str:
    """Lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def whole(source) -> bytes:
    """All bytes of a source."""
    return b"".join(source.pieces())
