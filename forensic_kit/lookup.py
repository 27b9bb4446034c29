"""Look at one thing without a pass: the bytes of a locator, the records of a loose file."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from forensic_kit import api
from forensic_kit.bytesource import FileSource
from forensic_kit.case import Result
from forensic_kit.content import Content, pieces_of, read_whole
from forensic_kit.errors import Misuse
from forensic_kit.evidence import OpenEvidence
from forensic_kit.examine import Examiner
from forensic_kit.model import FileEntry, Locator, Name, Step
from forensic_kit.profile import Profile
from forensic_kit.registry import Registry

_LARGEST = 64 << 30  # of a container that is opened to get at a member


def pieces(
    opened: OpenEvidence,
    registry: Registry,
    locator: Locator,
    temp: Path,
    credentials: tuple[api.Credential, ...] = (),
    entry: FileEntry | None = None,
) -> Iterator[bytes]:
    """The content of any locator, in order.

    Args: entry: what the locator's steps before the first member name, where a case knows it already.
    """
    inner = next((number for number, step in enumerate(locator.steps) if step.is_member), len(locator.steps))
    base = msgspec.structs.replace(locator, steps=locator.steps[:inner])
    if entry is None:
        entry = opened.entry(base)
    found = pieces_of(opened.open(entry))
    for step in locator.steps[inner:]:
        found = _member(entry, found, step, registry, temp, credentials)
        entry = FileEntry(entry.locator.step(step), "member", 0)
    yield from found


def _member(
    container: FileEntry,
    content: Iterator[bytes],
    step: Step,
    registry: Registry,
    temp: Path,
    credentials: tuple[api.Credential, ...],
) -> Iterator[bytes]:
    unpacker = next((plugin() for plugin in registry.of(api.Unpacker) if plugin.label == step.by), None)
    if unpacker is None:
        raise Misuse(f"{container.locator}{step}: no unpacker is called {step.by}. See `plugins list`.")
    held = read_whole(content, container.size, temp, limit=_LARGEST)
    outer = Content(msgspec.structs.replace(container, size=len(held.data)), held.data, temp, close=held.close)
    try:
        repeat = step.repeat
        for member in unpacker.unpack(outer, credentials):
            if not isinstance(member, api.Member) or member.name != step.member:
                continue
            if repeat == 0:
                yield from member.open()
                return
            repeat -= 1
    finally:
        outer.discard()
    raise Misuse(f"{container.locator}{step}: there is no such member. List members with `case files --json`.")


def parse_file(registry: Registry, path: Path, wanted: str, temp: Path) -> Result:
    """The records of a loose file, without a case.

    Args: wanted: the name of the one artefact plugin to use; empty for all that know the file.
    """
    file = FileSource(path)
    entry = FileEntry(Locator("file", "1", path=Name(path.name)), "file", file.size)
    examiner = Examiner(
        registry,
        Profile("loose", "1"),
        temp,
        evidence=_none,
        scanners=[],
        seen=lambda _: None,
        unpack=False,
    )

    def companion(name: str) -> Content | None:
        sibling = file.sibling(name)
        if sibling is None:
            return None
        found = FileEntry(Locator("file", "1", path=Name(name)), "file", sibling.size)
        held = read_whole(pieces_of(sibling), sibling.size, temp, limit=_LARGEST)
        content = Content(found, held.data, temp, close=held.close)
        content.sha256 = held.digests.sha256
        return content

    return examiner.parse_loose(entry, pieces_of(file), companion, wanted)


def _none(name: str) -> OpenEvidence:
    raise Misuse(f"{name}: a loose file is in no exhibit.")
