"""The chunk tables of EWF-E01 and EWF-S01: where each chunk of the medium is stored.

Source: Joachim Metz, "Expert Witness Compression Format specification" (libyal/libewf), "Table section".
"""

import zlib
from array import array
from dataclasses import dataclass
from typing import Final, NamedTuple

from forensic_kit.bytesource import ByteSource
from forensic_kit.errors import Damaged
from forensic_kit.formats.ewf import Section, fits, words
from forensic_kit.formats.layout import Layout

#: Entries of a table kept together in memory: 64 KiB.
PAGE: Final = 16384
_PIECE: Final = 1 << 20
_STEP: Final = 1 << 16

TABLE = Layout("<", entry_count="I", _padding1="4s", base_offset="Q", _padding2="4s", checksum="I")


class Place(NamedTuple):
    """Where a chunk is stored."""

    offset: int  #: in the segment file
    length: int  #: at most; shorter for the last chunk of a section
    compressed: bool


@dataclass
class Table:
    """Where the chunks of one table section are stored. Entries are read in pages when asked for."""

    source: ByteSource
    #: What entries are relative to: 0 up to EnCase 5, else usually the sectors section.
    base: int
    count: int
    entries_offset: int
    #: Where the stored chunks end, if that is behind the last of them.
    data_end: int
    #: Header and entries match their checksums.
    intact: bool
    #: The header matches its own checksum, so ``base`` and ``count`` can be relied on.
    sound: bool
    #: EnCase 6.7.1 wrote all 32 bits as offset from this entry on ("Table entries offset overflow").
    overflow: int
    #: Set for a table that was rebuilt from the chunks themselves.
    rebuilt: "array[int] | None" = None
    #: Its damaged twin, to be asked for a chunk that is not where this one says.
    alternate: "Table | None" = None

    def page(self, number: int) -> "array[int]":
        """Entries ``number * PAGE`` on: a page and the one entry after it; those the file lacks are 0."""
        if self.rebuilt is not None:
            return self.rebuilt[number * PAGE : (number + 1) * PAGE + 1]
        wanted = min(PAGE + 1, self.count - number * PAGE)
        data = self.source.read(self.entries_offset + number * PAGE * 4, wanted * 4)
        return words(data.ljust(wanted * 4, b"\0"))

    def place(self, page: "array[int]", index: int, largest: int) -> Place:
        """Where chunk ``index`` of this table is stored.

        Args: page: the one that holds the entry. largest: bytes a stored chunk can take at most.
        """
        entry = page[index % PAGE]
        offset, compressed = self._resolve(entry, index)
        if index + 1 < self.count and index % PAGE + 1 < len(page):
            length = self._resolve(page[index % PAGE + 1], index + 1)[0] - offset
        else:
            length = self.data_end - offset
        return Place(offset, length if 0 < length <= largest else largest, compressed)

    def _resolve(self, entry: int, index: int) -> tuple[int, bool]:
        if index >= self.overflow:
            return self.base + entry, False
        return self.base + (entry & 0x7FFFFFFF), entry >> 31 == 1


def read_table(source: ByteSource, section: Section, sectors: Section | None) -> Table:
    """The table in a table or table2 section, with its checksums tried.

    Args: sectors: the sectors section it belongs to; None for formats that keep chunks in the table section.
    Raises: Damaged: cut before the entries.
    """
    head = source.read(section.start, TABLE.size)
    header = TABLE.read(head)
    sound = fits(head[:-4], header.checksum)
    entries_offset = section.start + TABLE.size
    room = (min(section.end, source.size) - entries_offset) // 4
    stated = header.entry_count if sound else (section.end - entries_offset) // 4 - 1
    if not 0 <= stated <= room:
        raise Damaged(
            f"the {section.type} section at {section.offset} holds {max(room, 0)} of its {stated} entries",
            offset=section.offset,
        )
    base = header.base_offset if sound else 0
    table = Table(source, base, stated, entries_offset, section.offset, False, sound, stated)
    first = base + (table.page(0)[0] & 0x7FFFFFFF) if stated else 0
    entries_end = entries_offset + 4 * stated
    if sectors is not None:
        table.data_end = sectors.end
    # SMART has no footer: its first chunk follows the last entry.
    table.intact = sound and (first == entries_end or _entries_fit(source, entries_offset, stated))
    if table.data_end - base > 0x7FFFFFFF:
        table.overflow = _overflow(table)
    return table


def _entries_fit(source: ByteSource, offset: int, count: int) -> bool:
    checksum, end = 1, offset + 4 * count
    for start in range(offset, end, _PIECE):
        checksum = zlib.adler32(source.read(start, min(_PIECE, end - start)), checksum)
    return source.read(end, 4) == checksum.to_bytes(4, "little")


def _overflow(table: Table) -> int:
    """The first entry that lies below the one before it when read as 31 bits; ``count`` if there is none."""
    before = 0
    for number in range(-(-table.count // PAGE)):
        for index, entry in enumerate(table.page(number)[:PAGE], number * PAGE):
            if entry & 0x7FFFFFFF < before:
                return index
            before = entry & 0x7FFFFFFF
    return table.count


def largest_stored(chunk_size: int) -> int:
    """Bytes a stored chunk can take at most: zlib adds 5 bytes a block to what it cannot compress, and a frame."""
    return chunk_size + chunk_size // 256 + 1024


def rebuild_table(source: ByteSource, section: Section, chunk_size: int, most: int) -> tuple[Table, bool]:
    """A table made by walking the chunks of a sectors section whose tables are lost, each proved by its checksum.

    Args: most: chunks to find at most.
    Returns: the table, and whether every chunk up to the end of the section was found.
    """
    entries, offset, end = array("I"), section.start, min(section.end, source.size)
    while offset < end and len(entries) < most and offset - section.offset < 1 << 31:
        compressed = True
        length = _compressed_length(source, offset, end, chunk_size)
        if length == 0:
            compressed = False
            length = _plain_length(source, offset, end, chunk_size)
        if length == 0:
            break
        entries.append((offset - section.offset) | (compressed << 31))
        offset += length
    count = len(entries)
    return Table(source, section.offset, count, 0, offset, True, True, count, rebuilt=entries), offset == section.end


def _compressed_length(source: ByteSource, offset: int, end: int, chunk_size: int) -> int:
    """Stored length of the zlib stream at ``offset`` that holds at most one chunk; 0 if there is none."""
    head = source.read(offset, 2)
    if len(head) < 2 or head[0] & 15 != 8 or int.from_bytes(head, "big") % 31:  # RFC 1950, 2.2
        return 0
    inflater, size, place = zlib.decompressobj(), 0, offset
    while not inflater.eof:
        data = source.read(place, min(_STEP, end - place))
        try:
            size += len(inflater.decompress(data, chunk_size + 1 - size))
        except zlib.error:
            return 0
        if not data or size > chunk_size or inflater.unconsumed_tail:
            return 0
        place += len(data)
    return place - len(inflater.unused_data) - offset if size else 0


def _plain_length(source: ByteSource, offset: int, end: int, chunk_size: int) -> int:
    """Stored length of the uncompressed chunk at ``offset`` whose Adler-32 fits; 0 if there is none."""
    for size in (chunk_size, end - offset - 4):  # a full chunk, or the last one of the medium
        if not 0 < size <= min(chunk_size, end - offset - 4):
            continue
        data = source.read(offset, size + 4)
        if fits(data[:-4], int.from_bytes(data[-4:], "little")):
            return size + 4
    return 0
