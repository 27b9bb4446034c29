"""EWF-E01 and EWF-S01 segment files: names, section descriptors, geometry and the small sections.

Source: Joachim Metz, "Expert Witness Compression Format specification" (libyal/libewf, documentation folder);
comments name its sections. All numbers are little-endian, all checksums Adler-32.
"""

import itertools
import sys
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from forensic_kit.bytesource import ByteSource
from forensic_kit.errors import Damaged
from forensic_kit.formats.layout import Layout, Values

SIGNATURE: Final = b"EVF\x09\x0d\x0a\xff\x00"
PIECE: Final = 1 << 20
#: More sections than 16 TiB in one segment have; stops a file made of nothing but descriptors.
MOST_SECTIONS: Final = 100_000
#: Damaged descriptors and the like in one segment after which it is given up.
_MOST_ODDITIES: Final = 500
#: How far past a damaged descriptor the next intact one is looked for, bytes.
SCAN: Final = 4 << 30
#: The largest chunk any writer offers: 32,768 sectors of 4,096 bytes.
LARGEST_CHUNK: Final = 128 << 20

FILE_HEADER = Layout("<", signature="8s", fields_start="B", segment_number="H", fields_end="H")
DESCRIPTOR = Layout("<", type="16s", next_offset="Q", size="Q", _padding="40s", checksum="I")
VOLUME = Layout(  # "Volume section: FTK Imager, EnCase 1 to 7 and linen 5 to 7"
    "<",
    media_type="B",
    _unknown1="3s",
    chunk_count="I",
    sectors_per_chunk="I",
    bytes_per_sector="I",
    sector_count="Q",
    cylinders="I",
    heads="I",
    sectors="I",
    media_flags="B",
    _unknown2="3s",
    palm_start="I",
    _unknown3="4s",
    smart_logs_start="I",
    compression_level="B",
    _unknown4="3s",
    error_granularity="I",
    _unknown5="4s",
    set_identifier="16s",
    _unknown6="963s",
    _signature="5s",
    checksum="I",
)
SMART_VOLUME = Layout(  # "Volume section: EWF specification", also written by SMART
    "<",
    _reserved1="4s",
    chunk_count="I",
    sectors_per_chunk="I",
    bytes_per_sector="I",
    sector_count="I",
    _reserved2="65s",
    _signature="5s",
    checksum="I",
)
ERROR2 = Layout("<", entry_count="I", _unknown="512s", checksum="I")
HASH = Layout("<", md5="16s", _unknown="16s", checksum="I")
DIGEST = Layout("<", md5="16s", sha1="20s", _padding="40s", checksum="I")

_FOUND_IN_FIRST: Final = ("header", "header2", "xheader", "volume", "disk")
_FOUND_IN_ALL: Final = ("data", "sectors", "table", "table2", "next")
_FOUND_IN_LAST: Final = ("hash", "digest", "xhash", "error2", "session", "incomplete", "ltree", "ltypes", "done")
TYPES: Final = frozenset((*_FOUND_IN_FIRST, *_FOUND_IN_ALL, *_FOUND_IN_LAST))
_NEEDLES: Final = tuple(
    name.ljust(16, b"\0") for name in (b"table", b"table2", b"sectors", b"next", b"done", b"data", b"hash", b"digest")
)
#: Places that are tried as descriptors in one search; stops a file made of nothing but section names.
_MOST_CANDIDATES: Final = 100_000


# --- sections -------------------------------------------------------------------------------------------------


class Section(NamedTuple):
    """One section of a segment file; type ``damaged`` is a stretch whose descriptor cannot be read."""

    type: str
    offset: int  #: of its descriptor in the segment file
    end: int  #: where the next section starts; past the end of the file when the file is cut short

    @property
    def start(self) -> int:
        """Offset of what follows the descriptor."""
        return self.offset + DESCRIPTOR.size


@dataclass
class Walk:
    """The sections of one segment file and how they end."""

    sections: list[Section] = field(default_factory=list)
    #: ``done``: the last segment. ``next``: another follows. ``torn``: neither was found.
    ending: str = "torn"
    #: Where reading on became impossible, bytes from the start of the file; -1 if it did not.
    torn_at: int = -1
    #: (offset, sentence) of each oddity that was worked around.
    oddities: list[tuple[int, str]] = field(default_factory=list)


def fits(data: bytes, checksum: int) -> bool:
    """Does the Adler-32 of ``data`` equal the stored one?"""
    return zlib.adler32(data) == checksum


def _descriptor(source: ByteSource, offset: int) -> Values | None:
    """The intact section descriptor at ``offset``, or None."""
    data = source.read(offset, DESCRIPTOR.size)
    if len(data) < DESCRIPTOR.size:
        return None
    values = DESCRIPTOR.read(data)
    return values if fits(data[:-4], values.checksum) and _name(values) in TYPES else None


def _name(descriptor: Values) -> str:
    return bytes(descriptor.type).split(b"\0")[0].decode("latin-1")


def walk(source: ByteSource) -> Walk:
    """All sections of a segment file, in order. Never raises for what it finds: the ending and the oddities tell."""
    found, offset = Walk(), FILE_HEADER.size
    while len(found.sections) < MOST_SECTIONS and len(found.oddities) < _MOST_ODDITIES:
        if offset + DESCRIPTOR.size > source.size:
            found.torn_at = min(offset, source.size)
            return found
        descriptor = _descriptor(source, offset)
        if descriptor is None:
            following = _resync(source, offset)
            if following < 0:
                found.torn_at = offset
                found.sections.append(Section("damaged", offset, source.size))
                return found
            found.sections.append(Section("damaged", offset, following))
            found.oddities.append(
                (offset, f"the section descriptor at {offset} is damaged; reading goes on at {following}")
            )
            offset = following
            continue
        name, end = _name(descriptor), descriptor.next_offset
        if name in ("done", "next"):
            found.ending = name
            return found
        if end <= offset:  # a writer that was stopped leaves its last descriptor unfinished, pointing to itself
            found.sections.append(Section(name, offset, source.size))
            found.torn_at = offset
            return found
        if descriptor.size not in (0, end - offset):  # "Dual image: section size versus offset"
            found.oddities.append(
                (
                    offset,
                    f"the {name} section at {offset} states a size of {descriptor.size} bytes and a next section "
                    f"{end - offset} bytes on; the latter was followed",
                )
            )
        found.sections.append(Section(name, offset, end))
        offset = end
    found.oddities.append((offset, f"there is too much that is odd to read on; reading stopped at {offset}"))
    found.torn_at = offset
    return found


def _resync(source: ByteSource, offset: int) -> int:
    """Where the next intact descriptor after the damaged one at ``offset`` starts; -1 if there is none."""
    stated = DESCRIPTOR.read(source.read(offset, DESCRIPTOR.size)).next_offset
    if offset + DESCRIPTOR.size <= stated < source.size and _descriptor(source, stated) is not None:
        return int(stated)
    for place in itertools.islice(_places(source, offset + 1), _MOST_CANDIDATES):
        descriptor = _descriptor(source, place)
        # An EWF file stored inside this one has intact descriptors too, but they do not point here.
        if descriptor and _points_on(descriptor, place):
            return place
    return -1


def _places(source: ByteSource, first: int) -> Iterator[int]:
    """Where the name of a section stands, from ``first`` on, ascending."""
    start, size, end = first, 4096, min(source.size, first + SCAN)
    while start < end:
        data = source.read(start, size + 15)  # a name may begin at the last byte
        found = []
        for needle in _NEEDLES:
            place = data.find(needle)
            while place >= 0:
                found.append(start + place)
                place = data.find(needle, place + 1)
        yield from sorted(found)
        # The next section is near more often than not.
        start, size = start + size, min(size * 2, PIECE)


def _points_on(descriptor: Values, offset: int) -> bool:
    size = descriptor.next_offset - offset
    return (size == 0 and _name(descriptor) in ("done", "next")) or (size > 0 and descriptor.size in (0, size))


# --- geometry -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Geometry:
    """What a volume, disk or data section says of the medium."""

    chunk_count: int
    sectors_per_chunk: int
    bytes_per_sector: int
    sector_count: int
    intact: bool  #: its checksum fits
    media_type: int = -1  #: -1: the short form of the section has none
    media_flags: int = 0
    compression_level: int = 0
    error_granularity: int = 0  #: sectors
    set_identifier: bytes = bytes(16)

    @property
    def chunk_size(self) -> int:
        """Bytes of the medium in a chunk."""
        return self.sectors_per_chunk * self.bytes_per_sector

    @property
    def size(self) -> int:
        """Bytes of the medium; 0 where the writer did not know it yet."""
        return (self.sector_count * self.bytes_per_sector) or (self.chunk_count * self.chunk_size)

    @property
    def chunks(self) -> int:
        """How many chunks hold that."""
        return -(-self.size // self.chunk_size)


def read_geometry(source: ByteSource, section: Section) -> Geometry:
    """The geometry in a volume, disk or data section. Raises Damaged when it is cut short or impossible."""
    short = section.end - section.start < VOLUME.size
    layout = SMART_VOLUME if short else VOLUME
    data = source.read(section.start, layout.size)
    values = layout.read(data)
    shared = {name: values[name] for name in ("chunk_count", "sectors_per_chunk", "bytes_per_sector", "sector_count")}
    rest = {
        name: values[name]
        for name in ("media_type", "media_flags", "compression_level", "error_granularity", "set_identifier")
        if name in values
    }
    geometry = Geometry(**shared, intact=fits(data[:-4], values.checksum), **rest)
    sector, chunk = geometry.bytes_per_sector, geometry.chunk_size
    if not (0 < sector <= 1 << 16 and 0 < chunk <= LARGEST_CHUNK and geometry.size < 1 << 62):
        raise Damaged(
            f"the {section.type} section at {section.offset} states sectors of {sector} bytes, chunks of {chunk} bytes "
            f"and {geometry.sector_count} sectors, which no medium has",
            offset=section.offset,
        )
    return geometry


# --- small sections -------------------------------------------------------------------------------------------


def read_digests(source: ByteSource, section: Section) -> dict[str, str]:
    """The digests in a hash, digest or xhash section, lower-case hex; all zeros means none was stored.

    Raises: Damaged: cut short, or its checksum does not fit.
    """
    if section.type == "xhash":
        text = inflate(source.read(section.start, min(section.end - section.start, PIECE)), PIECE)
        return {name: value for name in ("md5", "sha1", "sha256") if (value := _element(text, name))}
    layout = HASH if section.type == "hash" else DIGEST
    data = source.read(section.start, layout.size)
    values = layout.read(data)
    if not fits(data[:-4], values.checksum):
        raise Damaged(f"the {section.type} section at {section.offset} does not match its checksum")
    return {name: values[name].hex() for name in ("md5", "sha1") if name in values and any(values[name])}


def _element(text: bytes, name: str) -> str:
    tag = name.encode()
    # The document shows small letters, ewfacquire writes capitals.
    value = text.lower().partition(b"<" + tag + b">")[2].partition(b"</")[0].strip()
    lengths = {"md5": 32, "sha1": 40, "sha256": 64}
    is_hex = len(value) == lengths[name] and not value.strip(b"0123456789abcdef")
    return value.decode() if is_hex else ""


def read_errors(source: ByteSource, section: Section) -> list[tuple[int, int]]:
    """The (first sector, number of sectors) that the imager could not read, as an error2 section lists them.

    Raises: Damaged: cut short, or a checksum does not fit.
    """
    head = source.read(section.start, ERROR2.size)
    header = ERROR2.read(head)
    start, count = section.start + ERROR2.size, header.entry_count
    if not fits(head[:-4], header.checksum) or count > min(1 << 20, (section.end - start) // 8):
        raise Damaged(f"the error2 section at {section.offset} is damaged", offset=section.offset)
    data = source.read(start, count * 8)
    if len(data) < count * 8 or source.read(start + len(data), 4) != zlib.adler32(data).to_bytes(4, "little"):
        raise Damaged(f"the entries of the error2 section at {section.offset} are damaged", offset=section.offset)
    numbers = words(data)
    return sorted((first, number) for first, number in zip(numbers[::2], numbers[1::2], strict=True) if number)


def words(data: bytes) -> "array[int]":
    """32-bit little-endian numbers."""
    numbers = array("I", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def inflate(data: bytes, most: int) -> bytes:
    """zlib data of a header, at most ``most`` bytes of it. Raises Damaged."""
    try:
        return zlib.decompressobj().decompress(data, most)
    except zlib.error as error:
        raise Damaged(f"does not decompress: {error}") from error


# --- names of segments ----------------------------------------------------------------------------------------


def segment_number(name: str) -> int:
    """Which segment a file name stands for: 1 for .E01, 99 for .E99, 100 for .EAA; 0 if it names none."""
    stem, dot, extension = name.rpartition(".")
    letter, rest = extension[:1].upper(), extension[1:].upper()
    if not (dot and stem and len(extension) == 3 and extension.isascii() and "E" <= letter <= "Z"):
        return 0
    if rest.isdigit() and letter in "ELS":
        return int(rest)
    if rest.isalpha():  # FAA follows EZZ
        first = "S" if extension[0] == "s" else "E"
        place = 26 * (ord(rest[0]) - 65) + ord(rest[1]) - 65
        return 100 + 676 * (ord(letter) - ord(first)) + place if letter >= first else 0
    return 0


def segment_name(name: str, number: int) -> str:
    """The name of segment ``number`` of the set that ``name`` belongs to; empty past .ZZZ."""
    stem, _, extension = name.rpartition(".")
    first = "S" if extension[0] in "sS" and extension[1:].isdigit() else "E"
    if number < 100:
        text = f"{first}{number:02d}"
    else:
        block, place = divmod(number - 100, 676)
        letter = ord(first) + block
        if letter > ord("Z"):
            return ""
        text = chr(letter) + chr(65 + place // 26) + chr(65 + place % 26)
    return f"{stem}.{text.lower() if extension[0].islower() else text}"
