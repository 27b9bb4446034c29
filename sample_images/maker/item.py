"""What one file of the exercise disk is: the maker's own record, from which the truth is written."""

import datetime
from dataclasses import dataclass, field
from typing import Any

_START = datetime.datetime(2026, 3, 2, tzinfo=datetime.UTC)


def at(day: int, clock: str) -> int:
    """Seconds since 1970 of a time of the story. Args: day: 0 is Monday 2026-03-02; clock: ``HH:MM:SS``, UTC."""
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return int((_START + datetime.timedelta(days=day, hours=hours, minutes=minutes, seconds=seconds)).timestamp())


@dataclass
class Item:
    """One entry to be put on a volume."""

    path: str  #: from ``/``; bytes that are no UTF-8 as surrogate escapes
    data: bytes = b""
    born: int = at(0, "09:00:00")  #: when it is created and written
    kind: str = "file"  #: file, directory, symlink, hardlink
    target: str = ""  #: of a symlink or hard link
    streams: dict[str, bytes] = field(default_factory=dict)  #: alternate data streams (NTFS)
    deleted: int | None = None  #: when it is deleted
    #: Created empty at ``born``, written only after the deletions: its clusters are those that became free.
    filled: int | None = None
    cleared: bool = False  #: deleted as Linux deletes: size and block map are gone too (ext4)
    overwritten_by: str = ""  #: for deleted files: the file that got the clusters
    listed_as: str = ""  #: what is left of the name where deleting destroys part of it
    slack: bytes = b""  #: text to be written behind the content, in the same cluster
    hole: int = 0  #: this many zero bytes stand before ``data`` and are not stored (sparse)
    #: What is packed in it: member path (``a.zip!b.txt`` for nested ones) to content.
    inside: dict[str, bytes] = field(default_factory=dict)
    password: str = ""  #: opens the members
    facts: dict[str, Any] = field(default_factory=dict)  #: what a parser of this kind of file should say
    note: str = ""

    @property
    def content(self) -> bytes:
        """The whole content, hole included."""
        return bytes(self.hole) + self.data

    @property
    def modified(self) -> int:
        """When the content was written last."""
        return self.filled or self.born


def folders(*paths: str, born: int = at(0, "08:30:00")) -> list[Item]:
    """Directories with all their parents."""
    seen: dict[str, None] = {}
    for path in paths:
        parts = path.strip("/").split("/")
        seen.update(dict.fromkeys("/" + "/".join(parts[: depth + 1]) for depth in range(len(parts))))
    return [Item(path, kind="directory", born=born) for path in seen]
