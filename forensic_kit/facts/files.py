"""Entries counted in the ways a reader asks about: type, size, state, copies, times."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from forensic_kit.case import Case
from forensic_kit.facts.charts import charts
from forensic_kit.facts.results import DAY, day_text
from forensic_kit.queries import Reader

Row = dict[str, Any]
_LARGEST: Final = 20
#: Things with content of their own: not folders, and not the space outside files.
_FILES: Final = "kind IN ('file', 'stream', 'member', 'carved')"
#: Upper ends of the classes of the size distribution, bytes, inclusive; the last class has none.
_SIZES: Final = (0, 1 << 10, 16 << 10, 256 << 10, 1 << 20, 16 << 20, 256 << 20, 1 << 30, 4 << 30)
_TIMES: Final = ("modified", "accessed", "changed", "born", "deleted")


class _States(msgspec.Struct):
    """The two fields of a stored entry that say whether it is live."""

    name_state: str = "allocated"
    meta_state: str = "allocated"


_states = msgspec.msgpack.Decoder(_States).decode


def facts(case: Case, reader: Reader) -> Row:
    """All counts over files, streams, archive members and carved files."""
    db = case.db
    total, size = db.execute(f"SELECT count(*), ifnull(sum(size), 0) FROM entries WHERE {_FILES}").fetchone()
    claims = db.execute(f"SELECT count(*) FROM entries WHERE extension IS NOT NULL AND {_FILES}").fetchone()[0]
    return {
        "entries": total,
        "bytes": size,
        "types": _types(case),
        "sizes": _sizes(case),
        "states": _count_states(case),
        "largest": _largest(case, reader),
        "duplicates": _duplicates(case),
        "name_and_type_differ": claims,
    }


def _types(case: Case) -> list[Row]:
    """By MIME type, largest count first; ``type`` is empty where the content was not read."""
    rows = case.db.execute(
        f"SELECT ifnull(mime, '') AS type, count(*) AS n, sum(entries.size) FROM entries "
        f"LEFT JOIN contents ON contents.id = content WHERE {_FILES} GROUP BY type ORDER BY n DESC, type"
    )
    return [{"type": type_, "entries": count, "bytes": size} for type_, count, size in rows]


def _sizes(case: Case) -> list[Row]:
    whens = " ".join(f"WHEN size <= {limit} THEN {index}" for index, limit in enumerate(_SIZES))
    found = {
        row[0]: row[1:]
        for row in case.db.execute(
            f"SELECT CASE {whens} ELSE {len(_SIZES)} END AS class, count(*), sum(size) FROM entries "
            f"WHERE {_FILES} GROUP BY class"
        )
    }
    return [
        {"over": None if not index else _SIZES[index - 1], "up_to": limit, "entries": count, "bytes": size}
        for index, limit in enumerate((*_SIZES, None))
        for count, size in [found.get(index, (0, 0))]
    ]


def _count_states(case: Case) -> list[Row]:
    """Live and deleted, and what became of the content of each."""
    entries: Counter[tuple[bool, str]] = Counter()
    sizes: Counter[tuple[bool, str]] = Counter()
    for size, content_state, blob in case.db.execute(f"SELECT size, content_state, entry FROM entries WHERE {_FILES}"):
        states = _states(blob)
        key = (states.name_state == states.meta_state == "allocated", content_state)
        entries[key] += 1
        sizes[key] += size
    return [
        {"live": live, "content_state": state, "entries": entries[live, state], "bytes": sizes[live, state]}
        for live, state in sorted(entries, key=lambda key: (not key[0], key[1]))
    ]


def _largest(case: Case, reader: Reader) -> list[Row]:
    rows = case.db.execute(
        f"SELECT locator FROM entries WHERE {_FILES} AND size > 0 ORDER BY size DESC, locator LIMIT {_LARGEST}"
    ).fetchall()
    found = [reader.file(locator) for (locator,) in rows]
    names = ("evidence", "volume", "path", "locator", "size", "allocated", "mime", "sha256", "state", "reason")
    return [{name: row[name] for name in names} for row in found if row is not None]


def _duplicates(case: Case) -> Row:
    """Contents held by more than one entry; what is overwritten or empty does not count."""
    contents, copies, size = case.db.execute(
        "SELECT count(*), ifnull(sum(n - 1), 0), ifnull(sum((n - 1) * size), 0) FROM ("
        "SELECT count(*) AS n, max(entries.size) AS size FROM entries "
        f"WHERE content IS NOT NULL AND content_state <> 'overwritten' AND size > 0 AND {_FILES} "
        "GROUP BY content HAVING n > 1)"
    ).fetchone()
    return {"contents": contents, "copies": copies, "bytes": size}


# --- times ----------------------------------------------------------------------------------------------------


class TimeCounts:
    """How many times of files and how many events fall on each day."""

    def __init__(self, times: dict[str, Counter[int]], events: Counter[int]) -> None:
        self._times = times
        self._events = events

    def rows(self) -> Iterator[Row]:
        """A row a day on which something happened, earliest first."""
        for day in sorted(set(self._events).union(*self._times.values())):
            yield {"day": day_text(day)} | self._row(day)

    def _row(self, day: int) -> Row:
        return {name: counts[day] for name, counts in self._times.items()} | {"events": self._events[day]}

    def facts(self) -> Row:
        """Totals, the same by month, and charts."""
        months: dict[str, Row] = {}
        totals: Counter[str] = Counter()
        for row in self.rows():
            month = months.setdefault(row.pop("day")[:7], dict.fromkeys(row, 0))
            for name, count in row.items():
                month[name] += count
                totals[name] += count
        days = sorted(set(self._events).union(*self._times.values()))
        files = ((day, sum(counts[day] for counts in self._times.values()), self._events[day]) for day in days)
        return {
            "file_times": {name: totals[name] for name in self._times},
            "months": [{"month": month} | counts for month, counts in months.items()],
            "charts": charts(files),
        }


def time_counts(case: Case, events: Counter[int]) -> TimeCounts:
    """The times of all entries by day. Times whose zone is unknown are counted on the day they show."""
    times = {}
    for name in _TIMES:
        # SQL divides towards zero; a time before 1970 belongs to the day that began before it.
        floor = f"({name} / {DAY}) - ({name} % {DAY} < 0)"
        rows = case.db.execute(f"SELECT {floor} AS day, count(*) FROM entries WHERE {name} IS NOT NULL GROUP BY day")
        times[name] = Counter(dict(rows.fetchall()))
    return TimeCounts(times, events)
