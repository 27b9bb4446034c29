"""A handler that does what its payload says: the worst of plugins, for test_workers.

Loaded in worker processes as ``tests.engine.plugins_workers:start``. A payload is JSON: a list of steps, each a
list of a word and its arguments. See `STEPS`.
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forensic_kit import errors

_LIBC = ctypes.CDLL(None)


class Toy:
    """Does steps, and counts the items this process has seen."""

    def __init__(self, setup: bytes) -> None:
        self.setup = setup.decode()
        self.seen = 0
        self.hoard: list[bytearray] = []

    def __call__(
        self,
        kind: str,
        key: str,
        payload: bytes,
        avoid: frozenset[str],
        announce: Callable[[str, float], None],
        emit: Callable[[bytes], None],
    ) -> None:
        self.seen += 1
        for word, *arguments in json.loads(payload):
            getattr(self, word)(*arguments, key=key, avoid=avoid, announce=announce, emit=emit)

    # Each step takes its own arguments and some of: key, avoid, announce, emit.

    def emit(self, text: str, *, emit: Callable[[bytes], None], **_: Any) -> None:
        emit(text.encode())

    def many(self, count: int, size: int, *, emit: Callable[[bytes], None], **_: Any) -> None:
        for number in range(count):
            emit((b"%0*d" % (size, number))[:size])

    def tell(self, what: str, *, emit: Callable[[bytes], None], key: str, **_: Any) -> None:
        """Say something of this process."""
        told = {
            "pid": os.getpid,
            "seen": lambda: self.seen,
            "setup": lambda: self.setup,
            "key": lambda: key,
            "env": lambda: " ".join(os.environ.get(name, "") for name in ("TZ", "LC_ALL", "PYTHONHASHSEED", "TOY")),
            "hash": lambda: hash("forensic"),
            "zone": lambda: time.tzname[0],
            "stdin": lambda: sys.stdin.read(),
            "sigint": lambda: signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
            "inherited": lambda: sorted(int(name) for name in os.listdir("/proc/self/fd")),  # noqa: PTH208
            "core": lambda: Path("/proc/self/limits").read_text().split("Max core file size")[1].split()[0],
        }
        emit(str(told[what]()).encode())

    def chat(self, count: int, **_: Any) -> None:
        """Write a lot to both standard streams, as a C library does."""
        for _number in range(count):
            os.write(1, b"stdout chatter\n" * 100)
            os.write(2, b"stderr chatter\n" * 100)

    def chat_for_ever(self, **_: Any) -> None:
        while True:
            os.write(2, b"stderr chatter\n" * 100)

    def mark(self, path: str, **_: Any) -> None:
        """Leave a line in a file: who was here."""
        with Path(path).open("a") as out:
            out.write(f"{os.getpid()} {self.seen}\n")

    def at_first(self, path: str, times: int, then: list[Any], **rest: Any) -> None:
        """Do the step so many times, whichever process gets here, and not any more."""
        with Path(path).open("a") as out:
            out.write("here\n")
        if len(Path(path).read_text().splitlines()) <= times:
            getattr(self, then[0])(*then[1:], **rest)

    def members(self, count: int, bad: dict[str, list[Any]], **rest: Any) -> None:
        """Announce and do members m0, m1, ...; some are bad."""
        for number in range(count):
            name = f"m{number}"
            if name in rest["avoid"]:
                continue
            rest["announce"](name, 60.0)
            if name in bad:
                step, *arguments = bad[name]
                getattr(self, step)(*arguments, **rest)
            rest["emit"](name.encode())

    def heedless(self, **rest: Any) -> None:
        """Touch a member whatever `avoid` says."""
        rest["announce"]("m", 60.0)
        os.abort()

    def back(self, *, key: str, announce: Callable[[str, float], None], **_: Any) -> None:
        """Be in the item itself again."""
        announce(key, 60.0)

    def patient(self, member: str, seconds: float, *, announce: Callable[[str, float], None], **_: Any) -> None:
        announce(member, seconds)

    def abort(self, **_: Any) -> None:
        os.abort()

    def segfault(self, **_: Any) -> None:
        ctypes.string_at(0)

    def signal(self, number: int, **_: Any) -> None:
        os.kill(os.getpid(), number)
        time.sleep(60)

    def leave(self, status: int, **_: Any) -> None:
        os._exit(status)

    def leave_politely(self, status: int, **_: Any) -> None:
        sys.exit(status)

    def sleep(self, seconds: float, **_: Any) -> None:
        time.sleep(seconds)

    def sleep_in_c(self, seconds: int, **_: Any) -> None:
        """No Python signal handler, no thread switch: only the system can end this."""
        ctypes.PyDLL(None).sleep(seconds)

    def spin(self, **_: Any) -> None:
        while True:
            pass

    def stop(self, **_: Any) -> None:
        os.kill(os.getpid(), signal.SIGSTOP)

    def eat(self, mebibytes: int, **_: Any) -> None:
        """Python memory, a piece at a time."""
        eaten = bytearray()
        for _number in range(mebibytes):
            eaten += bytes(1 << 20)

    def eat_in_c(self, mebibytes: int, **_: Any) -> None:
        """One mapping, the way malloc gets large blocks."""
        _LIBC.malloc.restype = ctypes.c_void_p
        if not _LIBC.malloc(ctypes.c_size_t(mebibytes << 20)):
            raise MemoryError

    def keep(self, mebibytes: int, **_: Any) -> None:
        """A leak: memory that stays taken after the item."""
        self.hoard.append(bytearray(mebibytes << 20))

    def fail(self, error: str, message: str, **_: Any) -> None:
        kinds: dict[str, type[BaseException]] = {"ValueError": ValueError, "Unicode": UnicodeError, "OSError": OSError}
        kind = kinds.get(error) or getattr(errors, error)
        raise kind(message)

    def fail_with_address(self, **_: Any) -> None:
        raise ValueError(f"cannot use {object()!r} here\nsecond line")

    def junk(self, **_: Any) -> None:
        """Write into the pipe what is no frame."""
        os.write(_link(), b"\xff" * 1000)
        time.sleep(60)

    def huge(self, **_: Any) -> None:
        """Promise 4 GiB."""
        os.write(_link(), b"\x03\xff\xff\xff\xff")
        while True:
            os.write(_link(), bytes(1 << 16))

    def half(self, **_: Any) -> None:
        """Die in the middle of a message."""
        os.write(_link(), b"\x03\x00\x10\x00\x00" + b"half")
        os.abort()

    def half_then_stop(self, **_: Any) -> None:
        """Be stopped in the middle of a message."""
        os.write(_link(), b"\x03\x00\x10\x00\x00" + b"half")
        os.kill(os.getpid(), signal.SIGSTOP)

    def hang_up(self, **_: Any) -> None:
        """Close the pipe and live on."""
        os.close(_link())
        time.sleep(60)

    def child(self, **_: Any) -> None:
        """Leave a process behind that holds the pipe open, and die."""
        if os.fork() == 0:
            time.sleep(3)
            os._exit(0)
        os.abort()

    def thread(self, **_: Any) -> None:
        """Leave a thread that keeps the interpreter from ending."""
        threading.Thread(target=time.sleep, args=(60,)).start()


def _link() -> int:
    """The descriptor of the pipe: the only socket there is."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        number = int(name)
        try:
            if os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):  # noqa: PTH115
                return number
        except OSError:
            continue
    raise AssertionError("no pipe")


def start(setup: bytes) -> Toy:
    """The handler."""
    return Toy(setup)


def broken(setup: bytes) -> Toy:
    """Fails as a plugin's own code does."""
    raise KeyError("no such rule")


def refusing(setup: bytes) -> Toy:
    """Fails with a sentence."""
    raise errors.Misuse("the profile names no rules. Give --rules.")


def lost(setup: bytes) -> Toy:
    """Fails because the evidence is away."""
    raise errors.EvidenceLost("disk.E01: reading failed.")


def dying(setup: bytes) -> Toy:
    """Ends the process before anything begins."""
    os.abort()


def hanging(setup: bytes) -> Toy:
    """Never gets ready."""
    time.sleep(60)
    raise AssertionError
