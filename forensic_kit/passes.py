"""What a pass is: what was asked for, what of it is new, and whether --resume goes on with the same."""

import datetime
import hashlib
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from forensic_kit.errors import Misuse

Run = tuple[int, str, dict[str, Any], dict[str, Any]]  #: number, status, wanted, facts: as `Case.runs` gives them


def new_work(wanted: dict[str, Any], runs: Iterable[Run]) -> dict[str, tuple[list[str], bool]]:
    """By exhibit: digests of the plans not run over it yet, and whether it was never read with these plugins and this
    profile."""
    finished = [earlier for _, status, earlier, _ in runs if status == "finished"]
    todo = {}
    for name in wanted["exhibits"]:
        plans = dict.fromkeys(wanted["plans"].values())
        is_new = True
        for earlier in finished:
            if name in earlier["exhibits"] and reading(earlier) == reading(wanted):
                is_new = False
                for digest in earlier["plans"].values():
                    plans.pop(digest, None)
        todo[name] = (list(plans), is_new)
    return todo


def reading(wanted: dict[str, Any]) -> list[Any]:
    """What decides how evidence is listed, read, parsed and unpacked; scanners stand in their plans' digests."""
    plugins = {name: digest for name, digest in wanted["plugins"].items() if not name.startswith("scanners/")}
    return [wanted["profile"], wanted["tool"], wanted["credentials"], plugins]


def changes(name: str, before: Any, now: Any) -> Iterator[str]:
    """What differs, as precisely as it can be named."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from changes(f"{name} {key}".strip(), before.get(key), now.get(key))
    elif before != now:
        yield name


def same_or_refuse(before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raises Misuse naming what differs between the pass that was begun and what is asked for now."""
    changed = list(changes("", before, now))
    if changed:
        raise Misuse(
            f"--resume finishes the pass that was begun, and these changed since: {', '.join(changed)}. "
            "Give the same as then, or start a new case."
        )


def units(digests: list[str]) -> str:
    """Identity of a set of plans: contents scanned with an equal set need no second scan."""
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()[:32]


def flat(volumes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Volumes at all depths, outermost first, each without those inside it."""
    out = []
    for volume in volumes:
        out.append({key: value for key, value in volume.items() if key != "volumes"})
        out += flat(volume["volumes"])
    return out


def shape(facts: dict[str, Any]) -> list[Any]:
    """What does not change when evidence is moved to another folder."""
    volumes = [
        [volume["number"], volume["start"], volume["size"], volume["filesystem"]] for volume in flat(facts["volumes"])
    ]
    return [facts["size"], facts["sector_size"], facts["stored_digests"], volumes]


def now() -> str:
    """This machine's clock, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def libraries() -> dict[str, str]:
    """Versions of everything the program stands on, read from the installed packages."""
    names = importlib.metadata.requires("forensic-kit") or []
    found = {}
    for requirement in names:
        if "extra ==" in requirement:
            continue
        name = re.split(r"[<>=!~;\s\[]", requirement, maxsplit=1)[0]
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found | {"python": sys.version.split()[0]}
