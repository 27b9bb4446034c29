"""Image, volumes, entries: opened by asking the plugins. Each process opens its own."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from forensic_kit import api
from forensic_kit.bytesource import ByteSource, FileSource, Runs
from forensic_kit.errors import ForensicError, Misuse, Unsupported
from forensic_kit.formats import partition_types, signatures
from forensic_kit.model import (
    OUTSIDE,
    Account,
    Evidence,
    FileEntry,
    FileSystemFacts,
    Locator,
    Problem,
    State,
    Volume,
)
from forensic_kit.registry import Registry, guarded
from forensic_kit.space import Claims, cells, merged, outside_files, without

_MOST = 4096  # volumes of one exhibit: hostile tables can name millions
_DEEPEST = 8  # volumes in volumes: a table that points at itself ends here
_HEAD = 4096
_SECTOR_SIZES = (512, 4096)


@dataclass
class OpenVolume:
    """A volume and what was found in it."""

    volume: Volume
    filesystem: api.FileSystem | None = None
    children: list["OpenVolume"] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def facts(self) -> dict[str, Any]:
        """The shape of ``info --json``; starts and sizes in bytes, of the image where there is a place in it."""
        volume, system = self.volume, self.filesystem
        found = system.facts if system else FileSystemFacts("")
        return {
            "number": volume.number,
            "start": volume.image_start,
            "size": volume.size,
            "scheme": volume.scheme,
            "type": volume.type,
            "filesystem": found.type,
            "label": found.label or volume.label,
            "serial": found.serial or volume.serial,
            "block_size": found.block_size,
            "zone": found.zone,
            "encryption": volume.encryption,
            "volumes": [child.facts for child in self.children],
        }

    def all(self) -> Iterator["OpenVolume"]:
        """This volume and all inside it, outermost first."""
        yield self
        for child in self.children:
            yield from child.all()


@dataclass
class OpenEvidence:
    """One exhibit, open in this process."""

    name: str
    path: Path
    evidence: Evidence
    volumes: list[OpenVolume]
    tables: list[tuple[int, int]]  #: (start, end) of partition tables, bytes of the image
    problems: list[Problem]

    @property
    def source(self) -> ByteSource:
        """The decoded disk."""
        if self.evidence.source is None:
            raise Unsupported(f"{self.name}: this evidence has files and no disk.")
        return self.evidence.source

    def all_volumes(self) -> Iterator[OpenVolume]:
        """Every volume, at any depth."""
        for volume in self.volumes:
            yield from volume.all()

    def all_problems(self) -> list[Problem]:
        """Of the image and of every volume."""
        return [*self.problems, *(problem for volume in self.all_volumes() for problem in volume.problems)]

    @property
    def facts(self) -> dict[str, Any]:
        """The shape of ``info --json``, and what the imager wrote down."""
        evidence = self.evidence
        return {
            "name": self.name,
            "paths": [str(self.path.parent / name) for name in evidence.segments] or [str(self.path)],
            "format": evidence.format,
            "size": self.source.size,
            "sector_size": evidence.sector_size,
            "stored_digests": evidence.stored_digests,
            "facts": [[fact.name, fact.value] for fact in evidence.facts],
            "volumes": [volume.facts for volume in self.volumes],
            "problems": [msgspec.to_builtins(problem) for problem in self.all_problems()],
        }

    def volume(self, number: str) -> OpenVolume:
        """The volume with this number. Raises Misuse if there is none."""
        for volume in self.all_volumes():
            if volume.volume.number == number:
                return volume
        known = ", ".join(volume.volume.number for volume in self.all_volumes()) or "none"
        raise Misuse(f"{self.name} has no volume {number}. It has: {known} (and 0, what lies outside them).")

    def source_of(self, number: str) -> ByteSource:
        """The bytes of a volume, or of the whole disk for `OUTSIDE`."""
        return self.source if number == OUTSIDE else self.volume(number).volume.source

    def image_start(self, number: str) -> int | None:
        """Where a volume begins in the image; None where something between decodes."""
        return 0 if number == OUTSIDE else self.volume(number).volume.image_start

    def open(self, entry: FileEntry, *, margin: bool = False) -> ByteSource:
        """The content of an entry that is no member. ``margin``: with the bytes that follow a cell."""
        source = self.source_of(entry.locator.volume)
        if entry.is_space and entry.runs is not None:
            runs = list(entry.runs)
            if margin and entry.margin:
                start, length = runs[-1]
                runs[-1] = (start, length + entry.margin)
            return Runs(source, runs)
        system = self.volume(entry.locator.volume).filesystem
        if system is None:
            raise Misuse(f"{entry.locator}: no file system was opened in volume {entry.locator.volume}.")
        return system.open(entry)

    def entry(self, locator: Locator) -> FileEntry:
        """The entry of a locator without member steps, found without a listing where that is possible."""
        if not locator.steps:
            system = self.volume(locator.volume).filesystem
            if system is None:
                raise Misuse(f"{locator}: no file system was opened in volume {locator.volume}.")
            return _stamped(system.entry(locator), self.name, locator.volume)
        for entry in self._candidates(locator):
            if entry.locator == locator:
                return entry
        raise Misuse(f"{locator}: there is no such entry. List what there is with `ls -r --json`.")

    def _candidates(self, locator: Locator) -> Iterator[FileEntry]:
        """Slack and space are known only from a listing."""
        import tempfile

        with tempfile.TemporaryFile() as spool:
            for item in self.listing(locator.volume, frozenset(), spool):
                if isinstance(item, FileEntry):
                    yield item

    def listing(
        self, number: str, avoid: frozenset[str], spool: BinaryIO
    ) -> Iterator[FileEntry | Problem | tuple[str, State] | Account]:
        """Everything in a volume, then (locator, state) of deleted contents, then the space no file claims, then how
        the bytes divide.

        Args: spool: a temporary file for what can only be told at the end.
        """
        if number == OUTSIDE:
            yield from self._outside()
            return
        opened = self.volume(number)
        size = opened.volume.source.size
        if opened.filesystem is None:
            if not opened.children:
                yield from (
                    _stamped(entry, self.name, number) for entry in cells([(0, size)], "unallocated", "unknown")
                )
            return
        claims = Claims(spool)
        prefix = Locator(self.name, number)
        bare = frozenset(_bare(text, prefix) for text in avoid)
        for item in opened.filesystem.entries(bare):
            if isinstance(item, Problem):
                yield _located(item, self.name, number)
                continue
            entry = _stamped(item, self.name, number)
            claims.add(entry)
            claims.remember(entry)
            yield entry
        yield from claims.states()
        ranges = [(start, min(end, size)) for start, end in claims.ranges() if start < size]
        marked = opened.filesystem.used()
        used = None if marked is None else ((start, min(start + length, size)) for start, length in marked)
        totals = {"system": 0, "unallocated": 0}
        for entry in outside_files(size, ranges, used):
            totals[entry.kind] += entry.size
            yield _stamped(entry, self.name, number)
        yield Account(size, sum(end - start for start, end in ranges), **totals)

    def _outside(self) -> Iterator[FileEntry]:
        """Partition tables as system space, gaps between volumes as unallocated."""
        covered = list(merged(sorted(_extent(volume.volume) for volume in self.volumes)))
        tables = list(without(merged(sorted(self.tables)), covered))
        gaps = without([(0, self.source.size)], merged(sorted([*covered, *tables])))
        for entry in cells(tables, "system", "allocated"):
            yield _stamped(entry, self.name, OUTSIDE)
        for entry in cells(gaps, "unallocated", "unallocated"):
            yield _stamped(entry, self.name, OUTSIDE)


def _extent(volume: Volume) -> tuple[int, int]:
    start = volume.image_start or 0
    return start, start + volume.source.size


def _stamped(entry: FileEntry, name: str, number: str) -> FileEntry:
    locator = msgspec.structs.replace(entry.locator, exhibit=name, volume=number)
    return msgspec.structs.replace(entry, locator=locator)


def _located(problem: Problem, name: str, number: str) -> Problem:
    """A plugin names at most a path; the engine says in which exhibit and volume."""
    place = problem.locator or f"{name}/v{number}"
    return msgspec.structs.replace(problem, locator=place, stage=problem.stage or "list")


def _bare(text: str, prefix: Locator) -> str:
    """A locator to avoid in the form the file system knows: without exhibit and volume."""
    if not text.startswith(str(prefix).split("/v", 1)[0] + "/v"):
        return text
    return str(msgspec.structs.replace(Locator.parse(text), exhibit="", volume=""))


# --- opening --------------------------------------------------------------------------------------------------


def open_evidence(
    registry: Registry, name: str, path: Path, credentials: tuple[api.Credential, ...] = ()
) -> OpenEvidence:
    """Open an exhibit and everything in it that some plugin can open.

    Raises: ForensicError with one specific sentence where nothing at all can be opened.
    """
    if path.is_dir():
        raise Unsupported(f"{path}: a folder as evidence is not read yet; name the image file in it.")
    file = FileSource(path)
    evidence = _open_image(registry, file, credentials)
    problems = [_stamp(problem, name, "open", evidence.format) for problem in evidence.problems]
    opened = OpenEvidence(name, path, evidence, [], [], problems)
    if evidence.source is not None:
        whole = Volume(
            evidence.source, 0, evidence.source.size, "disk", image_start=0, sector_size=evidence.sector_size
        )
        opener = _Opener(registry, name, credentials, opened)
        found = opener.inside(whole, "", 0)
        opened.volumes = opener.unpartitioned(whole) if found is None else found
    return opened


def _open_image(registry: Registry, file: FileSource, credentials: tuple[api.Credential, ...]) -> Evidence:
    head = file.read(0, _HEAD)
    for kind in registry.of(api.Image):
        plugin = kind()
        if plugin.matches(head, file.name):
            evidence = guarded(partial(plugin.open, file, credentials), what=f"{file.name}: opening as {kind.name}")
            if isinstance(evidence, ForensicError):
                raise evidence
            return evidence
    raise Unsupported(f"{file.name}: no image plugin knows this file. See `plugins list`.")


def _stamp(problem: Problem, name: str, stage: str, plugin: str) -> Problem:
    return msgspec.structs.replace(
        problem, stage=problem.stage or stage, plugin=problem.plugin or plugin, locator=problem.locator or name
    )


@dataclass
class _Opener:
    """Cuts one exhibit into volumes."""

    registry: Registry
    name: str
    credentials: tuple[api.Credential, ...]
    opened: OpenEvidence

    count: int = 0  #: volumes found so far

    def inside(self, parent: Volume, prefix: str, depth: int) -> list[OpenVolume] | None:
        """The volumes of the first scheme that knows this source; None if no scheme does."""
        if depth >= _DEEPEST:
            self._problem(
                "gap", f"volumes lie more than {_DEEPEST} deep; the inner ones were not opened", "volumes", "depth"
            )
            return None
        sizes = dict.fromkeys((parent.sector_size, *_SECTOR_SIZES))
        for sector_size in sizes:
            for kind in self.registry.of(api.VolumeScheme):
                plugin = kind()
                matched = guarded(partial(plugin.matches, parent.source, sector_size), what=f"looking for {kind.name}")
                if isinstance(matched, ForensicError):
                    self._problem("gap", matched.message, kind.name, type(matched).__name__)
                elif matched:
                    return self._cut(plugin, parent, prefix, depth, sector_size)
        return None

    def _cut(
        self, plugin: api.VolumeScheme, parent: Volume, prefix: str, depth: int, sector_size: int
    ) -> list[OpenVolume]:
        found: list[OpenVolume] = []
        volumes = plugin.volumes((parent.source,), self.credentials, sector_size)
        while True:
            item = guarded(lambda: next(volumes, None), what=f"{self.name}: reading the {plugin.name} table")
            if item is None:
                break
            if isinstance(item, ForensicError):
                self._problem("gap", item.message, plugin.name, type(item).__name__, item.offset)
                break
            if isinstance(item, Problem):
                self.opened.problems.append(_stamp(item, self.name, "open", plugin.name))
                continue
            start = None if item.start is None or parent.image_start is None else parent.image_start + item.start
            if item.role == "table":
                if start is not None:
                    self.opened.tables.append((start, start + item.size))
                continue
            self.count += 1
            if self.count > _MOST:
                self._problem(
                    "gap", f"the tables name more than {_MOST} volumes; the rest was not opened", plugin.name, "count"
                )
                break
            number = f"{prefix}{len(found) + 1}"
            found.append(self._volume(item.numbered(number, start), parent, [one.volume for one in found], depth))
        return found

    def unpartitioned(self, whole: Volume) -> list[OpenVolume]:
        """The whole disk as its one volume."""
        volume = Volume(whole.source, 0, whole.size, "none", number="1", image_start=0, sector_size=whole.sector_size)
        return [self._volume(volume, whole, [], 0)]

    def _volume(self, volume: Volume, parent: Volume, before: list[Volume], depth: int) -> OpenVolume:
        opened = OpenVolume(volume)
        label = f"{self.name}/v{volume.number}"
        opened.problems += [_stamp(item, label, "open", volume.scheme) for item in volume.problems]
        opened.problems += [_stamp(item, label, "open", volume.scheme) for item in _geometry(volume, parent, before)]
        if not volume.source.size:
            return opened
        if volume.scheme != "none":
            opened.children = self.inside(volume, f"{volume.number}.", depth + 1) or []
        if opened.children:
            return opened
        opened.filesystem = self._filesystem(volume, label, opened)
        if opened.filesystem is None:
            opened.problems.append(_stamp(_unknown(volume), label, "open", ""))
        return opened

    def _filesystem(self, volume: Volume, label: str, opened: OpenVolume) -> api.FileSystem | None:
        for kind in self.registry.of(api.FileSystem):
            plugin = kind()
            matched = guarded(partial(plugin.matches, volume), what=f"{label}: opening with {kind.name}")
            if isinstance(matched, ForensicError):
                problem = Problem("gap", matched.message, type(matched).__name__, matched.offset)
                opened.problems.append(_stamp(problem, label, "open", kind.name))
            elif matched:
                return plugin
        return None

    def _problem(self, severity: Any, message: str, plugin: str, error: str, offset: int | None = None) -> None:
        problem = Problem(severity, message, error, offset)
        self.opened.problems.append(_stamp(problem, self.name, "open", plugin))


def _geometry(volume: Volume, parent: Volume, before: list[Volume]) -> Iterator[Problem]:
    """What cannot be true of a table's entries, whatever the scheme."""
    number, start = volume.number, volume.start
    if volume.size == 0:
        yield Problem("note", f"volume {number} is empty: the table gives it no sectors", "empty", start)
        return
    missing = volume.size - volume.source.size
    if missing > 0:
        yield Problem(
            "gap",
            f"volume {number} reaches {missing} bytes past the end of what it lies in; "
            "that part is not in the evidence. Was the whole device imaged?",
            "past-end",
            start,
        )
    if start is None or parent.image_start is None:
        return
    for other in before:
        if other.start is not None and start < other.start + other.size and other.start < start + volume.size:
            yield Problem(
                "note",
                f"volumes {other.number} and {number} overlap; the bytes they share are examined in both",
                "overlap",
                start,
            )


def _unknown(volume: Volume) -> Problem:
    """One sentence for a volume that no file-system plugin opened."""
    number = volume.number
    known = signatures.recognise(volume.source)
    if known is not None:
        severity: Any = "note" if known.kind == "no files" else "gap"
        return Problem(severity, f"volume {number}: {known.sentence}", known.name)
    if partition_types.holds_no_files(volume.type):
        return Problem(
            "note", f"volume {number} ({volume.type}) holds no files by its type; it is searched raw", "no-files"
        )
    what = f" (the table calls it {volume.type})" if volume.type else ""
    return Problem(
        "gap",
        f"volume {number}{what}: no file system was recognised; its bytes are searched as unallocated space. "
        "If you know what it holds, look for a plugin with `plugins list`.",
        "unknown",
    )
