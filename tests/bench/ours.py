"""Our own run over the same evidence, and what its case says of the files."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import measure
from tests.bench.measure import Cost

#: 4: part of the evidence could not be examined. The differences that this makes are told.
_DONE = (0, 4)
#: What the chain of tools looks at, and no more: no members of archives, no file system's own space.
FILES_ONLY = """\
name = "files"
version = "1"
description = "Live and deleted files and nothing else: what the chain of tools looks at."

[areas]
slack = false
unallocated = false
system = false
members = false
"""


class Variant(NamedTuple):
    """One way to run."""

    profile: str  #: ``files`` is `FILES_ONLY`, the others are shipped
    image: str  #: name of the file in the evidence folder
    jobs: int
    #: Variables of rules filled with the real names, as is the default, or empty as for the tools.
    filled: bool = False
    rules: bool = True

    @property
    def label(self) -> str:
        """For the table."""
        parts = [f"`{self.profile}`", "raw" if self.image.endswith(".dd") else "E01", f"{self.jobs} jobs"]
        if self.jobs == 1:
            parts[-1] = "1 job"
        parts += [] if self.rules else ["no rules"]
        return ", ".join([*parts, "real names"] if self.filled else parts)


def version() -> str:
    """As the program says it."""
    done = subprocess.run([*_program(), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip().rpartition(" ")[2]


def _program() -> list[str]:
    return [str(Path(sys.executable).with_name("fkit"))]


def run(variant: Variant, evidence: Path, rules: Path, work: Path) -> Cost:
    """Make ``work/case``."""
    work.mkdir(parents=True)
    profile = variant.profile
    if profile == "files":
        profile = str(work / "files.toml")
        Path(profile).write_text(FILES_ONLY, encoding="utf-8")
    command = [*_program(), "run", evidence / variant.image, "--case", work / "case", "--profile", profile]
    command += ["--verify", "none", "--jobs", str(variant.jobs), "--progress", "none"]
    if variant.rules:
        command += ["--rules", rules]
    if variant.rules and not variant.filled:
        command += ["-o", "yara.externals=empty"]
    return measure.run(command, log=work / "fkit.log", allowed=_DONE)


class Seen(NamedTuple):
    """What a case says of the files."""

    #: SHA-256 by path, of the files that the disk was filled with.
    hashes: dict[str, str | None]
    #: (file of the rule, rule, path) of each match in them.
    matches: set[tuple[str, str, str]]
    #: Findings of YARA in what the tools do not look at.
    matches_elsewhere: int
    #: Entries by kind.
    kinds: dict[str, int]
    #: Bytes of all that was read, whatever its kind.
    read: int
    #: Problems that mean something was not examined.
    gaps: int


def seen(work: Path, wanted: set[str]) -> Seen:
    """Read the case that `run` made.

    Args: wanted: paths of the files that the disk was filled with.
    """
    hashes: dict[str, str | None] = {}
    kinds: dict[str, int] = {}
    read = 0
    for row in _rows("case", "files", work / "case"):
        kinds[row["kind"]] = kinds.get(row["kind"], 0) + 1
        if row["sha256"]:
            read += row["size"]
        if row["path"].lstrip("/") in wanted and _is_file(row):
            hashes[row["path"].lstrip("/")] = row["sha256"]
    matches = set()
    elsewhere = 0
    for row in _rows("case", "findings", work / "case", "--type", "yara.match"):
        path = row["path"].lstrip("/")
        if row["kind"] == "file" and path in wanted:
            matches.add((row["record"]["namespace"], row["record"]["rule"], path))
        else:
            elsewhere += 1
    gaps = sum(row["severity"] == "gap" for row in _rows("case", "problems", work / "case"))
    return Seen(hashes, matches, elsewhere, kinds, read, gaps)


def _is_file(row: dict[str, Any]) -> bool:
    return row["kind"] == "file" and row["allocated"] and not row["stream"]


def _rows(*command: str | Path) -> Iterator[dict[str, Any]]:
    with subprocess.Popen([*_program(), *map(str, command), "--json"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        raise SystemExit(f"`{command[0]} {command[1]}` ended with exit code {process.returncode}.")
