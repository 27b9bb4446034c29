"""The canonical facts of a case: ``report.json`` and the long lists beside it, from which every report is rendered.

Facts come from the case alone: building them twice gives the same bytes, whatever the host, the zone or the clock.
They stop at the last action that changed the case, so looking at a case or making a report changes no fact.
docs/reference/report-json.md describes every field.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from forensic_kit import api, registry
from forensic_kit.case import Case, open_case
from forensic_kit.errors import ForensicError, Misuse
from forensic_kit.facts import files, parts, provenance, results
from forensic_kit.facts.lists import write_list
from forensic_kit.facts.statements import statements
from forensic_kit.queries import Reader
from forensic_kit.registry import Registry

SCHEMA: Final = "forensic-kit/report/1"
NAME: Final = "report.json"
#: What a lab may say about the document itself. All optional.
FRONT: Final = ("title", "reference", "marking", "unit", "requested_by", "author")


def build(
    case: Case,
    folder: Path,
    *,
    plugins: Registry | None = None,
    front: dict[str, str] | None = None,
    all_files: bool = False,
) -> Path:
    """Write the facts of ``case`` into ``folder``; the path of ``report.json``.

    Args: plugins: where the limits of the plugins that took part are read from; a plugin counts only if its file
    is the one that the case names by its SHA-256. front: see `FRONT`. all_files: also write the list of every
    entry, which is as long as the evidence is large.
    """
    unknown = sorted(set(front or {}) - set(FRONT))
    if unknown:
        raise Misuse(f"the front of a report has no {', '.join(unknown)}. Known: {', '.join(FRONT)}.")
    (folder / "facts").mkdir(parents=True, exist_ok=True)
    case.db.execute("BEGIN")  # one state of the case, even while a pass goes on
    try:
        facts = _facts(case, folder, plugins or Registry(), all_files=all_files)
    finally:
        case.db.execute("ROLLBACK")
    facts["front"] = {name: (front or {}).get(name, "") for name in FRONT}
    facts["statements"] = statements(facts)
    path = folder / NAME
    path.write_bytes(msgspec.json.format(msgspec.json.encode(facts, order="sorted"), indent=1) + b"\n")
    return path


def _facts(case: Case, folder: Path, plugins: Registry, *, all_files: bool) -> dict[str, Any]:
    reader = Reader(case)
    tally = results.Tally()
    gaps = parts.ProblemTally()
    events = results.EventTally()
    lists = {
        "findings": write_list(folder, "findings", tally.watch(reader.findings())),
        "problems": write_list(folder, "problems", gaps.watch(reader.problems())),
        "timeline": write_list(folder, "timeline", events.watch(results.event_rows(case))),
    }
    terms = results.TermTally(tally)
    lists["terms"] = write_list(folder, "terms", terms.watch(reader))
    days = files.time_counts(case, events.days)
    lists["days"] = write_list(folder, "days", days.rows())
    if all_files:
        lists["files"] = write_list(folder, "files", reader.files())
    runs = provenance.runs(case)
    ledger = parts.ledger_facts(case)
    exhibits = parts.exhibits(case)
    return {
        "schema": SCHEMA,
        "case": parts.case_facts(case),
        "status": parts.status(runs, exhibits, ledger, gaps),
        "exhibits": exhibits,
        "ledger": ledger,
        "problems": gaps.facts(),
        "findings": tally.facts(),
        "terms": terms.facts(),
        "timeline": days.facts() | {"events": events.rows},
        "files": files.facts(case, reader),
        "runs": runs,
        "plugins": provenance.plugins(runs, plugins, tally.plugins | gaps.plugins),
        "plans": provenance.plans(case, reader),
        "audit": parts.audit_head(case),
        "lists": lists,
    }


def write_report(
    case_folder: Path,
    out: Path,
    formats: Iterable[str],
    plugins: Registry,
    *,
    front: dict[str, str] | None = None,
    all_files: bool = False,
) -> list[Path]:
    """Build the facts of a case into ``out`` and render them; every file that was written or is part of it.

    Args: formats: names of `api.Report.formats`; none: all there are. out: new or empty.
    Raises: Misuse: an unknown format, or a folder that holds something.
    """
    wanted = list(formats) or [name for plugin in plugins.of(api.Report) for name in plugin.formats]
    chosen = list(dict.fromkeys(_plugin_of(name, plugins) for name in wanted))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Misuse(f"{out}: not an empty folder. Name a new one with --out, so that two reports never mix.")
    with open_case(case_folder) as case:
        report = build(case, out, plugins=plugins, front=front, all_files=all_files)
    lists = json.loads(report.read_bytes())["lists"]
    written = [report, *(out / shard["file"] for item in lists.values() for shard in item["shards"])]
    for plugin in chosen:
        paths = registry.guarded(partial(_render, plugin, out), what=f"report {plugin.name}")
        if isinstance(paths, ForensicError):
            raise paths
        written += paths
    return written


def default_folder(case_folder: Path) -> Path:
    """The next free ``reports/0001`` of a case: a report that was handed out is never written over."""
    folder = case_folder / "reports"
    taken = [int(path.name) for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []
    return folder / f"{max(taken, default=0) + 1:04d}"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _render(plugin: type[api.Report], out: Path) -> list[Path]:
    return list(plugin().write(out, out))


def _plugin_of(name: str, plugins: Registry) -> type[api.Report]:
    known = {form: plugin for plugin in plugins.of(api.Report) for form in plugin.formats}
    if name not in known:
        raise Misuse(f"no report plugin writes {name!r}. Known: {', '.join(sorted(known)) or 'none'}.")
    return known[name]
