"""The contents of one file, as libtsk's attributes and their runs describe them.

Source: The Sleuth Kit 4.15, tsk/fs/tsk_fs.h. It is given the file objects of pytsk3 and imports nothing of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from forensic_kit.bytesource import SPARSE
from forensic_kit.formats import content_runs, libtsk_values
from forensic_kit.formats.libtsk_values import AttributeType, MetaType, Part
from forensic_kit.formats.stored_metadata import Stored

_HOLES = frozenset({"NTFS", "EXT", "FFS", "HFS"})  # a file may end in a hole


@dataclass(frozen=True, slots=True)
class Contents:
    """How contents are found in one volume."""

    family: str
    block_size: int
    #: Where block 0 is in the volume, bytes.
    start: int
    #: The image has more than data in its sectors (a raw disc), so that nothing has a plain place.
    has_raw_sectors: bool
    #: Raises what went wrong below libtsk; called after each of its calls.
    check: Callable[[], None]

    def of(self, file: Any, stored: Stored) -> Iterator[Part]:
        """The contents of a file: the main one first, of size 0 if it has none, then its streams."""
        meta = file.info.meta
        found: dict[bytes, Part] = {}
        is_compressed = False
        for attribute in _attributes(file):
            self.check()
            info = attribute.info
            kind, number = int(info.type), int(info.id)
            is_compressed |= kind == AttributeType.HFS_COMPRESSION
            name = libtsk_values.stream_name(kind, number, info.name or b"", found)
            if name is not None:
                part = found[name] = Part(name, max(0, int(info.size)), (kind, number), int(info.flags))
                self._place(part, attribute, stored)
        self.check()
        main = found.pop(b"", None)
        yield self._checked_main(main, meta, is_compressed=is_compressed)
        yield from found.values()

    def _place(self, part: Part, attribute: Any, stored: Stored) -> None:
        """Find the byte runs of a part; none where it is resident, compressed or in raw sectors."""
        if not part.flags & libtsk_values.NON_RESIDENT or part.flags & libtsk_values.COMPRESSED or self.has_raw_sectors:
            return
        blocks = []
        for run in attribute:
            flags = int(run.flags)
            if flags & libtsk_values.RUN_ENCRYPTED:
                return
            if flags & libtsk_values.RUN_FILLER and self.family != "EXT":  # there it stands for a hole between extents
                part.flags |= libtsk_values.UNREADABLE
            hole = bool(flags & (libtsk_values.RUN_SPARSE | libtsk_values.RUN_FILLER))
            blocks.append((int(run.offset), int(run.addr), int(run.len), hole))
        runs = content_runs.byte_runs(blocks, self.block_size, self.start)
        if runs is not None and self.family in _HOLES:
            runs = content_runs.with_tail(runs, part.size)
        if runs is not None and part.stream in stored.initialised:
            runs = content_runs.uninitialised(runs, stored.initialised[part.stream], part.size)
        part.runs = content_runs.without_end_hole(runs, part.size) if runs else None

    def _checked_main(self, main: Part | None, meta: Any, *, is_compressed: bool) -> Part:
        """The main content as it can be read, whatever libtsk's attribute says of it."""
        size, kind = max(0, int(meta.size)), int(meta.type)
        if kind == MetaType.DIRECTORY:
            return main or Part(size=size)
        if kind == MetaType.LINK and meta.link is not None and len(meta.link) == size:
            placed = main is not None and any(start != SPARSE for start, _length in main.runs or ())
            return main if main is not None and placed else Part(size=size)  # else the inode itself holds the text
        if is_compressed and (main is None or main.size < size):  # decmpfs: the flag says how, libtsk may not know it
            known = main is not None and main.flags & libtsk_values.COMPRESSED
            if main is not None and known:
                return Part(size=size, key=main.key, flags=main.flags)
            return Part(size=size, flags=libtsk_values.COMPRESSED | libtsk_values.UNREADABLE)
        if main is None:
            lost = self.family != "NTFS" and size and int(meta.flags) & libtsk_values.ALLOCATED
            return Part(size=size, flags=libtsk_values.UNREADABLE) if lost else Part()
        if not int(meta.flags) & libtsk_values.ALLOCATED and not main.size:
            main.runs = None  # of a deleted empty file, libtsk guesses a cluster
        return main


def _attributes(file: Any) -> Iterator[Any]:
    """libtsk's attributes of a file; those it cannot load are left out."""
    try:
        yield from file
    except OSError:
        return
