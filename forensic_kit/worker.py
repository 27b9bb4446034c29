"""One worker process: the frames that travel, the child's end of the pipe, the parent's end. `workers` directs them.

A frame is one byte of kind, the length of its body (u32, little-endian) and the body: raw bytes for `RESULT`,
UTF-8 for `FAILED`, msgpack for the others. What the child sends about an item, in order: `BEGIN`, any number of
`TOUCH` and `RESULT`, then one of `END FAILED MEMORY STOP`. `BEGIN` and `TOUCH` leave before what they announce is
touched; results may wait a moment to travel together.
"""

import os
import re
import signal
import struct
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

import msgspec

from forensic_kit import errors
from forensic_kit.errors import CaseFull, EvidenceLost, ForensicError

if TYPE_CHECKING:  # the child has no use for them, and each new process would load them
    import socket
    import subprocess

HEADER: Final = struct.Struct("<BI")
# From the child. Bodies: nothing where none is named.
BEGIN: Final = 1  #: the next item of the task is about to be touched
TOUCH: Final = 2  #: `Touch`
RESULT: Final = 3  #: what the handler emitted
END: Final = 4  #: the item is done
FAILED: Final = 5  #: the item is lost for this reason, the worker goes on
MEMORY: Final = 6  #: the item needs more memory than there is; the worker ends
STOP: Final = 7  #: `Stop`; the worker ends
# From the parent.
SETUP: Final = 16  #: `Setup`, once
TASK: Final = 17  #: `Task`

_GATHER: Final = 64 << 10  # bytes of results that may wait for company
_WAIT: Final = 0.05  # seconds that they may wait while more are emitted
_TEXT: Final = 500  # characters of a foreign error's message that are kept
_BUFFER: Final = 4 << 20  # bytes of results that a worker may be ahead of the parent
_READ: Final = 256 << 10  # bytes the parent takes from one pipe before the next one's turn
_TAIL: Final = 4 << 10  # bytes the parent keeps of what a worker writes to stderr
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")

Announce = Callable[[str, float], None]
Emit = Callable[[bytes], None]


class Handler(Protocol):
    """What the function named to the pool returns. Called for one item after the other, in one thread."""

    def __call__(
        self, kind: str, key: str, payload: bytes, avoid: frozenset[str], announce: Announce, emit: Emit
    ) -> None:
        """Do one item.

        Args: avoid: keys of members that ended a worker: leave them out. announce: call with a member's key and its
        limit in seconds before touching it; from then on that member is to blame, until the next one is announced
        or the item's own key is. emit: sends one result.
        Raises: EvidenceLost and CaseFull stop the run; MemoryError means that a fresh process should try; any other
        error costs this item.
        """


class Setup(msgspec.Struct, array_like=True):
    """What a new worker is told."""

    function: str  #: ``package.module:function``, called with ``data``, returns a `Handler`
    data: bytes  #: here and not in the arguments or the environment: it may hold secrets
    memory: int  #: bytes of private memory; 0 for no limit


class Task(msgspec.Struct, array_like=True):
    """Items to do, in order."""

    kind: str
    items: list[tuple[str, bytes]]  #: (key, payload)
    avoid: frozenset[str]


class Touch(msgspec.Struct, array_like=True):
    """A member of the item is about to be touched."""

    key: str
    seconds: float

    @property
    def is_sound(self) -> bool:
        """A limit that can be waited for: not NaN, not without end."""
        return 0 < self.seconds < float("inf")


class Stop(msgspec.Struct, array_like=True):
    """No item is to blame and no worker can go on."""

    error: str  #: name of a class of `forensic_kit.errors`
    message: str

    def as_error(self) -> ForensicError:
        """The same error, in the parent."""
        kind = getattr(errors, self.error, None)
        known = isinstance(kind, type) and issubclass(kind, ForensicError)
        return kind(self.message) if known and kind else ForensicError(self.message)


def frame(kind: int, body: bytes = b"") -> bytes:
    """One message as it travels."""
    return HEADER.pack(kind, len(body)) + body


# Made while there is memory.
_OUT_OF_MEMORY: Final = frame(MEMORY)


# --- the child ------------------------------------------------------------------------------------------------


def main(descriptor: int, parent: int) -> None:
    """Work until the pipe ends. ``descriptor``: this end of it; ``parent``: the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too and decides
    os.set_inheritable(descriptor, False)
    _die_with(parent)
    link = _Link(descriptor)
    with open(descriptor, "rb", closefd=False) as pipe:
        if not (body := _body(pipe)):
            return
        setup = msgspec.msgpack.decode(body, type=Setup)
        _limit(setup.memory)
        try:
            handler = _handler(setup)
        except ForensicError as error:
            link.stop(error, type(error))
            return
        tasks = msgspec.msgpack.Decoder(Task)
        going = True
        while going and (body := _body(pipe)):
            going = _work(handler, tasks.decode(body), link)


def _work(handler: Handler, task: Task, link: "_Link") -> bool:
    """Do the items of a task. False when this process can do no more."""
    for key, payload in task.items:
        link.put(BEGIN)
        link.flush()
        try:
            handler(task.kind, key, payload, task.avoid, link.announce, link.emit)
        except MemoryError:
            link.write(_OUT_OF_MEMORY)
            return False
        except (EvidenceLost, CaseFull) as error:
            link.stop(error, EvidenceLost if isinstance(error, EvidenceLost) else CaseFull)
            return False
        except Exception as error:  # noqa: BLE001 - the border of the process: what escapes is told to the parent
            link.put(FAILED, f"{type(error).__name__}: {_clean(str(error))}".rstrip(": ").encode())
        else:
            link.put(END)
    link.flush()
    return True


class _Link:
    """The sending end. A plain descriptor: no finaliser closes it before the process is gone."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: list[bytes] = []
        self._size = 0
        self._sent = time.monotonic()

    def put(self, kind: int, body: bytes = b"") -> None:
        """Send soon: with what follows, or at the next `flush`."""
        self._waiting += (HEADER.pack(kind, len(body)), body)
        self._size += len(body) + HEADER.size
        if self._size >= _GATHER or time.monotonic() - self._sent >= _WAIT:
            self.flush()

    def flush(self) -> None:
        """Send now; waits while the parent does not read."""
        data, self._waiting, self._size = b"".join(self._waiting), [], 0
        self.write(data)
        self._sent = time.monotonic()

    def write(self, data: bytes) -> None:
        """These bytes, past what waits. A parent that is gone ends this process."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except (BrokenPipeError, ConnectionResetError):
            # Not an exception for the handler: it might take it for an error of its own reading.
            os._exit(1)

    def emit(self, data: bytes) -> None:
        """What a handler calls with a result."""
        self.put(RESULT, bytes(data))

    def announce(self, key: str, seconds: float) -> None:
        """What a handler calls before it touches a member."""
        touch = Touch(key, seconds)
        if not touch.is_sound:
            raise ValueError(f"the limit of a member is {seconds} seconds")
        self.put(TOUCH, msgspec.msgpack.encode(touch))
        self.flush()

    def stop(self, error: ForensicError, kind: type[ForensicError]) -> None:
        """Tell why nothing can go on."""
        self.put(STOP, msgspec.msgpack.encode(Stop(kind.__name__, _unicode(error.message))))
        self.flush()


def _clean(text: str) -> str:
    """The first line without the addresses of objects: equal failures read equal."""
    return _unicode(_ADDRESS.sub("", next(iter(text.splitlines()), "")[:_TEXT]))


def _unicode(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # msgpack takes no lone surrogates


def _handler(setup: Setup) -> Handler:
    import importlib

    module, _, name = setup.function.partition(":")
    made: Handler = getattr(importlib.import_module(module), name)(setup.data)
    return made


def _body(pipe: BinaryIO) -> bytes:
    """The body of the next frame; empty when the parent is gone or wants no more."""
    head = pipe.read(HEADER.size)
    if len(head) < HEADER.size:
        return b""
    length: int = HEADER.unpack(head)[1]
    body = pipe.read(length)
    return body if len(body) == length else b""


def _die_with(parent: int) -> None:
    """Be killed when the parent dies, even in the middle of a C call. Elsewhere than on Linux the end of the pipe
    has to do. The kernel means the parent's *thread*: use a pool in a thread that lives as long as it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)


def _limit(memory: int) -> None:
    """Private memory at most ``memory`` bytes, and no core dump: one would hold evidence."""
    import resource

    def lower(which: int, value: int) -> None:
        hard = resource.getrlimit(which)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (value, value))

    # 1 and not 0: core(5), a dump that is piped to a program ignores the limit unless it is 1; a file needs more.
    lower(resource.RLIMIT_CORE, 1)
    if memory:
        lower(resource.RLIMIT_DATA, memory)


# --- the parent -----------------------------------------------------------------------------------------------


class Process:
    """A worker as its parent holds it. Nothing here waits, except `wait`."""

    def __init__(self, process: "subprocess.Popen[bytes]", link: "socket.socket", errors: int) -> None:
        self._process = process
        self.link = link
        #: The reading end of its stderr.
        self.errors = errors
        #: Becomes readable when the process ends; None where the system has no such thing.
        self.sentinel = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else None
        #: Length of the body that is still coming; 0 if none is known to.
        self.expecting = 0
        self._inbox = bytearray()
        self._outbox = bytearray()
        self._tail = b""

    @staticmethod
    def start(setup: Setup, env: Mapping[str, str]) -> "Process":
        """A new process that is told what it is for. Raises ForensicError where the system refuses one."""
        import socket
        import subprocess

        ours, theirs = socket.socketpair()
        # Room for the results of a shard, so that a worker goes on while the parent keeps those of another; the
        # system gives what it allows.
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
        reading, writing = os.pipe()
        code = f"from forensic_kit.worker import main; main({theirs.fileno()}, {os.getpid()})"
        try:
            popen = subprocess.Popen(
                # -P: nothing is imported from the folder somebody happens to stand in, which may be evidence.
                [sys.executable, "-P", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=writing,
                pass_fds=(theirs.fileno(),),
                env=_environment(env),
            )
        except OSError as error:
            ours.close()
            os.close(reading)
            raise ForensicError(
                f"a worker process could not be started: {error.strerror}. Try fewer of them with --jobs."
            ) from error
        finally:
            theirs.close()
            os.close(writing)
        ours.setblocking(False)
        os.set_blocking(reading, False)
        started = Process(popen, ours, reading)
        started.send(SETUP, setup)
        return started

    def send(self, kind: int, body: msgspec.Struct) -> None:
        """Send as much as the pipe takes; `has_more` says if the rest waits for `push`."""
        self._outbox += frame(kind, msgspec.msgpack.encode(body))
        self.push()

    def push(self) -> None:
        """Send more of what waits: a process that does not read must not stop this one."""
        try:
            while self._outbox:
                del self._outbox[: self.link.send(self._outbox)]
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):  # its end is noticed where its pipe is read
            self._outbox.clear()

    @property
    def has_more(self) -> bool:
        """Is there something to `push`?"""
        return bool(self._outbox)

    def receive(self) -> bytes | None:
        """Some of what it sent; empty at the end of the pipe, None when there is nothing now."""
        try:
            return self.link.recv(_READ)
        except BlockingIOError:
            return None
        except ConnectionResetError:  # it ended with something of ours unread
            return b""

    def frames(self, data: bytes) -> list[tuple[int, bytes]]:
        """The (kind, body) that ``data`` completes. What is incomplete waits for more."""
        self._inbox += data
        end, offset = len(self._inbox), 0
        found = []
        self.expecting = 0
        with memoryview(self._inbox) as view:
            while end - offset >= HEADER.size:
                kind, length = HEADER.unpack_from(view, offset)
                if not BEGIN <= kind <= STOP:  # then its length means nothing
                    found.append((kind, b""))
                    break
                start = offset + HEADER.size
                if end - start < length:
                    self.expecting = length
                    break
                offset = start + length
                found.append((kind, bytes(view[start:offset])))
        del self._inbox[:offset]
        return found

    def overhear(self) -> bool:
        """Keep the end of what it writes to stderr. False when there is no more."""
        try:
            data = os.read(self.errors, _READ)
        except BlockingIOError:
            return False
        self._tail = (self._tail + data)[-_TAIL:]
        return bool(data)

    @property
    def last_words(self) -> str:
        """The last line it wrote to stderr; empty if none."""
        return next((line for line in reversed(self._tail.decode("utf-8", "replace").splitlines()) if line.strip()), "")

    def dismiss(self) -> None:
        """Let it end by itself: it sees the end of the pipe, and may still speak."""
        import socket

        with suppress(OSError):  # it ended already
            self.link.shutdown(socket.SHUT_WR)

    def kill(self) -> None:
        """End it."""
        self._process.kill()

    def wait(self, seconds: float) -> int | None:
        """Its exit status, or minus the signal that ended it; None if it did not end in time."""
        import subprocess

        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Give the descriptors back."""
        self.link.close()
        os.close(self.errors)
        if self.sentinel is not None:
            os.close(self.sentinel)


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    """This process's variables, ``env`` over them, and what makes results equal everywhere over both."""
    found = {**os.environ, **env}
    found.pop("LANGUAGE", None)  # gettext puts it above LC_ALL
    # A worker finds the modules that this process finds; without "", the current folder: see -P.
    paths = [env.get("PYTHONPATH", ""), *sys.path]
    return found | {
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(path for path in paths if path)),
    }
