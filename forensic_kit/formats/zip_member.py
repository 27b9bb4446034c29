"""The bytes of one zip member: decrypted, decompressed and checked while they are given out.

Source: PKWARE APPNOTE.TXT 6.3.10, sections 4.4.5 (methods), 5.8 (LZMA), 6.1 (traditional encryption).
"""

import bz2
import lzma
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from forensic_kit.errors import Damaged, Locked, Unsupported
from forensic_kit.formats.inflate import PIECE, Blocks, Decoder, Deflate, Stored
from forensic_kit.formats.zip_crypto import HEADER, Keys, fits
from forensic_kit.formats.zip_directory import Entry, local_header

STORE, DEFLATE, BZIP2, LZMA, XZ, AES = 0, 8, 12, 14, 95, 99
#: 4.4.5
METHODS: Final = {
    STORE: "store", 1: "shrink", 2: "reduce 1", 3: "reduce 2", 4: "reduce 3", 5: "reduce 4", 6: "implode",
    DEFLATE: "deflate", 9: "deflate64", 10: "PKWARE DCL implode", BZIP2: "bzip2", LZMA: "LZMA", 16: "IBM CMPSC",
    18: "IBM TERSE", 19: "IBM LZ77", 20: "zstd (old)", 93: "zstd", 94: "MP3", XZ: "xz", 96: "JPEG", 97: "WavPack",
    98: "PPMd", AES: "AES",
}  # fmt: skip
#: Largest dictionary an LZMA or xz stream may ask for, bytes.
_DICTIONARY: Final = 64 << 20
# A wrong password that passes the check byte fails to decompress long before this many bytes.
_PROOF: Final = 16 << 20


def crackable(entry: Entry) -> bool:
    """Is it in the traditional encryption, so that a password can be tried? 4.4.4 bits 0 and 6."""
    return entry.encrypted and not entry.flags & 0x40 and entry.method != AES


def fitting(data: Any, entry: Entry, passwords: Sequence[bytes]) -> tuple[bytes, ...]:
    """The passwords that pass the member's check byte. Raises Damaged: the local header is not there."""
    _, start = local_header(data, entry.offset)
    header = bytes(data[start : start + HEADER])
    check = entry.time >> 8 if entry.flags & 8 else entry.crc >> 24  # 6.1.6; with a descriptor the CRC came later
    return tuple(password for password in passwords if fits(password, header, check))


def content(data: Any, entry: Entry, passwords: Sequence[bytes] = ()) -> Iterator[bytes]:
    """The member decompressed, in pieces. What decodes is given out before anything is raised.

    Args: passwords: those that `fitting` gave, for an encrypted member.
    Raises: Damaged: torn, or not what its headers say. Unsupported: the method. Locked: no password is right.
    """
    if not entry.encrypted:
        yield from _checked(data, entry, None)
        return
    for password in passwords:
        if _proven(data, entry, password):
            yield from _checked(data, entry, password)
            return
    raise Locked(
        "encrypted: no password given opens it (what passes the check byte fails the checksum). "
        "Add the password to the credentials file; if it is there, the member is damaged."
    )


def _proven(data: Any, entry: Entry, password: bytes) -> bool:
    """Only a full pass shows that a password is right: nothing may be given out that a wrong one made."""
    seen = 0
    try:
        for piece in _checked(data, entry, password):
            seen += len(piece)
            if seen > _PROOF and entry.method != STORE:
                return True
    except Damaged:
        return False
    return True


def _checked(data: Any, entry: Entry, password: bytes | None) -> Iterator[bytes]:
    _, start = local_header(data, entry.offset)
    room = entry.compressed if entry.compressed is not None else len(data) - start
    stop = min(start + room, len(data))
    decoder, encoded = _decoder(entry, _encoded(data, start, stop, password))
    crc = size = 0
    for step in encoded:
        for piece in decoder.feed(step):
            crc = zlib.crc32(piece, crc)
            size += len(piece)
            yield piece
        if decoder.eof:
            break
    _compare(entry, size, crc, missing=start + room - stop, open_end=_open_end(entry, decoder, size), start=start)


def _compare(entry: Entry, size: int, crc: int, *, missing: int, open_end: bool, start: int) -> None:
    """Raises Damaged where what came out is not what the headers promise."""
    if missing:
        raise Damaged(f"cut short: the archive ends {missing} bytes before the member does", offset=start)
    if open_end:
        raise Damaged(f"the {METHODS[entry.method]} stream has no end: {size} bytes were decompressed", offset=start)
    if entry.size is None:
        return  # only a local header without a descriptor: nothing to compare with
    if size != entry.size:
        raise Damaged(f"{size} bytes were decompressed, the headers say {entry.size}", offset=start)
    if crc != entry.crc:
        raise Damaged(f"the CRC-32 is {crc:08x}, the headers say {entry.crc:08x}", offset=start)


def _open_end(entry: Entry, decoder: Decoder, size: int) -> bool:
    if entry.method == STORE:
        return False
    if entry.method == LZMA and not entry.flags & 2:  # 4.4.4: without the mark the stated size is the end
        return False
    return not decoder.eof


def _encoded(data: Any, start: int, stop: int, password: bytes | None) -> Iterator[bytes]:
    if password is None:
        for at in range(start, stop, PIECE):
            yield bytes(data[at : min(at + PIECE, stop)])
        return
    keys = Keys(password)
    keys.decrypt(bytes(data[start : min(start + HEADER, stop)]))
    for at in range(start + HEADER, stop, PIECE):
        yield keys.decrypt(bytes(data[at : min(at + PIECE, stop)]))


def _decoder(entry: Entry, encoded: Iterator[bytes]) -> tuple[Decoder, Iterator[bytes]]:
    """The decoder for the member's method and what to feed it."""
    if entry.method == STORE:
        return Stored(), encoded
    if entry.method == DEFLATE:
        return Deflate(), encoded
    if entry.method == BZIP2:
        return Blocks(bz2.BZ2Decompressor(), "bzip2"), encoded
    if entry.method == XZ:
        return Blocks(lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=2 * _DICTIONARY), "xz"), encoded
    if entry.method == LZMA:
        return _lzma(entry, encoded)
    raise Unsupported(
        f"compression method {entry.method} ({METHODS.get(entry.method, 'unknown')}) is not read yet. "
        "Extract the archive and unpack the member with the program that made it."
    )


def _lzma(entry: Entry, encoded: Iterator[bytes]) -> tuple[Decoder, Iterator[bytes]]:
    """5.8.8: two bytes of version, two of length, then the five bytes of LZMA properties."""
    first = next(encoded, b"")
    properties = first[4:9]
    if len(properties) < 5 or first[2:4] != b"\5\0" or properties[0] >= 9 * 5 * 5:
        raise Damaged("the LZMA properties are not five bytes of known meaning")
    rest, lc = divmod(properties[0], 9)
    pb, lp = divmod(rest, 5)
    # No match reaches further back than the member is long.
    dictionary = max(4096, min(int.from_bytes(properties[1:], "little"), entry.size or _DICTIONARY))
    if dictionary > _DICTIONARY:
        raise Unsupported(f"the LZMA stream asks for a dictionary of {dictionary} bytes; the limit is {_DICTIONARY}")
    filters = [{"id": lzma.FILTER_LZMA1, "lc": lc, "lp": lp, "pb": pb, "dict_size": dictionary}]
    try:
        stream = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    except lzma.LZMAError as error:
        raise Damaged(f"the LZMA properties are refused: {error}") from error
    return Blocks(stream, "LZMA"), _after(first[9:], encoded)


def _after(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
