"""The segments of one EWF image put together: which chunk of the medium lies where, and what is missing.

Source: Joachim Metz, "Expert Witness Compression Format specification" (libyal/libewf), "Segment file extensions"
and "Corruption scenarios".
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from forensic_kit.bytesource import ByteSource
from forensic_kit.errors import Damaged
from forensic_kit.formats import ewf
from forensic_kit.formats.ewf import Geometry, Section, Walk
from forensic_kit.formats.ewf_table import Table, read_table, rebuild_table
from forensic_kit.model import Problem

#: How many segments in a row may be missing before the set is taken to end.
PROBE: Final = 16
_COPY: Final = "Compare the file's digest with the copy it came from and copy it again."
_VOLUMES: Final = ("volume", "disk", "data")
#: Lengths of data, hash, digest and SMART volume sections: too small to hide chunks.
_SMALL: Final = frozenset((1128, 112, 156, 170))


@dataclass
class Segment:
    """One segment file that was found."""

    number: int
    name: str
    source: ByteSource
    walk: Walk
    #: Why nothing of it can be used; empty if it can.
    refused: str = ""


@dataclass(frozen=True)
class Hole:
    """Chunks that no table locates."""

    reason: str  #: a stable phrase, which becomes the reason of faults
    error: str  #: a short word for the problem
    advice: str


@dataclass(frozen=True)
class Stretch:
    """Consecutive chunks that are found, or missing, in the same way."""

    first: int  #: number of its first chunk
    count: int
    item: Table | Hole
    segment: str  #: name of the file, for messages


@dataclass
class Set:
    """An image as far as its segments tell."""

    segments: list[Segment]
    geometry: Geometry
    size: int = 0  #: bytes of the medium
    stretches: list[Stretch] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def open_set(file: ByteSource) -> Set:
    """All segments of the image that ``file`` belongs to. Raises Damaged when nothing of it can be located."""
    problems: list[Problem] = []
    segments = _collect(file)
    geometry = _geometry(segments, file.name, problems)
    _refuse_strangers(segments, geometry, problems)
    found: list[tuple[Table | Hole, str]] = []
    for item, name in _items(segments, file.name, geometry, problems):
        # Neighbouring holes are one: nothing tells where one ends and the next starts.
        if isinstance(item, Hole) and found and isinstance(found[-1][0], Hole):
            found[-1] = (_merge(found[-1][0], item), name)
        else:
            found.append((item, name))
    whole = Set(segments, geometry, problems=problems)
    _place(whole, found)
    if not any(isinstance(stretch.item, Table) and stretch.count for stretch in whole.stretches):
        raise Damaged(f"{file.name}: none of the {geometry.chunks} chunks of this image can be located. {_COPY}")
    return whole


def _merge(one: Hole, other: Hole) -> Hole:
    if other.reason in one.reason:
        return one
    return Hole(f"{one.reason}, and {other.reason}", one.error, one.advice)


# --- segments -------------------------------------------------------------------------------------------------


def _collect(file: ByteSource) -> list[Segment]:
    """The segment files that exist, from the first one on up to the one that says it is the last."""
    own = ewf.segment_number(file.name)
    if own == 0:
        return [_segment(file, 1)]
    segments: list[Segment] = []
    number = 1
    while number - (segments[-1].number if segments else 0) <= PROBE or number <= own:
        name = ewf.segment_name(file.name, number)
        source = file if number == own else _sibling(file, name)
        if source is not None:
            segments.append(_segment(source, number))
            if segments[-1].walk.ending == "done" and number >= own:
                break
        if not name:
            break
        number += 1
    return segments


def _sibling(file: ByteSource, name: str) -> ByteSource | None:
    """The file of this name, the extension in either case."""
    if not name:
        return None
    stem, _, extension = name.rpartition(".")
    for spelling in (extension, extension.upper(), extension.lower()):
        found = file.sibling(f"{stem}.{spelling}")
        if found is not None:
            return found
    return None


def _segment(source: ByteSource, number: int) -> Segment:
    """Walk one file and check that it is the segment its name says."""
    segment = Segment(number, source.name, source, ewf.walk(source))
    data = source.read(0, ewf.FILE_HEADER.size)
    if len(data) < ewf.FILE_HEADER.size or all(section.type == "damaged" for section in segment.walk.sections):
        if segment.walk.ending == "torn":
            segment.refused = f"{source.name} holds no section that can be read"
        return segment
    header = ewf.FILE_HEADER.read(data)
    if header.signature != ewf.SIGNATURE:
        segment.walk.oddities.append((0, "the signature at the start of the file is damaged; its sections were read"))
    elif header.segment_number != number and ewf.segment_number(source.name):
        segment.refused = f"{source.name} says that it is segment {header.segment_number}, not {number}"
    return segment


def _geometry(segments: list[Segment], name: str, problems: list[Problem]) -> Geometry:
    """The best description of the medium in any segment. Raises Damaged if there is none."""
    found: list[tuple[Geometry, Segment]] = []
    reasons: list[str] = []
    for segment in segments:
        for section in segment.walk.sections:
            if section.type in _VOLUMES and section.end - section.start >= ewf.SMART_VOLUME.size:
                try:
                    found.append((ewf.read_geometry(segment.source, section), segment))
                except Damaged as error:
                    reasons.append(error.message)
        if any(geometry.intact and geometry.size for geometry, _ in found):
            break
    # Some imagers write no checksum into the data section, and some know the size only at the end.
    ranked = sorted(found, key=lambda item: (item[0].size == 0, not item[0].intact))
    if not ranked:
        why = f" ({reasons[0]})" if reasons else ""
        raise Damaged(
            f"{name}: no section of this image says how large the disk is and how it was cut into chunks{why}. {_COPY}"
        )
    geometry, segment = ranked[0]
    if not geometry.intact:
        problems.append(
            Problem("note", f"{segment.name}: the checksum of the volume section does not fit; its values are used.")
        )
    return geometry


def _refuse_strangers(segments: list[Segment], geometry: Geometry, problems: list[Problem]) -> None:
    """Refuse segments of other images, and list what the walk worked around."""
    for segment in segments:
        for section in segment.walk.sections:
            if section.type not in _VOLUMES or segment.refused or section.end > segment.source.size:
                continue
            try:
                other = ewf.read_geometry(segment.source, section)
            except Damaged as error:
                problems.append(Problem("note", f"{segment.name}: {error.message}; another copy was used."))
                continue
            known = other.intact and any(other.set_identifier) and any(geometry.set_identifier)
            if known and other.set_identifier != geometry.set_identifier:
                segment.refused = (
                    f"{segment.name} belongs to another image (set {uuid.UUID(bytes_le=other.set_identifier)})"
                )
        if not segment.refused:
            problems.extend(
                Problem("note", f"{segment.name}: {text}.", "damaged", offset) for offset, text in segment.walk.oddities
            )


# --- tables and holes -----------------------------------------------------------------------------------------


def _items(
    segments: list[Segment], name: str, geometry: Geometry, problems: list[Problem]
) -> Iterator[tuple[Table | Hole, str]]:
    """Tables and holes in the order of the medium, each with the name of its segment."""
    copy = "Copy it beside the others and open the image again."
    number = 1
    rebuilding = _Rebuilding((1 << 30) + 16 * sum(segment.source.size for segment in segments))
    for segment in segments:
        for lost in range(number, segment.number):
            absent = ewf.segment_name(name, lost)
            yield Hole(f"segment {absent} is missing", "missing-segment", copy), absent
        number = segment.number + 1
        if segment.refused:
            yield Hole(segment.refused, "wrong-segment", "Put the right file in its place."), segment.name
            continue
        for item in _Groups(segment, geometry, problems, rebuilding).items():
            yield item, segment.name
        if segment.walk.ending == "torn":
            yield _torn(segment), segment.name
    if segments[-1].walk.ending == "next" or (segments[-1].refused and segments[-1].walk.ending != "done"):
        absent = ewf.segment_name(name, number) if ewf.segment_number(name) else ""
        lost_name = f"segment {absent}" if absent else f"the segment after {segments[-1].name}"
        yield Hole(f"{lost_name} is missing", "missing-segment", copy), absent or name


def _torn(segment: Segment) -> Hole:
    walked = segment.walk
    last = walked.sections[-1] if walked.sections else None
    if last and last.end > segment.source.size:
        where = f"in the {last.type} section that starts at byte {last.offset}"
    elif last and last.offset == walked.torn_at:
        where = f"in the unfinished {last.type} section at byte {last.offset}"
    else:
        where = "without its closing section"
    return Hole(
        f"{segment.name} ends at byte {segment.source.size} {where}",
        "torn",
        "Compare its size with the copy it came from; if the acquisition was stopped there, this is all there is.",
    )


@dataclass
class _Rebuilding:
    """What may still be inflated to find chunks without tables: a small file can claim to hold terabytes."""

    budget: int  #: bytes


class _Groups:
    """The sectors, table and table2 sections of one segment, taken together as they belong."""

    def __init__(self, segment: Segment, geometry: Geometry, problems: list[Problem], rebuilding: _Rebuilding) -> None:
        self._segment = segment
        self._rebuilding = rebuilding
        self._source = segment.source
        self._geometry = geometry
        self._problems = problems
        self._sectors: Section | None = None
        self._tables: list[Section] = []

    def items(self) -> Iterator[Table | Hole]:
        """Tables and holes in the order of the file."""
        sections = self._segment.walk.sections
        for index, section in enumerate(sections):
            if section.type == "sectors":
                yield from self._flush()
                self._sectors = section
            elif section.type == "table":
                if self._tables:  # EnCase 1 and SMART: no sectors section, no table2
                    yield from self._flush()
                self._tables.append(section)
            elif section.type == "table2":
                self._tables.append(section)
                yield from self._flush()
            elif section.type == "damaged":
                before = sections[index - 1] if index else None
                after = sections[index + 1] if index + 1 < len(sections) else None
                yield from self._damaged(section, before, after)
        yield from self._flush()

    def _damaged(self, section: Section, before: Section | None, after: Section | None) -> Iterator[Table | Hole]:
        """A stretch without descriptor: a hole, unless it is clear that it hides no chunks of its own."""
        length = section.end - section.offset
        if length in _SMALL or (before and before.type == "table" and length == before.end - before.offset):
            return
        if after is None and self._segment.walk.ending == "torn":  # chunks may follow up to the end of the file
            yield from self._flush()
            self._sectors = section
            return
        if after is not None and after.type in ("table", "table2"):
            try:
                table = read_table(self._source, after, self._sectors)
            except Damaged:
                table = None
            if table and table.count and table.base + (table.page(0)[0] & 0x7FFFFFFF) <= section.start:
                return  # its chunks start before, or right behind, the damaged descriptor
        yield from self._flush()
        yield Hole(f"the section at {section.offset} of {self._segment.name} cannot be read", "damaged", _COPY)

    def _flush(self) -> Iterator[Table | Hole]:
        sectors, sections = self._sectors, self._tables
        self._sectors, self._tables = None, []
        tables: list[Table] = []
        for section in sections:
            try:
                table = read_table(self._source, section, sectors)
            except Damaged as error:
                self._note(f"{error.message}", section.offset)
                continue
            if table.intact:
                if section is not sections[0]:
                    self._note(
                        f"the {sections[0].type} section at {sections[0].offset} does not match its checksum; the copy "
                        f"in the {section.type} section at {section.offset} was used",
                        sections[0].offset,
                    )
                yield table
                return
            tables.append(table)
        sound = [table for table in tables if table.sound]
        if sound:
            self._note("both copies of a chunk table are damaged; each chunk is checked by its own checksum", 0)
            sound[0].alternate = sound[1] if len(sound) > 1 else None
            yield sound[0]
        elif sectors is not None:
            yield from self._rebuild(sectors)
        elif sections:
            yield Hole(
                f"the chunk table at {sections[0].offset} of {self._segment.name} is damaged", "damaged-table", _COPY
            )

    def _rebuild(self, sectors: Section) -> Iterator[Table | Hole]:
        size = self._geometry.chunk_size
        most = min(self._geometry.chunks or 1 << 32, self._rebuilding.budget // size)
        table, complete = rebuild_table(self._source, sectors, size, most)
        self._rebuilding.budget -= table.count * size
        if table.count:
            self._note(
                f"the {sectors.type} section at {sectors.offset} has no table; {table.count} chunks in it were found "
                "by their checksums",
                sectors.offset,
            )
            yield table
        if not complete and sectors.end <= self._source.size and sectors.type == "sectors":
            yield Hole(
                f"the chunk table for the section at {sectors.offset} of {self._segment.name} is lost",
                "damaged-table",
                _COPY,
            )

    def _note(self, text: str, offset: int) -> None:
        self._problems.append(Problem("note", f"{self._segment.name}: {text}.", "damaged-table", offset or None))


# --- places ---------------------------------------------------------------------------------------------------


def _place(whole: Set, found: list[tuple[Table | Hole, str]]) -> None:
    """Give every table its first chunk number, and the holes what is left."""
    known = sum(item.count for item, _ in found if isinstance(item, Table))
    expected = whole.geometry.chunks or known
    whole.size = whole.geometry.size or known * whole.geometry.chunk_size
    holes = [index for index, (item, _) in enumerate(found) if isinstance(item, Hole)]
    missing = max(0, expected - known)
    if missing and not holes:
        reason = (
            f"the tables of {whole.segments[0].name} locate {known} of the {expected} chunks that the volume "
            "section states"
        )
        holes = [len(found)]
        found.append((Hole(reason, "too-few-chunks", "Was the acquisition stopped early?"), whole.segments[-1].name))
    if missing and len(holes) > 1:
        # Only what lies before the first hole and behind the last one has a certain place.
        first, last = holes[0], holes[-1]
        between = sum(item.count for item, _ in found[first:last] if isinstance(item, Table))
        reasons = "; ".join(item.reason for item, _ in found[first : last + 1] if isinstance(item, Hole))
        hole = Hole(f"{reasons}; the {between} chunks between cannot be placed", "unplaced", "Complete the set.")
        missing += between
        found[first : last + 1] = [(hole, found[first][1])]
    number = 0
    for item, name in found:
        count = min(item.count if isinstance(item, Table) else missing, expected - number)
        if isinstance(item, Hole):
            whole.problems.append(_hole_problem(whole, item, number, count, expected))
        if count:
            whole.stretches.append(Stretch(number, count, item, name))
        number += count
    if known > expected:
        whole.problems.append(
            Problem(
                "gap",
                f"{whole.segments[0].name}: the tables locate {known} chunks, the volume section states {expected}; "
                "the medium was taken to end there, what lies beyond was not examined.",
                "too-many-chunks",
            )
        )


def _hole_problem(whole: Set, hole: Hole, number: int, count: int, expected: int) -> Problem:
    if not count:
        return Problem("note", f"{hole.reason}; every chunk of the medium is there. {hole.advice}".strip(), hole.error)
    start = number * whole.geometry.chunk_size
    end = min(start + count * whole.geometry.chunk_size, whole.size)
    return Problem(
        "gap",
        f"{hole.reason}: bytes {start} to {end} of the medium ({count} of {expected} chunks) read as zeros. "
        f"{hole.advice}".strip(),
        hole.error,
        start,
    )
