"""One entry: read once, shown to everything that wants it, depth-first through what it holds."""

import hashlib
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from forensic_kit import api
from forensic_kit.bytesource import ByteSource
from forensic_kit.case import Result
from forensic_kit.content import WINDOW, Content, Hasher, Held, Spooled, pieces_of, read_whole, windows
from forensic_kit.errors import ForensicError, LimitReached, Misuse, NotThisFormat
from forensic_kit.evidence import OpenEvidence
from forensic_kit.look import Look, note_faults, problem_of, reason, until_error
from forensic_kit.model import (
    Digests,
    FileEntry,
    Finding,
    Name,
    Problem,
    Stage,
    Step,
    Where,
    finding_id,
)
from forensic_kit.profile import Profile
from forensic_kit.records import events_of, plain
from forensic_kit.registry import Registry, guarded

_HEAD: Final = 64 * 1024
_MIB: Final = 1 << 20
_RATIO_FREE: Final = 64 * _MIB  # below this size a high ratio is ordinary (logs, blank documents)
Announce = Callable[[str, float], None]


@dataclass
class Tally:
    """What one top-level container has used of its budgets."""

    members: int = 0
    bytes: int = 0


class Examiner:
    """Everything a worker needs to examine entries, loaded once.

    Args: evidence: gives an exhibit by name, open in this process. scanners: plans with their prepared scanners.
    seen: the type of a content whose shared result is in the case already, else None. parse, unpack: off where a
    pass only scans.
    """

    def __init__(
        self,
        registry: Registry,
        profile: Profile,
        temp: Path,
        *,
        evidence: Callable[[str], OpenEvidence],
        scanners: list[tuple[api.Plan, api.Scanner]],
        seen: Callable[[str], str | None],
        parse: bool = True,
        unpack: bool = True,
        credentials: tuple[api.Credential, ...] = (),
    ) -> None:
        self._profile = profile
        self._temp = temp
        self._evidence = evidence
        self._seen = seen
        self._scanners = scanners
        self._credentials = credentials
        self._identifiers = [plugin() for plugin in registry.of(api.Identifier)]
        self._artefacts = [plugin() for plugin in registry.of(api.Artefact)] if parse else []
        self._unpackers = [plugin() for plugin in registry.of(api.Unpacker)] if unpack else []
        self._patterns = {plugin.name: tuple(map(_pattern, plugin.paths)) for plugin in self._artefacts}

    # --- entries ----------------------------------------------------------------------------------------------

    def examine(self, entry: FileEntry, avoid: frozenset[str], announce: Announce) -> Iterator[Result]:
        """The results of an entry's members, each after its own, and of the entry itself, last."""
        look = Look(entry, "")
        left_out = self._left_out(entry)
        if left_out:
            look.outcome("content", "skipped", left_out)
            self._skip_scans(look, left_out)
            yield look.finish()
            return
        evidence = self._evidence(entry.locator.exhibit)
        evidence.source.faults.drain()  # left by an entry before: not this one's
        source = guarded(partial(evidence.open, entry, margin=True), what=f"opening {entry.kind}")
        if isinstance(source, ForensicError):
            look.outcome("content", "failed", reason(source))
            look.problem(problem_of(source), "content")
            yield look.finish()
            return
        if entry.kind in ("unallocated", "system") or entry.size > self._profile.budgets.whole_content:
            self._windowed(look, source)
            yield look.finish()
            return
        walk = _Walk(avoid, announce, Tally(), 0)
        yield from self._whole(look, pieces_of(source), source, walk, partial(self._sibling, evidence, entry))

    def parse_loose(
        self, entry: FileEntry, pieces: Iterator[bytes], find_companion: Callable[[str], Content | None], wanted: str
    ) -> Result:
        """A file that is in no exhibit; ``wanted`` names the one artefact plugin to use, or is empty."""
        look = Look(entry, "")
        known = {plugin.name: plugin for plugin in self._artefacts}
        if wanted and wanted not in known:
            raise Misuse(f"no artefact plugin is called {wanted!r}. Known: {', '.join(sorted(known))}.")
        held = read_whole(pieces, entry.size, self._temp, limit=self._profile.budgets.whole_content)
        content = Content(entry, held.data, self._temp, close=held.close)
        content.find_companion = find_companion
        self._set_digests(look, content, held.digests, "")
        self._identify(look, content)
        if wanted:
            self._parse_with(look, content, known[wanted])
        else:
            self._parse(look, content)
        content.discard()
        return look.finish()

    def _left_out(self, entry: FileEntry) -> str:
        """Why the profile leaves this entry out; empty if it does not."""
        areas = self._profile.areas
        if entry.kind in ("slack", "unallocated", "system") and not getattr(areas, entry.kind):
            return f"profile: no {entry.kind}"
        if not entry.is_space and not entry.allocated and not areas.deleted:
            return "profile: no deleted"
        return ""

    def _whole(
        self,
        look: Look,
        pieces: Iterator[bytes],
        source: ByteSource | None,
        walk: "_Walk",
        find_companion: Callable[[str], "Content | None"],
    ) -> Iterator[Result]:
        """An entry whose content is shown whole."""
        entry = look.entry
        checked = until_error(pieces, look)
        try:
            held = read_whole(checked, entry.size, self._temp, limit=self._profile.budgets.whole_content)
        except LimitReached as error:
            look.failure("content", error)
            yield look.finish()
            return
        try:
            if len(held.data) != entry.size:
                look.entry = entry = msgspec.structs.replace(entry, size=len(held.data))
            content = Content(entry, held.data, self._temp)
            content.find_companion = find_companion
            self._set_digests(look, content, held.digests, "")
            note_faults(look, source)
            look.outcome("content", "done" if content.size else "empty")
            if content.size and entry.content_state != "overwritten":
                self._show(look, content, share=True)
                self._parse(look, content)
                note_faults(look, source)  # of companions a parser asked for
                yield from self._unpack(look, content, walk)
            elif content.size:
                self._skip_scans(look, "overwritten")
            content.discard()
        finally:
            held.close()
        yield look.finish()

    def _windowed(self, look: Look, source: ByteSource) -> None:
        """Space, and contents above the limit: scanned window by window while they are read."""
        entry = look.entry
        hasher = Hasher()
        single = entry.is_space and entry.size <= WINDOW  # so its digests are known before it is scanned
        searched = entry.content_state != "overwritten"
        for base, data, margin in windows(source, entry.size, hasher=hasher):
            content = Content(entry, data, self._temp)
            content.base, content.margin, content.whole = base, margin, False
            if single:
                tail = hashlib.sha256(memoryview(data)[len(data) - margin :]).hexdigest() if margin else ""
                self._set_digests(look, content, hasher.digests, tail)
            if searched:
                self._show(look, content, share=single)
            content.discard()
        if not searched:
            self._skip_scans(look, "overwritten")
        if not single:
            look.result.digests = hasher.digests
            for stage, wanted in (("parse", self._artefacts), ("unpack", self._unpackers)):
                if wanted:
                    look.outcome(typing.cast(Stage, stage), "skipped", "larger than the limit for whole contents")
        note_faults(look, source)
        look.outcome("content", "done" if entry.size else "empty")

    def _skip_scans(self, look: Look, why: str) -> None:
        for plan, _ in self._scanners:
            look.outcome(plan.stage, "skipped", why)

    def _set_digests(self, look: Look, content: Content, digests: Digests, margin_digest: str) -> None:
        look.result.digests = digests
        look.result.subject = f"{digests.sha256}:{margin_digest}" if margin_digest else digests.sha256
        content.sha256 = digests.sha256

    # --- consumers --------------------------------------------------------------------------------------------

    def _show(self, look: Look, content: Content, *, share: bool) -> None:
        """Type and scanners. What depends on the content alone is left out where the case has it already."""
        mime = self._seen(look.result.subject) if share and look.result.subject else None
        known = mime is not None
        if not look.entry.is_space:
            self._identify(look, content, mime or "")
        look.is_shared = look.is_shared or (share and not known)
        for plan, scanner in self._scanners:
            shared = share and not plan.per_entry
            if shared and known:
                continue
            exact = content.whole or scanner.exact_in_windows
            look.outcome(plan.stage, "done" if exact else "partial", "" if exact else "windowed", shared=shared)
            for item in self._drain(look, partial(scanner.scan, content), plan.stage, plan.plugin, shared=shared):
                self._keep(look, item, content, scanner, shared=shared)

    def _identify(self, look: Look, content: Content, known: str = "") -> None:
        """Set the type, from the content or as it is known of an equal one."""
        if look.result.mime:
            content.type = look.result.mime
            return
        name = look.entry.locator.filename
        for plugin in self._identifiers:
            head = bytes(content.data[:_HEAD])
            identity = guarded(partial(plugin.identify, head, name, known), what=plugin.name)
            if isinstance(identity, ForensicError):
                look.outcome("type", "failed", reason(identity))
                look.problem(problem_of(identity), "type", plugin.name)
                continue
            content.type = look.result.mime = identity.mime
            look.result.extension = identity.mismatch
            look.outcome("type", "done")

    def _parse(self, look: Look, content: Content) -> None:
        path = "/" + look.entry.locator.display.replace("!", "/")
        for plugin in self._artefacts:
            if self._wants(plugin, path, content):
                self._parse_with(look, content, plugin)

    def _parse_with(self, look: Look, content: Content, plugin: api.Artefact) -> None:
        # Results of a parser are kept with the entry: it may have looked at the name or at companions.
        kept = len(look.result.own_findings)
        error = self._parse_one(look, content, plugin)
        if isinstance(error, NotThisFormat) and len(look.result.own_findings) == kept:
            look.outcome("parse", "skipped", "not the format its name says")
            look.problem(problem_of(error, "note"), "parse", plugin.name)
        elif error:
            look.failure("parse", error, plugin.name)
        else:
            look.outcome("parse", "done")

    def _parse_one(self, look: Look, content: Content, plugin: api.Artefact) -> ForensicError | None:
        records = plugin.parse(content)
        while True:
            item = guarded(partial(next, records, None), what=plugin.name)
            if item is None:
                return None
            if isinstance(item, ForensicError):
                return item
            if isinstance(item, Problem):
                look.problem(item, "parse", plugin.name)
            else:
                self._keep(look, item, content, plugin, shared=False)

    def _wants(self, plugin: api.Artefact, path: str, content: Content) -> bool:
        patterns = self._patterns[plugin.name]
        if patterns and not any(pattern.fullmatch(path) for pattern in patterns):
            return False
        return not plugin.signatures or any(
            bytes(content.data[offset : offset + len(magic)]) == magic for offset, magic in plugin.signatures
        )

    def _keep(
        self, look: Look, item: "api.Record | api.At", content: Content, plugin: api.Plugin, *, shared: bool
    ) -> None:
        offset, record = item if isinstance(item, api.At) else (None, item)
        where = _where(look.entry, plugin)
        type_ = str(record.__struct_config__.tag)
        values = plain(record)
        values.pop("type", None)
        subject = look.result.subject if shared else str(look.entry.locator)
        finding = Finding(
            finding_id(subject, plugin.name, type_, where, offset, values),
            type_,
            plugin.name,
            plugin.version,
            where,
            offset,
            values,
            tuple(events_of(record)),
            content.whole,
        )
        (look.result.shared_findings if shared else look.result.own_findings).append(finding)

    def _drain(
        self,
        look: Look,
        call: Callable[[], Iterator[Any]],
        stage: Stage,
        plugin: str,
        *,
        shared: bool = False,
    ) -> Iterator[Any]:
        """What a plugin yields; its problems and its error are noted."""
        items = guarded(call, what=plugin)
        while not isinstance(items, ForensicError):
            item = guarded(partial(next, items, None), what=plugin)
            if item is None:
                return
            if isinstance(item, ForensicError):
                items = item
            elif isinstance(item, Problem):
                look.problem(item, stage, plugin, shared=shared)
            else:
                yield item
        look.failure(stage, items, plugin, shared=shared)

    # --- members ----------------------------------------------------------------------------------------------

    def _unpack(self, look: Look, content: Content, walk: "_Walk") -> Iterator[Result]:
        if look.entry.is_space or not self._profile.areas.members:
            return
        for plugin in self._unpackers:
            wants = guarded(partial(plugin.wants, content), what=plugin.name)
            if isinstance(wants, ForensicError):
                look.failure("unpack", wants, plugin.name)
                continue
            if not wants:
                continue
            budgets = self._profile.budgets
            if walk.depth >= budgets.member_depth:
                look.failure(
                    "unpack", LimitReached(f"nested deeper than {budgets.member_depth} containers"), plugin.name
                )
                continue
            look.outcome("unpack", "done")
            counts: dict[Name, int] = {}
            call = partial(plugin.unpack, content, self._credentials)
            for member in self._drain(look, call, "unpack", plugin.name):
                if walk.tally.members >= budgets.member_count:
                    limit = LimitReached(f"more than {budgets.member_count} members; the rest was not unpacked")
                    look.failure("unpack", limit, plugin.name)
                    break
                walk.tally.members += 1
                repeat = counts.get(member.name, 0)
                counts[member.name] = repeat + 1
                entry = _member_entry(look.entry, plugin.label, member, repeat)
                yield from self._member(look, entry, member, content, plugin, walk)

    def _member(
        self, parent: Look, entry: FileEntry, member: api.Member, outer: Content, plugin: api.Unpacker, walk: "_Walk"
    ) -> Iterator[Result]:
        locator = str(entry.locator)
        look = Look(entry, str(parent.entry.locator))
        budgets = self._profile.budgets
        if locator in walk.avoid:
            look.outcome("content", "failed", "stopped its worker")
        elif member.kind == "directory":
            look.outcome("content", "empty")
        elif member.locked:
            look.outcome("content", "skipped", "locked")
            look.problem(Problem("gap", "encrypted, and no credential given opens it", "Locked"), "unpack", plugin.name)
        else:
            walk.announce(locator, budgets.seconds + budgets.seconds_per_mib * (member.size or 0) / _MIB)
            pieces = self._budgeted(member, len(outer.data), walk.tally)
            find = partial(self._member_sibling, plugin, outer, entry)
            yield from self._whole(look, pieces, None, walk.deeper(), find)
            return
        yield look.finish()

    def _budgeted(self, member: api.Member, container_size: int, tally: Tally) -> Iterator[bytes]:
        """A member's bytes until a budget is used up."""
        budgets = self._profile.budgets
        size = 0
        for piece in member.open():
            size += len(piece)
            tally.bytes += len(piece)
            if tally.bytes > budgets.member_bytes:
                raise LimitReached(f"more than {budgets.member_bytes} bytes unpacked from one container; cut here")
            if size > _RATIO_FREE and size > budgets.member_ratio * max(container_size, 1):
                raise LimitReached(f"more than {budgets.member_ratio} times larger than its container; cut here")
            yield piece

    # --- companions -------------------------------------------------------------------------------------------

    def _sibling(self, evidence: OpenEvidence, entry: FileEntry, name: str) -> Content | None:
        system = evidence.volume(entry.locator.volume).filesystem
        found = system.sibling(entry, name) if system else None
        if found is None:
            return None
        return self._companion(found, pieces_of(evidence.open(found)))

    def _member_sibling(self, plugin: api.Unpacker, outer: Content, entry: FileEntry, name: str) -> Content | None:
        own = entry.locator.steps[-1].member.text
        wanted = own[: len(own) - len(own.rsplit("/", 1)[-1])] + name
        for member in plugin.unpack(outer, self._credentials):
            if isinstance(member, api.Member) and member.name.text == wanted and not member.locked:
                return self._companion(_member_entry(outer.entry, plugin.label, member, 0), member.open())
        return None

    def _companion(self, entry: FileEntry, pieces: Iterator[bytes]) -> Content:
        held: Held | Spooled = read_whole(pieces, entry.size, self._temp, limit=self._profile.budgets.whole_content)
        content = Content(entry, held.data, self._temp, close=held.close)
        content.size, content.sha256 = len(held.data), held.digests.sha256
        return content


@dataclass
class _Walk:
    """Where the descent through containers is."""

    avoid: frozenset[str]
    announce: Announce
    tally: Tally
    depth: int

    def deeper(self) -> "_Walk":
        return _Walk(self.avoid, self.announce, self.tally, self.depth + 1)


def _member_entry(container: FileEntry, label: str, member: api.Member, repeat: int) -> FileEntry:
    return FileEntry(
        container.locator.step(Step(label, member.name, repeat)),
        "member",
        member.size or 0,
        container.name_state,
        container.meta_state,
        container.content_state,
        member.modified,
        member.accessed,
        member.changed,
        member.born,
        attributes=member.attributes | ({} if member.kind == "member" else {"member_kind": member.kind}),
    )


def _where(entry: FileEntry, plugin: api.Plugin) -> Where:
    if isinstance(plugin, api.Artefact):
        return "record"
    if entry.kind == "slack":
        return "slack"
    return "unallocated" if entry.is_space else "content"


def _pattern(path: str) -> Any:
    """A path pattern: any case, ``*`` crosses folders."""
    import re

    return re.compile(".*".join(map(re.escape, path.split("*"))), re.IGNORECASE | re.DOTALL)
