"""Walking the directories of hostile file systems: loops, floods, repeated paths; and looking single names up.

It knows no file system: a callable lists the names in one directory.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from forensic_kit.formats.libtsk_values import Avoided, Found
from forensic_kit.model import Name, Problem

_MAX_DEPTH = 255  # directories inside each other; libtsk's own walk stops at 128
_MAX_AGAIN = 10_000  # listings of a directory whose path was listed before
_FOLDERS_KEPT = 16
_NAMES_KEPT = 200_000  # in those folders together

#: Lists a directory: (inode, path with a slash behind it, is it a live one).
Names = Callable[[int, bytes, bool], Iterator[Found | Problem]]


class Tally:
    """What is told once for many files, with a count and the first of them."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str, bool], tuple[int, str]] = {}

    def add(self, what: str, example: bytes, error: str, *, is_gap: bool = False) -> None:
        """Count one more. ``example``: its path."""
        count, first = self._seen.get((what, error, is_gap), (0, ""))
        self._seen[what, error, is_gap] = (count + 1, first or Name.of(example).text)

    def problems(self) -> Iterator[Problem]:
        """All that was counted, in the order in which it was first met."""
        for (what, error, is_gap), (count, first) in self._seen.items():
            yield Problem("gap" if is_gap else "note", f"{what}: {count} (the first: {first}).", error)


class Place(NamedTuple):
    """A name at its place in the tree."""

    found: Found
    path: bytes
    #: Counts names alike in inode and path.
    repeat: int


@dataclass(slots=True)
class _Frame:
    """A directory being listed."""

    names: Iterator[Found | Problem]
    path: bytes  #: ends with a slash; empty for the root
    inode: int
    above: frozenset[int]
    repeats: Counter[tuple[int, bytes]]


class Tree:
    """One walk over a volume, in one or more parts.

    A directory is never gone into inside itself, nor deeper than 255 others; directories that share one path (a
    deleted and a live one, say) are listed again only 10,000 times in all.
    """

    def __init__(self, names: Names, avoided: Avoided, tally: Tally) -> None:
        self._names = names
        self._avoided = avoided
        self._tally = tally
        self._listed: dict[bytes, list[int]] = {}
        self._again = 0

    def walk(self, top: Found, path: bytes) -> Iterator[Place | Problem]:
        """What is below a directory, folder before content, in the order of the directories."""
        stack = [self._frame(top, path, frozenset())]
        while stack:
            frame = stack[-1]
            item = next(frame.names, None)
            if item is None:
                stack.pop()
            elif isinstance(item, Problem):
                yield item
            elif (str(item.inode), place := frame.path + item.name) in self._avoided:
                yield Problem(
                    "gap", f"{Name.of(place).text}: left out, its listing ended the worker before.", "avoided"
                )
            else:
                key = item.inode, item.name
                yield Place(item, place, frame.repeats[key])
                frame.repeats[key] += 1
                if item.leads_on and self._may_enter(item, place, frame, len(stack)):
                    stack.append(self._frame(item, place + b"/", frame.above | {frame.inode}))

    def _may_enter(self, item: Found, place: bytes, frame: _Frame, depth: int) -> bool:
        if item.inode == frame.inode or item.inode in frame.above:
            self._tally.add("directories that lie inside themselves, listed once", place, "loop")
            return False
        if depth > _MAX_DEPTH:
            self._tally.add(f"directories more than {_MAX_DEPTH} deep, not listed", place, "depth", is_gap=True)
            return False
        return True

    def _frame(self, directory: Found, path: bytes, above: frozenset[int]) -> _Frame:
        """A directory about to be listed; one that has the path of earlier ones goes on counting their names."""
        repeats: Counter[tuple[int, bytes]] = Counter()
        earlier = self._listed.setdefault(path, [])
        self._again += len(earlier)
        if self._again > _MAX_AGAIN:
            what = "directories not listed, because too many share their paths"
            self._tally.add(what, path, "budget", is_gap=True)
            return _Frame(iter(()), path, directory.inode, above, repeats)
        for inode in earlier:
            for item in self._names(inode, path, True):
                if isinstance(item, Found):
                    repeats[item.inode, item.name] += 1
        earlier.append(directory.inode)
        return _Frame(self._names(directory.inode, path, directory.allocated), path, directory.inode, above, repeats)


class Listed(NamedTuple):
    """A name in a directory, as far as it is kept."""

    name: bytes
    inode: int
    type: int
    allocated: bool
    owned: bool
    leads_on: bool


class Folders:
    """Single names by path: the folders asked last stay in memory."""

    def __init__(self, names: Names, root: int) -> None:
        self._names = names
        self._root = root
        self._kept: OrderedDict[int, list[Listed]] = OrderedDict()

    def in_folder(self, path: bytes) -> Iterator[Listed]:
        """The names in the folder of this path; in all folders of this path, since deleted ones can share it."""
        inodes = [self._root]
        for component in path.split(b"/") if path else ():
            items = (item for inode in inodes for item in self._listing(inode))
            inodes = [item.inode for item in items if item.name == component and item.leads_on][:_FOLDERS_KEPT]
        for inode in inodes:
            yield from self._listing(inode)

    def live(self, path: bytes, name: str, *, any_case: bool) -> Listed | None:
        """The live file of this name in the folder ``path``; where ``any_case``, one that differs in case only."""
        wanted, folded = name.encode(), name.casefold()
        near = None
        for item in self.in_folder(path):
            if item.allocated and item.owned and not item.leads_on:
                if item.name == wanted:
                    return item
                if near is None and any_case and item.name.decode("utf-8", "replace").casefold() == folded:
                    near = item
        return near

    def _listing(self, inode: int) -> list[Listed]:
        listing = self._kept.pop(inode, None)
        if listing is None:
            listing = [
                Listed(item.name, item.inode, item.type, item.allocated, item.owned, item.leads_on)
                for item in self._names(inode, b"", True)
                if isinstance(item, Found)
            ]
        self._kept[inode] = listing
        while len(self._kept) > 1 and (
            len(self._kept) > _FOLDERS_KEPT or sum(map(len, self._kept.values())) > _NAMES_KEPT
        ):
            self._kept.popitem(last=False)
        return listing
