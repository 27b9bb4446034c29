"""Compare our run with the chain of tools that does the same, and with the floor, on the same evidence.

    python -m tests.bench.compare --evidence bench-evidence --rules signature-base/yara --page docs/performance.md
    python -m tests.bench.compare --evidence quick-evidence --rules signature-base/yara --quick

Everything takes its turn in every round, so that a busy machine is busy for all. Prints a page of Markdown, and ends
with exit code 1 where results differ. README.md beside this file says what is needed.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.bench import agreement, floor, ours, page, peers
from tests.bench.measure import Cost
from tests.bench.ours import Variant
from tests.bench.page import Results

#: The same work as the chain of tools; its matches are compared one by one.
SAME_WORK = Variant("files", "disk.E01", 2)
QUICK = (SAME_WORK, Variant("triage", "disk.E01", 2, filled=True), Variant("standard", "disk.E01", 2, filled=True))
FULL = (
    SAME_WORK,
    Variant("files", "disk.E01", 1),
    Variant("files", "disk.E01", 2, rules=False),
    *(
        Variant(profile, image, jobs, filled=True)
        for profile in ("triage", "standard")
        for image in ("disk.E01", "disk.dd")
        for jobs in (2, 1)
    ),
)
_CACHE_PIECE = 1 << 24


class Evidence(NamedTuple):
    """The folder that make_evidence.py filled."""

    folder: Path
    #: SHA-256 by path.
    hashes: dict[str, str]
    #: Without empty files: tsk_recover does not write them.
    not_empty: dict[str, str]
    bytes: int


def main() -> int:
    """Measure, compare, print the page; 1 where results differ."""
    args = _arguments()
    missing = peers.missing()
    if missing:
        print(f"Not installed: {', '.join(missing)}. Install sleuthkit, hashdeep, yara and file.", file=sys.stderr)
        return 3
    evidence = _evidence(args.evidence)
    found = Results(list(QUICK if args.quick else FULL), len(evidence.hashes), evidence.bytes)
    found.load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="compare-", dir=args.work) as folder:
        rules = Path(folder, "rules")
        found.left_out = peers.usable_rules(args.rules, rules)
        found.rule_files, found.rules = peers.count_rules(rules)
        for name in ("disk.dd", "disk.E01"):
            _read_once(evidence.folder / name)
        if args.planted:
            _compare_planted(_evidence(args.planted), rules, Path(folder, "planted"), found)
        for number in range(args.runs):
            _say(f"round {number + 1} of {args.runs}")
            _round(evidence, rules, Path(folder, "round"), found)
    text = page.page(found)
    print(text, end="")
    if args.page:
        args.page.write_text(text, encoding="utf-8")
    if args.json:
        args.json.write_text(json.dumps(found.measured(), indent=1) + "\n", encoding="utf-8")
    return 1 if found.differences else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare our run with the tools of the trade, on the same evidence.")
    parser.add_argument("--evidence", type=Path, required=True, help="folder made by make_evidence.py")
    parser.add_argument("--rules", type=Path, required=True, help="folder of YARA rules")
    parser.add_argument("--planted", type=Path, help="evidence made with --plant, to compare matches only")
    parser.add_argument("--runs", type=int, default=3, help="rounds; the page gives medians (default 3)")
    parser.add_argument("--quick", action="store_true", help="three variants of our run instead of eleven")
    parser.add_argument("--work", type=Path, help="folder for what is written and deleted again (default: temporary)")
    parser.add_argument("--page", type=Path, help="also write the page to this file")
    parser.add_argument("--json", type=Path, help="write every single measurement to this file")
    args = parser.parse_args()
    if args.runs < 1:
        parser.error("--runs must be at least 1")
    return args


def _evidence(folder: Path) -> Evidence:
    absent = [name for name in ("disk.dd", "disk.E01", "contents.jsonl") if not (folder / name).is_file()]
    if absent:
        raise SystemExit(f"{folder} lacks {', '.join(absent)}. Make it with make_evidence.py.")
    rows = [json.loads(line) for line in (folder / "contents.jsonl").read_text(encoding="utf-8").splitlines()]
    hashes = {row["path"]: row["sha256"] for row in rows}
    not_empty = {row["path"]: row["sha256"] for row in rows if row["size"]}
    return Evidence(folder, hashes, not_empty, sum(row["size"] for row in rows))


def _read_once(path: Path) -> None:
    """Into the system's cache: whoever reads first must not pay for all."""
    with path.open("rb") as file:
        while file.read(_CACHE_PIECE):
            pass


def _round(evidence: Evidence, rules: Path, work: Path, found: Results) -> None:
    """Everything once. The tools first: what they leave is what ours is compared with."""
    tools, place = work / "tools", work / "ours"
    _run_tools(evidence, rules, tools, found)
    cost, found.floor_bytes = floor.floor(evidence.folder / "disk.E01")
    found.floors.append(cost)
    _tell("floor", cost)
    for variant in found.variants:
        cost = ours.run(variant, evidence.folder, rules, place)
        found.fkit[variant].append(cost)
        _tell(variant.label, cost)
        seen = found.seen[variant] = ours.seen(place, set(evidence.hashes))
        shutil.rmtree(place)
        found.differ(agreement.of_hashes(evidence.hashes, seen.hashes, f"fkit ({variant.label})"))
        if variant == SAME_WORK:
            found.matches = _compare_matches(rules, tools, seen, found)
            shutil.rmtree(tools)
    shutil.rmtree(work)


def _compare_planted(evidence: Evidence, rules: Path, work: Path, found: Results) -> None:
    """The same comparison where there is much to be found. Nothing of it is measured."""
    _say("planted matches")
    _run_tools(evidence, rules, work / "tools", Results([], 0, 0))
    ours.run(SAME_WORK, evidence.folder, rules, work / "ours")
    seen = ours.seen(work / "ours", set(evidence.hashes))
    found.differ(agreement.of_hashes(evidence.hashes, seen.hashes, "fkit (planted)"))
    found.planted_files = len(evidence.hashes)
    found.planted_matches = _compare_matches(rules, work / "tools", seen, found)
    shutil.rmtree(work)


def _run_tools(evidence: Evidence, rules: Path, work: Path, found: Results) -> None:
    for step, cost in peers.chain(evidence.folder / "disk.E01", rules, work):
        found.tools.setdefault(step, []).append(cost)
        _tell(step, cost)
    found.differ(agreement.of_hashes(evidence.not_empty, peers.hashes(work), "tsk_recover and hashdeep"))


def _compare_matches(rules: Path, tools: Path, seen: ours.Seen, found: Results) -> int:
    """Tell matches apart that differ; how many the yara program has."""
    matches = peers.matches(tools)
    real, versions = [], []
    for difference, by_libyara in peers.as_libyara_says(rules, tools, agreement.of_matches(matches, seen.matches)):
        (versions if by_libyara else real).append(difference.text)
    found.differ(agreement.shortened(real))
    found.by_version += [text for text in versions if text not in found.by_version]
    return len(matches)


def _tell(what: str, cost: Cost) -> None:
    _say(f"  {what}: {cost.wall:.1f} s, CPU {cost.cpu:.1f} s")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
