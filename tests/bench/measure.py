"""Run a program and measure it: wall clock, CPU, peak memory of it and of the largest process under it."""

import os
import select
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, NamedTuple

_POLL = 0.1  # seconds between two looks at the memory of the processes


class Cost(NamedTuple):
    """What a program took."""

    wall: float  #: seconds
    cpu: float  #: seconds, user and system, of the program and of all processes it waited for
    resident: int = 0  #: peak of the program itself, bytes
    private: int = 0  #: likewise without what is mapped from files
    child_resident: int = 0  #: peak of the largest process under it, bytes; 0 if there was none
    child_private: int = 0


def total(costs: Iterable[Cost]) -> Cost:
    """Of programs that ran one after the other: times add up, peaks do not."""
    rows = list(zip(*costs, strict=True))
    return Cost(sum(rows[0]), sum(rows[1]), *(max(row) for row in rows[2:]))


def run(
    command: Sequence[str | Path], *, out: Path | None = None, log: Path | None = None, allowed: tuple[int, ...] = (0,)
) -> Cost:
    """Run it to its end.

    Args: out: file for its standard output, log: for its standard error; nowhere if not given. allowed: exit codes
    that mean it did its work. Raises: SystemExit for any other.
    """
    with _sink(out) as stdout, _sink(log) as stderr:
        started = time.monotonic()
        process = subprocess.Popen([str(part) for part in command], stdout=stdout, stderr=stderr)
        peaks = _Peaks(process.pid)
        descriptor = os.pidfd_open(process.pid)
        while not select.select([descriptor], [], [], _POLL)[0]:
            peaks.look()
        wall = time.monotonic() - started
        os.close(descriptor)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
    if code not in allowed:
        said = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log else ""
        raise SystemExit(f"{Path(command[0]).name} ended with exit code {code}. {said}".rstrip())
    return Cost(wall, usage.ru_utime + usage.ru_stime, *peaks.own, *peaks.child)


def _sink(path: Path | None) -> IO[bytes]:
    return Path(path or os.devnull).open("wb")


class _Peaks:
    """(resident, private) peaks of a process and of the largest one under it, as far as they were looked at in time."""

    def __init__(self, root: int) -> None:
        self.own = (0, 0)
        self.child = (0, 0)
        self._root = root
        self._under: dict[int, bool] = {}

    def look(self) -> None:
        self.own = _larger(self.own, _memory(self._root))
        for name in os.listdir("/proc"):  # noqa: PTH208 - names only, ten times a second
            # Numbers start again at 1 once in a long while; the processes missed then cost a peak, no more.
            if name.isdigit() and int(name) > self._root and self._is_under(int(name)):
                self.child = _larger(self.child, _memory(int(name)))

    def _is_under(self, process: int) -> bool:
        if process not in self._under:
            parent = _parent(process)
            self._under[process] = parent == self._root or self._under.get(parent, False)
        return self._under[process]


def _larger(first: tuple[int, int], second: tuple[int, int]) -> tuple[int, int]:
    return max(first[0], second[0]), max(first[1], second[1])


def _parent(process: int) -> int:
    try:
        # The name of the program stands in brackets and may hold anything.
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _memory(process: int) -> tuple[int, int]:
    """Peak resident and present private bytes; zeros for a process that is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    values = {name: value.split()[0] for name, _, value in (line.partition(":") for line in lines) if value.strip()}
    return int(values.get("VmHWM", 0)) * 1024, int(values.get("RssAnon", 0)) * 1024
