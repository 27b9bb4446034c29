"""Digests in files beside the evidence: imager reports, md5sum-style lists, hashdeep lists, Cellebrite .ufd.

Sources: reports written by FTK Imager 3 and 4 (``[Computed Hashes]``) and Guymager 0.8 (``.info``); md5sum(1) and
BSD md5(1) for the line formats; hashdeep(1); .ufd files of UFED (``[SHA256]`` and ``[MD5]`` sections).
"""

import re
from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec

from forensic_kit.bytesource import ByteSource, FileSource

#: Bytes of a sidecar that are looked at.
MOST: Final = 1 << 20
_BY_LENGTH: Final = {32: "md5", 40: "sha1", 64: "sha256"}
_LISTS: Final = ("MD5SUMS", "SHA1SUMS", "SHA256SUMS")
_HEX: Final = r"([0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})"

_FTK_LINE: Final = re.compile(rf"\s*(?:MD5|SHA1|SHA256) checksum\s*:\s*{_HEX}\b")
_GUYMAGER_LINE: Final = re.compile(rf"(?:MD5|SHA1|SHA256) hash\s*:\s*{_HEX}\s*$")
_NAMED_LINE: Final = re.compile(rf"(\\?){_HEX}[ \t]+[*?^]?(\S.*)$", re.DOTALL)
_BSD_LINE: Final = re.compile(rf"(?:MD5|SHA-?1|SHA2?-?256) ?\((.+)\) ?= ?{_HEX}\s*$", re.IGNORECASE)
_BARE: Final = re.compile(_HEX)


class StoredDigest(msgspec.Struct, frozen=True):
    """One digest that a file beside the evidence states."""

    algorithm: str  #: ``md5 sha1 sha256``
    value: str  #: lower-case hex
    origin: str  #: name of the file that states it
    #: ``content``: of the decoded medium, all segments together. ``file``: of one file as it lies on disk.
    covers: Literal["content", "file"]
    #: The file it is of; for content the first segment.
    filename: str


#: (digest, name of the file it is of; empty where the sidecar does not say, None for the decoded content)
_Stated = tuple[str, str | None]


def find(file: ByteSource, segments: tuple[str, ...]) -> tuple[StoredDigest, ...]:
    """What the sidecars of an image state about it, in the order in which they are looked for.

    Only names made from the evidence's own name are tried, and the usual names of lists (``SHA256SUMS``). A digest
    of a file that is not one of the segments is left out; so is a lone digest in a file that does not say, by its
    contents or its name, which file it is of.

    Args: file: the first segment; segments: names of all, in order.
    """
    found: dict[StoredDigest, None] = {}
    own = segments[0] if segments else file.name
    names = {name.lower(): name for name in segments or (own,)}
    for sidecar, read in _candidates(own):
        text = _text(file, sidecar)
        for value, name in read(text) if text else ():
            place = _place(name, sidecar, own, names)
            if place is not None:
                found[StoredDigest(_BY_LENGTH[len(value)], value.lower(), sidecar, *place)] = None
    return tuple(found)


def _place(
    name: str | None, sidecar: str, own: str, names: dict[str, str]
) -> tuple[Literal["content", "file"], str] | None:
    """What a digest covers and the segment it belongs to; None if it is of something else or nobody can tell."""
    if name is None:
        return "content", own
    if not name:
        # image.001.md5 is of that file; image.md5 may be of the file or of the disk in it.
        name = sidecar.rpartition(".")[0]
    base = re.split(r"[/\\]", name)[-1].lower()
    if base in names:
        return "file", names[base]
    whole, counter = own.rpartition(".")[::2]
    if base == whole.lower() and counter.isdigit():  # image.dd, of which image.dd.001 is the first part
        return "content", own
    return None


def _candidates(own: str) -> Iterator[tuple[str, Callable[[str], Iterator[_Stated]]]]:
    """Names of sidecars to try, and how each is read."""
    stems = [own]
    while "." in stems[-1].lstrip(".") and len(stems) < 3:  # image.dd.001, image.dd, image
        stems.append(stems[-1].rpartition(".")[0])
    tried: set[str] = set()
    for endings, read in (
        ((".txt",), _ftk),
        ((".info",), _guymager),
        ((".md5", ".sha1", ".sha256", ".hashdeep", ".hashes"), _list),
        ((".ufd",), _ufd),
    ):
        for stem in stems:
            for ending in endings:
                for name in (stem + ending, stem + ending.upper()):
                    if name not in tried and name != own:
                        tried.add(name)
                        yield name, read
    for name in _LISTS:
        for spelling in (name, name.lower(), f"{name}.txt", f"{name.lower()}.txt"):
            yield spelling, _list


def _text(file: ByteSource, name: str) -> str:
    """The start of a sidecar as text; empty if it is not there."""
    sidecar = file.sibling(name)
    if sidecar is None:
        return ""
    data = sidecar.read(0, MOST)
    if sidecar.size > MOST:  # the last line may be cut
        data = data[: data.rfind(b"\n") + 1]
    if isinstance(sidecar, FileSource):
        sidecar.close()
    return _decode(data)


def _decode(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if data[1:2] == b"\0":
        return data.decode("utf-16-le", "replace")
    if data[:1] == b"\0":
        return data.decode("utf-16-be", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


# --- readers: text in, digests out ------------------------------------------------------------------------------


def _ftk(text: str) -> Iterator[_Stated]:
    """FTK Imager: what it computed while reading the source, not what it verified afterwards."""
    computed = text.partition("[Computed Hashes]")[2].partition("Image Verification Results")[0]
    for line in _lines(computed):
        match = _FTK_LINE.match(line)
        if match:
            yield match[1], None


def _guymager(text: str) -> Iterator[_Stated]:
    """Guymager: the digests of the source; below them, if switched on, MD5s of the image files."""
    report, _, files = text.partition("Generated image files and their MD5 hashes")
    for line in _lines(report):
        match = _GUYMAGER_LINE.match(line)
        if match:
            yield match[1], None
    yield from _named(files)


def _list(text: str) -> Iterator[_Stated]:
    """One digest and file name a line, in the manner of md5sum, BSD md5 or hashdeep; or one lone digest."""
    if text.startswith("%%%% HASHDEEP"):
        yield from _hashdeep(text)
        return
    if _BARE.fullmatch(text.strip()):
        yield text.strip(), ""
        return
    yield from _named(text)


def _named(text: str) -> Iterator[_Stated]:
    for line in _lines(text):
        match = _NAMED_LINE.match(line)
        if match:
            name = match[3]
            if match[1]:  # GNU: a leading backslash says that the name is escaped
                name = re.sub(r"\\([\\nr])", lambda escape: {"n": "\n", "r": "\r"}.get(escape[1], "\\"), name)
            # "-" is md5sum's name for what came through a pipe: the sidecar's own name says more.
            yield match[2], "" if name == "-" else name
            continue
        match = _BSD_LINE.match(line)
        if match:
            yield match[2], match[1]


def _hashdeep(text: str) -> Iterator[_Stated]:
    columns: list[str] = []
    for line in _lines(text):
        if line.startswith("%%%% size,"):
            columns = line[5:].split(",")
        elif columns and line[:1] not in ("%", "#"):
            values = line.split(",", len(columns) - 1)
            for column, value in zip(columns, values, strict=False):
                if column in _BY_LENGTH.values() and _BARE.fullmatch(value):
                    yield value, values[-1]


def _ufd(text: str) -> Iterator[_Stated]:
    """Cellebrite: ``name=DIGEST`` lines of the sections that are named after an algorithm."""
    section = ""
    for line in _lines(text):
        if line.startswith("["):
            section = line.strip("[] \t").upper()
        elif section in ("MD5", "SHA1", "SHA256"):
            name, _, value = (part.strip() for part in line.rpartition("="))
            if name and _BARE.fullmatch(value):
                yield value, name


def _lines(text: str) -> Iterator[str]:
    """Lines without what ends them. Only LF and CR LF end one: file names may hold the others."""
    for line in text.split("\n"):
        yield line.rstrip()
