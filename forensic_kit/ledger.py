"""The end of a pass: every entry's outcome per stage, duplicates told apart, and whether it all adds up."""

import json
import sqlite3
from collections import Counter
from typing import Any

from forensic_kit.case import Case
from forensic_kit.model import StageOutcome, badness

_BATCH = 10_000


def finalise(case: Case, run: int, units: dict[int, str]) -> None:
    """Give every entry of a pass its final outcomes. May be done again; the result is the same.

    Args: units: by evidence key, the identity of the set of shared plans (`content_outcomes.units`).
    """
    sets = _StageSets(case)
    largest = case.db.execute("SELECT ifnull(max(id), 0) FROM contents").fetchone()[0]
    seen = bytearray(largest + 1)  # contents whose first holder in the order of everything has passed
    with case.transaction() as db:
        db.execute("CREATE TEMP TABLE IF NOT EXISTS units(evidence INTEGER PRIMARY KEY, units TEXT)")
        db.execute("DELETE FROM temp.units")
        db.executemany("INSERT INTO temp.units VALUES(?, ?)", units.items())
    rows = case.db.execute(_OUTCOMES, (run,))
    while batch := rows.fetchmany(_BATCH):
        changes = []
        for entry, content, state, own, stages in batch:
            counts = content is not None and state != "overwritten"
            first = counts and not seen[content]
            if counts:
                seen[content] = 1
            if own is not None:
                changes.append((sets.combined(own, stages if counts else None, first=first), entry, run))
        with case.transaction() as db:
            db.executemany("UPDATE entry_outcomes SET final = ? WHERE entry = ? AND run = ?", changes)


_OUTCOMES = """
SELECT entries.id, entries.content, entries.content_state, own, content_outcomes.stages
FROM entries JOIN volumes ON volumes.id = entries.volume
LEFT JOIN temp.units ON temp.units.evidence = volumes.evidence
LEFT JOIN entry_outcomes ON entry_outcomes.entry = entries.id AND entry_outcomes.run = ?
LEFT JOIN content_outcomes ON content_outcomes.content = entries.content AND content_outcomes.units = temp.units.units
ORDER BY entries.locator
"""


class _StageSets:
    """Combines few different sets for many entries."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._texts = dict(case.db.execute("SELECT id, text FROM stage_sets"))
        self._combined: dict[tuple[int, int | None, bool], int] = {}

    def combined(self, own: int, shared: int | None, *, first: bool) -> int:
        """The set of all stages: of the two outcomes of one stage the worst; a later holder's are ``duplicate``."""
        key = (own, shared, first)
        if key not in self._combined:
            stages = {item.stage: item for item in decode(self._texts[own])}
            for item in decode(self._texts[shared]) if shared is not None else ():
                other = item if first else StageOutcome(item.stage, "duplicate")
                here = stages.get(item.stage)
                stages[item.stage] = other if here is None else max(here, other, key=badness)
            with self._case.transaction() as db:
                self._combined[key] = self._case.stage_set(db, stages.values())
        return self._combined[key]


def decode(text: str) -> list[StageOutcome]:
    """A stage set as it is stored."""
    return [StageOutcome(*item) for item in json.loads(text)]


def state(stages: list[StageOutcome]) -> tuple[str, str]:
    """The worst outcome of an entry's stages and its reason; ``("listed", "")`` where nothing was asked."""
    worst = max(stages, key=badness, default=None)
    return ("listed", "") if worst is None else (worst.outcome, worst.reason)


def totals(case: Case, run: int | None = None) -> dict[str, Any]:
    """Entries and bytes by stage and outcome, over a pass or over each entry's newest pass.

    Returns: ``{"entries", "bytes", "kinds": {kind: {...}}, "stages": {stage: {outcome: {"entries", "bytes",
    "reasons": {reason: entries}}}}, "adds_up": bool}``.
    """
    texts = {key: decode(text) for key, text in case.db.execute("SELECT id, text FROM stage_sets")}
    stages: dict[str, dict[str, Any]] = {}
    kinds: dict[str, dict[str, int]] = {}
    listed: Counter[str] = Counter()
    for kind, final, count, size in case.db.execute(_TOTALS, (run, run)):
        row = kinds.setdefault(kind, {"entries": 0, "bytes": 0})
        row["entries"] += count
        row["bytes"] += size
        listed["entries"] += count
        listed["bytes"] += size
        for item in texts[final] if final is not None else ():
            cell = stages.setdefault(item.stage, {}).setdefault(item.outcome, {"entries": 0, "bytes": 0, "reasons": {}})
            cell["entries"] += count
            cell["bytes"] += size
            if item.reason:
                cell["reasons"][item.reason] = cell["reasons"].get(item.reason, 0) + count
    content = stages.get("content", {}).values()
    return {
        "entries": listed["entries"],
        "bytes": listed["bytes"],
        "kinds": dict(sorted(kinds.items())),
        "stages": {name: dict(sorted(cells.items())) for name, cells in sorted(stages.items())},
        "adds_up": all(sum(cell[what] for cell in content) == listed[what] for what in ("entries", "bytes")),
    }


_TOTALS = """
SELECT kind, newest.final, count(*), sum(size) FROM entries LEFT JOIN (
    SELECT entry, final, max(run) AS run FROM entry_outcomes WHERE ? IS NULL OR run = ? GROUP BY entry
) AS newest ON newest.entry = entries.id GROUP BY kind, newest.final ORDER BY kind, newest.final
"""


def volume_faults(case: Case) -> list[str]:
    """Where the bytes of a volume do not add up to its size."""
    found = []
    for name, number, facts in case.db.execute(
        "SELECT evidence.name, number, volumes.facts FROM volumes JOIN evidence ON evidence.id = evidence ORDER BY 1, 2"
    ):
        account = json.loads(facts).get("account")
        if account and account["files"] + account["system"] + account["unallocated"] != account["size"]:
            found.append(f"{name}/v{number}: files, system and unallocated space do not add up to its size")
    return found


def entries_faults(db: sqlite3.Connection, run: int) -> int:
    """How many entries of a pass have no final outcome."""
    return int(db.execute("SELECT count(*) FROM entry_outcomes WHERE run = ? AND final IS NULL", (run,)).fetchone()[0])
