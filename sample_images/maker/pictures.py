"""Small pictures drawn by formula: a test card needs no photographer."""

import struct
import zlib
from collections.abc import Callable

#: The grey (0 to 255) of a point.
Grey = Callable[[int, int], int]

# Zigzag lengths and values of the usual DC table and the one AC code that is needed: ITU-T T.81, tables K.3 and K.5.
_DC_LENGTHS = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
_DC_CODES = ("00", "010", "011", "100", "101", "110", "1110", "11110", "111110", "1111110", "11111110", "111111110")
_AC_LENGTHS = bytes([0, 1, *[0] * 14])  # one code of two bits, "00": end of block
_END_OF_BLOCK = "00"


def card(x: int, y: int) -> int:
    """The grey of a test card: slanted bands."""
    return (x * 5 + y * 3) % 256


def png(width: int, height: int, grey: Grey, text: str) -> bytes:
    """A grey PNG with a comment. Source: PNG specification (RFC 2083), section 4."""
    rows = b"".join(b"\0" + bytes(grey(x, y) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tEXt", b"Comment\0" + text.encode("latin-1")), (b"IDAT", zlib.compress(rows, 9))]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in [*chunks, (b"IEND", b"")]
    )
    return b"\x89PNG\r\n\x1a\n" + body


def bmp(width: int, height: int, grey: Grey) -> bytes:
    """A BMP of 24 bits a pixel. Source: [MS-WMF] 2.2.2.9 and 2.2.2.3, bottom row first."""
    pad = bytes(-width * 3 % 4)
    rows = b"".join(b"".join(bytes([grey(x, y)] * 3) for x in range(width)) + pad for y in reversed(range(height)))
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(rows), 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + info + rows


def jpeg(blocks_wide: int, blocks_high: int, grey: Grey, exif: bytes) -> bytes:
    """A grey baseline JPEG whose 8x8 blocks are flat. Source: ITU-T T.81, annexes B and F. Args: grey: by block."""
    bits = []
    before = 0
    for y in range(blocks_high):
        for x in range(blocks_wide):
            level = grey(x, y) - 128  # with a quantiser of 8 the DC coefficient is the mean
            bits.append(_dc(level - before) + _END_OF_BLOCK)
            before = level
    stream = "".join(bits)
    stream += "1" * (-len(stream) % 8)
    scan = bytes(int(stream[place : place + 8], 2) for place in range(0, len(stream), 8)).replace(b"\xff", b"\xff\0")
    frame = struct.pack(">BHHB", 8, blocks_high * 8, blocks_wide * 8, 1) + bytes([1, 0x11, 0])
    parts = [
        (0xE0, b"JFIF\0\x01\x01\x01" + struct.pack(">HH", 72, 72) + b"\0\0"),
        (0xE1, b"Exif\0\0" + exif),
        (0xDB, b"\0" + bytes([8] * 64)),
        (0xC0, frame),
        (0xC4, b"\x00" + _DC_LENGTHS + bytes(range(12))),
        (0xC4, b"\x10" + _AC_LENGTHS + b"\0"),
        (0xDA, bytes([1, 1, 0, 0, 63, 0])),
    ]
    head = b"".join(struct.pack(">BBH", 0xFF, mark, len(data) + 2) + data for mark, data in parts)
    return b"\xff\xd8" + head + scan + b"\xff\xd9"


def _dc(difference: int) -> str:
    size = abs(difference).bit_length()
    value = difference if difference > 0 else difference + (1 << size) - 1
    return _DC_CODES[size] + (f"{value:0{size}b}" if size else "")


def exif(make: str, model: str, when: str, latitude: float, longitude: float) -> bytes:
    """A TIFF block: maker, model, time and place. Source: Exif 2.32 (CIPA DC-008), 4.6.

    Args: when: ``YYYY:MM:DD HH:MM:SS``, the camera's own clock; latitude, longitude: degrees, south and west negative.
    """
    directories = [
        [(0x010F, 2, _text(make)), (0x0110, 2, _text(model)), (0x8769, 4, b""), (0x8825, 4, b"")],
        [(0x9000, 7, b"0232"), (0x9003, 2, _text(when))],
        [
            (0x0000, 1, bytes([2, 3, 0, 0])),
            (0x0001, 2, _text("S" if latitude < 0 else "N")),
            (0x0002, 5, _degrees(latitude)),
            (0x0003, 2, _text("W" if longitude < 0 else "E")),
            (0x0004, 5, _degrees(longitude)),
        ],
    ]
    starts = [8]
    for rows in directories:
        starts.append(starts[-1] + 6 + 12 * len(rows) + sum(len(data) for *_, data in rows if len(data) > 4))
    directories[0][2] = (0x8769, 4, struct.pack("<I", starts[1]))
    directories[0][3] = (0x8825, 4, struct.pack("<I", starts[2]))
    pairs = zip(directories, starts, strict=False)
    return b"II*\0" + struct.pack("<I", 8) + b"".join(_directory(rows, start) for rows, start in pairs)


def _directory(rows: list[tuple[int, int, bytes]], start: int) -> bytes:
    width = {1: 1, 2: 1, 4: 4, 5: 8, 7: 1}
    table = struct.pack("<H", len(rows))
    extra = b""
    for tag, kind, data in rows:
        inline = data.ljust(4, b"\0")
        if len(data) > 4:
            inline = struct.pack("<I", start + 6 + 12 * len(rows) + len(extra))
            extra += data
        table += struct.pack("<HHI", tag, kind, len(data) // width[kind]) + inline
    return table + bytes(4) + extra


def _text(value: str) -> bytes:
    data = value.encode("ascii") + b"\0"
    return data + b"\0" * (len(data) % 2 if len(data) > 4 else 0)


def _degrees(value: float) -> bytes:
    seconds = round(abs(value) * 3600)
    return struct.pack("<6I", seconds // 3600, 1, seconds // 60 % 60, 1, seconds % 60, 1)
