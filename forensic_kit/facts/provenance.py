"""Who ran what, with which tools, plugins, rules and lists, as facts."""

from typing import Any

from forensic_kit.case import Case
from forensic_kit.queries import Reader
from forensic_kit.registry import Registry

Row = dict[str, Any]


def runs(case: Case) -> list[Row]:
    """Every pass in order, as it was recorded."""
    found = []
    for number, state, plan, facts in case.runs():
        found.append(
            {
                "run": number,
                "status": state,
                "operator": facts["operator"],
                "reason": facts.get("reason", ""),
                "started": facts.get("started", ""),
                "ended": facts.get("ended", ""),
                "exit": facts.get("exit"),
                "tool": facts.get("tool", ""),
                "python": facts.get("python", ""),
                "system": facts.get("system", ""),
                "libraries": facts.get("libraries", {}),
                "profile": facts.get("profile", {}),
                "profile_digest": plan.get("profile", "").rpartition(" ")[2],
                "accepted_mismatch": facts.get("accepted_mismatch", ""),
                "arguments": facts.get("arguments", []),
                "exhibits": sorted(plan.get("exhibits", {})),
                "verify": plan.get("verify", ""),
                "options": plan.get("options", {}),
                "plugins": plan.get("plugins", {}),
                "plans": plan.get("plans", {}),
            }
        )
    return found


def plugins(runs_: list[Row], registry: Registry, with_results: set[str]) -> list[Row]:
    """Every plugin file that took part in a pass, by name and SHA-256; its limits where this very file is here."""
    seen: dict[tuple[str, str], list[int]] = {}
    for run in runs_:
        for name, digest in run["plugins"].items():
            seen.setdefault((name, digest), []).append(run["run"])
    found = []
    for (kind_and_name, digest), numbers in sorted(seen.items()):
        kind, _, name = kind_and_name.rpartition("/")
        here = registry.loaded.get(name)
        same = here.plugin if here is not None and here.sha256 == digest else None
        found.append(
            {
                "name": name,
                "sha256": digest,
                "runs": numbers,
                "has_results": name in with_results,
                # Only the file with this digest may speak for it.
                "described": same is not None,
                "kind": kind,
                "version": same.version if same else "",
                "source": same.source if same else "",
                "limits": list(same.limits) if same else [],
            }
        )
    return found


def plans(case: Case, reader: Reader) -> list[Row]:
    """What each pass looked for: scanner, list or rule set, its files by digest and how many items it has."""
    counts = dict(case.db.execute("SELECT digest, count(*) FROM plan_items GROUP BY digest").fetchall())
    return [
        {
            "run": plan["run"],
            "plugin": plan["plugin"],
            "name": plan["name"],
            "stage": plan["stage"],
            "digest": plan["digest"],
            "items": counts.get(plan["digest"], 0),
            "files": plan.get("files", {}),
            "engine": plan.get("engine", {}),
            "settings": plan.get("settings", {}),
            "per_entry": plan.get("per_entry", False),
            "timeout": plan.get("timeout"),
        }
        for plan in reader.plans()
    ]
