"""The page about run times: docs/performance.md is written by this and not by hand."""

import datetime
import importlib.metadata
import os
import platform
import statistics
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import floor, measure, ours, peers
from tests.bench.measure import Cost
from tests.bench.ours import Seen, Variant

_LIBRARIES = ("pytsk3", "yara-python", "hyperscan", "deflate", "python-magic", "msgspec")
_IDLE = 0.5  # load below which nothing else was running
_HEAD = (
    "what",
    "wall",
    "CPU",
    "wall : chain",
    "CPU : chain",
    "CPU : floor",
    "MB/s per core",
    "peak memory, MB",
    "of its largest child, MB",
)


@dataclass
class Results:
    """What was measured, a Cost for each round, and what was found to differ."""

    variants: list[Variant]
    files: int
    bytes: int  #: of file content
    tools: dict[str, list[Cost]] = field(default_factory=dict)
    fkit: dict[Variant, list[Cost]] = field(default_factory=dict)
    floors: list[Cost] = field(default_factory=list)
    floor_bytes: int = 0
    load: float = 0.0  #: of the machine, over a minute, before anything was started
    #: Of the newest round.
    seen: dict[Variant, Seen] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    matches: int = 0
    #: Matches that differ because the yara program and the libyara we run are not the same version.
    by_version: list[str] = field(default_factory=list)
    planted_files: int = 0
    planted_matches: int = 0
    rules: int = 0
    rule_files: int = 0
    #: Rule files that do not compile, with the reason.
    left_out: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fkit = {variant: [] for variant in self.variants}

    def differ(self, lines: Iterable[str]) -> None:
        """Keep differences, each once however many rounds show it."""
        self.differences += [line for line in lines if line not in self.differences]

    def chain(self) -> list[Cost]:
        """The tools' chain, round by round."""
        steps = [costs for step, costs in self.tools.items() if peers.in_chain(step)]
        return [measure.total(costs) for costs in zip(*steps, strict=True)]

    def measured(self) -> dict[str, Any]:
        """Every single measurement, as JSON values."""
        rows = {**self.tools, "floor": self.floors, **{variant.label: costs for variant, costs in self.fkit.items()}}
        return {
            "bytes": self.bytes,
            "floor_bytes": self.floor_bytes,
            "load": self.load,
            "costs": {name: [cost._asdict() for cost in costs] for name, costs in rows.items()},
            "differences": self.differences,
            "by_version": self.by_version,
        }


def page(found: Results) -> str:
    """All of it, as Markdown."""
    lines = ["# Run times", "", *_wrapped(_opening(found)), "", *_table(found), "", *_reading(found), ""]
    lines += ["## Do the results agree?", "", *_agreement(found), ""]
    lines += ["## Where and with what", "", *(f"- {line}" for line in _surroundings(found))]
    return "\n".join(lines) + "\n"


def _opening(found: Results) -> str:
    return (
        "Written by `python -m tests.bench.compare`; do not edit. One NTFS disk with "
        f"{found.bytes / 1e6:,.0f} MB in {found.files:,} files (tests/bench/make_evidence.py), as an E01 with fast "
        f"compression in chunks of 32 KiB unless a row says raw; {found.rules:,} YARA rules from "
        f"{found.rule_files:,} files. Everything ran in turns, {_rounds(len(found.floors))}, the evidence in the "
        "system's cache. Absolute times move with the machine: the ratios, each taken within one round, are the point."
        + _busy(found)
    )


def _rounds(count: int) -> str:
    return "one round" if count == 1 else f"{count} rounds, of which the numbers are the medians"


def _busy(found: Results) -> str:
    """A warning where the machine had other work as well."""
    if found.load < _IDLE:
        return ""
    return " The machine was busy with other work as well: wall times say little, and CPU times are too high for all."


def _wrapped(text: str) -> list[str]:
    import textwrap

    return textwrap.wrap(text, 118, break_long_words=False, break_on_hyphens=False)


# --- the table ------------------------------------------------------------------------------------------------


def _table(found: Results) -> Iterator[str]:
    yield f"| {' | '.join(_HEAD)} |"
    yield "| --- |" + " ---: |" * (len(_HEAD) - 1)
    chain = found.chain()
    for step, costs in found.tools.items():
        if peers.in_chain(step):
            yield _row(found, f"`{step}`", costs)
    yield _row(found, "**the tools' chain**", chain)
    for step, costs in found.tools.items():
        if not peers.in_chain(step):
            yield _row(found, f"`{step}` (types; not in the chain)", costs)
    for variant, costs in found.fkit.items():
        yield _row(found, f"fkit {variant.label}", costs, found.seen[variant].read)
    name = f"floor: inflate and three digests, {floor.PROCESSES} processes"
    yield _row(found, name, found.floors, found.floor_bytes)


def _row(found: Results, name: str, costs: list[Cost], read: int = 0) -> str:
    """A line of the table. ``read``: bytes that were read; the content of the files if not given."""
    chain = found.chain()
    middle = Cost(*(statistics.median(values) for values in zip(*costs, strict=True)))
    cells = [
        name,
        f"{middle.wall:.1f} s",
        f"{middle.cpu:.1f} s",
        _ratio([cost.wall / other.wall for cost, other in zip(costs, chain, strict=True)]),
        _ratio([cost.cpu / other.cpu for cost, other in zip(costs, chain, strict=True)]),
        _ratio([cost.cpu / other.cpu for cost, other in zip(costs, found.floors, strict=True)]),
        f"{(read or found.bytes) / 1e6 / middle.cpu:,.0f}" if middle.cpu else "",
        _megabytes(middle.resident, middle.private),
        _megabytes(middle.child_resident, middle.child_private),
    ]
    return f"| {' | '.join(cells)} |"


def _ratio(values: list[float]) -> str:
    return f"{statistics.median(values):.2f}"


def _megabytes(resident: float, private: float) -> str:
    return f"{resident / 1e6:,.0f} ({private / 1e6:,.0f})" if resident else ""


def _reading(found: Results) -> Iterator[str]:
    yield "A ratio below 1 is faster than the chain. Memory: resident, in brackets without what is mapped from files."
    yield ""
    yield "- `files`: live and deleted files only, rules with empty variables: the work of the chain, and file types,"
    yield "  artefact parsers and the case besides. `triage` and `standard` are the shipped profiles with their"
    yield "  defaults: `triage` adds members of archives, `standard` also slack, unallocated and system space."
    yield f"- The floor read {found.floor_bytes / 1e6:,.0f} MB: every chunk that is not all zeros, metadata included."
    yield "- MB/s per core: bytes read by CPU seconds; for the tools, the content of the files."


# --- the rest -------------------------------------------------------------------------------------------------


def _agreement(found: Results) -> Iterator[str]:
    if found.differences:
        yield f"They differ in {len(found.differences)} places:"
        yield ""
        yield from (f"- {line}" for line in found.differences)
    else:
        yield from _wrapped(
            f"Yes. SHA-256 of all {found.files:,} files is the same in the list of what was put onto the disk, in "
            f"hashdeep's and in ours, and so are yara's matches, {found.matches:,} (rule, file)."
        )
    yield ""
    if found.planted_files:
        yield from _wrapped(
            f"The matches were also compared on a disk made for it: {found.planted_files:,} files, most of which hold "
            "the strings of the rules, plain, behind a program's header and as UTF-16. There yara has "
            f"{found.planted_matches:,} matches (rule, file)."
        )
        yield ""
    if found.by_version:
        yield from _wrapped(
            f"{len(found.by_version)} matches are otherwise because the program and the library are not the same "
            "version of YARA (the library, asked alone, says what we say):"
        )
        yield ""
        yield from (f"- {line}" for line in found.by_version)
        yield ""
    yield "What each run saw:"
    yield ""
    for variant, seen in found.seen.items():
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(seen.kinds.items()))
        yield (
            f"- {variant.label}: {seen.read / 1e6:,.0f} MB read; {kinds}; {len(seen.matches):,} matches in the files "
            f"and {seen.matches_elsewhere:,} elsewhere; {seen.gaps:,} gaps"
        )


def _surroundings(found: Results) -> Iterator[str]:
    yield f"{datetime.datetime.now(datetime.UTC).date().isoformat()}; load before the start: {found.load:.1f}"
    yield f"{_fact('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, {_memory()} of memory, {_system()}"
    yield "; ".join(f"{name} {version}" for name, version in peers.versions().items())
    libraries = ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)
    yield f"forensic-kit {ours.version()}{_commit()}, Python {platform.python_version()}, {libraries}"
    for name, reason in found.left_out.items():
        yield f"rules left out: {name}, since {reason}"


def _fact(path: str, name: str) -> str:
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":" if ":" in line else "=")
        if key.strip() == name:
            return value.strip().strip('"')
    return "unknown"


def _memory() -> str:
    return f"{int(_fact('/proc/meminfo', 'MemTotal').split()[0]) / 1e6:.0f} GB"


def _system() -> str:
    return f"{_fact('/etc/os-release', 'PRETTY_NAME')}, {platform.system()} {platform.release()}"


def _commit() -> str:
    """The commit of this checkout, and whether it has changes; empty outside one."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return ""
    git = ["git", "--no-optional-locks", "-C", str(root)]
    commit = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    return f" (commit {commit.stdout.strip()}{', with changes' if changed.stdout else ''})"


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
