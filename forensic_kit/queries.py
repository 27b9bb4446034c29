"""Reading a case: every row that commands print and reports are made of, in the one order of everything.

Rows are dicts with the field names of docs/reference/json.md; scripts rely on them.
"""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from forensic_kit import audit, ledger
from forensic_kit.case import Case
from forensic_kit.model import FileEntry, entry_id
from forensic_kit.times import Moment

Row = dict[str, Any]
_TIMES = ("modified", "accessed", "changed", "born")
_moment = msgspec.msgpack.Decoder(Moment).decode
_entry = msgspec.msgpack.Decoder(FileEntry).decode


class Reader:
    """Rows of one case. Iterators hold a few rows at a time, whatever the size of the case."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._db = case.db
        self._volumes = {
            row[0]: (row[1], row[2], json.loads(row[3]))
            for row in self._db.execute(
                "SELECT volumes.id, evidence.name, number, volumes.facts FROM volumes "
                "JOIN evidence ON evidence.id = evidence"
            )
        }
        self._stages = {key: ledger.decode(text) for key, text in self._db.execute("SELECT id, text FROM stage_sets")}
        self._runs = {row[0]: row[3] for row in case.runs()}

    # --- files ------------------------------------------------------------------------------------------------

    def files(self, where: str = "1", values: tuple[Any, ...] = ()) -> Iterator[Row]:
        """All entries; ``where`` is SQL over the entries table (never text of a user)."""
        rows = self._cursor(
            "SELECT entries.id, volume, entry, content_state, md5, sha1, sha256, mime, extension, "
            "(SELECT final FROM entry_outcomes WHERE entry = entries.id ORDER BY run DESC LIMIT 1) "
            f"FROM entries LEFT JOIN contents ON contents.id = content WHERE {where} ORDER BY locator",
            values,
        )
        for _, volume, blob, content_state, md5, sha1, sha256, mime, extension, final in rows:
            yield self._file(_entry(blob), volume, content_state, (md5, sha1, sha256, mime), extension, final)

    def _file(
        self,
        entry: FileEntry,
        volume: int,
        content_state: str,
        content: tuple[Any, ...],
        extension: str | None,
        final: int | None,
    ) -> Row:
        stages = self._stages.get(final or 0, [])
        state, reason = ledger.state(stages)
        row = entry_row(entry, content_state) | {"volume": self._volumes[volume][1]}
        row |= dict(zip(("md5", "sha1", "sha256", "mime"), content, strict=True))
        row["claims"] = extension
        row["state"], row["reason"] = state, reason
        row["stages"] = {item.stage: _outcome(item.outcome, item.reason) for item in stages}
        return row

    def file(self, locator: str) -> Row | None:
        """One entry by the text of its locator."""
        return next(self.files("locator = ?", (locator,)), None)

    def entry(self, locator: str) -> FileEntry | None:
        """One entry as it was listed."""
        row = self._db.execute("SELECT entry FROM entries WHERE locator = ?", (locator,)).fetchone()
        return _entry(row[0]) if row else None

    # --- findings ---------------------------------------------------------------------------------------------

    def findings(self, where: str = "1", values: tuple[Any, ...] = ()) -> Iterator[Row]:
        """A row for every entry that holds the content of a finding; ``where`` is SQL over ``findings`` and
        ``entries`` (never text of a user)."""
        rows = self._cursor(f"{_HOLDERS} WHERE {where} {_FINDING_ORDER}", values)
        for (
            id_, type_, plugin, version, place, offset, record, whole, run,
            locator, volume, blob, sha256, mime, holder,
        ) in rows:  # fmt: skip
            entry = _entry(blob)
            values_ = json.loads(record)
            start = self._volumes[volume][2].get("start")
            image_offset = _image_offset(entry, offset, start)
            for string in values_.get("strings", ()) if type_ == "yara.match" else ():
                string["image_offset"] = _image_offset(entry, string["offset"], start)
            yield {
                "id": f"{id_}.{entry_id(locator)}",
                "type": type_,
                "plugin": plugin,
                "version": version,
                "evidence": self._volumes[volume][0],
                "volume": self._volumes[volume][1],
                "path": entry.locator.display,
                "locator": locator,
                "kind": entry.kind,
                "allocated": entry.allocated,
                "sha256": sha256,
                "mime": mime,
                "where": place,
                "offset": offset,
                "image_offset": image_offset,
                "whole": bool(whole),
                "duplicate": holder > 1,
                "run": run,
                "record": values_,
            }

    # --- timeline ---------------------------------------------------------------------------------------------

    def timeline(self) -> Iterator[Row]:
        """File times and the events of records, earliest first; equal times in the order of everything."""
        for time_, blob, meaning, type_, locator, volume, entry_blob, record in self._cursor(_TIMELINE):
            entry = _entry(entry_blob)
            moment = _moment(blob) if blob is not None else getattr(entry, meaning)
            zone = moment.zone
            yield {
                "time": moment.iso,
                "zone": zone,
                "meaning": meaning,
                "type": type_,
                "evidence": self._volumes[volume][0],
                "volume": self._volumes[volume][1],
                "path": entry.locator.display,
                "locator": locator,
                "resolution_ns": moment.resolution_ns,
                "raw": moment.raw,
                "record": json.loads(record) if record else None,
                "sort": time_,
            }

    # --- problems ---------------------------------------------------------------------------------------------

    def problems(self) -> Iterator[Row]:
        """All problems, on each entry that holds the content they are about; gaps first."""
        names = ("severity", "stage", "plugin", "path", "error", "message", "offset", "run")
        for row in self._cursor(_PROBLEMS):
            yield dict(zip(names, row, strict=True))

    # --- the whole --------------------------------------------------------------------------------------------

    def summary(self) -> Row:
        """The ledger and counts by stage, outcome, finding type and problem."""
        head = audit.head(self._db)
        return {
            "exhibits": [
                {"name": name, "paths": paths, "size": facts["size"], "format": facts["format"]}
                for name, (_, paths, facts) in self._case.exhibits().items()
            ],
            "ledger": ledger.totals(self._case),
            "ledger_faults": ledger.volume_faults(self._case),
            "findings": dict(
                self._db.execute("SELECT type, count(*) FROM findings GROUP BY type ORDER BY type").fetchall()
            ),
            "problems": {
                severity: self._db.execute("SELECT count(*) FROM problems WHERE severity = ?", (severity,)).fetchone()[
                    0
                ]
                for severity in ("gap", "note")
            },
            "runs": [
                {"run": run, "status": status, "exit": facts.get("exit")} for run, status, _, facts in self._case.runs()
            ],
            "audit": {"entries": head.count, "head": head.hash},
        }

    def accounts(self) -> Iterator[Row]:
        """How the bytes of each volume divide between files, system and unallocated space."""
        for name, number, facts in self._volumes.values():
            yield {"evidence": name, "volume": number, "filesystem": facts.get("filesystem", "")} | facts.get(
                "account", {}
            )

    def plans(self) -> Iterator[Row]:
        """What each pass was asked to look for: scanner, list, digest and how many terms or rules."""
        for run, digest, facts, count in self._cursor(
            "SELECT run, digest, facts, (SELECT count(*) FROM plan_items WHERE plan_items.digest = plans.digest) "
            "FROM plans ORDER BY run, digest"
        ):
            yield {"run": run, "digest": digest} | json.loads(facts) | {"items": count}

    def plan_items(self, digest: str) -> Iterator[Row]:
        """The terms or rules of a plan."""
        names = ("id", "text", "kind", "source")
        for row in self._cursor(
            "SELECT id, text, kind, source FROM plan_items WHERE digest = ? ORDER BY id", (digest,)
        ):
            yield dict(zip(names, row, strict=True))

    def _cursor(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        return self._db.cursor().execute(sql, values)


def entry_row(entry: FileEntry, content_state: str | None = None) -> Row:
    """The fields of ``ls --json`` for one entry."""
    moments = [getattr(entry, name) for name in _TIMES]
    zones = [moment.zone for moment in moments if moment]
    row: Row = {
        "evidence": entry.locator.exhibit,
        "volume": entry.locator.volume,
        "path": entry.locator.display,
        "path_raw": entry.locator.path.raw or None,
        "locator": str(entry.locator),
        "inode": entry.locator.inode,
        "stream": entry.locator.stream.text,
        "kind": entry.kind,
        "size": entry.size,
        "allocated": entry.allocated,
        "name_state": entry.name_state,
        "meta_state": entry.meta_state,
        "content_state": content_state or entry.content_state,
    }
    for name, moment in zip(_TIMES, moments, strict=True):
        row[name] = moment.iso if moment else None
    row["deleted"] = entry.deleted.iso if entry.deleted else None
    row["zone"] = zones[0] if zones else None
    row["attributes"] = dict(sorted(entry.attributes.items()))
    return row


def _image_offset(entry: FileEntry, offset: int | None, volume_start: int | None) -> int | None:
    if offset is None or volume_start is None:
        return None
    place = entry.place(offset)
    return None if place is None else volume_start + place


def _outcome(outcome: str, reason: str) -> str:
    return f"{outcome}: {reason}" if reason else outcome


# A finding belongs to one entry, or to every entry that holds the content (but not where others own the clusters).
_HELD = (
    "(findings.entry IS NOT NULL AND entries.id = findings.entry) OR (findings.content IS NOT NULL "
    "AND entries.content = findings.content AND entries.content_state <> 'overwritten')"
)
_HOLDERS = """
SELECT findings.id, type, findings.plugin, version, findings.place, offset, record, whole, findings.run,
    entries.locator, entries.volume, entries.entry, contents.sha256, contents.mime,
    CASE WHEN findings.content IS NULL THEN 1 ELSE
        row_number() OVER (PARTITION BY findings.key ORDER BY entries.locator) END AS holder
FROM findings JOIN entries ON {held}
LEFT JOIN contents ON contents.id = entries.content
""".format(held=_HELD)  # noqa: UP032 - the text stays readable as SQL
_FINDING_ORDER = "ORDER BY entries.locator, ifnull(offset, -1), type, findings.id"

_TIMELINE = (
    " UNION ALL ".join(
        f"SELECT {name} AS ns, NULL AS moment, '{name}' AS meaning, 'file' AS type, locator, volume, entry, "
        f"NULL AS record FROM entries WHERE {name} IS NOT NULL"
        for name in (*_TIMES, "deleted")
    )
    + " UNION ALL SELECT ns, moment, meaning, type, locator, volume, entries.entry, record FROM events "
    f"JOIN findings ON findings.key = events.finding JOIN entries ON {_HELD} "
    "ORDER BY ns, locator, meaning, type, record"
)

_PROBLEMS = """
SELECT severity, stage, plugin, path, error, message, offset, run FROM (
    SELECT severity, stage, plugin, problems.locator AS path, error, message, offset, run
        FROM problems WHERE content IS NULL AND entry IS NULL
    UNION ALL
    SELECT severity, stage, plugin, entries.locator, error, message, offset, run
        FROM problems JOIN entries ON entries.id = problems.entry
    UNION ALL
    SELECT severity, stage, plugin, entries.locator, error, message, offset, run
        FROM problems JOIN entries ON entries.content = problems.content
) ORDER BY severity, path, stage, ifnull(offset, -1), plugin, error, message
"""
