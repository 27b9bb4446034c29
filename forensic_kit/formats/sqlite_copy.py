"""Evidence SQLite databases, read twice: as the file stands alone, and with its -wal or -journal applied.

Works on copies only: SQLite writes to what it opens (it checkpoints and deletes the -wal, it rolls journals back).
Rows come with the state in which they exist:

- ``main``: in the database file, and still valid.
- ``wal``: only with the write-ahead log applied. ``superseded``: in the file, and changed or deleted by the log.
- ``journal``: only after the rollback that the journal asks for. ``uncommitted``: the unfinished change in the file.
- ``unknown``: one of the two readings broke off, so they could not be compared any further.

Limits: after a damaged page the rest of its table is not read; a database whose schema is torn gives nothing; frames
of the log behind its last commit, older versions of pages in it, free pages and free space inside pages are not looked
at. Source: sqlite.org, "Database File Format", chapters 1.3 (header), 3 (journal), 4 (WAL).
"""

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from forensic_kit.errors import CaseFull, Damaged, TimedOut
from forensic_kit.formats.layout import Layout

SIGNATURE: Final = b"SQLite format 3\0"
#: Names of companions are the database's plus one of these.
SUFFIXES: Final = ("-wal", "-journal")
#: (state of rows that only the companion brings, state of rows that it takes away)
_STATES: Final = {"-wal": ("wal", "superseded"), "-journal": ("journal", "uncommitted")}
#: Longest text or blob read, bytes.
_LONGEST: Final = 64 << 20
_STEPS: Final = 10_000  # of SQLite's virtual machine between two looks at the clock


#: Longest hole that stands in for the lost end of a torn file, bytes: it takes no room on disk.
_LARGEST: Final = 64 << 30
_HEADER = Layout(  # 1.3
    ">",
    _signature="16s",  # 0
    page_size="H",  # 16
    _formats="6s",  # 18
    changes="I",  # 24
    pages="I",  # 28
    _rest1="60s",  # 32
    valid_for="I",  # 92
    _version="4s",  # 96
)


class Row(NamedTuple):
    """One row of a query."""

    state: str
    values: dict[str, Any]


class Database:
    """The two readings of one database."""

    def __init__(self, alone: sqlite3.Connection, joined: sqlite3.Connection | None, suffix: str, short: int) -> None:
        #: Bytes that the file lacks of what its header says.
        self.short = short
        self._alone = alone
        self._joined = joined
        self._added, self._removed = _STATES.get(suffix, ("", ""))
        #: Columns of each ordinary table, by lower-case name, in the valid state. Views and virtual tables are left
        #: out: both run what the evidence says.
        self.tables = _tables(joined or alone)

    def rows(self, query: str, compared: Sequence[str]) -> Iterator[Row]:
        """The rows of ``query`` in both readings; its first column is a whole number that it is ordered by.

        Args: compared: the columns that make two rows of one number the same row.
        Raises: Damaged: SQLite gave up; what came before was given. TimedOut: see `opened`.
        """
        if self._joined is None:
            yield from (Row("main", values) for values in _select(self._alone, query))
            return
        before, after = _Cursor(self._alone, query), _Cursor(self._joined, query)
        while before.row is not None or after.row is not None:
            old, new = before.row, after.row
            if before.error or after.error:
                cursor = after if new is not None else before
                yield Row("unknown", cursor.take())
            elif old is not None and new is not None and before.key == after.key:
                before.take(), after.take()
                if all(old[name] == new[name] for name in compared):
                    yield Row("main", new)
                else:
                    yield Row(self._removed, old)
                    yield Row(self._added, new)
            elif new is None or (old is not None and before.key < after.key):
                yield Row(self._removed, before.take())
            else:
                yield Row(self._added, after.take())
        if error := after.error or before.error:
            raise error


class _Cursor:
    """One reading of a query, a row ahead; an error ends it and is kept."""

    def __init__(self, connection: sqlite3.Connection, query: str) -> None:
        self._rows = _select(connection, query)
        self.error: Damaged | None = None
        self.row: dict[str, Any] | None = None
        self._advance()

    @property
    def key(self) -> int:
        key = next(iter(self.row.values())) if self.row else 0
        return key if isinstance(key, int) else 0

    def take(self) -> dict[str, Any]:
        row = self.row or {}
        self._advance()
        return row

    def _advance(self) -> None:
        try:
            self.row = next(self._rows, None)
        except Damaged as error:
            self.row, self.error = None, error


@contextmanager
def opened(main: Path, companions: Mapping[str, Path], *, seconds: float = 60) -> Iterator[Database]:
    """The database in ``main`` with what stands beside it, by `SUFFIXES`.

    Args: main, companions: copies that may be written to and moved. seconds: longest time for all queries.
    Raises: Damaged: not readable as a database. CaseFull: no room for the second copy.
    """
    present = {suffix: path for suffix, path in companions.items() if path.stat().st_size}
    suffix = next((suffix for suffix in SUFFIXES if suffix in present), "")
    short = _padded(main)
    deadline = time.monotonic() + seconds
    with ExitStack() as stack:
        joined = None
        if suffix:
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=main.parent))
            copy = _beside(main, present, Path(folder))
            joined = stack.enter_context(_connected(f"file:{quote(str(copy))}?mode=rw", deadline))
        # immutable: SQLite looks at no companion and locks nothing.
        alone = stack.enter_context(_connected(f"file:{quote(str(main))}?mode=ro&immutable=1", deadline))
        yield Database(alone, joined, suffix, short)


def _padded(main: Path) -> int:
    """Lengthen a torn copy with a hole up to what its header says, since SQLite refuses a file that is too short.

    Returns: by how many bytes. Pages in the hole read as damaged when a query meets them.
    """
    with main.open("r+b") as file:
        head = file.read(_HEADER.size)
        size = file.seek(0, os.SEEK_END)
        if len(head) < _HEADER.size:
            return 0
        header = _HEADER.read(head)
        # 1.3.2: 1 stands for 65,536. 1.3.7: the page count is valid only while the two counters agree.
        wanted = (65_536 if header.page_size == 1 else header.page_size) * header.pages
        if header.changes != header.valid_for or not size < wanted <= _LARGEST:
            return 0
        file.truncate(wanted)
        return int(wanted - size)


def _beside(main: Path, companions: Mapping[str, Path], folder: Path) -> Path:
    copy = folder / "database"
    try:
        shutil.copyfile(main, copy)
        for suffix, path in companions.items():
            shutil.copyfile(path, folder / f"database{suffix}")
    except OSError as error:
        raise CaseFull(
            f"{folder}: the second copy of a database cannot be written: {error.strerror}. "
            "Make room on the disk of the case, then use --resume."
        ) from error
    return copy


@contextmanager
def _connected(uri: str, deadline: float) -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise Damaged(f"SQLite cannot open it: {error}") from error
    try:
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
        # The schema is the evidence's: its functions, views and triggers are not to be trusted. Despite its name,
        # writable_schema is what lets SQLite open a file that is shorter than its header says; nothing is written.
        for pragma in (
            "writable_schema=ON",
            "trusted_schema=OFF",
            "cell_size_check=ON",
            "query_only=ON",
            "mmap_size=0",
        ):
            for _ in _select(connection, f"PRAGMA {pragma}"):
                pass
        yield connection
    finally:
        connection.close()


def _select(connection: sqlite3.Connection, query: str) -> Iterator[dict[str, Any]]:
    try:
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description or ()]
        for row in cursor:
            yield dict(zip(names, row, strict=True))
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise TimedOut("reading this database took longer than its limit; what was read before is kept") from error
        raise Damaged(f"SQLite: {error}") from error
    except sqlite3.Error as error:
        raise Damaged(f"SQLite: {error}") from error


def _tables(connection: sqlite3.Connection) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
    for row in list(_select(connection, query)):
        name = row["name"]
        if isinstance(name, str):
            quoted = name.replace('"', '""')
            columns = [column["name"] for column in _select(connection, f'PRAGMA table_info("{quoted}")')]
            found[name.lower()] = frozenset(text.lower() for text in columns if isinstance(text, str))
    return found
