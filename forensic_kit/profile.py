"""A profile lists every switch of a pass: a lab's own, versioned, is its validated method."""

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from forensic_kit.errors import Misuse
from forensic_kit.registry import resource_folder


class Areas(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which entries are examined; what is left out is counted as skipped, with the profile as reason."""

    #: Files whose name or metadata is not allocated.
    deleted: bool = True
    #: What lies between the end of a file and the end of its last cluster.
    slack: bool = True
    #: What no live file claims and no allocation map marks used.
    unallocated: bool = True
    #: What an allocation map marks used and no file claims: directories, tables, journals.
    system: bool = True
    #: What lies in archives; off, they are searched as they are stored.
    members: bool = True


class Budgets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits. Hitting one is recorded as a problem that names it."""

    #: Bytes of one content that consumers see whole; larger ones are shown in windows.
    whole_content: int = 4 << 30
    #: Archives in archives.
    member_depth: int = 8
    #: Members of one top-level container, at all depths.
    member_count: int = 100_000
    #: Bytes unpacked from one top-level container, at all depths.
    member_bytes: int = 16 << 30
    #: How many times larger than its container a member may be, above 64 MiB.
    member_ratio: int = 1000
    #: Seconds for one content, plus those per MiB of it.
    seconds: float = 120.0
    seconds_per_mib: float = 1.0
    #: Bytes of private memory for one worker.
    worker_memory: int = 1 << 30


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All switches of a pass."""

    name: str
    version: str
    description: str = ""
    areas: Areas = Areas()
    budgets: Budgets = Budgets()
    #: Options by plugin name, as ``-o plugin.name=value`` sets them.
    options: dict[str, dict[str, Any]] = {}

    @property
    def digest(self) -> str:
        """SHA-256 over every switch, whatever file they came from."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


def load(name_or_path: str) -> Profile:
    """A shipped profile by name, or one from a TOML file. Raises Misuse naming the file and what is wrong in it."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = resource_folder("rules") / "profiles" / f"{name_or_path}.toml"
    if not path.is_file():
        shipped = ", ".join(sorted(item.stem for item in (resource_folder("rules") / "profiles").glob("*.toml")))
        raise Misuse(f"no profile {name_or_path!r}. Name a .toml file or one of: {shipped}.")
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Profile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise Misuse(f"{path}: not a profile: {error}. docs/reference/profiles.md lists the switches.") from error
