"""What a worker process does: everything that touches evidence or a format library.

The supervisor calls `start` once in the new process and then the `Worker` for each item. A task's name is the
kind of its shard; what goes in and out is msgpack of the types below.
"""

import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from forensic_kit import api, evidence, lookup, registry
from forensic_kit.bytesource import FileSource
from forensic_kit.content import Hasher, fault_text, pieces_of
from forensic_kit.errors import EvidenceLost, ForensicError, Misuse
from forensic_kit.examine import Announce, Examiner
from forensic_kit.formats import sidecar
from forensic_kit.model import Account, FileEntry, Locator, Problem
from forensic_kit.profile import Profile

Emit = Callable[[bytes], None]
_BATCH: Final = 1000
_pack = msgspec.msgpack.Encoder().encode
_SEEN: Final = (
    "SELECT mime FROM contents JOIN content_outcomes ON content = contents.id WHERE subject = ? AND units = ?"
)


class Setup(msgspec.Struct):
    """What every worker of a run knows from the start. Travels through the pipe: it holds secrets."""

    exhibits: dict[str, str]  #: name: absolute path
    profile: Profile
    temp: str
    plugin_folders: list[str] = []
    skip: list[str] = []  #: names of plugins that are not to be used
    credentials: list[api.Credential] = []
    case: str = ""  #: the database to ask for results already there; empty: never ask
    work: str = ""  #: file with the `Work`, written before the first ``examine``


class Work(msgspec.Struct):
    """What a pass looks for, by exhibit."""

    plans: list[api.Plan]
    #: Exhibit: digests of the plans to run over it.
    todo: dict[str, list[str]]
    #: Exhibits whose artefacts are parsed in this pass (else they were in an earlier one).
    parse: list[str]
    #: Identity of the set of shared plans, by exhibit.
    units: dict[str, str]
    #: Paths of all files of each exhibit as they were when the pass began.
    paths: dict[str, list[str]]


class Planned(msgspec.Struct):
    """In: which scanner, with which options, into which folder. Out: its plans, or what is wrong."""

    plugin: str
    options: dict[str, Any]
    cache: str


class Failure(msgspec.Struct):
    """A task that could not be done, in place of its result."""

    error: str
    message: str
    exit_code: int


class Batch(msgspec.Struct):
    """A part of a listing."""

    entries: list[FileEntry] = []
    problems: list[Problem] = []
    states: list[tuple[str, str]] = []
    #: The last batch says how the bytes divide.
    account: Account | None = None


class Verified(msgspec.Struct, tag=True):
    """The digests of a decoded disk and of its files as they lie on disk where a sidecar speaks of those."""

    md5: str
    sha1: str
    sha256: str
    size: int
    #: name: {algorithm: digest} of files that a sidecar names.
    files: dict[str, dict[str, str]] = {}
    #: [algorithm, value, origin, covers, filename] of every stored digest.
    stored: list[tuple[str, str, str, str, str]] = []
    unreadable: str = ""


class Progress(msgspec.Struct, tag=True):
    """Bytes done so far within one long task."""

    bytes: int


def start(setup: bytes) -> "Worker":
    """Called by the supervisor in the new process."""
    return Worker(msgspec.msgpack.decode(setup, type=Setup))


class Worker:
    """One process's share of a run."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._temp = Path(setup.temp)
        self._registry = registry.load(map(Path, setup.plugin_folders), skip=setup.skip)
        self._opened: dict[str, evidence.OpenEvidence] = {}
        self._examiners: dict[str, Examiner] = {}
        self._case: sqlite3.Connection | None = None
        self._in_pass = False
        self._tasks: dict[str, Callable[[bytes, frozenset[str], Announce, Emit], None]] = {
            "open": self._open,
            "plan": self._plan,
            "verify": self._verify,
            "list": self._list,
            "examine": self._examine,
            "read": self._read,
            "parse": self._parse,
        }

    def __call__(
        self, kind: str, key: str, payload: bytes, avoid: frozenset[str], announce: Announce, emit: Emit
    ) -> None:
        """Do one item."""
        self._in_pass = kind in ("list", "examine", "verify") and bool(self._setup.work)
        self._tasks[kind](payload, avoid, announce, emit)

    def _evidence(self, name: str) -> evidence.OpenEvidence:
        """An exhibit, opened once in this process. Raises EvidenceLost where a pass has begun and it is not as it was:
        its storage went away, and nothing may be read as if it were empty."""
        if name not in self._opened and self._in_pass:
            try:
                opened = self._open_exhibit(name)
            except Misuse as error:
                raise EvidenceLost(f"{error.message} It could be opened before; then use --resume.") from error
            if opened.facts["paths"] != self._work.paths[name]:
                raise EvidenceLost(
                    f"{name}: files of this exhibit that were there when the pass began are not there now. "
                    "Check the storage that holds the evidence, then use --resume."
                )
        return self._open_exhibit(name)

    def _open_exhibit(self, name: str) -> evidence.OpenEvidence:
        if name not in self._setup.exhibits:
            known = ", ".join(self._setup.exhibits)
            raise Misuse(f"no exhibit is called {name!r} here. There is: {known}. --exhibit NAME=PATH names one.")
        if name not in self._opened:
            self._opened[name] = evidence.open_evidence(
                self._registry,
                name,
                Path(self._setup.exhibits[name]),
                self._secrets(name),
            )
        return self._opened[name]

    def _secrets(self, exhibit: str) -> tuple[api.Credential, ...]:
        """Those for all exhibits and those for this one."""
        return tuple(item for item in self._setup.credentials if item.exhibit in ("", exhibit))

    # --- before the pass --------------------------------------------------------------------------------------

    def _open(self, payload: bytes, _avoid: frozenset[str], _announce: Announce, emit: Emit) -> None:
        """Facts of an exhibit, as JSON."""
        emit(_or_failure(lambda: msgspec.json.encode(self._evidence(payload.decode()).facts)))

    def _plan(self, payload: bytes, _avoid: frozenset[str], _announce: Announce, emit: Emit) -> None:
        asked = msgspec.msgpack.decode(payload, type=Planned)
        plugin = self._registry.get(asked.plugin, api.Scanner)()
        emit(_or_failure(lambda: _pack(list(plugin.plan(asked.options, Path(asked.cache))))))

    def _verify(self, payload: bytes, _avoid: frozenset[str], _announce: Announce, emit: Emit) -> None:
        opened = self._evidence(payload.decode())
        source = opened.source
        source.faults.drain()
        hasher = Hasher()
        done = 0
        for piece in pieces_of(source):
            hasher.update(piece)
            done += len(piece)
            emit(_pack(Progress(done)))
        digests = hasher.digests
        first = FileSource(opened.path)
        beside = sidecar.find(first, opened.evidence.segments or (first.name,))
        own = [
            (algorithm, value, f"stored in the {opened.evidence.format} image", "content", "")
            for algorithm, value in sorted(opened.evidence.stored_digests.items())
        ]
        stored = own + [(item.algorithm, item.value, item.origin, item.covers, item.filename) for item in beside]
        files = {name: _file_digests(opened.path.parent / name) for _, _, _, covers, name in stored if covers == "file"}
        faults = source.faults.drain()
        text = fault_text(faults) if faults else ""
        emit(_pack(Verified(digests.md5, digests.sha1, digests.sha256, source.size, files, stored, text)))

    # --- the pass ---------------------------------------------------------------------------------------------

    def _list(self, payload: bytes, avoid: frozenset[str], announce: Announce, emit: Emit) -> None:
        name, number = msgspec.msgpack.decode(payload, type=tuple[str, str])
        opened = self._evidence(name)
        source = opened.source_of(number)
        source.faults.drain()
        batch, count = Batch([], [], []), 0
        with tempfile.TemporaryFile(dir=self._temp) as spool:
            for item in opened.listing(number, avoid, spool):
                if isinstance(item, FileEntry):
                    batch.entries.append(item)
                    if item.kind == "directory":
                        # What comes next lies in it: a crash or a hang is this directory's.
                        announce(str(item.locator), self._setup.profile.budgets.seconds)
                elif isinstance(item, Account):
                    batch.account = item
                elif isinstance(item, Problem):
                    batch.problems.append(item)
                else:
                    batch.states.append(item)
                count += 1
                if count % _BATCH == 0:
                    emit(_pack(batch))
                    batch = Batch([], [], [])
        faults = source.faults.drain()
        if faults:
            text = f"metadata lies in parts that cannot be read, names may be missing: {fault_text(faults)}"
            place = f"{name}/v{number}"
            batch.problems.append(Problem("gap", text, "unreadable", faults[0].offset, "list", "", place))
        emit(_pack(batch))

    def _examine(self, payload: bytes, avoid: frozenset[str], announce: Announce, emit: Emit) -> None:
        entry = msgspec.msgpack.decode(payload, type=FileEntry)
        for result in self._examiner(entry.locator.exhibit).examine(entry, avoid, announce):
            emit(_pack(result))

    def _examiner(self, exhibit: str) -> Examiner:
        if exhibit not in self._examiners:
            work = self._work
            wanted = set(work.todo.get(exhibit, []))
            self._examiners[exhibit] = Examiner(
                self._registry,
                self._setup.profile,
                self._temp,
                evidence=self._evidence,
                scanners=[(plan, self._scanner(plan)) for plan in work.plans if plan.digest in wanted],
                seen=lambda subject: self._seen(subject, work.units.get(exhibit, "")),
                parse=exhibit in work.parse,
                credentials=self._secrets(exhibit),
            )
        return self._examiners[exhibit]

    @cached_property
    def _work(self) -> Work:
        return msgspec.msgpack.decode(Path(self._setup.work).read_bytes(), type=Work)

    @cached_property
    def _prepared(self) -> dict[str, api.Scanner]:
        return {}

    def _scanner(self, plan: api.Plan) -> api.Scanner:
        """Loaded once a worker, whatever the number of exhibits."""
        if plan.digest not in self._prepared:
            scanner = self._registry.get(plan.plugin, api.Scanner)()
            scanner.prepare(plan)
            self._prepared[plan.digest] = scanner
        return self._prepared[plan.digest]

    def _seen(self, subject: str, units: str) -> str | None:
        """The type of a content whose shared result is committed, else None. Not to know costs time, never a result."""
        if not self._setup.case:
            return None
        if self._case is None:
            uri = f"{Path(self._setup.case).as_uri()}?mode=ro"
            self._case = sqlite3.connect(uri, uri=True, timeout=0.2, isolation_level=None)
        with suppress(sqlite3.OperationalError):  # locked, where the case cannot use WAL
            row = self._case.execute(_SEEN, (subject, units)).fetchone()
            return row[0] if row else None
        return None

    # --- looking in without a case ----------------------------------------------------------------------------

    def _read(self, payload: bytes, _avoid: frozenset[str], _announce: Announce, emit: Emit) -> None:
        """The bytes of one locator, piece by piece."""
        text, known = msgspec.msgpack.decode(payload, type=tuple[str, bytes])
        entry = msgspec.msgpack.decode(known, type=FileEntry) if known else None
        try:
            locator = Locator.parse(text)
            opened = self._evidence(locator.exhibit)
            secrets = self._secrets(locator.exhibit)
            for piece in lookup.pieces(opened, self._registry, locator, self._temp, secrets, entry):
                emit(b"+" + piece)
        except ForensicError as error:
            emit(b"-" + _failure(error))

    def _parse(self, payload: bytes, _avoid: frozenset[str], _announce: Announce, emit: Emit) -> None:
        path, wanted = msgspec.msgpack.decode(payload, type=tuple[str, str])
        emit(_or_failure(lambda: _pack(lookup.parse_file(self._registry, Path(path), wanted, self._temp))))


def _or_failure(call: Callable[[], bytes]) -> bytes:
    """A task's result with a leading byte that says whether it is one."""
    try:
        return b"+" + call()
    except ForensicError as error:
        return b"-" + _failure(error)


def _failure(error: ForensicError) -> bytes:
    return _pack(Failure(type(error).__name__, error.message, error.exit_code))


def _file_digests(path: Path) -> dict[str, str]:
    hasher = Hasher()
    for piece in pieces_of(FileSource(path)):
        hasher.update(piece)
    return msgspec.structs.asdict(hasher.digests)
