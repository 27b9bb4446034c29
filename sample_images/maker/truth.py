"""What is true of the finished image, from what was put in and a plain byte search: our reader has no part in it."""

import datetime
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from maker import texts
from maker.item import Item

ENCODINGS = ("utf-8", "utf-16-le", "windows-1252", "windows-1251")


@dataclass(frozen=True)
class Part:
    """One partition."""

    number: str
    start: int  #: in the image, bytes
    size: int
    filesystem: str
    label: str
    serial: str  #: as the file system stores it, most significant digit first
    items: list[Item]


@dataclass(frozen=True)
class Area:
    """Planted bytes that belong to no file's content."""

    name: str  #: slack, unallocated or gap
    start: int  #: in the image, bytes
    data: bytes
    volume: str | None = None
    path: str | None = None


class Untrue(Exception):
    """The image is not what the story says."""


def files(part: Part, image: bytes) -> list[dict[str, Any]]:
    """A row for every entry of a volume, streams included, in the order of the paths."""
    rows = []
    # Surrogate escapes sort and print here as U+FFFD; path_raw keeps the bytes.
    for item in sorted(part.items, key=lambda item: item.path):
        base = {"path": item.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")}
        if any("\udc80" <= letter <= "\udcff" for letter in item.path):
            base["path_raw"] = item.path.encode("utf-8", "surrogateescape").hex()
        rows.append({**base, **_row(item, part, image)})
        for name, data in item.streams.items():
            rows.append({**base, "stream": name, "kind": "stream", "state": "live", **_content(data)})
    return rows


def _row(item: Item, part: Part, image: bytes) -> dict[str, Any]:
    row: dict[str, Any] = {"kind": item.kind, "state": _state(item), "born": _iso(item.born)}
    if item.kind == "file":
        row |= {"modified": _iso(item.modified), **_content(item.content)}
        stored = whole(image, part, item.data)
        if (stored is None) is not (row["state"] == "overwritten"):
            raise Untrue(f"{item.path}: it is {row['state']} and its content is at {stored}")
    if item.kind == "hardlink":
        source = next(other for other in part.items if other.path == item.target)
        row |= {"modified": _iso(source.modified), **_content(source.content)}
    optional: dict[str, Any] = {
        "target": item.target,
        "deleted": _iso(item.deleted) if item.deleted else "",
        "overwritten_by": item.overwritten_by,
        "listed_as": item.listed_as,
        "cleared": item.cleared,
        "password": item.password,
        "facts": item.facts,
        "note": item.note,
    }
    row |= {key: value for key, value in optional.items() if value}
    if item.inside:
        row["inside"] = {name: _content(data) for name, data in item.inside.items()}
    return row


def _state(item: Item) -> str:
    if item.overwritten_by:
        return "overwritten"
    return "deleted" if item.deleted else "live"


def _content(data: bytes) -> dict[str, Any]:
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _iso(when: int) -> str:
    return datetime.datetime.fromtimestamp(when, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def settled(image: bytes) -> bytes:
    """The image with the update sequences of NTFS records undone: contents that lie in the MFT read as they are.

    Source: libyal documentation "New Technologies File System", 5.1 and 5.2.
    """
    fixed = bytearray(image)
    for match in re.finditer(rb"FILE0\0\x03\0", image):
        start = match.start()
        if start % 512 == 0:
            for sector in range(2):
                end = start + 512 * sector + 510
                place = start + 48 + 2 + 2 * sector
                fixed[end : end + 2] = image[place : place + 2]
    return bytes(fixed)


def whole(image: bytes, part: Part, data: bytes) -> int | None:
    """Where in the image ``data`` stands in one piece inside a volume; None if nowhere."""
    found = image.find(data, part.start, part.start + part.size)
    return None if found < 0 else found


def hits(parts: list[Part], areas: list[Area], image: bytes) -> list[dict[str, Any]]:
    """Every occurrence of every term: in contents, streams, areas (with image offset) and members (without).

    Raises Untrue if a search of the whole image finds an occurrence that no row explains, or the other way round.
    """
    rows: list[dict[str, Any]] = []
    readable = settled(image)
    for part in parts:
        for item in part.items:
            rows += _item_hits(part, item, readable)
    for area in areas:
        base = {"volume": area.volume, "path": area.path, "area": area.name}
        rows += [{**row, **base, "image_offset": area.start + row["offset"]} for row in _search(area.data)]
    explained = sorted((row["image_offset"], row["term"]) for row in rows if row["image_offset"] is not None)
    everywhere = sorted((row["offset"], row["term"]) for row in _search(image))
    if explained != everywhere:
        odd = sorted(set(explained) ^ set(everywhere)) or "an occurrence is claimed twice"
        raise Untrue(f"the image and the story do not agree about {odd}")
    return sorted(
        rows,
        key=lambda row: (
            row["volume"] or "",
            row["path"] or "",
            str(row["stream"]),
            row["member"] or "",
            row["offset"],
            row["encoding"],
        ),
    )


def _item_hits(part: Part, item: Item, image: bytes) -> Iterator[dict[str, Any]]:
    base = {"volume": part.number, "path": item.path, "area": "content"}
    if item.overwritten_by:
        return
    contents = [(None, item.data, item.hole), *((name, data, 0) for name, data in item.streams.items())]
    for stream, data, hole in contents:
        found = list(_search(data))
        start = whole(image, part, data) if found else None
        if found and start is None:
            raise Untrue(f"{item.path}: the content is not in the image in one piece")
        for row in found:
            yield {
                **row,
                **base,
                "stream": stream,
                "offset": row["offset"] + hole,
                "image_offset": (start or 0) + row["offset"],
            }
    for member, data in item.inside.items():
        for row in _search(data):
            yield {**row, **base, "area": "member", "member": member, "image_offset": None}


def _search(data: bytes) -> Iterable[dict[str, Any]]:
    """A row for each occurrence of each term; bytes that are the same in two encodings count once."""
    for term in texts.TERMS:
        seen = set()
        for encoding in ENCODINGS:
            try:
                coded = term.encode(encoding)
            except UnicodeEncodeError:
                continue
            if coded in seen:
                continue
            seen.add(coded)
            for match in re.finditer(re.escape(coded), data):
                yield {
                    "term": term,
                    "encoding": encoding,
                    "volume": None,
                    "path": None,
                    "stream": None,
                    "member": None,
                    "area": "",
                    "offset": match.start(),
                    "image_offset": None,
                }
