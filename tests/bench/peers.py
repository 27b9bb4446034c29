"""The tools that a lab would run one after the other: The Sleuth Kit, hashdeep, yara, file."""

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.bench import measure
from tests.bench.agreement import Difference
from tests.bench.make_evidence import PARTITION_START, SECTOR
from tests.bench.measure import Cost

PROGRAMS = ("tsk_recover", "hashdeep", "yarac", "yara", "file")
#: Variables that rules in the wild expect from whoever runs them; empty here, and for our own run.
EXTERNALS = ("filename", "filepath", "extension", "filetype", "owner")
_STEPS = ("tsk_recover", "hashdeep", "yarac", "yara")


def missing() -> list[str]:
    """Programs that are not installed."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def versions() -> dict[str, str]:
    """What each program says of itself."""
    told = {name: _first_line(name, flag) for name, flag in (("tsk_recover", "-V"), ("hashdeep", "-V"), ("yara", "-v"))}
    return told | {"file": _first_line("file", "--version")}


def _first_line(name: str, flag: str) -> str:
    done = subprocess.run([name, flag], capture_output=True, text=True, errors="replace")
    line = next(iter((done.stdout or done.stderr).splitlines()), "").strip()
    return line.removeprefix("The Sleuth Kit ver ").removeprefix("file-")


def usable_rules(folder: Path, target: Path) -> dict[str, str]:
    """Copy the rule files that compile by themselves; what is left out, and why.

    Args: folder: of ``.yar`` and ``.yara`` files, at any depth. target: folder to make.
    """
    left_out = {}
    for path in sorted(item for item in folder.rglob("*") if item.suffix in (".yar", ".yara") and item.is_file()):
        name = path.relative_to(folder)
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["yarac", "-w", *_definitions(), path, "/dev/null"], capture_output=True, text=True, errors="replace"
        )
        if done.returncode:
            left_out[str(name)] = done.stderr.strip().splitlines()[-1].replace(f"{folder}/", "")
        else:
            shutil.copyfile(path, copy)
    return left_out


def count_rules(folder: Path) -> tuple[int, int]:
    """How many files and rules `usable_rules` copied."""
    files = _rule_files(folder)
    return len(files), sum(1 for _ in _compiled(files))


def _rule_files(folder: Path) -> dict[str, Path]:
    """By namespace: one a file, since names of rules repeat."""
    return {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _compiled(files: dict[str, Path]) -> Any:
    import yara

    paths = {namespace: str(path) for namespace, path in files.items()}
    return yara.compile(filepaths=paths, externals=dict.fromkeys(EXTERNALS, ""))


def as_libyara_says(rules: Path, work: Path, differences: Iterable[Difference]) -> Iterator[tuple[Difference, bool]]:
    """Each difference, and whether the libyara that we run, asked without us, says the same of the file as we do.

    Then the difference is one between two versions of YARA.
    """
    compiled = None
    for difference in differences:
        compiled = compiled or _compiled(_rule_files(rules))
        matches = compiled.match(str(work / "recovered" / difference.path))
        yield difference, sum(match.rule == difference.rule for match in matches) == difference.fkit


def _definitions() -> list[str]:
    return [part for name in EXTERNALS for part in ("-d", f"{name}=")]


def chain(image: Path, rules: Path, work: Path) -> Iterator[tuple[str, Cost]]:
    """(step, cost) of each tool. What they leave in ``work``: ``recovered/``, ``hashdeep.txt``, ``yara.txt``."""
    recovered = work / "recovered"
    recovered.mkdir(parents=True)
    offset = str(PARTITION_START // SECTOR)
    log = work / "tools.log"
    yield "tsk_recover", measure.run(["tsk_recover", "-a", "-o", offset, image, recovered], log=log)
    yield (
        "hashdeep",
        measure.run(["hashdeep", "-r", "-l", "-c", "md5,sha1,sha256", recovered], out=work / "hashdeep.txt", log=log),
    )
    files = [f"{namespace}:{path}" for namespace, path in _rule_files(rules).items()]
    compiled = work / "rules.yarc"
    yield "yarac", measure.run(["yarac", "-w", *_definitions(), *files, compiled], log=log)
    yield (
        "yara",
        measure.run(["yara", "-w", "-e", "-r", "-p", "2", "-C", compiled, recovered], out=work / "yara.txt", log=log),
    )
    listing = work / "files.txt"
    listing.write_bytes(b"".join(bytes(path) + b"\n" for path in sorted(recovered.rglob("*")) if path.is_file()))
    yield "file", measure.run(["file", "--mime-type", "-N", "-f", listing], out=work / "file.txt", log=log)


def in_chain(step: str) -> bool:
    """Does the step count in the sum of the chain?"""
    return step in _STEPS


def hashes(work: Path) -> dict[str, str]:
    """SHA-256 of each recovered file by path on the disk, as hashdeep says."""
    found = {}
    for line in (work / "hashdeep.txt").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        if line and line[0] not in "%#":
            _size, _md5, _sha1, sha256, path = line.split(",", 4)
            found[_on_disk(path, work)] = sha256
    return found


def matches(work: Path) -> set[tuple[str, str, str]]:
    """(namespace, rule, path on the disk) of each match, as yara says."""
    found = set()
    for line in (work / "yara.txt").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        rule, _, path = line.partition(" ")
        namespace, _, name = rule.rpartition(":")
        found.add((namespace, name, _on_disk(path, work)))
    return found


def _on_disk(path: str, work: Path) -> str:
    root = f"{work / 'recovered'}/"
    if not path.startswith(root):
        raise SystemExit(f"a tool tells of {path}, which is not under its folder. Look at {work}.")
    return path[len(root) :]
