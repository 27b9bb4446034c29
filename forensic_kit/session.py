"""Worker processes for one set of exhibits, and the questions that can be put to them.

The parent never loads a format library: whatever looks into evidence is asked here and done in `tasks`.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from forensic_kit import api, tasks
from forensic_kit.case import Result
from forensic_kit.errors import ForensicError, Misuse
from forensic_kit.model import FileEntry, Problem
from forensic_kit.profile import Profile
from forensic_kit.workers import Completed, Item, Limits, Pool, Restarted, Shard, Streamed, default_jobs

_HANDLER: Final = "forensic_kit.tasks:start"
_SILENCE: Final = 600.0  # seconds in which a long task gives no sign of life
_pack = msgspec.msgpack.Encoder().encode


class Session:
    """Workers that know some exhibits. A context manager; ``temp`` is a folder of its own unless one is given."""

    def __init__(
        self,
        exhibits: dict[str, Path],
        *,
        profile: Profile | None = None,
        temp: Path | None = None,
        plugin_folders: Iterable[Path] = (),
        skip: Iterable[str] = (),
        credentials: Iterable[api.Credential] = (),
        case: Path | None = None,
        work: Path | None = None,
        jobs: int = 0,
    ) -> None:
        self._stack = ExitStack()
        self.exhibits = exhibits
        profile = profile or Profile("look", "1")
        folder = temp or Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="forensic-kit-")))
        setup = tasks.Setup(
            {name: str(path.absolute()) for name, path in exhibits.items()},
            profile,
            str(folder.absolute()),
            [str(item.absolute()) for item in plugin_folders],
            list(skip),
            list(credentials),
            str(case.absolute()) if case else "",
            str(work.absolute()) if work else "",
        )
        budgets = profile.budgets
        limits = Limits(budgets.seconds, budgets.seconds_per_mib, silence=max(_SILENCE, budgets.seconds))
        self._pool = Pool(
            _HANDLER, _pack(setup), jobs=jobs or default_jobs(), memory=budgets.worker_memory, limits=limits
        )
        self._shards = 0

    def __enter__(self) -> "Session":
        self._stack.enter_context(self._pool)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def shard(self, kind: str, items: Iterable[Item], *, stream: bool = False) -> Shard:
        """A shard with the next number."""
        self._shards += 1
        return Shard(self._shards, kind, tuple(items), stream)

    def run(self, shards: Iterable[Shard]) -> Iterator[Streamed | Restarted | Completed]:
        """What the workers make of the shards, as it comes."""
        return self._pool.run(iter(shards))

    def ask(self, kind: str, payloads: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
        """(key, result) of tasks that give one result each. Raises the error of one that could not be done."""
        shards = [self.shard(kind, [Item(key, payload)]) for key, payload in payloads.items()]
        for event in self.run(shards):
            for item in event.results if isinstance(event, Completed) else ():
                if item.lost:
                    raise ForensicError(f"{item.key}: the worker that looked at it {item.lost[0].reason}.")
                yield item.key, succeeded(b"".join(item.results))

    def facts(self) -> dict[str, dict[str, Any]]:
        """The facts of every exhibit (`info --json`)."""
        found = dict(self.ask("open", {name: name.encode() for name in self.exhibits}))
        return {name: msgspec.json.decode(found[name]) for name in self.exhibits}

    def listing(self, name: str, number: str, size: int = 0) -> Iterator[FileEntry | Problem]:
        """Everything in a volume, as it is found. After a worker's death what was given already is not repeated."""
        given = count = 0
        item = Item(f"{name}/v{number}", _pack((name, number)), size)
        for event in self.run([self.shard("list", [item], stream=True)]):
            if isinstance(event, Restarted):
                count = 0
            elif isinstance(event, Streamed):
                batch = msgspec.msgpack.decode(event.data, type=tasks.Batch)
                yield from batch.entries[max(0, given - count) :]
                count += len(batch.entries)
                given = max(given, count)
                yield from batch.problems
            else:
                yield from (lost_problem(lost, "list", item.key) for done in event.results for lost in done.lost)

    def read(self, locator: str, entry: bytes = b"") -> Iterator[bytes]:
        """The bytes of a locator.

        Args: entry: msgpack of the listed entry it starts from, where a case knows it.
        """
        shard = self.shard("read", [Item(locator, _pack((locator, entry)))], stream=True)
        for event in self.run([shard]):
            if isinstance(event, Streamed):
                yield succeeded(event.data)
            elif isinstance(event, Completed):
                for lost in event.results[0].lost:
                    raise ForensicError(f"{locator}: reading it failed: it {lost.reason}.")
            else:
                raise ForensicError(f"{locator}: reading it stopped its worker half-way.")

    def parse(self, path: Path, wanted: str) -> Result:
        """The records of a loose file."""
        ((_, data),) = self.ask("parse", {str(path): _pack((str(path.absolute()), wanted))})
        return msgspec.msgpack.decode(data, type=Result)

    def plan(self, plugin: str, options: dict[str, Any], cache: Path) -> list[api.Plan]:
        """What a scanner will look for with these options."""
        payload = _pack(tasks.Planned(plugin, options, str(cache.absolute())))
        ((_, data),) = self.ask("plan", {plugin: payload})
        return msgspec.msgpack.decode(data, type=list[api.Plan])

    def verify(
        self, sizes: dict[str, int], show: Callable[[int], None] = lambda _: None
    ) -> Iterator[tuple[str, tasks.Verified]]:
        """(exhibit, digests) as each is done; ``show`` gets the bytes done of all.

        Args: sizes: bytes of each exhibit to recompute.
        """
        done: dict[str, int] = {}
        shards = [self.shard("verify", [Item(name, name.encode(), size)], stream=True) for name, size in sizes.items()]
        for event in self.run(shards):
            if isinstance(event, Completed):
                for item in event.results:
                    for lost in item.lost:
                        raise ForensicError(f"{item.key}: recomputing its digests failed: it {lost.reason}.")
            elif isinstance(event, Streamed):
                message = msgspec.msgpack.decode(event.data, type=tasks.Progress | tasks.Verified)
                if isinstance(message, tasks.Verified):
                    yield event.key, message
                else:
                    done[event.key] = message.bytes
                    show(sum(done.values()))


def succeeded(data: bytes) -> bytes:
    """What a task gave, or its failure raised."""
    if data[:1] == b"+":
        return data[1:]
    failure = msgspec.msgpack.decode(data[1:], type=tasks.Failure)
    error = Misuse(failure.message) if failure.exit_code == 2 else ForensicError(failure.message)
    error.exit_code = failure.exit_code
    raise error


def lost_problem(lost: Any, stage: str, locator: str) -> Problem:
    """The problem that stands for an item the supervisor gave up."""
    return Problem("gap", f"not examined: it {lost.reason}", "worker", None, stage, "", locator)
