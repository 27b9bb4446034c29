"""A toy image, file system, unpacker and scanner whose entries crash, hang, eat memory or lie on command.

Image: ``TOYIMAGE``, the length of a JSON list (4 bytes, little-endian), the list, then contents where the list says.
Each item: ``name offset size``, and optionally ``deleted``, ``kind``, and ``list`` or ``open``: what to do when the
entry is listed or opened. A content that starts with a word of `DEEDS` makes the scanner do it.
"""

import ctypes
import json
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from forensic_kit.api import (
    At,
    ByteSource,
    Content,
    Credential,
    Evidence,
    FileEntry,
    FileSystem,
    FileSystemFacts,
    Image,
    Locator,
    Member,
    Misuse,
    Name,
    Option,
    Plan,
    Problem,
    Record,
    Runs,
    Scanner,
    Unpacker,
    Volume,
)


def _eat() -> None:
    hoard = []
    while True:
        hoard.append(bytearray(16 << 20))


def _raise() -> None:
    raise ValueError("raised on command")


DEEDS = {
    "ABORT": os.abort,
    "SEGV": lambda: ctypes.string_at(0),
    "KILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "HANG": lambda: time.sleep(3600),
    "EAT": _eat,
    "RAISE": _raise,
}


def do(deed: str) -> None:
    """Do what is asked; nothing for an unknown word."""
    DEEDS.get(deed, lambda: None)()


class ToyImage(Image, api=1):
    """A disk as it stands."""

    name, version = "toy.image", "1"

    def matches(self, head: bytes, name: str) -> bool:
        return head.startswith(b"TOYIMAGE")

    def open(self, file: ByteSource, credentials: tuple[Credential, ...]) -> Evidence:
        return Evidence("toy", file)


class ToyFileSystem(FileSystem, api=1):
    """A flat list of files."""

    name, version = "toy.filesystem", "1"
    order = -1
    facts = FileSystemFacts("toy", block_size=16)

    def matches(self, volume: Volume) -> bool:
        self._source = volume.source
        if volume.source.read(0, 8) != b"TOYIMAGE":
            return False
        length = int.from_bytes(volume.source.read(8, 4), "little")
        self._items = json.loads(volume.source.read(12, length))
        return True

    def entries(self, avoid: frozenset[str]) -> Iterator[FileEntry | Problem]:
        for number, item in enumerate(self._items):
            entry = self._entry(number, item)
            yield entry
            if str(entry.locator) not in avoid:
                do(item.get("list", ""))

    def _entry(self, number: int, item: dict[str, Any]) -> FileEntry:
        state = "unallocated" if item.get("deleted") else "allocated"
        return FileEntry(
            Locator("", "", str(number), path=Name(item["name"])),
            item.get("kind", "file"),
            item["size"],
            name_state=state,
            meta_state=state,
            content_state="unknown" if item.get("deleted") else "allocated",
            runs=((item["offset"], item["size"]),),
        )

    def open(self, entry: FileEntry) -> ByteSource:
        item = self._items[int(entry.locator.inode)]
        do(item.get("open", ""))
        return Runs(self._source, [(item["offset"], item["size"])])

    def entry(self, locator: Locator) -> FileEntry:
        if not locator.inode.isdigit() or int(locator.inode) >= len(self._items):
            raise Misuse(f"{locator}: no such entry")
        return self._entry(int(locator.inode), self._items[int(locator.inode)])


class ToyUnpacker(Unpacker, api=1):
    """``TOYBOX`` and a JSON object of names and texts; a text may be a deed."""

    name, version, label = "toy.box", "1", "box"

    def wants(self, content: Content) -> bool:
        return bytes(content.data[:6]) == b"TOYBOX"

    def unpack(self, content: Content, credentials: tuple[Credential, ...]) -> Iterator[Member | Problem]:
        for name, text in json.loads(bytes(content.data[6:])):
            yield Member(Name(name), lambda text=text: iter([text.encode()]))


class Needle(Record, tag="toy.needle"):
    """The word ``needle``."""

    text: str


class ToyScanner(Scanner, api=1):
    """Finds ``needle``, and does what the first word of a content says."""

    name, version, stage = "toy.scanner", "1", "terms"
    options = (
        Option("word", str, "needle", "what to find"),
        Option("victim", str, "", "name of a file at which to do something"),
        Option("deed", str, "", "what to do there"),
    )

    def plan(self, options: Mapping[str, Any], cache: Path) -> Iterable[Plan]:
        return [Plan(self.name, self.stage, "needles", f"toy {options['word']}", settings=dict(options))]

    def prepare(self, plan: Plan) -> None:
        self._word = plan.settings["word"].encode()
        self._victim, self._deed = plan.settings["victim"], plan.settings["deed"]

    def scan(self, content: Content) -> Iterator[Record | At | Problem]:
        data = content.data  # bytes or a mapping: never copied, a content may be larger than memory
        if content.entry.kind == "file" and content.entry.locator.filename == self._victim:
            do(self._deed)
        do(bytes(data[:8]).split(b" ")[0].decode("latin-1"))
        position = data.find(self._word)
        while position != -1 and position < len(data) - content.margin:
            yield At(content.base + position, Needle(self._word.decode()))
            position = data.find(self._word, position + 1)
