"""The values that travel: evidence, volumes, entries, locators, findings, events, problems.

All are frozen. What crosses a process border or goes into the case is a `msgspec.Struct`; what holds an open
source is a dataclass and stays where it was opened.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args
from urllib.parse import unquote_to_bytes

import msgspec

from forensic_kit.bytesource import SPARSE, ByteSource
from forensic_kit.errors import Misuse
from forensic_kit.times import Moment

Kind = Literal[
    "file", "directory", "link", "stream", "slack", "unallocated", "system", "carved", "member", "text", "other"
]
State = Literal["allocated", "unallocated", "overwritten", "unknown"]
Where = Literal["name", "record", "content", "decoded", "slack", "unallocated"]
Severity = Literal["gap", "note"]
Outcome = Literal["done", "partial", "known", "duplicate", "empty", "skipped", "failed"]
Stage = Literal["content", "type", "hashset", "yara", "terms", "decoded", "parse", "unpack"]
KINDS: tuple[str, ...] = get_args(Kind)
STAGES: tuple[str, ...] = get_args(Stage)
#: Best first; the state of an entry is the worst outcome of its stages.
OUTCOMES: tuple[str, ...] = ("done", "empty", "known", "duplicate", "skipped", "partial", "failed")

#: Unallocated and system space is cut at multiples of this many bytes from the start of its volume.
CELL = 64 << 20
#: The volume number of what lies outside every volume of a disk.
OUTSIDE = "0"


# --- locators -------------------------------------------------------------------------------------------------


class Name(msgspec.Struct, frozen=True, order=True):
    """A name or path out of evidence: valid Unicode for people, the raw bytes where that lost something."""

    #: Undecodable units became U+FFFD.
    text: str = ""
    #: The bytes as stored, in hex, when ``text`` is not exactly their UTF-8; else empty.
    raw: str = ""

    @staticmethod
    def of(data: bytes) -> "Name":
        """A name from bytes that should be UTF-8."""
        try:
            return Name(data.decode("utf-8"))
        except UnicodeDecodeError:
            return Name(data.decode("utf-8", "replace"), data.hex())

    @property
    def bytes(self) -> bytes:
        """The stored bytes; for a name that decoded cleanly its UTF-8."""
        return bytes.fromhex(self.raw) if self.raw else self.text.encode()

    @property
    def encoded(self) -> str:
        """Percent-encoded for a locator: within components ``% ! # : ~``, controls and undecodable bytes."""
        return "/".join(_encode(part) for part in self.bytes.split(b"/"))


_PLAIN = re.compile(r"[^%!#:~\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def _encode(component: bytes) -> str:
    if component.isascii() and _PLAIN.fullmatch(text := component.decode("ascii")):
        return text  # nearly every name there is
    out = []
    for char in component.decode("utf-8", "surrogateescape"):
        if "\udc80" <= char <= "\udcff":
            out.append(f"%{ord(char) - 0xDC00:02X}")
        elif _PLAIN.fullmatch(char):
            out.append(char)
        else:
            out.append("".join(f"%{byte:02X}" for byte in char.encode()))
    return "".join(out)


def _decode(text: str) -> Name:
    return Name.of(unquote_to_bytes(text))


class Step(msgspec.Struct, frozen=True, order=True):
    """One step from an entry to something inside it or derived from it."""

    #: The unpacker's short name, or one of ``slack text carved unallocated system``.
    by: str
    member: Name = Name()
    #: Counts members of the same name in listing order, from 0.
    repeat: int = 0
    #: First byte and length for ``carved unallocated system``, in bytes of what the step leaves; else None.
    start: int | None = None
    length: int | None = None

    @property
    def is_member(self) -> bool:
        """True for something an unpacker gave (``!``), false for a part or derivation (``#``)."""
        return self.by not in _HASH_STEPS

    def __str__(self) -> str:
        if self.is_member:
            return f"!{_encode(self.by.encode())}:{self.member.encoded}" + (f"~{self.repeat}" if self.repeat else "")
        place = "" if self.start is None else f"@{self.start}+{self.length}"
        return f"#{self.by}{place}"


_HASH_STEPS = frozenset({"slack", "text", "carved", "unallocated", "system"})


class Locator(msgspec.Struct, frozen=True, order=True):
    """Where bytes are. The text form parses back to the same value and opens the same bytes in any process.

    Text: ``EXHIBIT/vVOLUME/INODE[:STREAM]/PATH[~n]``, then any number of ``!UNPACKER:MEMBER[~n]``, ``#slack``,
    ``#text``, ``#carved@START+LENGTH``. Space outside files is ``EXHIBIT/vVOLUME/-/#unallocated@START+LENGTH``.
    """

    exhibit: str
    volume: str
    #: The file system's own number for the file, as text; ``-`` where there is none.
    inode: str = "-"
    #: Name of the stream; empty for the main content.
    stream: Name = Name()
    #: From the root of the volume, components joined by ``/``, no leading slash.
    path: Name = Name()
    #: Counts entries alike in all of the above, in listing order, from 0.
    repeat: int = 0
    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        text = f"{_encode(self.exhibit.encode()).replace('/', '%2F')}/v{self.volume}/{_encode(self.inode.encode())}"
        if self.stream.text:
            text += f":{self.stream.encoded.replace('/', '%2F')}"
        text += f"/{self.path.encoded}" + (f"~{self.repeat}" if self.repeat else "")
        return text + "".join(map(str, self.steps))

    @staticmethod
    def parse(text: str) -> "Locator":
        """The locator written as ``text``. Raises Misuse if it is not one."""
        match = _LOCATOR.fullmatch(text)
        if not match:
            raise Misuse(
                f"{text!r} is not a locator. One looks like ABC1/v1/66/Users/ann/note.txt; "
                "copy it from `ls --json` or `case files --json`."
            )
        exhibit, volume, inode, stream, path, repeat, steps = match.groups()
        return Locator(
            unquote_to_bytes(exhibit).decode(),
            volume,
            unquote_to_bytes(inode).decode(),
            _decode(stream or ""),
            _decode(path),
            int(repeat or 0),
            tuple(_steps(steps)),
        )

    @property
    def parent(self) -> "Locator | None":
        """What this one's last step started from; None for an entry of a file system."""
        return msgspec.structs.replace(self, steps=self.steps[:-1]) if self.steps else None

    def step(self, step: Step) -> "Locator":
        """The locator of something inside or derived from this one."""
        return msgspec.structs.replace(self, steps=(*self.steps, step))

    @property
    def filename(self) -> str:
        """The last component of the path, of the member's where there is one."""
        if self.steps and self.steps[-1].is_member:
            return self.steps[-1].member.text.rstrip("/").rsplit("/", 1)[-1]
        return self.path.text.rstrip("/").rsplit("/", 1)[-1]

    @property
    def display(self) -> str:
        """The path as an examiner reads it: path, stream, members and parts, unescaped."""
        text = self.path.text + (f":{self.stream.text}" if self.stream.text else "")
        for step in self.steps:
            text += f"!{step.member.text}" if step.is_member else str(step)
        return text


_LOCATOR = re.compile(
    r"([^/!#~:]+)/v([0-9A-Za-z.]+)/([^/!#~:]+)(?::([^/!#~:]*))?/([^!#~:]*)(?:~(\d+))?((?:[!#].*)?)", re.DOTALL
)
_STEP = re.compile(
    r"!([^!#:~]+):([^!#~:]*)(?:~(\d+))?|#(slack|text|carved|unallocated|system)(?:@(\d+)\+(\d+))?", re.DOTALL
)


def _steps(text: str) -> Iterator[Step]:
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if not match:
            raise Misuse(f"{text[position:]!r} is not a step of a locator. Copy the locator from `case files --json`.")
        unpacker, member, repeat, part, start, length = match.groups()
        if unpacker:
            yield Step(unquote_to_bytes(unpacker).decode(), _decode(member), int(repeat or 0))
        else:
            yield Step(part, start=_int(start), length=_int(length))
        position = match.end()


def _int(text: str | None) -> int | None:
    return None if text is None else int(text)


# --- evidence -------------------------------------------------------------------------------------------------


class Problem(msgspec.Struct, frozen=True, order=True):
    """Something that was not examined, cut short or guessed. The engine stamps stage, plugin and locator."""

    #: ``gap``: part of the evidence was not examined; ``note``: a routine limit, counted.
    severity: Severity
    #: What happened, to what, what to try. No process id, address or duration: equal runs give equal text.
    message: str
    #: The class of the error, or a short stable word for what happened (``overlap``, ``past-end``, ``budget``).
    error: str = ""
    #: In bytes from the start of the thing the locator names; None where there is no such place.
    offset: int | None = None
    stage: str = ""
    plugin: str = ""
    locator: str = ""


class Fact(msgspec.Struct, frozen=True):
    """One name and value for people, such as what the imager recorded about the acquisition."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One opened exhibit: a disk as a source, or files of its own (a folder, an archive, a backup)."""

    format: str  #: ``raw``, ``E01``, ...
    source: ByteSource | None = None
    sector_size: int = 512  #: bytes
    #: Paths of every file the evidence consists of, in order (names beside the first one).
    segments: tuple[str, ...] = ()
    #: Digests the container stores of its decoded content, lower-case hex by algorithm (``md5 sha1 sha256``).
    stored_digests: dict[str, str] = field(default_factory=dict)
    #: What the imager wrote down, in its order.
    facts: tuple[Fact, ...] = ()
    problems: tuple[Problem, ...] = ()
    #: Set where the evidence has entries of its own instead of a disk.
    entries: "object | None" = None
    name: str = ""  #: the exhibit's name; stamped by the engine


@dataclass(frozen=True, slots=True)
class Volume:
    """One area of a disk, as a partition table or what lies inside a volume describes it."""

    source: ByteSource
    #: First byte in the parent (disk or volume); None where the content is decoded, so has no such place.
    start: int | None
    size: int  #: bytes as the table states them; ``source`` may hold fewer
    scheme: str  #: ``mbr gpt apm bsd none logical ...``
    type: str = ""  #: the type as the table gives it, in words with its code
    label: str = ""
    serial: str = ""
    #: Empty if not encrypted; else how, and whether it is open.
    encryption: str = ""
    #: ``volume``: may hold files. ``table``: the scheme's own sectors, which are space of kind ``system``.
    role: Literal["volume", "table"] = "volume"
    problems: tuple[Problem, ...] = ()
    number: str = ""  #: ``1``, ``1.2``; stamped by the engine
    #: First byte in the image; None where something between decodes. Stamped by the engine.
    image_start: int | None = None
    #: Deeper volumes keep the numbers of their parents.
    sector_size: int = 512

    def numbered(self, number: str, image_start: int | None) -> "Volume":
        """The same volume with the number and place the engine found for it."""
        return replace(self, number=number, image_start=image_start)


class FileSystemFacts(msgspec.Struct, frozen=True):
    """What a file system says of itself."""

    type: str  #: ``NTFS``, ``FAT32``, ``exFAT``, ``ext4``, ...
    label: str = ""
    serial: str = ""
    block_size: int = 0  #: bytes of the unit in which content is allocated
    #: How its stored times relate to a zone: ``utc`` or ``local``.
    zone: str = "utc"


class FileEntry(msgspec.Struct, frozen=True):
    """One thing that has content or a name: metadata only, content comes from its plugin's ``open``."""

    locator: Locator
    kind: Kind
    size: int  #: bytes of content
    name_state: State = "allocated"
    meta_state: State = "allocated"
    #: Of deleted entries only known once the whole volume is listed: ``unknown`` until then.
    content_state: State = "allocated"
    modified: Moment | None = None
    accessed: Moment | None = None
    changed: Moment | None = None
    born: Moment | None = None
    deleted: Moment | None = None
    #: Further metadata by the field's own names: ``mode uid gid links target dos initialised_size ...``.
    attributes: dict[str, str | int] = {}
    #: (offset in the volume, length) in content order, `SPARSE` for holes; None where bytes have no place there
    #: (resident, compressed, encrypted, members). They may reach past ``size``: the rest is slack.
    runs: tuple[tuple[int, int], ...] | None = None
    #: Bytes that follow the last run and may be shown to scanners as margin (space cut into cells).
    margin: int = 0

    @property
    def allocated(self) -> bool:
        """True when both name and metadata are live."""
        return self.name_state == "allocated" and self.meta_state == "allocated"

    @property
    def is_space(self) -> bool:
        """True for bytes outside any file: slack, unallocated and system space."""
        return self.kind in ("slack", "unallocated", "system")

    def place(self, offset: int) -> int | None:
        """Where byte ``offset`` of the content lies in the volume; None if nowhere (a hole, a member)."""
        for start, length in self.runs or ():
            if offset < length:
                return None if start == SPARSE else start + offset
            offset -= length
        return None


class Account(msgspec.Struct, frozen=True):
    """How the bytes of a volume divide: what a ledger must add up to. Bytes."""

    size: int
    files: int  #: claimed by live entries
    system: int
    unallocated: int


# --- results --------------------------------------------------------------------------------------------------


class Digests(msgspec.Struct, frozen=True):
    """The three digests of one content, lower-case hex."""

    md5: str
    sha1: str
    sha256: str


class StageOutcome(msgspec.Struct, frozen=True, order=True):
    """How one stage ended for one entry."""

    stage: Stage
    outcome: Outcome
    #: Required for partial, skipped and failed: a short stable phrase (``bad sectors``, ``windowed``).
    reason: str = ""


def badness(outcome: StageOutcome) -> int:
    """Larger is worse."""
    return OUTCOMES.index(outcome.outcome)


class Event(msgspec.Struct, frozen=True, order=True):
    """Something happened at a moment, says a record."""

    meaning: str
    moment: Moment


class Finding(msgspec.Struct, frozen=True):
    """One result, told once for all entries that hold the content it was found in."""

    #: The F of ``F.E``: a hash of content, plugin, record type, place and record. No time, worker or row in it.
    id: str
    type: str
    plugin: str
    version: str
    where: Where
    offset: int | None  #: in the content, bytes
    record: dict[str, Any]
    events: tuple[Event, ...] = ()
    #: False where the scanner saw a window of the content: what needs the whole may be wrong.
    whole: bool = True


def finding_id(subject: str, plugin: str, type_: str, where: str, offset: int | None, record: dict[str, Any]) -> str:
    """The F part of a finding's id.

    Args: subject: SHA-256 of the content, or the locator's text where the result depends on the entry.
    """
    return _short(msgspec.json.encode([subject, plugin, type_, where, offset, record], order="deterministic"))


def entry_id(locator: str) -> str:
    """The E part of a finding's id: a hash of exhibit and locator."""
    return _short(locator.encode())


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
