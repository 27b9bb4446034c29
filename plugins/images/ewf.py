"""EWF images: E01 of EnCase 1 to 7, FTK Imager, Guymager, linen and ewfacquire, and SMART's s01."""

import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator

from forensic_kit.api import ByteSource, Credential, Damaged, Evidence, Faults, Image, Problem, Unsupported, gap, note
from forensic_kit.formats import ewf, ewf_header
from forensic_kit.formats.ewf_set import Hole, Segment, Set, Stretch, open_set
from forensic_kit.formats.ewf_table import PAGE, Place, largest_stored

#: Bytes of decoded chunks that are kept.
CACHE = 32 << 20
#: Bytes of stored chunks that one read of the segment file fetches at most.
FETCH = 4 << 20
#: Table pages (64 KiB each) that are kept.
PAGES = 64
#: Ranges of unreadable sectors that a problem spells out.
LISTED = 20

_OTHERS = (
    (b"EVF2\r\n\x81\0", "Ex01 (EWF2)"),
    (b"LEF2\r\n\x81\0", "Lx01 (EWF2)"),
    (b"LVF\t\r\n\xff\0", "L01 (logical evidence)"),
    (b"ADCRYPT\0", "AD-encrypted"),
)


class Ewf(Image, api=1):
    """Reads E01 and s01 images in any number of segments."""

    name, version = "ewf", "1.0"
    source = (
        "https://github.com/libyal/libewf/blob/main/documentation/"
        "Expert%20Witness%20Compression%20Format%20(EWF).asciidoc"
    )
    limits = (
        "Ex01, Lx01, L01 and AD-encrypted images are recognised and not read.",
        "Chunks damaged by the Tableau TD3 (stored deflate blocks with a zero length check) are not repaired.",
        "Every segment is kept open: a set of more segments than the system allows open files is refused.",
        "Audio tracks and sessions of optical discs are not listed.",
    )

    def matches(self, head: bytes, name: str) -> bool:
        """By signature; a first segment whose signature alone is damaged by its name and first section."""
        if head.startswith((ewf.SIGNATURE, *(signature for signature, _ in _OTHERS))):
            return True
        return ewf.segment_number(name) == 1 and head[13:19] == b"header"

    def owns(self, name: str) -> bool:
        """True for .E02 to .EZZ (.s02 to .szz): later names, such as .IMG, also mean other things."""
        number = ewf.segment_number(name)
        return 1 < number < 100 + 676

    def open(self, file: ByteSource, credentials: tuple[Credential, ...]) -> Evidence:
        """The medium. Raises Damaged when nothing of it can be located, Unsupported for other members of the family."""
        head = file.read(0, 16)
        for signature, kind in _OTHERS:
            if head.startswith(signature):
                raise Unsupported(
                    f"{file.name}: {kind} is not read yet. Convert it to E01 or raw with the tool that made it."
                )
        found = open_set(file)
        problems = list(found.problems)
        errors = _read_errors(found, problems)
        return Evidence(
            format="E01" if found.geometry.media_type >= 0 else "S01",
            source=Medium(found, errors),
            sector_size=found.geometry.bytes_per_sector,
            segments=tuple(segment.name for segment in found.segments),
            stored_digests=_digests(found, problems),
            facts=ewf_header.facts(_header(found, problems), found.geometry, len(found.segments)),
            problems=tuple(problems),
        )


def _sections(found: Set, *types: str) -> Iterator[tuple[Segment, ewf.Section]]:
    for segment in found.segments:
        for section in segment.walk.sections:
            if section.type in types and not segment.refused:
                yield segment, section


def _header(found: Set, problems: list[Problem]) -> dict[str, str]:
    """Header values; UTF-16 header2 before the others, which fill in what it lacks."""
    values: dict[str, str] = {}
    for kind, parse in (
        ("header2", ewf_header.header_values),
        ("xheader", ewf_header.xheader_values),
        ("header", ewf_header.header_values),
    ):
        for segment, section in _sections(found, kind):
            data = segment.source.read(section.start, min(section.end - section.start, ewf_header.MOST))
            try:
                values = {**parse(data), **values}
            except Damaged as error:
                text = f"{segment.name}: the {kind} section at {section.offset} is not used: {error.message}."
                problems.append(note(text, error="damaged-header", offset=section.offset))
                continue
            break  # the second copy says the same
    return values


def _digests(found: Set, problems: list[Problem]) -> dict[str, str]:
    """Digests of the medium that the image stores."""
    digests: dict[str, str] = {}
    for segment, section in _sections(found, "hash", "digest", "xhash"):
        try:
            stored = ewf.read_digests(segment.source, section)
        except Damaged as error:
            problems.append(note(f"{segment.name}: {error.message}; its digests are not used.", error="damaged-digest"))
            continue
        for algorithm, value in stored.items():
            if digests.setdefault(algorithm, value) != value:
                problems.append(
                    gap(
                        f"{segment.name}: the {section.type} section stores the {algorithm} {value}, an earlier one "
                        f"{digests[algorithm]}; the earlier one is used.",
                        error="two-digests",
                    )
                )
    return digests


def _read_errors(found: Set, problems: list[Problem]) -> list[tuple[int, int]]:
    """The (offset, length) in the medium, ascending, that the imager could not read and zero-filled."""
    ranges: list[tuple[int, int]] = []
    for segment, section in _sections(found, "error2"):
        try:
            ranges += ewf.read_errors(segment.source, section)
        except Damaged as error:
            problems.append(gap(f"{segment.name}: {error.message}; bad sectors are not known.", error="damaged-error2"))
    if not ranges:
        return []
    joined: list[list[int]] = []
    for first, count in sorted(ranges):
        if joined and first <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], first + count)
        else:
            joined.append([first, first + count])
    shown = ", ".join(f"{first}-{end - 1}" for first, end in joined[:LISTED])
    more = f" and {len(joined) - LISTED} more ranges" if len(joined) > LISTED else ""
    total = sum(end - first for first, end in joined)
    sector = found.geometry.bytes_per_sector
    problems.append(
        gap(
            f"{found.segments[0].name}: the imager could not read {total} sectors and stored zeros for them: "
            f"{shown}{more}.",
            error="read-errors",
            offset=joined[0][0] * sector,
        )
    )
    return [(first * sector, (end - first) * sector) for first, end in joined]


class Medium(ByteSource):
    """The decoded disk.

    A chunk that cannot be had reads as zeros and is reported whole, on every read that touches it, with the same
    words each time; so is a stretch of lost chunks, and a range that the imager could not read.
    """

    def __init__(self, found: Set, errors: list[tuple[int, int]]) -> None:
        self.size = found.size
        self.name = found.segments[0].name
        self.faults = Faults()
        self._chunk = found.geometry.chunk_size
        self._largest = largest_stored(self._chunk)
        self._stretches = found.stretches
        self._starts = [stretch.first for stretch in found.stretches]
        self._errors = errors
        self._error_ends = [offset + length for offset, length in errors]
        #: Content by chunk number, of the last one perhaps more than the medium has; text is why a chunk has none.
        self._cache: OrderedDict[int, bytes | str] = OrderedDict()
        self._kept = max(1, CACHE // self._chunk)
        self._pages: OrderedDict[tuple[int, int], array[int]] = OrderedDict()
        self._inflate, self._adler32 = _inflater()

    def _read(self, offset: int, length: int) -> bytes:
        size, end = self._chunk, offset + length
        self._report_errors(offset, end)
        parts: list[bytes | memoryview] = []
        while offset < end:
            number = offset // size
            stretch = self._stretches[bisect_right(self._starts, number) - 1]
            stop = min(end, (stretch.first + stretch.count) * size)
            if isinstance(stretch.item, Hole):
                start = stretch.first * size
                whole = min((stretch.first + stretch.count) * size, self.size) - start
                self.faults.add(start, whole, stretch.item.reason)
                parts.append(bytes(stop - offset))
            else:
                for content in self._chunks(stretch, number, -(-stop // size)):
                    start = number * size
                    if offset == start and start + size <= stop:
                        parts.append(content)
                    else:
                        parts.append(memoryview(content)[offset - start : stop - start])
                    number += 1
                    offset = min(number * size, stop)
            offset = stop
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def _report_errors(self, offset: int, end: int) -> None:
        for index in range(bisect_right(self._error_ends, offset), bisect_left(self._errors, (end,))):
            self.faults.add(*self._errors[index], "the imager could not read these sectors")

    def _chunks(self, stretch: Stretch, number: int, end: int) -> Iterator[bytes]:
        """Contents of chunks ``number`` to ``end``, which lie in one stretch; zeros, and a fault, for a bad one."""
        while number < end:
            content = self._cache.get(number)
            if content is not None:
                self._cache.move_to_end(number)
                yield self._reported(number, content)
                number += 1
                continue
            for fetched in self._fetch(stretch, number, end):
                yield self._reported(number, fetched)
                number += 1

    def _reported(self, number: int, content: bytes | str) -> bytes:
        if not isinstance(content, str):
            return content
        length = self._length(number)
        self.faults.add(number * self._chunk, length, content)
        return bytes(length)

    def _length(self, number: int) -> int:
        """Bytes of the medium in this chunk: fewer in the last one."""
        return min(self._chunk, self.size - number * self._chunk)

    def _fetch(self, stretch: Stretch, number: int, end: int) -> Iterator[bytes | str]:
        """Decode chunk ``number`` and those that are stored right behind it, with one read; keep them."""
        places = [self._place(stretch, number)]
        start, reach = places[0].offset, places[0].offset + places[0].length
        while number + len(places) < end and number + len(places) not in self._cache:
            place = self._place(stretch, number + len(places))
            if place.offset != reach or reach + place.length - start > FETCH:
                break
            places.append(place)
            reach += place.length
        data = memoryview(stretch.item.source.read(start, reach - start))
        for place in places:
            content = self._decode(number, place, data[place.offset - start :][: place.length], stretch)
            if isinstance(content, str) and stretch.item.alternate is not None:
                content = self._second_try(number, stretch, content)
            self._cache[number] = content
            if len(self._cache) > self._kept:
                self._cache.popitem(last=False)
            yield content
            number += 1

    def _second_try(self, number: int, stretch: Stretch, reason: str) -> bytes | str:
        """Both copies of the table are damaged: the other one may still be right about this chunk."""
        table, index = stretch.item.alternate, number - stretch.first
        if index >= table.count:
            return reason
        place = table.place(table.page(index // PAGE), index, self._largest)
        content = self._decode(number, place, memoryview(table.source.read(place.offset, place.length)), stretch)
        return reason if isinstance(content, str) else content

    def _place(self, stretch: Stretch, number: int) -> Place:
        index = number - stretch.first
        key = (stretch.first, index // PAGE)
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = stretch.item.page(index // PAGE)
            if len(self._pages) > PAGES:
                self._pages.popitem(last=False)
        return stretch.item.place(page, index, self._largest)

    def _decode(self, number: int, place: Place, raw: memoryview, stretch: Stretch) -> bytes | str:
        """The content of a chunk as stored in ``raw``, or the reason why it has none."""
        length = self._length(number)
        if not raw or (not place.compressed and len(raw) < length + 4):
            return f"chunk {number} lies past the end of {stretch.segment}"
        if place.compressed:
            content = self._inflate(raw, self._chunk)
            if len(content) < length:
                return f"chunk {number} does not decompress"
            return content
        for size in (length, self._chunk):  # some writers fill the last chunk up
            if len(raw) >= size + 4 and self._adler32(raw[:size]) == int.from_bytes(raw[size : size + 4], "little"):
                return bytes(raw[:size])
        return f"chunk {number} does not match its checksum"


def _inflater() -> tuple[Callable[[memoryview, int], bytes], Callable[[memoryview], int]]:
    """Functions that inflate a zlib stream of at most so many bytes (empty: it is bad) and that sum as Adler-32."""
    import deflate

    def inflate(data: memoryview, most: int) -> bytes:
        try:
            return deflate.zlib_decompress(data, most)
        except deflate.DeflateError:
            pass  # a second opinion before a chunk is called bad
        inflater = zlib.decompressobj()
        try:
            content = inflater.decompress(data, most + 1)
        except zlib.error:
            return b""
        return content if inflater.eof and len(content) <= most else b""

    return inflate, deflate.adler32
