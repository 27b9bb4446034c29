"""Gzip files: one content, however many gzip members it was written in."""

import struct
import zlib
from collections.abc import Iterator
from functools import partial

from forensic_kit.api import Content, Credential, Damaged, Member, Name, Problem, Unpacker, note, unix
from forensic_kit.formats.layout import Layout, take

# RFC 1952, 2.3
_HEADER = Layout(
    "<",
    magic="2s",  # 0
    method="B",  # 2
    flags="B",  # 3
    modified="I",  # 4
    extra_flags="B",  # 8
    system="B",  # 9
)
_TRAILER = Layout("<", crc="I", size="I")
_FEXTRA, _FNAME, _FCOMMENT, _FHCRC = 4, 8, 16, 2
_RESERVED = 0xE0
# Longest name or comment looked for, bytes.
_TEXT = 64 * 1024
_ENDINGS = {".tgz": ".tar", ".taz": ".tar", ".svgz": ".svg", ".emz": ".emf", ".wmz": ".wmf", ".gz": "", ".z": ""}


class Gzip(Unpacker, api=1):
    """Gives the decompressed content as one member.

    It is called what the first header calls it, else what the file is called without .gz, else "content".
    """

    name, version, label = "gzip", "1.0", "gzip"
    source = "RFC 1952 (GZIP file format specification version 4.3)"
    limits = (
        "Members written one after another are one content; only the first one's name and time are kept.",
        "What follows the last member is only reported once the content was read.",
    )

    def wants(self, content: Content) -> bool:
        return bytes(content.data[:3]) == b"\x1f\x8b\x08"

    def unpack(self, content: Content, credentials: tuple[Credential, ...]) -> Iterator[Member | Problem]:
        header = _HEADER.read(content.data)
        trailing: list[int] = []
        attributes: dict[str, str | int] = {"system": header.system}
        try:
            _, stored, comment = _header(content.data, 0)
            if comment:
                attributes["comment"] = comment.decode("latin-1")
        except Damaged:
            stored = b""  # opening the member says the same, with what could be read
        yield Member(
            Name.of(stored) if stored else Name(_name(content.entry.locator.filename)),
            partial(_content, content.data, trailing),
            modified=unix(header.modified) if header.modified else None,  # 2.3.1: zero means none
            attributes=attributes,
        )
        for offset in trailing[-1:]:
            size = len(content.data) - offset
            yield note(f"{size} bytes that are not gzip follow the last member", error="trailing", offset=offset)


def _name(outer: str) -> str:
    """The outer name without what compression added to it."""
    for ending, instead in _ENDINGS.items():
        if outer.lower().endswith(ending) and len(outer) > len(ending):
            return outer[: -len(ending)] + instead
    return "content"


def _header(data, offset: int) -> tuple[int, bytes, bytes]:
    """(first compressed byte, name, comment) of the member at ``offset``. Raises Damaged."""
    header = _HEADER.read(data, offset)
    if header.method != 8 or header.flags & _RESERVED:
        raise Damaged(f"method {header.method} and flags {header.flags:#04x} are not of RFC 1952", offset=offset)
    at = offset + _HEADER.size
    if header.flags & _FEXTRA:
        at += 2 + struct.unpack("<H", take(data, at, 2))[0]
    texts = []
    for flag in (_FNAME, _FCOMMENT):
        text = b""
        if header.flags & flag:
            text, found, _ = bytes(data[at : at + _TEXT]).partition(b"\0")
            if not found:
                raise Damaged("a name or comment in the header does not end", offset=at)
            at += len(text) + 1
        texts.append(text)
    if header.flags & _FHCRC:
        at += 2
    return at, texts[0], texts[1]


def _content(data, trailing: list[int]) -> Iterator[bytes]:
    """Every member's bytes in order; where garbage follows them, its offset is added to ``trailing``."""
    at = 0
    while True:
        at = yield from _member(data, at)
        if bytes(data[at : at + 3]) != b"\x1f\x8b\x08":
            break
    # Tape blocks are filled up with zeros: those are no garbage.
    rest = memoryview(data)[at:]
    for start in range(0, len(rest), 1 << 20):
        if bytes(rest[start : start + (1 << 20)]).strip(b"\0"):
            trailing.append(at)
            return


def _member(data, offset: int):
    """One member's bytes. Returns the offset after its trailer. Raises Damaged after what decoded."""
    from forensic_kit.formats.inflate import PIECE, Deflate

    start, _, _ = _header(data, offset)
    decoder = Deflate()
    crc = size = 0
    for at in range(start, len(data), PIECE):
        for piece in decoder.feed(bytes(data[at : at + PIECE])):
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            yield piece
        if decoder.eof:
            break
    end = start + decoder.taken
    if not decoder.eof:
        raise Damaged(f"cut short: the stream ends at {end} without its end mark", offset=end)
    trailer = _TRAILER.read(data, end)
    if trailer.crc != crc or trailer.size != size & 0xFFFFFFFF:
        raise Damaged(
            f"{size} bytes with CRC-32 {crc:08x} were decompressed, the trailer says {trailer.size} "
            f"and {trailer.crc:08x}",
            offset=end,
        )
    return end + _TRAILER.size
