"""Raw images: a disk byte for byte, in one file or split into numbered or lettered parts."""

import re
from typing import NamedTuple

from forensic_kit.api import ByteSource, Credential, Damaged, Evidence, Image, Joined, Problem, gap, note

#: How many parts in a row may be missing before the set is taken to end.
PROBE = 16
#: More parts than a file system holds in one folder with ease; stops a loop over names.
MOST = 1_000_000


class Part(NamedTuple):
    """A file name taken as one part of a split image."""

    stem: str  #: with the dot before the counter
    counter: str  #: ``001``, ``0001``, ``aa``

    @property
    def number(self) -> int:
        """The counter as a number; ``aa`` is 0."""
        if self.counter.isdigit():
            return int(self.counter)
        value = 0
        for letter in self.counter.lower():
            value = value * 26 + ord(letter) - ord("a")
        return value

    def name(self, number: int) -> str:
        """The name of another part; empty where the letters are used up. ``.999`` is followed by ``.1000``."""
        width = len(self.counter)
        if self.counter.isdigit():
            return f"{self.stem}{number:0{width}d}"
        letters = ""
        for _ in range(width):
            number, place = divmod(number, 26)
            letters = chr(ord("a") + place) + letters
        if number:
            return ""
        return self.stem + (letters.upper() if self.counter.isupper() else letters)


def part_of(name: str) -> Part | None:
    """The name as a part of a split image, if it is built like one: digits, or two to five letters of one case."""
    match = re.fullmatch(r"(.+\.)(\d{2,6}|[a-z]{2,5}|[A-Z]{2,5})", name, re.DOTALL | re.ASCII)
    return Part(match[1], match[2]) if match else None


class Raw(Image, api=1):
    """Reads anything as a raw disk."""

    name, version = "raw", "1.0"
    order = 1000
    source = (
        "No format: the bytes of the medium. Names of parts as split(1), FTK Imager, dc3dd and Guymager write them."
    )
    limits = (
        "Sectors are taken to be 512 bytes long; a raw image does not say.",
        "Nothing in a raw image tells how long it should be: missing parts at its end cannot be noticed.",
    )

    def matches(self, head: bytes, name: str) -> bool:
        """Anything is a raw image."""
        return True

    def owns(self, name: str) -> bool:
        """True for .002 and up, and .ab to .az: other letters, such as .dd and .gz, also mean other things."""
        part = part_of(name)
        if part is None:
            return False
        if part.counter.isdigit():
            return part.number > 1
        first = part.counter.lower()
        return first[:-1].strip("a") == "" and first[-1] != "a"

    def open(self, file: ByteSource, credentials: tuple[Credential, ...]) -> Evidence:
        """The medium; nothing is read but sizes. Raises Damaged for an empty file."""
        if file.size == 0:
            raise Damaged(f"{file.name} is empty (0 bytes): there is no image in it. Check the copy it came from.")
        part = part_of(file.name)
        parts, problems = _gather(file, part) if part else ([file], [])
        return Evidence(
            format="raw",
            source=parts[0] if len(parts) == 1 else Joined(parts),
            segments=tuple(found.name for found in parts),
            problems=tuple(problems),
        )


def _gather(file: ByteSource, part: Part) -> tuple[list[ByteSource], list[Problem]]:
    """All parts of the set from its first one on, up to the first that is missing."""
    first = _first(file, part)
    if first is None:
        return [file], _alone(file, part)
    parts: list[ByteSource] = []
    number = first
    while len(parts) < MOST:
        name = part.name(number)
        found = file if number == part.number else _sibling(file, name)
        if found is None or found.size == 0:
            break
        parts.append(found)
        number += 1
    later = _later(file, part, number)
    if part.number > number and not part.counter.isdigit():
        return [file], []  # .dd beside .aa and .ab: letters, yet no part of that set
    problems = _uneven(parts)
    if not parts or later or part.number > number:
        problems.append(_missing(part, number, later or file.name, sum(found.size for found in parts)))
    return parts or [file], problems


def _sibling(file: ByteSource, name: str) -> ByteSource | None:
    return file.sibling(name) if name else None


def _size(file: ByteSource, name: str) -> int | None:
    """Bytes of a file beside this one; None if it is not there."""
    found = _sibling(file, name)
    if found is None:
        return None
    close = getattr(found, "close", None)  # a file on disk holds a handle that nobody else will give back
    if close is not None:
        close()
    return found.size


def _first(file: ByteSource, part: Part) -> int | None:
    """Number of the first part of the set: 0 or 1; None if neither is there."""
    for number in (0, 1) if part.counter.isdigit() else (0,):
        if number == part.number or _size(file, part.name(number)) is not None:
            return number
    return None


def _later(file: ByteSource, part: Part, missing: int) -> str:
    """The name of the part that has no bytes, or of the next one after a missing one; empty if there is none."""
    for number in range(missing, missing + PROBE + 1):
        name = part.name(number)
        if _size(file, name) is not None:
            return name
    return ""


def _missing(part: Part, number: int, later: str, size: int) -> Problem:
    name = part.name(number)
    what = f"{name} is empty" if later == name else f"{name} is missing although {later} is there"
    return gap(
        f"{what}: what follows cannot be placed, so the evidence ends before it, at byte {size}. "
        f"Copy {name} beside the other parts and open the image again.",
        error="missing-segment",
        offset=size,
    )


def _uneven(parts: list[ByteSource]) -> list[Problem]:
    """A part in the middle that is shorter than the first was probably cut short."""
    start, problems = 0, []
    for found in parts:
        if found is not parts[-1] and found.size < parts[0].size:
            text = (
                f"{found.name} has {found.size} bytes where the first part has {parts[0].size}: if it was cut short, "
                "all that follows it is out of place. Compare it with the copy it came from."
            )
            problems.append(note(text, error="uneven-segments", offset=start + found.size))
        start += found.size
    return problems


def _alone(file: ByteSource, part: Part) -> list[Problem]:
    """What to say of a file that is named like a later part and has no first part beside it."""
    if not part.counter.isdigit():
        return []  # .dd, .img, .bin: just an extension
    neighbours = [part.name(number) for number in (part.number - 1, part.number + 1)]
    there = [neighbour for neighbour in neighbours if _size(file, neighbour) is not None]
    name = part.name(1)
    if not there:
        text = (
            f"{file.name} is named like part {part.number} of a split image; there is no {name}, so it was taken alone."
        )
        return [note(text, error="no-first-segment")]
    return [
        gap(
            f"{name} is missing although {there[0]} is there: without the first part nothing can "
            f"be placed, so {file.name} was taken alone. Copy the missing parts beside it and open the image again.",
            error="missing-segment",
            offset=0,
        )
    ]
