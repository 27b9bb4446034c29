"""Exhibits, ledger, problems and state of a case, as facts."""

import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Final

from forensic_kit import audit, ledger
from forensic_kit.case import SCHEMA_VERSION, Case

Row = dict[str, Any]
#: Actions of the audit log that only looked: the facts stop at the last one that is not among them.
LOOKING: Final = frozenset(
    {"report written", "export written", "content read", "content extracted", "content mounted", "shown"}
)
#: What the space outside volumes has no word for.
_PLAIN_VOLUME: Final[Row] = {
    "start": None, "size": 0, "scheme": "", "type": "", "filesystem": "", "label": "", "serial": "", "block_size": 0,
    "zone": "", "encryption": "",
}  # fmt: skip
#: Best first.
_RESULTS: Final = ("verified", "not verifiable", "not computed", "mismatch")


def case_facts(case: Case) -> Row:
    """The case file itself."""
    row = case.db.execute("SELECT value FROM meta WHERE key = 'created'").fetchone()
    return {"created": row[0] if row else "", "schema": SCHEMA_VERSION}


def audit_head(case: Case) -> Row:
    """The audit log up to the last action that changed the case."""
    marks = ",".join("?" * len(LOOKING))
    row = case.db.execute(
        f"SELECT number, hash FROM audit WHERE action NOT IN ({marks}) ORDER BY number DESC LIMIT 1", sorted(LOOKING)
    ).fetchone()
    head = audit.Head(*row) if row else audit.head(case.db)
    return {"entries": head.count, "head": head.hash}


# --- exhibits -------------------------------------------------------------------------------------------------


def exhibits(case: Case) -> list[Row]:
    """Every exhibit with its volumes and what recomputing its digests gave."""
    found = []
    for name, (key, paths, facts) in case.exhibits().items():
        checks = _verifications(case, key)
        found.append(
            {
                "name": name,
                "paths": paths,
                # Reports print these: where a lab keeps its evidence is nobody else's business.
                "files": [PurePath(path.replace("\\", "/")).name for path in paths],
                "format": facts["format"],
                "size": facts["size"],
                "sector_size": facts["sector_size"],
                "stored_digests": facts["stored_digests"],
                "acquisition": [{"name": pair[0], "value": pair[1]} for pair in facts.get("facts", ())],
                "volumes": _volumes(case, key),
                "verifications": checks,
                "result": max(
                    (check["result"] for check in checks), key=_RESULTS.index, default="not computed"
                ),
            }
        )  # fmt: skip
    return found


def _verifications(case: Case, evidence: int) -> list[Row]:
    rows = case.db.execute(
        # "before" sorts after "after"
        "SELECT run, moment, facts FROM verifications WHERE evidence = ? ORDER BY run, moment DESC",
        (evidence,),
    )
    return [{"run": run, "moment": moment} | json.loads(facts) for run, moment, facts in rows]


def _volumes(case: Case, evidence: int) -> list[Row]:
    spaces: dict[int, dict[str, Row]] = {}
    for volume, kind, count, size in case.db.execute(
        "SELECT volume, kind, count(*), sum(size) FROM entries JOIN volumes ON volumes.id = volume "
        "WHERE volumes.evidence = ? GROUP BY volume, kind ORDER BY volume, kind",
        (evidence,),
    ):
        spaces.setdefault(volume, {})[kind] = {"entries": count, "bytes": size}
    found = []
    for key, number, facts, listed in case.db.execute(
        "SELECT id, number, facts, listed FROM volumes WHERE evidence = ? ORDER BY id", (evidence,)
    ):
        volume = _PLAIN_VOLUME | json.loads(facts)
        volume.pop("volumes", None)
        account = volume.pop("account", None)
        kinds = spaces.get(key, {})
        found.append(
            volume
            | {
                "number": number,
                "listed": bool(listed),
                "entries": sum(kind["entries"] for kind in kinds.values()),
                "kinds": kinds,
                "account": account,
                "account_adds_up": None
                if account is None
                else account["files"] + account["system"] + account["unallocated"] == account["size"],
            }
        )
    return sorted(found, key=lambda volume: _number(volume["number"]))


def _number(text: str) -> list[tuple[int, str]]:
    """Volume 10 comes after volume 9."""
    return [(int(part) if part.isdecimal() else 1 << 30, part) for part in text.split(".")]


# --- ledger and state -----------------------------------------------------------------------------------------


def ledger_facts(case: Case) -> Row:
    """Entries and bytes by stage and outcome, and whether all of it adds up."""
    totals = ledger.totals(case)
    faults = ledger.volume_faults(case)
    totals["entries_add_up"] = totals.pop("adds_up")
    return totals | {"faults": faults, "adds_up": totals["entries_add_up"] and not faults}


def status(runs: list[Row], exhibits_: list[Row], ledger_: Row, problems: "ProblemTally") -> Row:
    """The few facts a reader needs first."""
    return {
        "finished": bool(runs) and all(run["status"] == "finished" for run in runs),
        "exit": runs[-1]["exit"] if runs else None,
        "ended": max((run["ended"] for run in runs), default=""),
        "digests": max((item["result"] for item in exhibits_), key=_RESULTS.index, default="not computed"),
        "adds_up": ledger_["adds_up"],
        "gaps": problems.counts["gap"],
        "notes": problems.counts["note"],
        # The case file keeps no reviews yet: nothing listed was confirmed or rejected by a person.
        "reviewed": 0,
    }


# --- problems -------------------------------------------------------------------------------------------------


class ProblemTally:
    """Counts problems by what happened while their rows pass by."""

    def __init__(self) -> None:
        self.counts = {"gap": 0, "note": 0}
        self.plugins: set[str] = set()
        self._groups: dict[tuple[str, str, str, str], Row] = {}

    def watch(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The same rows."""
        for row in rows:
            self.counts[row["severity"]] += 1
            self.plugins.add(row["plugin"])
            key = (row["severity"], row["stage"], row["error"], row["plugin"])
            group = self._groups.get(key)
            if group is None:
                group = self._groups[key] = {
                    "severity": row["severity"],
                    "stage": row["stage"],
                    "error": row["error"],
                    "plugin": row["plugin"],
                    "count": 0,
                    "example": {"path": row["path"], "message": row["message"]},
                }
            group["count"] += 1
            yield row

    def facts(self) -> Row:
        """Gaps before notes, most frequent first, each with the first problem of its kind."""
        groups = sorted(
            self._groups.values(),
            key=lambda group: (group["severity"], -group["count"], group["stage"], group["error"], group["plugin"]),
        )
        return {"gaps": self.counts["gap"], "notes": self.counts["note"], "groups": groups}
