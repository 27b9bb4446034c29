"""Which ranges of a volume its allocation map marks as used: bitmaps and file allocation tables as run lists.

Everything streams: a map is read piece by piece and only the ranges leave. The work per piece is done by C code
(big integers, byte translation, regular expressions); Python only sees whole runs.
"""

import itertools
import re
from collections.abc import Iterable, Iterator

#: How much of a map is looked at in one go, bytes. A multiple of 12, so that no entry of any FAT is cut in two.
_PIECE = 96 * 1024
_ONES = re.compile("1+")
_USED = re.compile(rb"[^\0]+")
_LOW_NIBBLE = bytes(byte & 0x0F for byte in range(256))


def bitmap_ranges(pieces: Iterable[bytes], bits: int, *, msb_first: bool = False) -> Iterator[tuple[int, int]]:
    """The runs of set bits: (first bit, count), ascending, joined where they touch.

    Args: pieces: the bitmap in order. bits: how many bits count; the rest of the last byte is padding.
    msb_first: the first block is the highest bit of a byte (HFS+); else the lowest (NTFS, ext, exFAT).
    """
    return joined(_bit_runs(pieces, bits, msb_first=msb_first))


def _bit_runs(pieces: Iterable[bytes], bits: int, *, msb_first: bool) -> Iterator[tuple[int, int]]:
    first = 0
    for piece in pieces:
        for start in range(0, len(piece), _PIECE):
            block = piece[start : start + _PIECE]
            count = min(len(block) * 8, bits - first)
            if count <= 0:
                return
            for offset, length in _block_runs(block, msb_first=msb_first):
                if offset < count:
                    yield first + offset, min(length, count - offset)
            first += len(block) * 8


def _block_runs(block: bytes, *, msb_first: bool) -> Iterator[tuple[int, int]]:
    if block.count(0) == len(block):
        return
    if block.count(0xFF) == len(block):
        yield 0, len(block) * 8
        return
    width = len(block) * 8
    digits = f"{int.from_bytes(block, 'big' if msb_first else 'little'):0{width}b}"
    if not msb_first:
        digits = digits[::-1]
    for match in _ONES.finditer(digits):
        yield match.start(), match.end() - match.start()


def fat_ranges(pieces: Iterable[bytes], width: int, entries: int) -> Iterator[tuple[int, int]]:
    """The runs of non-zero entries of a file allocation table: (first entry, count), ascending, joined.

    Args: pieces: the table in order, cut anywhere. width: bits of an entry: 12, 16 or 32 (of which 28 count).
    entries: how many entries count, the two reserved ones at the start included.
    """
    return joined(_entry_runs(pieces, width, entries))


def _entry_runs(pieces: Iterable[bytes], width: int, entries: int) -> Iterator[tuple[int, int]]:
    first = 0
    for block in _regular(pieces):
        flags = _entry_flags(block, width)
        count = min(len(flags), entries - first)
        if count <= 0:
            return
        for match in _USED.finditer(flags, 0, count):
            yield first + match.start(), match.end() - match.start()
        first += len(flags)


def _regular(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of `_PIECE`, only the last one shorter."""
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) >= _PIECE:
            yield bytes(waiting[:_PIECE])
            del waiting[:_PIECE]
    if waiting:
        yield bytes(waiting)


def _entry_flags(block: bytes, width: int) -> bytes:
    """A byte per entry, zero where the entry is zero."""
    if width == 12:
        block = block[: len(block) // 3 * 3]
        flags = bytearray(len(block) // 3 * 2)
        # Two entries in three bytes: low byte, then the low nibble of the middle one; its high nibble, then the last.
        middle = block[1::3]
        flags[0::2] = _either(block[0::3], middle.translate(_LOW_NIBBLE))
        flags[1::2] = _either(bytes(byte >> 4 for byte in middle), block[2::3])
        return bytes(flags)
    size = width // 8
    block = block[: len(block) // size * size]
    if width == 16:
        return _either(block[0::2], block[1::2])
    # The top four bits of a FAT32 entry are reserved and not part of its value.
    low = _either(block[0::4], block[1::4])
    return _either(_either(low, block[2::4]), block[3::4].translate(_LOW_NIBBLE))


def _either(left: bytes, right: bytes) -> bytes:
    """The two byte by byte, joined by OR."""
    value = int.from_bytes(left, "little") | int.from_bytes(right, "little")
    return value.to_bytes(len(left), "little")


def scaled(ranges: Iterable[tuple[int, int]], unit: int, start: int) -> Iterator[tuple[int, int]]:
    """Ranges of units (clusters, blocks) as byte ranges: ``unit`` bytes each, unit 0 at byte ``start``."""
    for first, count in ranges:
        yield start + first * unit, count * unit


def joined(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ascending ranges, with those that touch or overlap made one."""
    current: tuple[int, int] | None = None
    for first, count in ranges:
        if current is not None and first <= current[0] + current[1]:
            current = (current[0], max(current[1], first + count - current[0]))
            continue
        if current is not None:
            yield current
        current = (first, count)
    if current is not None:
        yield current


def wrapped(ranges: Iterable[tuple[int, int]], start: int) -> Iterator[tuple[int, int]]:
    """Ranges of a file system that begins at ``start`` of its volume; what lies before it counts as used."""
    return joined(itertools.chain([(0, start)], ((start + first, count) for first, count in ranges)))
