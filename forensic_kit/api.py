"""The one module a plugin imports: what each kind of plugin is, what it is given and what it yields.

Write a class under one of the kinds below, in one file of the folder of that kind, and say ``api=1`` on the
class line. Nothing else is to be registered. docs/how-to/write-a-plugin.md walks through one.
"""

import abc
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from forensic_kit.bytesource import SPARSE as SPARSE
from forensic_kit.bytesource import ByteSource as ByteSource
from forensic_kit.bytesource import Fault as Fault
from forensic_kit.bytesource import Faults as Faults
from forensic_kit.bytesource import Joined as Joined
from forensic_kit.bytesource import Memory as Memory
from forensic_kit.bytesource import Runs as Runs
from forensic_kit.bytesource import Window as Window
from forensic_kit.errors import Damaged as Damaged
from forensic_kit.errors import EvidenceLost as EvidenceLost
from forensic_kit.errors import ForensicError as ForensicError
from forensic_kit.errors import LimitReached as LimitReached
from forensic_kit.errors import Locked as Locked
from forensic_kit.errors import Misuse as Misuse
from forensic_kit.errors import NotThisFormat as NotThisFormat
from forensic_kit.errors import PluginError as PluginError
from forensic_kit.errors import TimedOut as TimedOut
from forensic_kit.errors import Unsupported as Unsupported
from forensic_kit.model import Evidence as Evidence
from forensic_kit.model import Fact as Fact
from forensic_kit.model import FileEntry as FileEntry
from forensic_kit.model import FileSystemFacts as FileSystemFacts
from forensic_kit.model import Locator as Locator
from forensic_kit.model import Name as Name
from forensic_kit.model import Problem as Problem
from forensic_kit.model import Stage as Stage
from forensic_kit.model import Step as Step
from forensic_kit.model import Volume as Volume
from forensic_kit.times import Moment as Moment
from forensic_kit.times import cocoa as cocoa
from forensic_kit.times import dos as dos
from forensic_kit.times import filetime as filetime
from forensic_kit.times import mac as mac
from forensic_kit.times import unix as unix
from forensic_kit.times import webkit as webkit

API = 1


def gap(message: str, *, error: str = "", offset: int | None = None) -> Problem:
    """Yield this where part of the evidence could not be examined."""
    return Problem("gap", message, error, offset)


def note(message: str, *, error: str = "", offset: int | None = None) -> Problem:
    """Yield this for a routine limit or a guess: counted and shown, not an error."""
    return Problem("note", message, error, offset)


# --- what plugins are given -----------------------------------------------------------------------------------


class Option(NamedTuple):
    """One setting of a plugin, set by ``-o plugin.name=value``."""

    name: str
    type: type  #: str, int, float, bool or Path
    default: Any
    help: str


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One secret. Never printed, stored or put on a command line."""

    kind: str  #: ``password recovery_key key_file``
    value: str
    exhibit: str = ""  #: empty: for all


class Content(Protocol):
    """The bytes of one entry, read once and shown to every scanner, parser and unpacker."""

    entry: FileEntry
    #: MIME type by libmagic, ``application/octet-stream`` where it does not know; empty for space outside files.
    type: str
    #: Of the whole content, bytes.
    size: int
    #: The whole content, or one window of it: anything with the buffer protocol, `len` and slices.
    data: Any
    #: Where ``data`` starts in the content, bytes.
    base: int
    #: How many bytes at the end of ``data`` belong to the next window: a hit counts only if it starts before them.
    margin: int
    #: True where ``data`` is the whole content.
    whole: bool
    #: SHA-256 of the whole content, lower-case hex.
    sha256: str

    def companion(self, name: str) -> "Content | None":
        """The file called ``name`` in the same folder, or None."""
        ...

    def on_disk(self) -> Path:
        """The content as a file of its own, for libraries that want a path. A copy: it may be written to."""
        ...


# --- what plugins yield ---------------------------------------------------------------------------------------


class Record(msgspec.Struct, frozen=True):
    """What a parser or scanner found: values only, no provenance, which the engine stamps.

    Subclasses say ``tag="dotted.type"`` on the class line. Field types: str, int, float, bool, None, `Moment`, and
    tuples, dicts and Records of them. Bytes are written as lower-case hex text.
    """


class When(NamedTuple):
    """Marks a field that holds a `Moment` (or a tuple of them) as an event."""

    meaning: str


def when(meaning: str) -> When:
    """``deleted: Annotated[Moment | None, when("deleted")] = None`` becomes an event called "deleted"."""
    return When(meaning)


class At(NamedTuple):
    """A record found at a place in the content."""

    offset: int  #: from the start of the whole content, bytes (add ``content.base``)
    record: Record


@dataclass(frozen=True, slots=True)
class Member:
    """Something an unpacker found inside a content."""

    name: Name
    #: Gives the member's bytes piece by piece; called once or not at all. The engine counts and stops it.
    open: Callable[[], Iterator[bytes]]
    #: As the container states it, bytes; None where it does not.
    size: int | None = None
    kind: str = "member"  #: ``member``, ``directory``, ``link``
    modified: Moment | None = None
    accessed: Moment | None = None
    changed: Moment | None = None
    born: Moment | None = None
    attributes: dict[str, str | int] = field(default_factory=dict)
    #: Encrypted and not opened by any credential: counted as skipped, content never read.
    locked: bool = False


class PlanItem(msgspec.Struct, frozen=True):
    """One term, rule or set of a plan: kept in the case, with or without hits."""

    id: str
    text: str
    kind: str = ""
    source: str = ""  #: file (and line) it came from


class Plan(msgspec.Struct, frozen=True):
    """What one scanner will look for, made once before the pass and loaded by every worker."""

    plugin: str
    stage: Stage
    #: What the examiner calls it: the name of the list or rule folder.
    name: str
    #: SHA-256 of everything that can change a result: items, options, engine version. Equal = nothing new to do.
    digest: str
    items: tuple[PlanItem, ...] = ()
    #: What could not be planned, each with file and line. A ``gap`` is fatal unless the plugin's options say otherwise.
    problems: tuple[Problem, ...] = ()
    #: Path of the compiled file that workers load; empty if there is none.
    compiled: str = ""
    #: Results depend on the entry's name or place, so they are never shared between equal contents.
    per_entry: bool = False
    #: Bytes of the next window that a scan needs to see to find every hit that starts in this one.
    margin: int = 64 * 1024
    #: Longest time for one content, seconds.
    timeout: int = 300
    #: Engine and version, and what else a reader needs to repeat the scan (folding, encodings, modules).
    engine: dict[str, str] = {}
    #: SHA-256 of each file the plan was made from, by its name.
    files: dict[str, str] = {}
    #: Whatever the plugin itself needs back in ``prepare``, JSON values only.
    settings: dict[str, Any] = {}


# --- the kinds ------------------------------------------------------------------------------------------------


class Plugin(abc.ABC):
    """What all plugins have in common. Constructors take nothing and do nothing."""

    #: Dotted, lower case, unique: ``windows.recycle_bin``.
    name: ClassVar[str]
    version: ClassVar[str]
    #: Where the knowledge of the format comes from.
    source: ClassVar[str] = ""
    #: What it does not do, one sentence each.
    limits: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[tuple[Option, ...]] = ()
    #: Folder name of the kind; set by the kinds below.
    kind: ClassVar[str] = ""
    api: ClassVar[int | None] = None

    def __init_subclass__(cls, *, api: int | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.api = api


class Image(Plugin):
    """A file format that holds a disk (or files)."""

    kind = "images"
    #: Lower is asked first; raw, which takes anything, comes last.
    order: ClassVar[int] = 0

    @abc.abstractmethod
    def matches(self, head: bytes, name: str) -> bool:
        """Is it this format? ``head`` is the first 4096 bytes or all there are, ``name`` the file's name."""

    @abc.abstractmethod
    def open(self, file: ByteSource, credentials: tuple[Credential, ...]) -> Evidence:
        """The evidence in ``file``; further segments come from ``file.sibling(name)``.

        Raises: Damaged, Unsupported, Locked. What can be worked around is a problem of the Evidence instead.
        """

    def owns(self, name: str) -> bool:
        """Is this file name a later segment of a set, so that naming it beside the first means the same set?"""
        return False


class VolumeScheme(Plugin):
    """A partition table, a volume manager, an encryption layer, a snapshot store."""

    kind = "volumes"
    order: ClassVar[int] = 0

    @abc.abstractmethod
    def matches(self, source: ByteSource, sector_size: int) -> bool:
        """Does this source hold one? Must say no to what another scheme or a file system only resembles."""

    @abc.abstractmethod
    def volumes(
        self, sources: tuple[ByteSource, ...], credentials: tuple[Credential, ...], sector_size: int
    ) -> Iterator[Volume | Problem]:
        """The volumes in the first source, in the table's order; the others are all further open sources.

        The engine checks overlaps, ends and emptiness and numbers them; the plugin reports what is wrong with
        the table itself. Areas that hold the table are yielded with role ``table``.
        """


class FileSystem(Plugin):
    """One instance per volume and process."""

    kind = "filesystems"
    order: ClassVar[int] = 0
    facts: FileSystemFacts

    @abc.abstractmethod
    def matches(self, volume: Volume) -> bool:
        """Open it: true and ``facts`` set if it is this kind of file system."""

    @abc.abstractmethod
    def entries(self, avoid: frozenset[str]) -> Iterator[FileEntry | Problem]:
        """Everything listed, live then deleted then orphans, in an order that depends on the evidence alone.

        Locators carry exhibit "" and volume ""; the engine stamps them. ``avoid`` holds texts of locators whose
        touch killed a worker: leave them out. Slack is yielded as an entry of its own right after its file.
        """

    @abc.abstractmethod
    def open(self, entry: FileEntry) -> ByteSource:
        """The content of an entry of this volume."""

    @abc.abstractmethod
    def entry(self, locator: Locator) -> FileEntry:
        """The entry that a locator without steps names, found without listing the volume. Raises Misuse if none."""

    def sibling(self, entry: FileEntry, name: str) -> FileEntry | None:
        """The live file called ``name`` in the folder of ``entry``."""
        return None

    def used(self) -> Iterator[tuple[int, int]] | None:
        """Ranges (offset in the volume, length) that the allocation map marks used, ascending; None if it has none
        or it cannot be read (then a problem was listed)."""
        return None


class Identity(NamedTuple):
    """What a content is."""

    mime: str
    #: What the name claims (an extension) where the bytes say otherwise; empty where they agree or nobody can tell.
    mismatch: str = ""


class Identifier(Plugin):
    """Tells the type of a content from its first bytes."""

    kind = "identifiers"

    @abc.abstractmethod
    def identify(self, head: bytes, name: str, known: str = "") -> Identity:
        """``head``: the first 64 KiB or all there are. ``name``: the file's name, as evidence gives it. ``known``: the
        MIME type that this plugin gave for an equal content, if it did: only the name is to be looked at then."""


class Unpacker(Plugin):
    """Archives, mail boxes, decoders, carvers: what finds entries inside a content."""

    kind = "unpackers"
    #: Short name in locators: ``!zip:member``.
    label: ClassVar[str]

    @abc.abstractmethod
    def wants(self, content: Content) -> bool:
        """Look at type, name and the first bytes only. Called for whole contents only."""

    @abc.abstractmethod
    def unpack(self, content: Content, credentials: tuple[Credential, ...]) -> Iterator[Member | Problem]:
        """The members in the container's order. Budgets (depth, count, bytes, ratio, time) are the engine's."""


class Artefact(Plugin):
    """A parser of one kind of file."""

    kind = "artefacts"
    #: Patterns of ``/path`` in any case, ``*`` crosses folders. Empty: any name.
    paths: ClassVar[tuple[str, ...]] = ()
    #: (offset, bytes) of which one must be there. Empty: any content. Where both are given, both must fit.
    signatures: ClassVar[tuple[tuple[int, bytes], ...]] = ()

    @abc.abstractmethod
    def parse(self, content: Content) -> Iterator[Record | At | Problem]:
        """Records in the order of the file. Raises NotThisFormat, Damaged, Unsupported; what came before is kept."""


class Scanner(Plugin):
    """Looks for something in every content. One instance per plan and worker."""

    kind = "scanners"
    stage: ClassVar[Stage]
    #: False where a window can give other hits than the whole content would: such scans count as partial.
    exact_in_windows: ClassVar[bool] = True

    @abc.abstractmethod
    def plan(self, options: Mapping[str, Any], cache: Path) -> Iterable[Plan]:
        """What to look for, compiled into ``cache``. One plan per list or rule source, so that a late one can
        run alone; none where the options name nothing. Raises Misuse for input that cannot be used."""

    @abc.abstractmethod
    def prepare(self, plan: Plan) -> None:
        """Load the plan. Once a worker."""

    @abc.abstractmethod
    def scan(self, content: Content) -> Iterator[Record | At | Problem]:
        """Hits that start before the margin. Raises TimedOut after ``plan.timeout``; what came before is kept."""


class Report(Plugin):
    """Writes the canonical facts of a case in one form."""

    kind = "reports"
    #: Names for ``report --template`` / ``export --format``.
    formats: ClassVar[tuple[str, ...]] = ()

    @abc.abstractmethod
    def write(self, facts: Path, out: Path) -> Iterator[Path]:
        """Write into the folder ``out``; yields each file written. ``facts`` is the folder that holds
        ``report.json`` and its lists. Same facts, same bytes."""


KINDS: tuple[type[Plugin], ...] = (Image, VolumeScheme, FileSystem, Identifier, Unpacker, Artefact, Scanner, Report)
