"""Zip archives and everything that is one: docx, xlsx, odt, jar, apk, epub, kmz, self-extracting programs."""

import stat
from collections.abc import Iterator
from functools import partial

from forensic_kit.api import (
    Content,
    Credential,
    Damaged,
    Member,
    Moment,
    Name,
    Problem,
    Unpacker,
    Unsupported,
    dos,
    filetime,
    gap,
    note,
    unix,
)
from forensic_kit.formats.layout import Layout

_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08", b"PK00")
# A program may carry a zip behind it; nothing at its start says so.
_PROGRAMS = (b"MZ", b"\x7fELF", b"#!")
_NTFS_TIMES = Layout("<", tag="H", size="H", modified="Q", accessed="Q", born="Q")  # 4.5.5
# Between two members only a data descriptor is regular: 24 bytes at most (4.3.9).
_DESCRIPTOR = 24


class Zip(Unpacker, api=1):
    """Lists the central directory in its order, then what only local headers know of.

    Encrypted members are opened with passwords of the traditional encryption.
    """

    name, version, label = "zip", "1.0", "zip"
    source = "PKWARE APPNOTE.TXT 6.3.10; Info-ZIP extra field documentation (proginfo/extrafld.txt, 0x5455, 0x7075)"
    limits = (
        "Split archives are refused: join the parts first.",
        "AES and strong encryption are not opened; such members count as locked.",
        "Methods other than store, deflate, bzip2, LZMA and xz are not decompressed.",
        "A member that only a local header knows and that states no length ends at the next signature.",
        "A zip behind other data is found only in programs, by its end record in the last 64 KiB.",
    )

    def wants(self, content: Content) -> bool:
        from forensic_kit.formats.zip_directory import find_directory

        head = bytes(content.data[:4])
        if content.type == "application/zip" or head in _SIGNATURES:
            return True
        try:
            return head.startswith(_PROGRAMS) and find_directory(content.data) is not None
        except Unsupported:
            return True  # the last part of a split archive: unpack says so

    def unpack(self, content: Content, credentials: tuple[Credential, ...]) -> Iterator[Member | Problem]:
        from forensic_kit.formats.zip_directory import find_directory

        passwords = tuple(item.value.encode() for item in credentials if item.kind == "password")
        directory = find_directory(content.data)
        walk = _Walk(content, passwords)
        if directory is None and bytes(content.data[:4]) == b"PK\x07\x08":
            raise Unsupported(
                "this is the first part of a split zip archive, which is not joined yet. "
                "Join the parts in order into one file and add that as evidence."
            )
        if directory is None:
            yield note(
                "the archive has no central directory (torn or removed): members were found by their local headers",
                error="no-directory",
            )
            yield from walk.unlisted(0, len(content.data))
            if not walk.count:
                raise Damaged("neither the central directory nor a local header of this zip archive can be read")
        else:
            yield from walk.listed(directory)
            yield from walk.between(directory)
            if trailing := len(content.data) - directory.end:
                yield note(f"{trailing} bytes follow the archive", error="trailing", offset=directory.end)
        yield from walk.remarks()


class _Walk:
    """One pass over one archive."""

    def __init__(self, content: Content, passwords: tuple[bytes, ...]) -> None:
        self._data = content.data
        self._passwords = passwords
        self._spans: list[tuple[int, int]] = []  # (local header, end of the bytes) of listed members
        #: How many members each oddity has, the offset of the first and the names of a few.
        self._remarks: dict[str, tuple[int, int, tuple[str, ...]]] = {}
        self.count = 0

    def listed(self, directory) -> Iterator[Member | Problem]:
        """The members of the central directory."""
        from forensic_kit.formats.zip_directory import central_entries, local_header

        try:
            for entry in central_entries(self._data, directory):
                local = None
                try:
                    local, start = local_header(self._data, entry.offset)
                    self._spans.append((entry.offset, start + (entry.compressed or 0)))
                except Damaged:
                    self._remark("headers", entry)
                if local and local.name != entry.name:
                    self._remark("names", entry)
                yield self._member(entry, local.extra if local else b"")
        except Damaged as error:
            yield note(f"the central directory is torn: {error.message}", error="torn-directory", offset=error.offset)
        # The 16-bit field of an archive without a zip64 record wraps.
        if self.count != directory.entries and self.count & 0xFFFF != directory.entries:
            yield note(
                f"the end record counts {directory.entries} members, the central directory lists {self.count}",
                error="entry-count",
                offset=directory.start,
            )

    def between(self, directory) -> Iterator[Member | Problem]:
        """What lies between the listed members: others, and bytes that belong to none."""
        at = overlaps = unexplained = places = 0
        first_overlap = first_place = None
        self._spans.sort()
        for start, end in [*self._spans, (directory.start, directory.start)]:
            if start < at:
                overlaps += 1
                first_overlap = start if first_overlap is None else first_overlap
            elif start - at > _DESCRIPTOR:
                covered = yield from self.unlisted(at, start)
                if start - at - covered > _DESCRIPTOR:
                    unexplained, places = unexplained + start - at - covered, places + 1
                    first_place = at if first_place is None else first_place
            at = max(at, end)
        if overlaps:
            yield gap(
                f"{overlaps} members overlap others, as in a decompression bomb or to hide data; "
                "compare their contents before relying on them",
                error="overlap",
                offset=first_overlap,
            )
        if places:
            yield note(
                f"{unexplained} bytes in {places} places belong to no member", error="unlisted", offset=first_place
            )

    def unlisted(self, start: int, end: int):
        """Members in this range that the central directory does not list. Returns how many bytes they cover."""
        from forensic_kit.formats.zip_directory import local_entries

        covered = 0
        for entry, _, stop in local_entries(self._data, start, end):
            covered += stop - entry.offset
            self._remark("unlisted", entry)
            yield self._member(entry, entry.extra)
        return covered

    def remarks(self) -> Iterator[Problem]:
        """What was odd about members, one problem for each kind of oddity."""
        for kind, (count, offset, names) in sorted(self._remarks.items()):
            shown = ", ".join(map(repr, names)) + (", ..." if count > len(names) else "")
            yield note(f"{count} members {_REMARKS[kind]}: {shown}", error=kind, offset=offset)

    def _remark(self, kind: str, entry) -> None:
        count, offset, names = self._remarks.get(kind, (0, entry.offset, ()))
        if count < 3:
            names = (*names, Name.of(entry.name[:256]).text)
        self._remarks[kind] = (count + 1, offset, names)

    def _member(self, entry, local_extra: bytes) -> Member:
        from forensic_kit.formats import zip_member

        self.count += 1
        passwords: tuple[bytes, ...] = ()
        if zip_member.crackable(entry):
            try:
                passwords = zip_member.fitting(self._data, entry, self._passwords)
            except Damaged:
                self._remark("headers", entry)
        times, unreadable = _times(entry, local_extra)
        if unreadable:
            self._remark("times", entry)
        return Member(
            Name.of(entry.name),
            partial(zip_member.content, self._data, entry, passwords),
            size=entry.size,
            kind=self._kind(entry),
            attributes=_attributes(entry),
            locked=entry.encrypted and not passwords,
            **times,
        )

    def _kind(self, entry) -> str:
        mode = entry.external_attributes >> 16 if entry.system == 3 else 0
        if stat.S_ISLNK(mode):
            return "link"
        if not (entry.name.endswith(b"/") or stat.S_ISDIR(mode)):
            return "member"
        if entry.size or (entry.compressed or 0) > 2:  # two bytes are a deflate stream of nothing
            self._remark("directories", entry)
            return "member"  # so that what it hides is examined
        return "directory"


_REMARKS = {
    "directories": "are called directories and hold bytes, which were examined",
    "headers": "have no local header where the central directory says",
    "names": "are named otherwise in their local header",
    "times": "have a time that is on no calendar, left empty",
    "unlisted": "are not in the central directory",
}


def _attributes(entry) -> dict[str, str | int]:
    """What the headers say beyond times and sizes, by the names of the format document."""
    from forensic_kit.formats.zip_member import AES, METHODS

    found: dict[str, str | int] = {
        "method": METHODS.get(entry.method, str(entry.method)),
        "crc32": f"{entry.crc:08x}",
        "header_offset": entry.offset,
    }
    if entry.compressed is not None:
        found["compressed_size"] = entry.compressed
    if entry.encrypted:
        strong = "strong" if entry.flags & 0x40 else "traditional"
        found["encryption"] = "AES" if entry.method == AES else strong
    if not entry.listed:
        found["listed"] = "no"
    elif entry.system == 3:
        found["mode"] = entry.external_attributes >> 16
    if entry.listed:
        found["dos"] = entry.external_attributes & 0xFF
    if entry.comment:
        found["comment"] = entry.comment.decode("utf-8" if entry.utf8 else "cp437", "replace")
    if not entry.utf8 and not entry.name.isascii():
        # The format's own default (appendix D); many programs write the system's code page or UTF-8 instead.
        found["name_cp437"] = entry.name.decode("cp437")
    return found


def _times(entry, local_extra: bytes) -> tuple[dict[str, Moment | None], bool]:
    """The best times the member has, and whether one could not be read.

    NTFS times (100 ns) before Unix times (1 s) before the MS-DOS one, which every member has (2 s, local).
    """
    from forensic_kit.formats.zip_directory import extras

    found: dict[str, Moment | None] = {}
    unreadable = False
    fields = [*extras(local_extra), *extras(entry.extra)]
    for wanted, read in ((0x000A, _ntfs), (0x5455, _unix)):
        for id_, field in fields:
            if id_ != wanted:
                continue
            try:
                for name, moment in read(field):
                    found.setdefault(name, moment)
            except Damaged:
                unreadable = True
    if "modified" not in found:
        try:
            found["modified"] = dos(entry.date, entry.time)
        except Damaged:
            unreadable = True
    return found, unreadable


def _ntfs(field: bytes) -> Iterator[tuple[str, Moment | None]]:
    """4.5.5: four reserved bytes, then tags; tag 1 holds three times."""
    values = _NTFS_TIMES.read(field, 4)
    if values.tag == 1 and values.size >= 24:
        for name in ("modified", "accessed", "born"):
            yield name, filetime(values[name])


def _unix(field: bytes) -> Iterator[tuple[str, Moment | None]]:
    """0x5455: a byte of flags, then the times they announce; the central copy holds the first one only."""
    flags, at = (field[0] if field else 0), 1
    for bit, name in enumerate(("modified", "accessed", "born")):
        if flags >> bit & 1 and at + 4 <= len(field):
            yield name, unix(int.from_bytes(field[at : at + 4], "little", signed=True))
            at += 4
