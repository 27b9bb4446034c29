"""The case file: one SQLite database with one writer and many readers, in a folder of its own.

    case.db   store/   temp/   reports/   cache/

Entries are kept once per locator, contents once per digest, findings once per content (or per entry where the
result depends on it). What a pass has done is committed shard by shard, so that stopping it at any moment
leaves a case that ``--resume`` brings to the same end. Reading is in `queries`.
"""

import contextlib
import datetime
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from forensic_kit import audit
from forensic_kit.errors import CaseError, CaseFull
from forensic_kit.model import (
    Digests,
    FileEntry,
    Finding,
    Problem,
    StageOutcome,
)

SCHEMA_VERSION = 1
FOLDERS = ("store", "temp", "reports", "cache")


class Result(msgspec.Struct):
    """What a worker found out about one entry. Sent once per entry, members after their container."""

    entry: FileEntry
    container: str = ""  #: locator of the entry this one was unpacked from
    digests: Digests | None = None
    subject: str = ""  #: identity of the content for sharing results; empty where there is none
    mime: str = ""
    extension: str = ""
    own: list[StageOutcome] = []
    #: Stages shared by all holders of the content; None where another entry's result was there already.
    shared: list[StageOutcome] | None = None
    own_findings: list[Finding] = []
    shared_findings: list[Finding] = []
    own_problems: list[Problem] = []
    shared_problems: list[Problem] = []


class Todo(NamedTuple):
    """An entry that a pass has yet to look at."""

    id: int
    locator: str
    size: int
    entry: bytes
    content_state: str


class Case:
    """An open case. Use as a context manager; ``writable`` takes the one writer lock."""

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self.folder = folder
        self._lock = _WriterLock(folder / "case.lock") if writable else None
        uri = f"{(folder / 'case.db').absolute().as_uri()}?mode={'rw' if writable else 'ro'}"
        try:
            self.db = sqlite3.connect(uri, uri=True, isolation_level=None)
            self._check_version()
        except sqlite3.Error as error:
            raise CaseError(f"{folder}: the case file cannot be opened: {error}. Is it a case folder?") from error
        self.db.execute("PRAGMA foreign_keys=OFF")
        self.db.execute("PRAGMA synchronous=NORMAL")
        self.db.execute("PRAGMA cache_size=-65536")
        self._stage_sets: dict[str, int] = {}

    def __enter__(self) -> "Case":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give up the database and the lock."""
        self.db.close()
        if self._lock:
            self._lock.release()

    def _check_version(self) -> None:
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise CaseError(
                f"{self.folder}: this case has schema {version}; this version of forensic-kit reads schema "
                f"{SCHEMA_VERSION}. Use the version that made it, or a newer one."
            )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Raises CaseFull when the disk of the case refuses the write."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            yield self.db
            self.db.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):  # the first error is the one to tell
                self.db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise CaseFull(
                    f"{self.folder}: the case cannot be written: {error}. Make room on its disk, then use --resume."
                ) from error
            raise

    # --- runs and audit ---------------------------------------------------------------------------------------

    def record(self, operator: str, action: str, details: dict[str, Any]) -> audit.Head:
        """Enter an action in the audit log."""
        with self.transaction() as db:
            return audit.append(db, operator, action, details)

    def start_run(self, plan: dict[str, Any], facts: dict[str, Any]) -> int:
        """Begin a pass; its number."""
        with self.transaction() as db:
            row = db.execute(
                "INSERT INTO runs(status, plan, facts) VALUES('running', ?, ?)", (_json(plan), _json(facts))
            )
            run = int(row.lastrowid or 0)
            audit.append(db, facts["operator"], "run started", {"run": run, "plan": plan, **facts})
        return run

    def finish_run(self, run: int, facts: dict[str, Any]) -> audit.Head:
        """End a pass; the head of the audit log."""
        with self.transaction() as db:
            db.execute("UPDATE runs SET status = 'finished', facts = ? WHERE id = ?", (_json(facts), run))
            return audit.append(db, facts["operator"], "run finished", {"run": run, "exit": facts["exit"]})

    def last_run(self) -> tuple[int, str, dict[str, Any], dict[str, Any]] | None:
        """Number, status, plan and facts of the newest pass."""
        row = self.db.execute("SELECT id, status, plan, facts FROM runs ORDER BY id DESC LIMIT 1").fetchone()
        return (row[0], row[1], json.loads(row[2]), json.loads(row[3])) if row else None

    def runs(self) -> list[tuple[int, str, dict[str, Any], dict[str, Any]]]:
        """All passes in order: number, status, plan, facts."""
        rows = self.db.execute("SELECT id, status, plan, facts FROM runs ORDER BY id")
        return [(row[0], row[1], json.loads(row[2]), json.loads(row[3])) for row in rows]

    # --- evidence ---------------------------------------------------------------------------------------------

    def add_evidence(self, name: str, paths: list[str], facts: dict[str, Any], volumes: list[dict[str, Any]]) -> int:
        """Keep an exhibit and its volumes; the exhibit's number. The same exhibit again keeps its number."""
        with self.transaction() as db:
            db.execute(
                "INSERT INTO evidence(name, paths, facts) VALUES(?, ?, ?) "
                "ON CONFLICT(name) DO UPDATE SET paths = excluded.paths",
                (name, _json(paths), _json(facts)),
            )
            number = int(db.execute("SELECT id FROM evidence WHERE name = ?", (name,)).fetchone()[0])
            for volume in volumes:
                db.execute(
                    "INSERT OR IGNORE INTO volumes(evidence, number, facts) VALUES(?, ?, ?)",
                    (number, volume["number"], _json(volume)),
                )
        return number

    def exhibits(self) -> dict[str, tuple[int, list[str], dict[str, Any]]]:
        """All exhibits by name: number, paths, facts."""
        rows = self.db.execute("SELECT name, id, paths, facts FROM evidence ORDER BY name")
        return {row[0]: (row[1], json.loads(row[2]), json.loads(row[3])) for row in rows}

    def volumes(self, evidence: int) -> list[tuple[int, str, bool]]:
        """The volumes of an exhibit: key, number, whether the listing is complete."""
        rows = self.db.execute("SELECT id, number, listed FROM volumes WHERE evidence = ? ORDER BY id", (evidence,))
        return [(row[0], row[1], bool(row[2])) for row in rows]

    def add_verification(self, evidence: int, run: int, moment: str, facts: dict[str, Any]) -> None:
        """Keep what recomputing an exhibit's digests gave."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO verifications VALUES(?, ?, ?, ?)", (evidence, run, moment, _json(facts)))

    def verification(self, evidence: int, run: int, moment: str) -> dict[str, Any] | None:
        """What recomputing gave, if it was done in this pass."""
        row = self.db.execute(
            "SELECT facts FROM verifications WHERE evidence = ? AND run = ? AND moment = ?", (evidence, run, moment)
        ).fetchone()
        return json.loads(row[0]) if row else None

    # --- listing ----------------------------------------------------------------------------------------------

    def clear_listing(self, volume: int) -> None:
        """Forget a listing that was not finished."""
        with self.transaction() as db:
            db.execute("DELETE FROM entries WHERE volume = ?", (volume,))

    def add_listing(self, volume: int, entries: Iterable[FileEntry], states: Iterable[tuple[str, str]]) -> None:
        """Keep entries as they are listed (alike locators are numbered in the order in which they come), and the
        content states (locator, state) that only the whole volume could tell."""
        with self.transaction() as db:
            for entry in entries:
                _insert_entry(db, volume, entry, None)
            db.executemany(
                "UPDATE entries SET content_state = ? WHERE locator = ?",
                ((state, locator) for locator, state in states),
            )

    def set_account(self, volume: int, account: dict[str, int]) -> None:
        """Keep how the bytes of a volume divide."""
        with self.transaction() as db:
            db.execute(
                "UPDATE volumes SET facts = json_set(facts, '$.account', json(?)) WHERE id = ?",
                (_json(account), volume),
            )

    def finish_listing(self, volume: int, problems: list[Problem], run: int) -> None:
        """Mark a listing as complete."""
        with self.transaction() as db:
            for problem in problems:
                add_problem(db, problem, run)
            db.execute("UPDATE volumes SET listed = 1 WHERE id = ?", (volume,))

    # --- examination ------------------------------------------------------------------------------------------

    def pass_over(self, volume: int, run: int, kinds: tuple[str, ...], outcomes: Iterable[StageOutcome]) -> None:
        """Give entries that no worker needs to look at their outcome."""
        with self.transaction() as db:
            stages = self.stage_set(db, outcomes)
            marks = ",".join("?" * len(kinds))
            db.execute(
                f"INSERT OR IGNORE INTO entry_outcomes(entry, run, own) SELECT id, ?, ? FROM entries "
                f"WHERE volume = ? AND container IS NULL AND kind IN ({marks})",
                (run, stages, volume, *kinds),
            )

    def todo(self, volume: int, run: int) -> list[int]:
        """Keys of the top-level entries of a volume that this pass has not looked at, in physical order."""
        rows = self.db.execute(
            "SELECT id FROM entries WHERE volume = ? AND container IS NULL AND NOT EXISTS "
            "(SELECT 1 FROM entry_outcomes WHERE entry = entries.id AND run = ?) "
            "ORDER BY ifnull(place, -1), locator",
            (volume, run),
        )
        return [row[0] for row in rows]

    def entries_by_key(self, keys: list[int]) -> list[Todo]:
        """These entries, in the order of ``keys``."""
        marks = ",".join("?" * len(keys))
        rows = self.db.execute(
            f"SELECT id, locator, size, entry, content_state FROM entries WHERE id IN ({marks})", keys
        )
        found = {row[0]: Todo(*row) for row in rows}
        return [found[key] for key in keys]

    def commit(self, run: int, units: str, volume: int, results: Iterable[Result], problems: Iterable[Problem]) -> None:
        """Keep everything one shard gave, in one transaction.

        Args: units: identity of the set of plugins and plans whose results are shared by content.
        """
        with self.transaction() as db:
            for result in results:
                self._commit_result(db, run, units, volume, result)
            for problem in problems:
                add_problem(db, problem, run)

    def _commit_result(self, db: sqlite3.Connection, run: int, units: str, volume: int, result: Result) -> None:
        key = self._entry_key(db, volume, result)
        content = self._content_key(db, result)
        if content is not None:
            db.execute(
                "UPDATE entries SET content = ?, extension = ? WHERE id = ?", (content, result.extension or None, key)
            )
            if result.shared is not None:
                db.execute(
                    "INSERT OR IGNORE INTO content_outcomes VALUES(?, ?, ?)",
                    (content, units, self.stage_set(db, result.shared)),
                )
        db.execute(
            "INSERT OR REPLACE INTO entry_outcomes(entry, run, own) VALUES(?, ?, ?)",
            (key, run, self.stage_set(db, result.own)),
        )
        for finding in result.own_findings:
            _add_finding(db, finding, run, None, key)
        for finding in result.shared_findings:
            _add_finding(db, finding, run, content, None)
        for problem in result.own_problems:
            add_problem(db, problem, run, entry=key)
        for problem in result.shared_problems:
            add_problem(db, problem, run, content=content)

    def _entry_key(self, db: sqlite3.Connection, volume: int, result: Result) -> int:
        """The entry's key; a member met for the first time is kept."""
        locator = str(result.entry.locator)
        row = db.execute("SELECT id FROM entries WHERE locator = ?", (locator,)).fetchone()
        if row:
            return int(row[0])
        container = db.execute("SELECT id FROM entries WHERE locator = ?", (result.container,)).fetchone()
        return _insert_entry(db, volume, result.entry, container[0] if container else None)

    def _content_key(self, db: sqlite3.Connection, result: Result) -> int | None:
        if result.digests is None:
            return None
        subject = result.subject or result.digests.sha256
        row = db.execute("SELECT id, mime FROM contents WHERE subject = ?", (subject,)).fetchone()
        if row:
            if result.mime and not row[1]:  # first met as space, which has no type
                db.execute("UPDATE contents SET mime = ? WHERE id = ?", (result.mime, row[0]))
            return int(row[0])
        digests = result.digests
        cursor = db.execute(
            "INSERT INTO contents(subject, md5, sha1, sha256, size, mime) VALUES(?, ?, ?, ?, ?, ?)",
            (subject, digests.md5, digests.sha1, digests.sha256, result.entry.size, result.mime),
        )
        return int(cursor.lastrowid or 0)

    def stage_set(self, db: sqlite3.Connection, stages: Iterable[StageOutcome]) -> int:
        """The key of a set of stage outcomes; there are few different ones, however many entries."""
        text = _json([[item.stage, item.outcome, item.reason] for item in sorted(stages)])
        key = self._stage_sets.get(text)
        if key is None:
            db.execute("INSERT OR IGNORE INTO stage_sets(text) VALUES(?)", (text,))
            key = int(db.execute("SELECT id FROM stage_sets WHERE text = ?", (text,)).fetchone()[0])
            self._stage_sets[text] = key
        return key

    def forget_stage_sets(self) -> None:
        """After a transaction was rolled back: the keys handed out in it are not there any more."""
        self._stage_sets.clear()

    def add_plan(
        self, run: int, digest: str, facts: dict[str, Any], items: Iterable[tuple[str, str, str, str]]
    ) -> None:
        """Keep what a scanner was asked to look for: (id, text, kind, source) of every term or rule."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO plans VALUES(?, ?, ?)", (run, digest, _json(facts)))
            db.executemany(
                "INSERT OR IGNORE INTO plan_items VALUES(?, ?, ?, ?, ?)", ((digest, *item) for item in items)
            )


# --- rows -----------------------------------------------------------------------------------------------------


def _insert_entry(db: sqlite3.Connection, volume: int, entry: FileEntry, container: int | None) -> int:
    place = next((start for start, _ in entry.runs or () if start >= 0), None)
    times = [
        None if moment is None else moment.sort_ns
        for moment in (entry.modified, entry.accessed, entry.changed, entry.born, entry.deleted)
    ]
    while True:
        cursor = db.execute(
            "INSERT OR IGNORE INTO entries(volume, container, locator, kind, size, content_state, place, "
            "modified, accessed, changed, born, deleted, entry) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                volume,
                container,
                str(entry.locator),
                entry.kind,
                entry.size,
                entry.content_state,
                place,
                *times,
                msgspec.msgpack.encode(entry),
            ),
        )
        if cursor.rowcount:
            return int(cursor.lastrowid or 0)
        entry = _next_repeat(entry)


def _next_repeat(entry: FileEntry) -> FileEntry:
    locator = msgspec.structs.replace(entry.locator, repeat=entry.locator.repeat + 1)
    return msgspec.structs.replace(entry, locator=locator)


def _add_finding(db: sqlite3.Connection, finding: Finding, run: int, content: int | None, entry: int | None) -> None:
    cursor = db.execute(
        "INSERT OR IGNORE INTO findings(id, content, entry, type, plugin, version, place, offset, record, whole, run) "
        "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            finding.id,
            content,
            entry,
            finding.type,
            finding.plugin,
            finding.version,
            finding.where,
            finding.offset,
            _json(finding.record),
            finding.whole,
            run,
        ),
    )
    if cursor.rowcount:
        db.executemany(
            "INSERT OR IGNORE INTO events VALUES(?, ?, ?, ?)",
            (
                (cursor.lastrowid, event.meaning, event.moment.sort_ns, msgspec.msgpack.encode(event.moment))
                for event in finding.events
            ),
        )


def add_problem(
    db: sqlite3.Connection, problem: Problem, run: int, *, content: int | None = None, entry: int | None = None
) -> None:
    """Keep a problem; the same one again counts once."""
    db.execute(
        "INSERT OR IGNORE INTO problems(content, entry, severity, stage, plugin, locator, error, message, offset, run) "
        "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            content,
            entry,
            problem.severity,
            problem.stage,
            problem.plugin,
            "" if content or entry else problem.locator,
            problem.error,
            problem.message,
            problem.offset,
            run,
        ),
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


# --- making and locking ---------------------------------------------------------------------------------------


def create(folder: Path, operator: str) -> Case:
    """A new, empty case in ``folder``, which must not exist or be empty."""
    ours = {"case.db.new", "case.db.new-journal", *FOLDERS}  # what a run killed at its very start leaves
    if folder.exists() and any(path.name not in ours for path in folder.iterdir()):
        raise CaseError(f"{folder}: not empty and not a case. Name a new folder with --case.")
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "case.db.new"
    unfinished.unlink(missing_ok=True)
    db = sqlite3.connect(unfinished)
    try:
        db.executescript(audit.SCHEMA + (Path(__file__).parent / "case.sql").read_text(encoding="utf-8"))
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        db.execute("INSERT INTO meta VALUES('created', ?)", (now,))
        audit.append(db, operator, "case created", {"schema": SCHEMA_VERSION})
        db.commit()
    except sqlite3.OperationalError as error:
        raise CaseFull(f"{folder}: the case cannot be written: {error}. Make room on its disk.") from error
    finally:
        db.close()
    for name in FOLDERS:
        (folder / name).mkdir(exist_ok=True)
    unfinished.replace(folder / "case.db")
    return open_case(folder, writable=True)


def exists(folder: Path) -> bool:
    """Is there a case in this folder?"""
    return (folder / "case.db").is_file()


def open_case(folder: Path, *, writable: bool = False) -> Case:
    """The case in ``folder``. Opening it to write sweeps what a killed run left in ``temp``."""
    if not exists(folder):
        raise CaseError(f"{folder}: there is no case here (no case.db). Check the path, or make one with `run --case`.")
    case = Case(folder, writable=writable)
    if writable:
        # Readers and the one writer do not wait for each other in WAL; where it can't work (network shares)
        # SQLite answers with another mode and a rollback journal does.
        case.db.execute("PRAGMA journal_mode=WAL")
        for name in FOLDERS:
            (folder / name).mkdir(exist_ok=True)
        for left in (folder / "temp").iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    return case


class _WriterLock:
    """Only one program writes a case at a time. The lock is the operating system's: it ends with its holder."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(self._file, msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            raise CaseError(
                f"{path.parent}: another command is writing this case. Wait until it has ended, then try again."
            ) from error

    def release(self) -> None:
        os.close(self._file)
