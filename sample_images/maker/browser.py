"""A Chromium history whose newest rows are in the -wal only."""

import contextlib
import sqlite3
import struct
import tempfile
from pathlib import Path
from typing import NamedTuple

_TO_1601 = 11_644_473_600
# The tables and columns of Chromium's components/history, as far as the exercise uses them.
_SCHEMA = """
CREATE TABLE meta(key LONGVARCHAR NOT NULL UNIQUE PRIMARY KEY, value LONGVARCHAR);
CREATE TABLE urls(id INTEGER PRIMARY KEY AUTOINCREMENT, url LONGVARCHAR, title LONGVARCHAR,
  visit_count INTEGER DEFAULT 0 NOT NULL, typed_count INTEGER DEFAULT 0 NOT NULL,
  last_visit_time INTEGER NOT NULL, hidden INTEGER DEFAULT 0 NOT NULL);
CREATE TABLE visits(id INTEGER PRIMARY KEY AUTOINCREMENT, url INTEGER NOT NULL, visit_time INTEGER NOT NULL,
  from_visit INTEGER, transition INTEGER DEFAULT 0 NOT NULL, segment_id INTEGER,
  visit_duration INTEGER DEFAULT 0 NOT NULL);
CREATE TABLE keyword_search_terms(keyword_id INTEGER NOT NULL, url_id INTEGER NOT NULL, term LONGVARCHAR NOT NULL,
  normalized_term LONGVARCHAR NOT NULL);
CREATE TABLE downloads(id INTEGER PRIMARY KEY, guid VARCHAR NOT NULL, current_path LONGVARCHAR NOT NULL,
  target_path LONGVARCHAR NOT NULL, start_time INTEGER NOT NULL, received_bytes INTEGER NOT NULL,
  total_bytes INTEGER NOT NULL, state INTEGER NOT NULL, danger_type INTEGER NOT NULL,
  interrupt_reason INTEGER NOT NULL, hash BLOB NOT NULL, end_time INTEGER NOT NULL, opened INTEGER NOT NULL,
  last_access_time INTEGER NOT NULL, transient INTEGER NOT NULL, referrer VARCHAR NOT NULL, site_url VARCHAR NOT NULL,
  tab_url VARCHAR NOT NULL, tab_referrer_url VARCHAR NOT NULL, http_method VARCHAR NOT NULL,
  by_ext_id VARCHAR NOT NULL, by_ext_name VARCHAR NOT NULL, etag VARCHAR NOT NULL, last_modified VARCHAR NOT NULL,
  mime_type VARCHAR(255) NOT NULL, original_mime_type VARCHAR(255) NOT NULL);
CREATE TABLE downloads_url_chains(id INTEGER NOT NULL, chain_index INTEGER NOT NULL, url LONGVARCHAR NOT NULL,
  PRIMARY KEY (id, chain_index));
INSERT INTO meta VALUES('version', '58'), ('last_compatible_version', '16');
"""


class Visit(NamedTuple):
    """One page seen."""

    when: int  #: seconds since 1970, UTC
    address: str
    title: str


class Download(NamedTuple):
    """One file fetched."""

    when: int
    address: str
    target: str
    size: int
    mime: str


def history(committed: list[Visit], pending: list[Visit], download: Download) -> tuple[bytes, bytes]:
    """The files ``History`` and ``History-wal``. ``pending`` stands in the second only, as after a crash."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "History")
        with contextlib.closing(sqlite3.connect(path)) as base:
            base.executescript("PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0;" + _SCHEMA)
            _add_visits(base, committed)
            _add_download(base, download)
            base.commit()
            base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            _add_visits(base, pending)
            base.commit()
            return path.read_bytes(), fixed_wal(Path(f"{path}-wal").read_bytes())


def _add_visits(base: sqlite3.Connection, visits: list[Visit]) -> None:
    for visit in visits:
        when = _webkit(visit.when)
        row = base.execute(
            "INSERT INTO urls(url, title, visit_count, last_visit_time) VALUES(?, ?, 1, ?)",
            (visit.address, visit.title, when),
        )
        # Transition 1 is "typed", 0x30000000 marks start and end of a chain: ui/base/page_transition_types.h.
        base.execute(
            "INSERT INTO visits(url, visit_time, from_visit, transition, visit_duration) VALUES(?, ?, 0, ?, ?)",
            (row.lastrowid, when, 0x30000001, 42_000_000),
        )


def _add_download(base: sqlite3.Connection, download: Download) -> None:
    start = _webkit(download.when)
    complete = 1
    fixed = (complete, 0, 0, b"", start + 2_000_000, 0, 0, 0)
    base.execute(
        f"INSERT INTO downloads VALUES({','.join('?' * 26)})",
        (
            *(1, "6f0b2a51-0c1d-4e2f-8a3b-4c5d6e7f8091", download.target, download.target, start),
            *(download.size, download.size, *fixed),
            *("https://example.org/", "", "https://example.org/", "", "", "", "", "", ""),
            *(download.mime, download.mime),
        ),
    )
    base.execute("INSERT INTO downloads_url_chains VALUES(1, 0, ?)", (download.address,))


def _webkit(seconds: int) -> int:
    return (seconds + _TO_1601) * 1_000_000


def fixed_wal(wal: bytes) -> bytes:
    """The same log with salts of our own instead of random ones, checksums made again.

    Source: SQLite file format, 4.1 "WAL File Format" and 4.2 "Checksum Algorithm".
    """
    page_size = int.from_bytes(wal[8:12], "big")
    order = ">" if wal[3] & 1 else "<"
    salts = b"RIVERBND"
    head = wal[:16] + salts
    sums = _checksum(head, (0, 0), order)
    out = head + struct.pack(">II", *sums)
    for place in range(32, len(wal), 24 + page_size):
        frame, page = wal[place : place + 8], wal[place + 24 : place + 24 + page_size]
        sums = _checksum(frame + page, sums, order)
        out += frame + salts + struct.pack(">II", *sums) + page
    return out


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second
