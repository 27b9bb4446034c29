"""Running Debian's programs under a fixed clock."""

import datetime
import os
import platform
import shutil
import sqlite3
import subprocess
import zlib
from collections.abc import Mapping
from pathlib import Path

#: Debian packages that hold the programs used.
PACKAGES = "ntfs-3g dosfstools mtools e2fsprogs gdisk ewf-tools faketime"
PROGRAMS = (
    "ntfs-3g",
    "mkntfs",
    "ntfslabel",
    "mkfs.fat",
    "mmd",
    "mcopy",
    "mdel",
    "mke2fs",
    "debugfs",
    "sgdisk",
    "ewfacquire",
)


class ToolFailed(Exception):
    """A program that builds the image failed."""


def missing() -> list[str]:
    """What has to be installed first."""
    absent = [name for name in PROGRAMS if _find(name) is None]
    return absent if _clock_library() else [*absent, "faketime"]


def versions() -> dict[str, str]:
    """What shaped the bytes: Debian packages, and the libraries of this Python."""
    asked = ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES.split()]
    lines = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    python = ".".join(platform.python_version_tuple()[:2])
    return {
        **dict(line.split(" ", 1) for line in lines),
        "python": python,
        "sqlite": sqlite3.sqlite_version,
        "zlib": zlib.ZLIB_VERSION,
    }


def clock(when: int) -> str:
    """A time in the notation of faketime; without a sign in front the clock stands still."""
    return datetime.datetime.fromtimestamp(when, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")


def run(when: int, name: str, *arguments: str | Path, text: bytes = b"") -> str:
    """Run a program with the clock standing at ``when``. Returns what it printed; raises ToolFailed."""
    return start({"FAKETIME": clock(when)}, name, *arguments, text=text)


def start(settings: Mapping[str, str], name: str, *arguments: str | Path, text: bytes = b"") -> str:
    """Run a program under faketime with these settings of it."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        # Names reach mtools through the locale; times of FAT are local times of the zone.
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "LD_PRELOAD": _clock_library(),
        **settings,
    }
    command = [_find(name) or name, *map(str, arguments)]
    done = subprocess.run(command, input=text, capture_output=True, env=environment)
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()
        raise ToolFailed(f"{' '.join(command)} failed with exit code {done.returncode}: {said}")
    return (done.stdout + done.stderr).decode("utf-8", "surrogateescape")


def _find(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def _clock_library() -> str:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return str(found[0]) if found else ""
