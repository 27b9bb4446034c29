"""Do the tools, our run and the list of what went onto the disk say the same? What differs, in words."""

from collections.abc import Iterator, Mapping

Match = tuple[str, str, str]  # (namespace, rule, path)
_SHOWN = 20


def of_hashes(truth: Mapping[str, str], told: Mapping[str, str | None], who: str) -> list[str]:
    """Files whose SHA-256 is missing, wrong or of something that was not put there."""
    return _shortened(_of_hashes(truth, told, who))


def _of_hashes(truth: Mapping[str, str], told: Mapping[str, str | None], who: str) -> Iterator[str]:
    for path in sorted(truth.keys() | told.keys()):
        if path not in told:
            yield f"{who}: no {path}"
        elif path not in truth:
            yield f"{who}: {path} was not put on the disk"
        elif told[path] != truth[path]:
            yield f"{who}: {path} has SHA-256 {told[path]}, it went in as {truth[path]}"


def of_matches(tools: set[Match], ours: set[Match]) -> list[str]:
    """Matches that only one side has. Namespaces are called differently and count only where both tell several rules
    of one name in one file."""
    return _shortened(_of_matches(tools, ours))


def _of_matches(tools: set[Match], ours: set[Match]) -> Iterator[str]:
    by_tools, by_ours = _counted(tools), _counted(ours)
    for rule, path in sorted(by_tools.keys() | by_ours.keys()):
        yara, fkit = by_tools.get((rule, path), 0), by_ours.get((rule, path), 0)
        if yara != fkit:
            yield f"rule {rule} in {path}: yara {yara} times, fkit {fkit} times"


def _counted(matches: set[Match]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for _, rule, path in matches:
        found[rule, path] = found.get((rule, path), 0) + 1
    return found


def _shortened(lines: Iterator[str]) -> list[str]:
    found = list(lines)
    return found if len(found) <= _SHOWN else [*found[:_SHOWN], f"... and {len(found) - _SHOWN} more"]
