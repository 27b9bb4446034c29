"""Do the tools, our run and the list of what went onto the disk say the same? What differs, in words."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

Match = tuple[str, str, str]  # (namespace, rule, path)
_SHOWN = 20


def of_hashes(truth: Mapping[str, str], told: Mapping[str, str | None], who: str) -> list[str]:
    """Files whose SHA-256 is missing, wrong or of something that was not put there."""
    return shortened(_of_hashes(truth, told, who))


def _of_hashes(truth: Mapping[str, str], told: Mapping[str, str | None], who: str) -> Iterator[str]:
    for path in sorted(truth.keys() | told.keys()):
        if path not in told:
            yield f"{who}: no {path}"
        elif path not in truth:
            yield f"{who}: {path} was not put on the disk"
        elif told[path] != truth[path]:
            yield f"{who}: {path} has SHA-256 {told[path]}, it went in as {truth[path]}"


class Difference(NamedTuple):
    """How often a rule of this name matches a file, by the yara program and by our run."""

    rule: str
    path: str
    yara: int
    fkit: int

    @property
    def text(self) -> str:
        """In words."""
        return f"rule {self.rule} in {self.path}: yara {self.yara} times, fkit {self.fkit} times"


def of_matches(tools: set[Match], ours: set[Match]) -> list[Difference]:
    """Matches that only one side has. Namespaces are called differently and count only where several rules of one
    name match one file."""
    by_tools, by_ours = _counted(tools), _counted(ours)
    return [
        Difference(*key, by_tools.get(key, 0), by_ours.get(key, 0))
        for key in sorted(by_tools.keys() | by_ours.keys())
        if by_tools.get(key, 0) != by_ours.get(key, 0)
    ]


def _counted(matches: set[Match]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for _, rule, path in matches:
        found[rule, path] = found.get((rule, path), 0) + 1
    return found


def shortened(lines: Iterable[str]) -> list[str]:
    """The first lines, and how many more there are."""
    found = list(lines)
    return found if len(found) <= _SHOWN else [*found[:_SHOWN], f"... and {len(found) - _SHOWN} more"]
