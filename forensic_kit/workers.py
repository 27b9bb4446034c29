"""Runs handlers in processes of their own, so that a crash, a hang or a memory blow-up costs one item.

N processes, one socket pair each, nothing shared. A worker has one task at a time; the next shard is taken when a
worker is free, and results are read as the caller iterates: a slow caller slows the workers down and no memory
fills up.

**Blame.** A worker that dies, hangs or runs out of memory is replaced. The item it was at is done again alone in a
fresh process, the rest of its shard goes back into the queue, what was finished is kept. Only an item that ends a
fresh process alone is given up. Where its handler had announced a member of it, that member is given up and the
item done again without it, for up to `MEMBERS` members. So the outcome depends neither on the number of workers nor
on which of them somebody kills.

**Time.** An item has ``seconds + seconds_per_mib * size``, an announced member what its handler says, an item of a
stream may be silent for ``silence``. A worker is ended for time only when its pipe was found empty. What the caller
spends with events and shards is not counted for a worker that had something to say by then, for it may have been
waiting for the parent; what the whole machine or this process stood still is counted for nobody.

Limits: POSIX only so far (a Windows child does not inherit a socket this way). A worker inside a system call that
cannot be interrupted (dead network storage) is waited for until the call ends.
"""

import math
import os
import re
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, NamedTuple

import msgspec

from forensic_kit import worker as child
from forensic_kit.errors import ForensicError

#: Members of one item that may be left out before the item itself is given up.
MEMBERS: Final = 32
_ALONE: Final = 3  # times an item alone may meet a signal that also comes from outside before it is to blame
# Fresh workers in a row may end before they begin an item: 3, or 30 where a signal from outside may have ended them.
_FAILURES: Final = 30
_FAILURE: Final = 10
_DRAIN: Final = 64  # reads from the pipe of a dead worker: more than a socket holds
_RESULT_COST: Final = 64  # bytes of memory that keeping a result costs beside its own: empty ones add up too
_GRACE: Final = 5.0  # seconds in which a worker that should end does
_STEP: Final = 0.25  # seconds of the longest wait; what it takes beyond twice this, everything stood still
_MEMORY_EACH: Final = 3 << 29  # bytes of free memory for one worker
_CAUSE = Literal["crash", "time", "memory", "output", "error"]


# --- what goes in and out -------------------------------------------------------------------------------------


class Item(msgspec.Struct, frozen=True):
    """One unit that may be blamed."""

    key: str
    payload: bytes
    size: int = 0  #: bytes it has to read: they give it time


class Shard(msgspec.Struct, frozen=True):
    """Items that are settled together. Keep it small: results are held until the last item's are there."""

    number: int
    kind: str
    items: tuple[Item, ...]
    #: One item of unbounded output, whose results are handed on as they come.
    stream: bool = False


class Lost(msgspec.Struct, frozen=True):
    """An item or a member that was given up."""

    key: str
    #: Continues a sentence whose subject is the item. Equal for equal failures.
    reason: str
    cause: _CAUSE


class ItemResult(msgspec.Struct, frozen=True):
    """How an item ended."""

    key: str
    #: What its handler emitted; nothing for an item that was given up and for a stream.
    results: tuple[bytes, ...] = ()
    #: Members that were given up; last the item itself if it was.
    lost: tuple[Lost, ...] = ()


class Completed(msgspec.Struct, frozen=True):
    """All items of a shard are settled; here in the shard's order."""

    number: int
    results: tuple[ItemResult, ...]


class Streamed(msgspec.Struct, frozen=True):
    """One result of a stream."""

    number: int
    key: str
    data: bytes


class Restarted(msgspec.Struct, frozen=True):
    """The item of a stream begins again: discard what it gave. Not said when it is given up."""

    number: int
    key: str
    avoid: frozenset[str]  #: members that it leaves out from now on


Event = Completed | Streamed | Restarted


class Limits(msgspec.Struct, frozen=True):
    """What an item may use."""

    seconds: float = 120.0
    seconds_per_mib: float = 1.0
    #: Seconds between two signs of life of a stream, unless it announces another limit.
    silence: float = 600.0
    #: Seconds from being given a task to beginning its first item; a new process starts in them too.
    start: float = 120.0
    #: Bytes of all results of an item, and of one result of a stream.
    output: int = 256 << 20

    def of(self, item: Item) -> float:
        """Seconds for an item that is not a stream."""
        return self.seconds + self.seconds_per_mib * item.size / (1 << 20)


class _Verdict(NamedTuple):
    """Why a worker ended."""

    cause: _CAUSE
    reason: str
    outside: bool = False  #: perhaps without the item's doing


_TIME: Final = _Verdict("time", "took longer than its limit")
_SLOW_START: Final = _Verdict("time", "took too long to start")
_MEMORY: Final = _Verdict("memory", "needed more memory than its limit")
_OUTPUT: Final = _Verdict("output", "gave more results than its limit")
_JUNK: Final = _Verdict("crash", "made the worker send what is no message")
_CLOSED: Final = _Verdict("crash", "closed the worker's pipe")
_SIGNALS: Final = {
    signal.SIGSEGV: ", segmentation fault",
    signal.SIGABRT: ", abort",
    signal.SIGBUS: ", bus error",
    signal.SIGFPE: ", arithmetic error",
    signal.SIGILL: ", illegal instruction",
}
_FROM_OUTSIDE: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)


def _from_status(status: int) -> _Verdict:
    """What the exit status of a process says that was not ended from here."""
    if status >= 0:
        return _Verdict("crash", f"ended the worker (exit status {status})")
    name = next((text for number, text in _SIGNALS.items() if number == -status), "")
    return _Verdict("crash", f"killed the worker (signal {-status}{name})", -status in _FROM_OUTSIDE)


# --- state ----------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Work:
    """Items of one shard for one worker."""

    shard: Shard
    settled: dict[int, ItemResult]  #: of the shard, by index; shared by all work on it
    pending: deque[int]
    alone: bool = False
    avoid: frozenset[str] = frozenset()
    lost: tuple[Lost, ...] = ()
    outside: int = 0  #: how often a signal that may come from outside ended it, alone

    @property
    def item(self) -> Item:
        """The one that is done or comes next."""
        return self.shard.items[self.pending[0]]


@dataclass(eq=False)
class _Worker:
    """A process and what it is doing."""

    process: child.Process
    work: _Work | None = None
    busy: bool = False  #: the first pending item is in its hands
    member: str | None = None  #: of that item, announced last
    results: list[bytes] = field(default_factory=list)
    held: int = 0  #: bytes of results
    limit: float = 0.0  #: seconds that it had at the last announcement
    deadline: float = math.inf
    fresh: bool = True  #: has touched nothing yet
    leaving: bool = False  #: gets no more work
    deaf: bool = False  #: nothing it says counts any more
    late: _Verdict = _TIME  #: what it means when the deadline passes
    verdict: _Verdict | None = None  #: why it ends, where its exit status does not say

    def allow(self, seconds: float) -> None:
        """Start the clock of what was announced."""
        self.limit = seconds
        self.deadline = time.monotonic() + seconds

    def leave(self, *, late: _Verdict) -> None:
        """It should end by itself now."""
        self.leaving, self.late, self.deadline = True, late, time.monotonic() + _GRACE

    def end(self, verdict: _Verdict) -> None:
        """End it, whatever it is doing."""
        self.verdict = self.verdict or verdict
        self.leaving, self.deadline = True, math.inf
        self.process.kill()


class Pool:
    """Processes that do items. A context manager; `run` as often as needed, one at a time: workers stay warm.

    Args: function: ``package.module:function``, called with ``setup`` in each process; returns a
    `forensic_kit.worker.Handler`. jobs: how many processes at most; they start when there is work. memory: bytes of
    private memory (RLIMIT_DATA) of each, 0 for no limit. env: variables over those of this process; ``TZ LC_ALL
    PYTHONHASHSEED`` are set for equal results and stay as they are. Modules are found where this process finds them.
    """

    def __init__(
        self,
        function: str,
        setup: bytes,
        *,
        jobs: int,
        memory: int = 0,
        env: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._setup = child.Setup(function, setup, memory)
        self._jobs = max(1, jobs)
        self._env = dict(env or {})
        self._limits = limits or Limits()
        self._workers: list[_Worker] = []
        self._selector: selectors.BaseSelector | None = None
        self._running = False
        self._reset(())

    def _reset(self, shards: Iterable[Shard]) -> None:
        self._source: Iterator[Shard] | None = iter(shards)
        self._queue: deque[_Work] = deque()
        self._events: deque[Event] = deque()
        self._stop: ForensicError | None = None
        self._failures = 0
        self._away = 0.0  # seconds since the last look at the pipes that the caller spent

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, shards: Iterable[Shard]) -> Iterator[Event]:
        """Do all shards. A shard is taken when a worker is free.

        Yields: events as they happen; the last of a shard is its `Completed`.
        Raises: EvidenceLost, CaseFull: as a handler raised them. ForensicError: as the function raised it, or when
        workers end again and again before they begin. However the iteration ends, no worker goes on working.
        """
        if self._running:
            raise RuntimeError("this pool is running: exhaust or close the first run before the next")
        self._running = True
        self._reset(shards)
        try:
            going = True
            while going:
                going = self._dispatch()
                if going:
                    self._look()
                    self._dispatch()  # whoever is free now works while the caller keeps what came
                start = time.monotonic()
                while self._events:
                    yield self._events.popleft()
                self._away += time.monotonic() - start
                if self._stop:
                    raise self._stop
        finally:
            self._end([worker for worker in self._workers if worker.work or worker.leaving])
            self._reset(())
            self._running = False

    def close(self) -> None:
        """End all workers; those without work may clean up, for seconds. The pool can be used again."""
        idle = [worker for worker in self._workers if worker.work is None and not worker.leaving]
        for worker in idle:
            worker.process.dismiss()
        until = time.monotonic() + _GRACE
        for worker in idle:
            worker.process.wait(max(0.0, until - time.monotonic()))
        self._end(list(self._workers))
        if self._selector:
            self._selector.close()
            self._selector = None

    def _end(self, workers: list[_Worker]) -> None:
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.wait(_GRACE)
            self._forget(worker)

    # --- giving work ------------------------------------------------------------------------------------------

    def _dispatch(self) -> bool:
        """Give work to whoever is free. False when everything is done."""
        while True:
            idle = [worker for worker in self._workers if worker.work is None and not worker.leaving]
            taken = sum(worker.work is not None for worker in self._workers)
            if taken >= self._jobs:
                return True
            work = self._next()
            if work is None:
                return taken > 0
            fitting = [worker for worker in idle if worker.fresh or not work.alone]
            if not fitting and idle and taken + len(idle) >= self._jobs:
                idle[0].process.dismiss()
                idle[0].leave(late=_TIME)
            self._give(fitting[0] if fitting else self._spawn(), work)

    def _next(self) -> _Work | None:
        """What to do next: what is left of begun shards, then the caller's next shard."""
        if self._queue:
            return self._queue.popleft()
        while self._source is not None:
            start = time.monotonic()
            shard = next(self._source, None)
            self._away += time.monotonic() - start
            if shard is None:
                self._source = None
            elif shard.stream and len(shard.items) != 1:
                raise ValueError(f"shard {shard.number} is a stream of {len(shard.items)} items; it must have one")
            elif shard.items:
                return _Work(shard, {}, deque(range(len(shard.items))))
            else:
                self._events.append(Completed(shard.number, ()))
        return None

    def _give(self, worker: _Worker, work: _Work) -> None:
        items = [(item.key, item.payload) for item in (work.shard.items[index] for index in work.pending)]
        worker.work, worker.late = work, _SLOW_START
        worker.allow(self._limits.start)
        worker.process.send(child.TASK, child.Task(work.shard.kind, items, work.avoid))
        self._watch_push(worker)

    def _spawn(self) -> _Worker:
        worker = _Worker(child.Process.start(self._setup, self._env))
        self._workers.append(worker)
        self._selector = self._selector or selectors.DefaultSelector()
        for source in (worker.process.link, worker.process.errors, worker.process.sentinel):
            if source is not None:
                self._selector.register(source, selectors.EVENT_READ, worker)
        return worker

    def _watch_push(self, worker: _Worker) -> None:
        """Be told when the worker's pipe takes more, while there is more."""
        if self._selector and worker.process.link in self._selector.get_map():
            write = selectors.EVENT_WRITE if worker.process.has_more else 0
            self._selector.modify(worker.process.link, selectors.EVENT_READ | write, worker)

    def _ignore(self, source: "socket.socket | int | None") -> None:
        if self._selector and source is not None and source in self._selector.get_map():
            self._selector.unregister(source)

    def _forget(self, worker: _Worker) -> None:
        for source in (worker.process.link, worker.process.errors, worker.process.sentinel):
            self._ignore(source)
        worker.process.close()
        self._workers.remove(worker)

    # --- listening --------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Wait for news, take it in, bury the dead, end who is over time."""
        assert self._selector  # somebody has work
        soonest = min(worker.deadline for worker in self._workers)
        start = time.monotonic()
        timeout = 0.0 if self._events else min(max(0.0, soonest - start), _STEP)
        ready = self._selector.select(timeout)
        stood = time.monotonic() - start - timeout - _STEP
        away, self._away = self._away, 0.0
        talking = {key.data for key, _ in ready}
        for worker in self._workers:
            worker.deadline += max(0.0, stood) + (away if worker in talking else 0.0)
        dead = [key.data for key, _ in ready if key.fileobj == key.data.process.sentinel]
        heard = set()
        for key, mask in ready:
            worker = key.data
            if key.fileobj == worker.process.errors:
                if not worker.process.overhear():
                    self._ignore(worker.process.errors)
            elif key.fileobj == worker.process.link:
                if mask & selectors.EVENT_WRITE:
                    worker.process.push()
                    self._watch_push(worker)
                if mask & selectors.EVENT_READ:
                    heard.add(worker)
                    if self._hear(worker) == b"" and worker.process.sentinel is None:
                        dead.append(worker)
        for worker in dead:
            self._bury(worker)
        now = time.monotonic()
        for worker in self._workers:
            if worker.deadline <= now and worker not in heard:
                worker.end(worker.late)

    def _hear(self, worker: _Worker) -> bytes | None:
        """Take in some of what is there; gives it back, empty at the end of the pipe, None when there is nothing."""
        data = worker.process.receive()
        if data == b"":
            # It is ending. If not, it closed what it should not have, and will never speak again.
            worker.leave(late=_CLOSED)
            self._ignore(worker.process.link)
        elif data and not worker.deaf:
            for kind, body in worker.process.frames(data):
                if not worker.deaf:
                    self._take(worker, kind, body)
            if worker.held + worker.process.expecting > self._limits.output:
                self._silence(worker, _OUTPUT)
        return data

    def _silence(self, worker: _Worker, verdict: _Verdict) -> None:
        worker.deaf = True
        worker.end(verdict)

    def _take(self, worker: _Worker, kind: int, body: bytes) -> None:
        """One message."""
        work = worker.work
        try:
            if work and worker.busy and kind == child.RESULT:
                self._result(worker, work, body)
            elif work and worker.busy and kind == child.TOUCH:
                self._touch(worker, work, msgspec.msgpack.decode(body, type=child.Touch))
            elif work and worker.busy and kind == child.END:
                self._settle(worker, work, tuple(worker.results), work.lost)
            elif work and worker.busy and kind == child.FAILED:
                lost = Lost(work.item.key, f"failed with {body.decode('utf-8', 'replace')}", "error")
                self._settle(worker, work, (), (*work.lost, lost))
            elif work and worker.busy and kind == child.MEMORY:
                worker.deaf, worker.verdict = True, _MEMORY
                worker.leave(late=_MEMORY)
            elif work and not worker.busy and kind == child.BEGIN:
                self._begin(worker, work)
            elif work and kind == child.STOP:
                self._stop = self._stop or msgspec.msgpack.decode(body, type=child.Stop).as_error()
                worker.deaf = True
            else:
                self._silence(worker, _JUNK)
        except msgspec.DecodeError:
            self._silence(worker, _JUNK)

    def _begin(self, worker: _Worker, work: _Work) -> None:
        self._failures = 0
        worker.busy, worker.fresh, worker.late = True, False, _TIME
        worker.allow(self._limits.silence if work.shard.stream else self._limits.of(work.item))

    def _result(self, worker: _Worker, work: _Work, data: bytes) -> None:
        if work.shard.stream:
            self._events.append(Streamed(work.shard.number, work.item.key, data))
            worker.allow(worker.limit)
        else:
            worker.results.append(data)
            worker.held += len(data) + _RESULT_COST

    def _touch(self, worker: _Worker, work: _Work, touch: child.Touch) -> None:
        if not touch.is_sound:
            self._silence(worker, _JUNK)
            return
        worker.member = None if touch.key == work.item.key else touch.key
        worker.allow(touch.seconds)

    def _settle(self, worker: _Worker, work: _Work, results: tuple[bytes, ...], lost: tuple[Lost, ...]) -> None:
        """The worker is through with its item."""
        worker.busy, worker.member, worker.results, worker.held = False, None, [], 0
        worker.late = _SLOW_START
        worker.allow(self._limits.start)
        self._keep(work, ItemResult(work.item.key, results, lost))
        if not work.pending:
            worker.work, worker.deadline = None, math.inf

    def _keep(self, work: _Work, result: ItemResult) -> None:
        """An item is settled, and with the last one its shard."""
        settled = work.settled
        settled[work.pending.popleft()] = result
        if len(settled) == len(work.shard.items):
            self._events.append(Completed(work.shard.number, tuple(settled[index] for index in range(len(settled)))))

    # --- blame ------------------------------------------------------------------------------------------------

    def _bury(self, worker: _Worker) -> None:
        """The process has ended: hear what it still said, and see to what it was doing."""
        status = worker.process.wait(_GRACE)
        if status is None:  # only where there is no sentinel: it closed its pipe and lives on
            worker.end(_CLOSED)
            status = worker.process.wait(_GRACE)
        for _ in range(_DRAIN):
            if not self._hear(worker):
                break
        for _ in range(_DRAIN):
            if not worker.process.overhear():
                break
        self._forget(worker)
        work, verdict = worker.work, worker.verdict or _from_status(status or 0)
        if work is None:
            return
        if worker.busy:
            self._blame(work, worker.member, verdict)
            return
        self._queue.appendleft(work)
        if worker.fresh:
            self._failures += 1 if verdict.outside else _FAILURE
        if self._failures >= _FAILURES and self._stop is None:
            self._stop = ForensicError(
                "worker processes end before they begin their work: "
                f"{worker.process.last_words or 'the process ' + verdict.reason}. "
                "Run `forensic-kit doctor` to check the installation."
            )

    def _blame(self, work: _Work, member: str | None, verdict: _Verdict) -> None:
        """What becomes of the item that a worker was at when it ended, and of what follows it in the shard."""
        item, index = work.item, work.pending[0]
        again = replace(work, pending=deque([index]), alone=True, outside=0)
        if work.alone:
            if verdict.outside and work.outside + 1 < _ALONE:
                again.outside = work.outside + 1
            elif member is not None and member not in work.avoid and len(work.avoid) < MEMBERS:
                again.avoid |= {member}
                again.lost += (Lost(member, verdict.reason, verdict.cause),)
            else:
                lost = Lost(item.key, verdict.reason, verdict.cause)
                self._keep(work, ItemResult(item.key, (), (*work.lost, lost)))
                return
        rest = deque(work.pending)
        rest.popleft()
        if rest:
            self._queue.append(replace(work, pending=rest))
        if work.shard.stream:
            self._events.append(Restarted(work.shard.number, item.key, again.avoid))
        self._queue.appendleft(again)


def default_jobs() -> int:
    """How many workers this machine can take: one a core it gives us, one for 1.5 GiB of free memory; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _free_memory() // _MEMORY_EACH))


def _free_memory() -> int:
    """Bytes that new processes can have: what the system has available, or what is left of a container's limit."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # all there is, where nobody says what is free
    if found := re.search(r"^MemAvailable:\s+(\d+) kB", _text("/proc/meminfo"), re.MULTILINE):
        free = int(found[1]) << 10
    if group := re.search(r"^0::(/.*)$", _text("/proc/self/cgroup"), re.MULTILINE):
        folder = f"/sys/fs/cgroup{group[1].rstrip('/')}"
        limit, used = _text(f"{folder}/memory.max").strip(), _text(f"{folder}/memory.current").strip()
        if limit.isdigit() and used.isdigit():
            # Files that were read count as used; the kernel drops those first.
            cached = re.search(r"^inactive_file (\d+)$", _text(f"{folder}/memory.stat"), re.MULTILINE)
            free = min(free, int(limit) - int(used) + (int(cached[1]) if cached else 0))
    return free


def _text(path: str) -> str:
    """A file of the kernel's; empty on systems without it."""
    try:
        return Path(path).read_text("ascii", "replace")
    except OSError:
        return ""
