"""Plain rows of bytes that a term cannot match without: what an automaton looks for, so that `re` need not.

Only plain rows: the automaton in use loses matches of classes and repeats (docs/decisions/0006), of rows it does not.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Final, NamedTuple

from forensic_kit.formats.widen import NotWidenable, Regex, Writer, cased

#: Bytes of one row: more tell no more.
_LONGEST: Final = 16
#: Rows that one place in a term may become, case aside.
_MOST_ROWS: Final = 16
_MOST_ATOMS: Final = 64
_MOST_NODES: Final = 5_000
_UNBOUNDED: Final = 1 << 20
#: Single bytes rare enough to be looked for alone.
_RARE: Final = frozenset(b"@#$%&*~^|{}\\`<>=") | frozenset(range(0x80, 0xFF))


class Atom(NamedTuple):
    """One row of bytes, and where in a match it stands."""

    row: bytes
    any_case: bool  #: ASCII letters of the row stand for both cases
    least: int  #: bytes of the match before it
    most: int | None  #: likewise; None for any number
    before: bytes  #: every byte that can stand before it in a match


#: The bytes of one character in each of its cases.
Spellings = Sequence[bytes]


def window(chars: Sequence[Spellings], *, any_case: bool) -> tuple[int, int, list[bytes]]:
    """The part of a row of characters that is best looked for: (first, behind the last, its rows of bytes).

    Every match of the characters holds exactly one of the rows there; ASCII letters are folded if ``any_case``.
    """
    folded = [sorted({spelling.lower() if any_case else spelling for spelling in char}) for char in chars]
    best: tuple[int, int, int, list[bytes]] = (-1, 0, 0, [])
    for first in range(len(folded)):
        rows = 1
        length = 0
        last = first
        while last < len(folded) and rows * len(folded[last]) <= _MOST_ROWS and length < _LONGEST:
            rows *= len(folded[last])
            length += min(map(len, folded[last]))
            last += 1
        found = [b"".join(parts) for parts in itertools.product(*folded[first:last])] if last > first else []
        worth = min(map(worth_of, found), default=-1)
        if worth > best[0]:
            best = worth, first, last, found
    return best[1], best[2], best[3]


def worth_of(row: bytes) -> int:
    """How much a row narrows a search: 0 if hardly. Zeros and repeated bytes stand everywhere."""
    different = set(row) - {0}
    if len(different) < 2:
        return 1 if different & _RARE else 0
    return len(different)


def atoms_of(regex: Regex, *, wide: bool) -> tuple[Atom, ...]:
    """Rows of which every match of an expression holds one; none if there are none worth looking for."""
    try:
        found = _Cover(regex, wide=wide).best()
    except (NotWidenable, _TooLarge):
        return ()
    return tuple(found) if len(found) <= _MOST_ATOMS and _worth(found) > 0 else ()


def _worth(atoms: list[Atom]) -> int:
    return min((worth_of(atom.row) for atom in atoms), default=0)


class _TooLarge(Exception):
    pass


class _Place:
    """How far into a match a walk has come: bytes, and which ones."""

    def __init__(self, least: int = 0, most: int | None = 0, alphabet: frozenset[int] = frozenset()) -> None:
        self.least, self.most, self.alphabet = least, most, alphabet

    def behind(self, least: int, most: int | None, alphabet: frozenset[int]) -> "_Place":
        total = None if self.most is None or most is None else self.most + most
        return _Place(self.least + least, total, self.alphabet | alphabet)


class _Cover:
    """Walks a tree for the best set of rows."""

    def __init__(self, regex: Regex, *, wide: bool) -> None:
        self._regex = regex
        self._wide = wide
        self._nodes = 0
        #: Bytes of one character, at most.
        self._widest = 4 if wide or not regex.is_ascii else 1

    def best(self) -> list[Atom]:
        """Rows of which every match holds one; empty if there is no such set."""
        return self._sequence(list(self._regex.tree), self._regex.flags, _Place())[0]

    def _sequence(self, items: Any, flags: int, place: _Place) -> tuple[list[Atom], _Place]:
        """The best rows of items one behind the other, and the place behind them."""
        choices: list[list[Atom]] = []
        row: list[Spellings] = []
        start = place
        folds = bool(flags & re.IGNORECASE)
        for op, value, flags_here in self._flat(items, flags):
            spellings = self._char(op, value, flags_here)
            if spellings is not None and bool(flags_here & re.IGNORECASE) == folds:
                if not row:
                    start = place
                row.append(spellings)
                place = place.behind(*_extent(spellings))
                continue
            if op in (sre.AT, sre.ASSERT, sre.ASSERT_NOT):
                continue  # takes no bytes: what is before and behind touch
            choices += self._row(row, start, folds=folds)
            row = []
            folds = bool(flags_here & re.IGNORECASE)
            if spellings is not None:
                start, row = place, [spellings]
                place = place.behind(*_extent(spellings))
                continue
            choices.append(self._inside(op, value, flags_here, place))
            place = place.behind(*self._extent_of(op, value, flags_here))
        choices += self._row(row, start, folds=folds)
        return max(choices, key=_rank, default=[]), place

    def _flat(self, items: Any, flags: int) -> Iterator[tuple[Any, Any, int]]:
        """Items with groups and small exact repeats written out, since those only set things side by side."""
        for op, value in items:
            self._nodes += 1
            if self._nodes > _MOST_NODES:
                raise _TooLarge
            if op is sre.SUBPATTERN:
                _, added, removed, inner = value
                yield from self._flat(inner, (flags | added) & ~removed)
            elif op is sre.ATOMIC_GROUP:
                yield from self._flat(value, flags)
            elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT) and value[0] == value[1] <= 4:
                for _ in range(value[0]):
                    yield from self._flat(value[2], flags)
            else:
                yield op, value, flags

    def _char(self, op: Any, value: Any, flags: int) -> Spellings | None:
        """The spellings of an item that is one character; None if it is something else or could be too many."""
        if op is sre.LITERAL:
            members = {value}
        elif op is sre.IN and all(kind is sre.LITERAL for kind, _ in value):
            members = {member for _, member in value}
        else:
            return None
        chars = cased(members, flags, self._regex.variants)
        found = {self._regex.encoded(char, wide=self._wide) for char in chars}
        return sorted(found) if len({spelling.lower() for spelling in found}) <= 4 else None

    def _row(self, row: list[Spellings], start: _Place, *, folds: bool) -> list[list[Atom]]:
        """The rows of bytes of some characters side by side, as one choice; none if there are no characters."""
        if not row:
            return []
        first, _, rows = window(row, any_case=folds)
        for char in row[:first]:
            start = start.behind(*_extent(char))
        before = bytes(sorted(start.alphabet))
        return [[Atom(found, folds, start.least, start.most, before) for found in rows]]

    def _inside(self, op: Any, value: Any, flags: int, place: _Place) -> list[Atom]:
        """Rows inside an item of which every match of it holds one; empty if there are none."""
        if op is sre.BRANCH:
            found = [self._sequence(branch, flags, place)[0] for branch in value[1]]
            return [atom for one in found for atom in one] if all(found) else []
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT) and value[0] > 0:
            return self._sequence(value[2], flags, place)[0]  # the first time round stands right here
        return []

    def _extent_of(self, op: Any, value: Any, flags: int) -> tuple[int, int | None, frozenset[int]]:
        """Least and most bytes of an item, and which they can be."""
        item = _parser.SubPattern(self._regex.tree.state, [(op, value)])
        least, most = item.getwidth()
        writer = Writer(self._regex.variants, wide=self._wide)
        writer.write(item, flags)
        alphabet = frozenset(writer.alphabet) | ({0} if self._wide else frozenset())
        if self._regex.refers or not writer.is_narrow:
            alphabet = frozenset(range(256))
        return (
            int(least) * (2 if self._wide else 1),
            int(most) * self._widest if most < _UNBOUNDED else None,
            alphabet,
        )


def _extent(spellings: Spellings) -> tuple[int, int, frozenset[int]]:
    lengths = [len(spelling) for spelling in spellings]
    return min(lengths), max(lengths), frozenset(itertools.chain.from_iterable(spellings))


def _rank(atoms: list[Atom]) -> tuple[int, int, int]:
    """Better ones are greater: rare rows, then a known place in the match, then few of them."""
    known = sum(atom.most is not None and atom.most - atom.least <= _LONGEST for atom in atoms)
    return min(_worth(atoms), 6), known - len(atoms), -len(atoms)
