"""Findings, what they say of each term or rule, and the events they hold, as facts."""

import datetime
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from forensic_kit.case import Case
from forensic_kit.model import FileEntry, entry_id
from forensic_kit.queries import Reader
from forensic_kit.times import SECOND, Moment

Row = dict[str, Any]
DAY: Final = 86_400 * SECOND
_BRIEF: Final = 200  # characters
#: Fields of a record that name the plan item it is a hit of (docs/reference/json.md).
_ITEM: Final = {
    "keyword.hit": ("list", "term_id"),
    "yara.match": ("namespace", "rule"),
    "hashset.match": ("set",),
}
#: Fields that tell such a record on one line, without their names.
_TOLD: Final = {
    "keyword.hit": ("term", "context"),
    "yara.match": ("rule", "namespace"),
    "hashset.match": ("set", "kind", "category"),
}
_moment = msgspec.msgpack.Decoder(Moment).decode
_entry = msgspec.msgpack.Decoder(FileEntry).decode


class Tally:
    """Counts findings by type and by term while their rows pass by."""

    def __init__(self) -> None:
        self.plugins: set[str] = set()
        self._types: dict[str, Row] = {}
        #: (plugin, item): findings, places, entries; and the last entry seen, as rows come in the order of entries.
        self._items: dict[tuple[str, str], list[Any]] = {}

    def watch(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The same rows, each with a ``brief`` for people."""
        for row in rows:
            self.plugins.add(row["plugin"])
            self._count_type(row)
            fields = _ITEM.get(row["type"])
            if fields is not None:
                self._count_item(row, ":".join(str(row["record"].get(name, "")) for name in fields))
            yield row | {"brief": brief(row["type"], row["record"])}

    def _count_type(self, row: Row) -> None:
        kind = self._types.get(row["type"])
        if kind is None:
            kind = self._types[row["type"]] = {
                "type": row["type"], "plugins": {}, "findings": 0, "places": 0, "not_live": 0, "windowed": 0,
                "where": Counter(), "exhibits": Counter(),
            }  # fmt: skip
        kind["plugins"][row["plugin"]] = row["version"]
        kind["findings"] += not row["duplicate"]
        kind["places"] += 1
        kind["not_live"] += not row["allocated"]
        kind["windowed"] += not row["whole"]
        kind["where"][row["where"]] += 1
        kind["exhibits"][row["evidence"]] += 1

    def _count_item(self, row: Row, item: str) -> None:
        cell = self._items.setdefault((row["plugin"], item), [0, 0, 0, ""])
        cell[0] += not row["duplicate"]
        cell[1] += 1
        if cell[3] != row["locator"]:
            cell[2] += 1
            cell[3] = row["locator"]

    def item(self, plugin: str, *names: str) -> tuple[int, int, int] | None:
        """Findings, places and entries with hits of a plan item, by the first of these names that has any."""
        for name in names:
            if (cell := self._items.get((plugin, name))) is not None:
                return cell[0], cell[1], cell[2]
        return None

    def facts(self) -> Row:
        """Totals and a row for each type. A finding is counted once however many entries hold its content; its
        places are those entries."""
        types = [self._types[name] for name in sorted(self._types)]
        return {
            "findings": sum(kind["findings"] for kind in types),
            "places": sum(kind["places"] for kind in types),
            "types": types,
        }


class TermTally:
    """A row for every term, rule and set that was looked for, with or without hits."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._plans: list[Row] = []

    def watch(self, reader: Reader) -> Iterator[Row]:
        """Rows of all plans in the order of their first pass; a plan that several passes ran counts once."""
        done: set[str] = set()
        for plan in reader.plans():
            if plan["digest"] in done:
                continue
            done.add(plan["digest"])
            counts = {
                "plugin": plan["plugin"], "name": plan["name"], "digest": plan["digest"], "items": 0, "hit": 0,
                "findings": 0, "places": 0,
            }  # fmt: skip
            self._plans.append(counts)
            for item in reader.plan_items(plan["digest"]):
                found = self._tally.item(plan["plugin"], f"{plan['name']}:{item['id']}", item["id"])
                findings, places, entries = found or (0, 0, 0)
                counts["items"] += 1
                counts["hit"] += findings > 0
                counts["findings"] += findings
                counts["places"] += places
                yield item | {
                    "plugin": plan["plugin"], "list": plan["name"], "digest": plan["digest"], "findings": findings,
                    "places": places, "entries": entries,
                }  # fmt: skip

    def facts(self) -> list[Row]:
        """How many items each plan has and how many of them were found."""
        return [plan | {"not_hit": plan["items"] - plan["hit"]} for plan in self._plans]


# --- events ---------------------------------------------------------------------------------------------------


class EventTally:
    """Counts events by day while their rows pass by."""

    def __init__(self) -> None:
        self.rows = 0
        self.days: Counter[int] = Counter()  #: by days since 1970

    def watch(self, rows: Iterator[tuple[int, Row]]) -> Iterator[Row]:
        """The rows without their sort value."""
        for ns, row in rows:
            self.rows += 1
            self.days[ns // DAY] += 1
            yield row


def event_rows(case: Case) -> Iterator[tuple[int, Row]]:
    """(nanoseconds, row) for every event of a record and every entry that holds it, earliest first."""
    names = {
        row[0]: (row[1], row[2])
        for row in case.db.execute(
            "SELECT volumes.id, evidence.name, number FROM volumes JOIN evidence ON evidence.id = evidence"
        )
    }
    for ns, blob, meaning, type_, finding, locator, volume, entry, record in case.db.cursor().execute(_EVENTS):
        moment = _moment(blob)
        yield (
            ns,
            {
                "time": moment.iso,
                "zone": moment.zone,
                "resolution_ns": moment.resolution_ns,
                "raw": moment.raw,
                "meaning": meaning,
                "type": type_,
                "evidence": names[volume][0],
                "volume": names[volume][1],
                "path": _entry(entry).locator.display,
                "locator": locator,
                "finding": f"{finding}.{entry_id(locator)}",
                "brief": brief(type_, json.loads(record)),
            },
        )


_EVENT_COLUMNS = (
    "events.ns AS ns, moment, meaning, type, findings.id AS finding, locator, volume, entries.entry, record"
)
_EVENTS = f"""
SELECT {_EVENT_COLUMNS} FROM events JOIN findings ON findings.key = events.finding
    JOIN entries ON entries.id = findings.entry
UNION ALL
SELECT {_EVENT_COLUMNS} FROM events JOIN findings ON findings.key = events.finding
    JOIN entries ON entries.content = findings.content AND entries.content_state <> 'overwritten'
ORDER BY ns, locator, meaning, type, finding
"""


def day_text(day: int) -> str:
    """Days since 1970 as a date."""
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=day)).isoformat()


# --- words ----------------------------------------------------------------------------------------------------


def brief(type_: str, record: Row) -> str:
    """A record on one line: its fields with a value, by name, cut at 200 characters."""
    parts = []
    length = 0
    told = _TOLD.get(type_)
    for name in told or record:
        text = _scalar(record.get(name))
        if text:
            parts.append(text if told else f"{name}: {text}")
            length += len(parts[-1]) + 2
        if length > _BRIEF:
            break
    text = ", ".join(parts)
    return text if len(text) <= _BRIEF else text[: _BRIEF - 1] + "…"


def _scalar(value: Any) -> str:
    if isinstance(value, dict):
        return str(value["time"]) if "time" in value and "zone" in value else ""
    if value is None or value == "" or isinstance(value, list):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
