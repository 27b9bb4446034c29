"""NTFS, FAT, exFAT, ext2/3/4, HFS+, ISO 9660, UFS and YAFFS2, listed and read by libtsk (The Sleuth Kit)."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from forensic_kit import api
from forensic_kit.api import ByteSource, FileEntry, Locator, Name, Problem
from forensic_kit.formats import allocation_maps, content_runs, ext, fat, hfsplus, libtsk_values, ntfs, superblocks
from forensic_kit.formats.directory_tree import Folders, Place, Tally, Tree
from forensic_kit.formats.libtsk_contents import Contents
from forensic_kit.formats.libtsk_values import Found, NameType, Part
from forensic_kit.formats.stored_metadata import OnDisk, Stored

_OPENED_AS = {
    "NTFS": "TSK_FS_TYPE_NTFS_DETECT",
    "FAT": "TSK_FS_TYPE_FAT_DETECT",
    "EXT": "TSK_FS_TYPE_EXT_DETECT",
    "HFS": "TSK_FS_TYPE_HFS_DETECT",
    "ISO9660": "TSK_FS_TYPE_ISO9660_DETECT",
    "FFS": "TSK_FS_TYPE_FFS_DETECT",
    "YAFFS2": "TSK_FS_TYPE_YAFFS2_DETECT",
}
_ORPHANS = b"$OrphanFiles"
_FILES_KEPT = 16  # open at once
_ANY_CASE = frozenset({"NTFS", "FAT", "HFS"})
_MAPPED = frozenset({"NTFS", "FAT", "EXT", "HFS"})
_ELSEWHERE = frozenset({"0x80000013", "0x80000017"})  # [MS-FSCC] 2.1.2.1: DEDUP, WOF


class LibTsk(api.FileSystem, api=1):
    """Lists and reads what The Sleuth Kit's library opens; what it rounds or lacks is read from the medium here.

    Streams are called as NTFS and HFS+ call them, the resource fork ``rsrc``; one more of the same name has
    libtsk's ``type-id`` behind it. Volume labels that have content are files: content can be hidden there. A name
    whose metadata belongs to another file now has content_state overwritten and no times; its bytes are the owner's.
    """

    name, version = "libtsk", "1.0"
    source = "The Sleuth Kit 4.15: tsk_fs.h and its file systems; the documents named in forensic_kit/formats"
    limits = (
        "Deleted files of FAT and exFAT: libtsk guesses that free clusters follow each other.",
        "NTFS: of system-compressed (WOF) and deduplicated files only the stub is read.",
        "NTFS: libtsk's source refuses names in index slack whose times lie after 2019.",
        "NTFS: a volume whose first boot sector is damaged is not opened from the copy at its end.",
        "HFS+: content compressed with zlib and extended attributes outside the B-tree are not read.",
        "ISO 9660: libtsk ignores the zone stored with each time; discs with raw sectors give no offsets.",
        "Volumes of ext with bigalloc are refused; extended attributes of ext and UFS are not listed.",
        "Names that are no valid UTF-16 are as libtsk mends them.",
        "UFS, ISO 9660 and YAFFS2: no allocation map is read, so there is no unallocated space.",
    )
    #: Names below $OrphanFiles that are listed at most; the rest is a gap.
    orphans = 100_000
    #: After `matches`: why libtsk refused a file system whose signature is there; empty if it refused none.
    refused = ""

    # --- opening ---

    def matches(self, volume: api.Volume) -> bool:
        """Try the file systems the volume shows signs of, surest first; further ones become a note."""
        signs = list(superblocks.candidates(volume.source))
        for position, sign in enumerate(signs):
            if self._opens(volume, sign):
                self._others = [other.family for other in signs[position + 1 :]]
                return True
        return False

    def _opens(self, volume: api.Volume, sign: superblocks.Candidate) -> bool:
        import pytsk3

        self._lost: list[BaseException] = []
        self._volume = volume
        self._family, self._start = sign
        self._source = volume.source.slice(sign.start) if sign.start else volume.source
        self._image = _image(self._source, self._lost)
        try:
            self._fs = pytsk3.FS_Info(self._image, 0, getattr(pytsk3, _OPENED_AS[self._family]))
        except OSError as error:
            self._check()
            self.refused = self.refused or f"{self._family}: {_reason(error)}"
            return False
        self._check()
        self._prepare()
        return True

    def _prepare(self) -> None:
        """Read what libtsk does not give, and say what the volume is."""
        info = self._fs.info
        self._block = int(info.block_size)
        self._root, self._last = int(info.root_inum), int(info.last_inum)
        raw_sectors = bool(info.block_pre_size or info.block_post_size)
        self._contents = Contents(self._family, self._block, self._start, raw_sectors, self._check)
        self._orphan_inode: int | None = None
        self._files: OrderedDict[int, Any] = OrderedDict()
        self._folders = Folders(self._names, self._root)
        self._tally = Tally()
        self._disk = self._on_disk()
        self.facts = api.FileSystemFacts(
            type=libtsk_values.type_name(int(info.ftype)),
            label=self._disk.label,
            serial=self._disk.serial,
            block_size=self._disk.cluster if isinstance(self._disk, fat.FatVolume) else self._block,
            zone="local" if self._family in ("FAT", "ISO9660") else "utc",
        )

    def _on_disk(self) -> OnDisk:
        source = self._source
        if self._family == "NTFS":
            return ntfs.NtfsVolume(source, self._main_content(0), self._main_content(ntfs.BITMAP_INODE))
        if self._family == "HFS":
            return hfsplus.HfsVolume(source, self._main_content(hfsplus.ALLOCATION_INODE))
        if self._family == "EXT":
            return ext.ExtVolume(source)
        if self._family == "FAT" and (geometry := fat.geometry(source)):
            return fat.FatVolume(source, geometry)
        described: dict[str, Callable[[ByteSource], OnDisk]] = {
            "ISO9660": superblocks.iso9660,
            "FFS": superblocks.ufs,
        }
        return described.get(self._family, superblocks.nothing_read)(source)

    def _main_content(self, inode: int) -> ByteSource | None:
        """The main content of one of the file system's own files; None where libtsk finds none."""
        file = self._open_meta(inode)
        for part in () if file is None else self._contents.of(file, Stored()):
            if not part.stream and part.runs is not None:
                return api.Runs(self._volume.source, part.runs, part.size)
        return None

    def _check(self) -> None:
        """Raise what went wrong below libtsk, which only knows that a read failed. After each call of pytsk3."""
        if self._lost:
            raise self._lost.pop(0)

    def _open_meta(self, inode: int) -> Any:
        """pytsk3's file of an inode; None where libtsk gives none."""
        try:
            return self._fs.open_meta(inode)
        except OSError:
            return None
        finally:
            self._check()

    # --- listing ---

    def entries(self, avoid: frozenset[str]) -> Iterator[FileEntry | Problem]:
        """The tree, folder before content, deleted names among the live ones; ``$OrphanFiles`` last.

        A locator in ``avoid`` is left out and, if it is a directory, not gone into; the text ``$OrphanFiles``
        leaves the orphans out. Either is a gap.
        """
        self._tally = Tally()
        tree = Tree(self._names, libtsk_values.avoided(avoid), self._tally)
        yield from self._preface()
        for place in tree.walk(Found(b"", self._root, NameType.DIRECTORY, True), b""):
            yield from self._at(place)
        if self._orphan_inode is not None:
            if _ORPHANS.decode() in avoid:
                yield api.gap(f"{_ORPHANS.decode()}: left out, its listing ended the worker before.", error="avoided")
            else:
                yield from self._orphan_entries(tree, self._orphan_inode)
        yield from self._tally.problems()

    def _preface(self) -> Iterator[FileEntry | Problem]:
        """What is to be said of the volume as a whole, and the streams of the root, which is no entry itself."""
        if self._others:
            yield api.note(
                f"the volume also shows signs of {', '.join(self._others)}, which is not listed; it was opened as "
                f"{self.facts.type}. Compare with another tool if its files look wrong.",
                error="also",
            )
        if self._family in _MAPPED and self.used() is None:
            yield api.gap("the allocation map cannot be read: unallocated space is not known.", error="allocation-map")
        file = self._open_meta(self._root)
        if file is not None:
            root = Found(b"", self._root, NameType.DIRECTORY, True, file, file.info.meta, True)
            yield from (entry for entry in self._entries_of(root, b"", 0) if entry.locator.stream.text)

    def _orphan_entries(self, tree: Tree, inode: int) -> Iterator[FileEntry | Problem]:
        """What libtsk collects in its virtual directory: files without a folder. Looking for them is one call."""
        yield _orphan_directory(inode)
        top = Found(_ORPHANS, inode, NameType.VIRTUAL_DIRECTORY, True)
        listed = 0
        for place in tree.walk(top, _ORPHANS + b"/"):
            if isinstance(place, Place):
                if self._is_too_large(place.found):
                    what = "orphans left out because they claim to be larger than the volume"
                    self._tally.add(what, place.path, "orphan-size")
                    continue
                listed += 1
                if listed > self.orphans:
                    message = f"{_ORPHANS.decode()}: listed up to the limit of {self.orphans} names."
                    yield api.gap(message, error="budget")
                    return
            yield from self._at(place)

    def _is_too_large(self, item: Found) -> bool:
        return item.meta is not None and not item.is_directory and int(item.meta.size) > self._volume.source.size

    def _at(self, place: Place | Problem) -> Iterator[FileEntry | Problem]:
        return iter((place,)) if isinstance(place, Problem) else self._entries_of(*place)

    def _names(self, inode: int, path: bytes, live: bool) -> Iterator[Found | Problem]:
        """What libtsk finds in a directory. What it cannot read is a problem (of a deleted directory only a note:
        its clusters may long hold something else), and the rest goes on."""
        problem = api.gap if live else api.note
        shown = Name.of(path.rstrip(b"/")).text or "the root directory"
        try:
            directory = self._fs.open_dir(inode=inode)
        except OSError as error:
            self._check()
            yield problem(f"{shown}: the directory cannot be listed: {_reason(error)}.", error="directory")
            return
        self._check()
        bad, first = 0, ""
        iterator = iter(directory)
        while True:
            try:
                file = next(iterator)
            except StopIteration:
                break
            except OSError as error:
                bad, first = bad + 1, first or _reason(error)
                continue
            finally:
                self._check()
            name = file.info.name
            if inode == self._root and name.name == _ORPHANS and int(name.meta_addr) == self._last:
                self._orphan_inode = self._last  # libtsk's own, not a directory that somebody called so
            elif name.name not in (b".", b".."):
                yield self._found(file, name, inode)
        if bad:
            yield problem(f"{shown}: {bad} names in the directory cannot be read: {first}.", error="directory")

    def _found(self, file: Any, name: Any, parent: int) -> Found:
        """A name as libtsk gives it, with its metadata, and whether the two belong together."""
        allocated = bool(int(name.flags) & libtsk_values.ALLOCATED)
        found = Found(name.name or b"", int(name.meta_addr), int(name.type), allocated, file, file.info.meta)
        if found.meta is None:  # libtsk withholds metadata of another sequence number, of all orphans too
            found.file = self._open_meta(found.inode) if found.inode else None
            found.meta = None if found.file is None else found.file.info.meta
        if found.meta is None:
            return found
        if isinstance(self._disk, ntfs.NtfsVolume):
            sequence = int(found.meta.seq)
            if not found.meta_allocated and sequence:
                sequence -= 1  # NTFS counts up when it frees a record
            found.owned = sequence == int(name.meta_seq) & 0xFFFF
            # Index records that are not in use keep names, which libtsk takes for live ones.
            if allocated and (not found.owned or self._disk.is_stale(found.inode, parent, found.name)):
                found.allocated = False
        else:
            # Where the directory entry is the metadata (FAT), a name cannot outlive it.
            found.owned = self._family == "FAT" or allocated or not found.meta_allocated
        return found

    # --- one file ---

    def _entries_of(self, found: Found, path: bytes, repeat: int) -> Iterator[FileEntry]:
        """The file, its slack, then its streams, each with its slack."""
        stored = self._stored(found, path)
        inode = str(found.inode) if found.meta is not None or found.inode else "-"
        parts = [Part()] if found.file is None else self._contents.of(found.file, stored)
        for part in parts:
            self._remark(found, stored, part, path)
            locator = Locator("", "", inode, Name.of(part.stream), Name.of(path), repeat)
            entry = self._entry(found, stored, part, locator)
            if entry is not None:
                yield entry
                yield from self._slack(entry)

    def _stored(self, found: Found, path: bytes) -> Stored:
        """Times and flags of the file; none where the metadata belong to another one."""
        if found.meta is None or not found.owned:
            return Stored()
        stored = self._disk.stored(found.inode, int(found.meta.size))
        if stored is None:
            stored = libtsk_values.times(found.meta, self._family)
        if stored.bad_times:
            self._tally.add("files with stored times that are on no calendar, left out", path, "time")
        return stored

    def _entry(self, found: Found, stored: Stored, part: Part, locator: Locator) -> FileEntry | None:
        kind = libtsk_values.kind_of(found, part, label=stored.is_label)
        runs, size = (None if kind == "directory" else part.runs), part.size
        values = libtsk_values.attributes(found, part, self._family) | stored.attributes
        if part.stream:
            kind, runs = "stream", part.runs
        if part.stream in stored.initialised:
            values["initialised_size"] = stored.initialised[part.stream]
        if self._family == "NTFS" and found.inode == ntfs.BAD_CLUSTERS_INODE and part.stream == b"$Bad":
            runs = tuple(run for run in part.runs or () if run[0] != api.SPARSE)
            kind, size, values = "system", content_runs.length_of(runs), {}
            if not runs:
                return None
        if not found.meta_allocated and size > self._volume.source.size and kind != "directory":
            values["stated_size"] = size
            runs = content_runs.placed(runs or ()) or None
            size = content_runs.length_of(runs or ())
        return FileEntry(
            locator, kind, size, found.name_state, found.meta_state, found.content_state,
            stored.modified, stored.accessed, stored.changed, stored.born, stored.deleted, values, runs,
        )  # fmt: skip

    def _slack(self, entry: FileEntry) -> Iterator[FileEntry]:
        runs = content_runs.slack(entry.runs, entry.size) if entry.runs and entry.kind != "system" else ()
        if runs:
            yield FileEntry(
                entry.locator.step(api.Step("slack")), "slack", content_runs.length_of(runs),
                entry.name_state, entry.meta_state, entry.content_state, runs=runs,
            )  # fmt: skip

    def _remark(self, found: Found, stored: Stored, part: Part, path: bytes) -> None:
        """Count what an examiner must know of many files at once."""
        if found.meta is None and found.allocated:
            self._tally.add("names whose metadata cannot be read", path, "metadata", is_gap=True)
        if part.flags & libtsk_values.ENCRYPTED or stored.attributes.get("encrypted"):
            self._tally.add("encrypted contents (EFS or fscrypt), listed as ciphertext", path, "encrypted")
        if stored.attributes.get("reparse") in _ELSEWHERE and not part.stream:
            self._tally.add(
                "files whose content NTFS keeps elsewhere (WOF, deduplication), not read", path, "stub", is_gap=True
            )
        if self._family == "FAT" and part.size and found.meta_state == "unallocated" and not found.is_directory:
            self._tally.add("deleted files whose clusters are libtsk's guess", path, "guess")
        if part.flags & libtsk_values.UNREADABLE:
            self._tally.add("files whose content libtsk cannot find or decode, not read", path, "content", is_gap=True)

    # --- reading ---

    def open(self, entry: FileEntry) -> ByteSource:
        """The content. From the runs where there are any; else libtsk reads it."""
        name = entry.locator.filename
        if entry.runs is not None:
            placed = api.Runs(self._volume.source, entry.runs, entry.size)
            if placed.size == entry.size:
                return placed
            reason = "the file system has no clusters for this part"
            return content_runs.Padded(placed, entry.size, reason, gone=not entry.allocated)
        if not entry.size:
            return api.Memory(b"", name)
        file = self._kept_file(int(entry.locator.inode))
        key = None
        if file is not None:
            link = file.info.meta.link
            if entry.kind == "link" and link is not None and len(link) == entry.size:
                return api.Memory(bytes(link), name)
            stream = entry.locator.stream.bytes
            key = next((part.key for part in self._contents.of(file, Stored()) if part.stream == stream), None)

        def fetch(offset: int, length: int) -> bytes:
            if key is None:
                return b""
            try:
                return bytes(file.read_random(offset, length, *key))
            finally:
                self._check()

        return content_runs.Fetched(fetch, entry.size, self._volume.source.faults, name)

    def _file(self, locator: Locator) -> Any:
        file = self._kept_file(int(locator.inode)) if locator.inode.isdecimal() else None
        if file is None:
            raise api.Misuse(f"{locator}: the file system has no file of the number {locator.inode}.")
        return file

    def _kept_file(self, inode: int) -> Any:
        """pytsk3's file of an inode, one of the last few if it is among them; None where libtsk gives none."""
        file = self._files.pop(inode, None)
        if file is None:
            file = self._open_meta(inode)
            if file is None or file.info.meta is None:
                return None
        self._files[inode] = file
        if len(self._files) > _FILES_KEPT:
            self._files.popitem(last=False)
        return file

    # --- single entries ---

    def entry(self, locator: Locator) -> FileEntry:
        """The entry of a locator; its name is looked up in its folder, orphans are taken as what they are."""
        if locator.path.bytes == _ORPHANS:
            return msgspec.structs.replace(_orphan_directory(0), locator=locator)
        for item in self._entries_of(self._resolved(locator), locator.path.bytes, locator.repeat):
            if item.locator.stream == locator.stream and not item.locator.steps:
                return msgspec.structs.replace(item, locator=locator)
        raise api.Misuse(f"{locator}: the file {locator.inode} has no such stream. `ls -r` lists the streams.")

    def _resolved(self, locator: Locator) -> Found:
        path = locator.path.bytes
        folder, _, name = path.rpartition(b"/")
        if path.startswith(_ORPHANS + b"/"):
            file = self._file(locator)
            found = Found(name, int(locator.inode), NameType.UNDEFINED, False, file, file.info.meta)
            found.owned = self._family == "FAT" or not found.meta_allocated
            return found
        for item in self._folders.in_folder(folder) if path else ():
            if item.name == name and str(item.inode or "-") == locator.inode:
                file = self._kept_file(item.inode) if item.inode else None
                meta = None if file is None else file.info.meta
                return Found(name, item.inode, item.type, item.allocated, file, meta, item.owned)
        file = self._file(locator)
        found = Found(name, int(locator.inode), NameType.UNDEFINED, False, file, file.info.meta, True)
        found.allocated = found.meta_allocated
        return found

    def sibling(self, entry: FileEntry, name: str) -> FileEntry | None:
        """The live file of this name beside ``entry``; in any case where the file system knows no case."""
        folder, slash, _ = entry.locator.path.bytes.rpartition(b"/")
        found = self._folders.live(folder, name, any_case=self._family in _ANY_CASE)
        if found is None:
            return None
        path = Name.of(folder + slash + found.name)
        return self.entry(Locator(entry.locator.exhibit, entry.locator.volume, str(found.inode), path=path))

    def used(self) -> Iterator[tuple[int, int]] | None:
        """What the allocation map marks; a wrapper around the file system (HFS) counts as used."""
        ranges = self._disk.used()
        if ranges is None or not self._start:
            return ranges
        return allocation_maps.wrapped(ranges, self._start)


def _orphan_directory(inode: int) -> FileEntry:
    return FileEntry(Locator("", "", str(inode), path=Name.of(_ORPHANS)), "directory", 0)


def _image(source: ByteSource, lost: list[BaseException]) -> Any:
    """The source as libtsk wants it. What goes wrong below is kept in ``lost``: libtsk has no way to hand it on."""
    import pytsk3

    class Image(pytsk3.Img_Info):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__("", pytsk3.TSK_IMG_TYPE_EXTERNAL)

        def get_size(self) -> int:
            return source.size

        def read(self, offset: int, length: int) -> bytes:
            try:
                return source.read(offset, length)
            except (api.ForensicError, MemoryError) as error:
                lost.append(error)
                raise OSError("the evidence cannot be read") from error

        def close(self) -> None:
            """Nothing to close: the source belongs to the volume."""

    return Image()


def _reason(error: OSError) -> str:
    """What libtsk says, without the place in its source."""
    text = " ".join(str(error).split())
    return text.partition(") ")[2].rstrip(".") or text
