"""The hash-chained action log: each entry's hash covers the one before, so an edit, a deletion or a change of
order shows. A cut tail shows against the head hash and count that every command and report prints."""

import datetime
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forensic_kit.errors import Misuse

SCHEMA = """
CREATE TABLE audit(
    number INTEGER PRIMARY KEY,  -- 1, 2, 3 ... without gaps
    time TEXT NOT NULL,          -- of this machine's clock, UTC
    operator TEXT NOT NULL,
    action TEXT NOT NULL,
    details TEXT NOT NULL,       -- JSON
    previous TEXT NOT NULL,      -- hash of the entry before; 64 zeros for the first
    hash TEXT NOT NULL           -- SHA-256 over the canonical JSON of all of the above
) STRICT;
CREATE TABLE audit_head(only INTEGER PRIMARY KEY CHECK(only = 1), count INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;
"""
_FIRST = "0" * 64
_FIELDS = ("number", "time", "operator", "action", "details", "previous")


@dataclass(frozen=True)
class Head:
    """The end of the chain: write it down to be able to show later that nothing was cut off."""

    count: int
    hash: str

    def __str__(self) -> str:
        return f"{self.count} entries, head {self.hash}"


def append(connection: sqlite3.Connection, operator: str, action: str, details: dict[str, Any]) -> Head:
    """Add one entry inside the caller's transaction, so that the log and what it records stand or fall together."""
    last = head(connection)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = json.dumps(details, ensure_ascii=False, sort_keys=True)
    row = (last.count + 1, now, operator, action, text, last.hash)
    digest = _hash(row)
    connection.execute("INSERT INTO audit VALUES(?, ?, ?, ?, ?, ?, ?)", (*row, digest))
    connection.execute("INSERT OR REPLACE INTO audit_head VALUES(1, ?, ?)", (last.count + 1, digest))
    return Head(last.count + 1, digest)


def head(connection: sqlite3.Connection) -> Head:
    """How many entries there are and the hash of the last one."""
    row = connection.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    return Head(*row) if row else Head(0, _FIRST)


def entries(connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """All entries in order, ``details`` as an object."""
    for row in connection.execute(
        "SELECT number, time, operator, action, details, previous, hash FROM audit ORDER BY 1"
    ):
        entry = dict(zip((*_FIELDS, "hash"), row, strict=True))
        entry["details"] = _object(entry["details"])
        yield entry


def faults(connection: sqlite3.Connection, expected: Head | None = None) -> list[str]:
    """What is wrong with the chain, in order; empty if nothing is.

    Args: expected: a head noted down earlier; the log must still contain it.
    """
    stored = connection.execute("SELECT count, hash FROM audit_head").fetchone()
    heads = [Head(*stored)] if stored else []
    if expected:
        heads.append(expected)
    found: list[str] = []
    previous, number = _FIRST, 0
    hashes = {}
    for row in connection.execute(
        "SELECT number, time, operator, action, details, previous, hash FROM audit ORDER BY 1"
    ):
        number += 1
        if row[0] != number:
            found.append(f"entry {number} is missing: the next one is numbered {row[0]}")
            number = row[0]
        if row[5] != previous:
            found.append(f"entry {row[0]} does not follow the entry before it: one was deleted, moved or rewritten")
        if _hash(row[:6]) != row[6]:
            found.append(f"entry {row[0]} was edited: its hash does not fit its text")
        previous = row[6]
        hashes.update({row[0]: row[6]} if any(row[0] == noted.count for noted in heads) else {})
    for noted in heads:
        if noted.count and noted.count not in hashes:
            found.append(
                f"the log ends at entry {number} and the head noted down is entry {noted.count}: its end was cut off"
            )
        elif noted.count and hashes[noted.count] != noted.hash:
            found.append(f"entry {noted.count} is not the one noted down: the log was rewritten from there or before")
    return list(dict.fromkeys(found))


def export(connection: sqlite3.Connection, path: Path) -> None:
    """Write the log as JSON Lines."""
    with path.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(entry, ensure_ascii=False, sort_keys=True) + "\n" for entry in entries(connection))


def parse_head(text: str) -> Head:
    """A head as commands print it: ``12 entries, head 3f...`` or ``12:3f...``. Raises Misuse if it is none."""
    count, _, digest = text.replace(" entries, head ", ":").partition(":")
    if not count.isdigit() or len(digest) != 64:
        raise Misuse(f"{text!r} is not the head of an audit log; it looks like 12:3f... with 64 hex digits.")
    return Head(int(count), digest.lower())


def _hash(row: tuple[Any, ...]) -> str:
    text = json.dumps(dict(zip(_FIELDS, row, strict=True)), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:  # edited by hand: shown as it stands, `faults` says so
        return text
