"""Regular expressions over text as regular expressions over bytes, in UTF-8 and in UTF-16LE.

The syntax is that of Python's `re`, read by `re` itself: its parser gives the tree, this module writes the tree
down again for bytes. (`re._parser` is private, but has had this shape since Python 2; a test holds it to it.)

In UTF-8 a ``.``, a negated class and ``\\x80`` to ``\\xff`` mean one byte, as in a bytes pattern of `re`; a character
outside ASCII means all its bytes, in either case. In UTF-16LE each of them means one 16-bit unit, and what has
no such meaning is not widened.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Final

#: ``\\x80`` to ``\\xff`` stand for bytes: in the tree they are private characters from here.
_RAW: Final = 0x10FF00
_MAX_CLASS: Final = 70_000  # characters
_MAX_NODES: Final = 20_000
#: Bytes behind a match that look-around may see; without look-around an anchor sees at most one unit.
_REACH_AROUND: Final = 64 * 1024
_REACH: Final = 8
_MAX_ENCODED: Final = 4  # bytes of one character
_UNBOUNDED: Final = 1 << 20  # characters

_ESCAPE = re.compile(r"\\(x[89A-Fa-f][0-9A-Fa-f]|[23][0-7]{2}|.)", re.DOTALL)
_DIGITS: Final = frozenset(range(0x30, 0x3A))
_SPACES: Final = frozenset(b" \t\n\r\f\v")
_WORDS: Final = _DIGITS | frozenset(range(0x41, 0x5B)) | frozenset(range(0x61, 0x7B)) | {0x5F}
_CATEGORIES: Final = {
    sre.CATEGORY_DIGIT: (_DIGITS, False),
    sre.CATEGORY_NOT_DIGIT: (_DIGITS, True),
    sre.CATEGORY_SPACE: (_SPACES, False),
    sre.CATEGORY_NOT_SPACE: (_SPACES, True),
    sre.CATEGORY_WORD: (_WORDS, False),
    sre.CATEGORY_NOT_WORD: (_WORDS, True),
}
_BYTE: Final = frozenset(range(256))
_WIDE_WORD: Final = r"[0-9A-Za-z_]\x00"
_WIDE_BOUNDARY: Final = f"(?:(?<={_WIDE_WORD})(?!{_WIDE_WORD})|(?<!{_WIDE_WORD})(?={_WIDE_WORD}))"


class NotWidenable(Exception):
    """This expression has no right form in the encoding asked for; the message says why."""


def escaped(byte: int) -> str:
    """One byte as every regex dialect reads it."""
    return f"\\x{byte:02x}"


def byte_class(values: Iterable[int]) -> str:
    """A class of byte values, as ranges; never matches where there are none."""
    ordered = sorted(set(values))
    if not ordered:
        return r"[^\x00-\xff]"
    if len(ordered) == 1:
        return escaped(ordered[0])
    parts = []
    for low, high in _ranges(ordered):
        parts.append(escaped(low) if low == high else f"{escaped(low)}-{escaped(high)}")
    return f"[{''.join(parts)}]"


def _ranges(ordered: list[int]) -> Iterator[tuple[int, int]]:
    start = last = ordered[0]
    for value in ordered[1:]:
        if value != last + 1:
            yield start, last
            start = value
        last = value
    yield start, last


class Regex:
    """A parsed expression.

    Args: variants: the characters that differ from a given one in case only.
    Raises: re.error, OverflowError, RecursionError, ValueError: it is no regular expression.
    """

    def __init__(self, text: str, *, any_case: bool, variants: Callable[[str], tuple[str, ...]]) -> None:
        flags = re.ASCII | (re.IGNORECASE if any_case else 0)
        self._tree = _parser.parse(_ESCAPE.sub(_raw, text), flags)
        self._flags = self._tree.state.flags
        self._variants = variants
        self.matches_empty = self._tree.getwidth()[0] == 0
        around = any(op in (sre.ASSERT, sre.ASSERT_NOT) for op in _operations(self._tree))
        #: How many bytes behind a match can decide whether it is one.
        self.reach = _REACH_AROUND if around else _REACH
        widest = int(self._tree.getwidth()[1])
        #: The most bytes a match can have in any encoding; None if there is no such number.
        self.width = widest * _MAX_ENCODED if widest < _UNBOUNDED else None

    def source(self, *, wide: bool) -> str:
        """The expression over bytes, for `re` without flags. Raises NotWidenable."""
        return _Writer(self._variants, wide=wide, exact=True).write(self._tree, self._flags)

    def superset(self, *, wide: bool) -> tuple[str, bytes]:
        """An expression without captures, anchors and look-around that matches at least wherever `source` does, and
        every byte that can be part of a match.

        The expression is empty if it would be too large, or if there is none.
        """
        writer = _Writer(self._variants, wide=wide, exact=False)
        try:
            return writer.write(self._tree, self._flags), bytes(sorted(writer.alphabet))
        except (_TooLarge, NotWidenable):
            return "", b""


def _raw(match: re.Match[str]) -> str:
    digits = match[1]
    if len(digits) == 1:
        return match[0]
    return chr(_RAW + (int(digits[1:], 16) if digits[0] == "x" else int(digits, 8)))


def _operations(tree: Any) -> Iterator[Any]:
    """Every operation in a tree."""
    waiting: list[Any] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _parser.SubPattern):
            waiting.extend(item)
        elif isinstance(item, tuple | list):
            if item and isinstance(item[0], sre._NamedIntConstant):
                yield item[0]
            waiting.extend(part for part in item if isinstance(part, tuple | list | _parser.SubPattern))


class _TooLarge(Exception):
    pass


class _Writer:
    """Writes one tree once."""

    def __init__(self, variants: Callable[[str], tuple[str, ...]], *, wide: bool, exact: bool) -> None:
        self._variants = variants
        self._wide = wide
        self._exact = exact
        self._groups: dict[int, tuple[Any, int]] = {}
        self._nodes = 0
        #: The bytes that classes written so far can match.
        self.alphabet: set[int] = set()

    def write(self, tree: Any, flags: int) -> str:
        return "".join(self._node(op, value, flags) for op, value in tree)

    def _node(self, op: Any, value: Any, flags: int) -> str:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise _TooLarge if not self._exact else NotWidenable("it is too large")
        if op is sre.LITERAL:
            return self._class({value}, flags)
        if op is sre.NOT_LITERAL:
            return self._class({value}, flags, negated=True)
        if op is sre.ANY:
            return self._class(set() if flags & re.DOTALL else {0x0A}, flags & ~re.IGNORECASE, negated=True)
        if op is sre.IN:
            return self._in(value, flags)
        if op is sre.BRANCH:
            return f"(?:{'|'.join(self.write(branch, flags) for branch in value[1])})"
        if op is sre.SUBPATTERN:
            return self._group(value, flags)
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            return self._repeat(op, value, flags)
        if op is sre.ATOMIC_GROUP:
            return f"(?{'>' if self._exact else ':'}{self.write(value, flags)})"
        if op is sre.GROUPREF:
            return self._reference(value, flags)
        if op is sre.GROUPREF_EXISTS:
            group, yes, no = value
            either = f"{self.write(yes, flags)}|{self.write(no, flags) if no else ''}"
            return f"(?({group}){either})" if self._exact else f"(?:{either})"
        if op is sre.AT:
            return self._anchor(value, flags) if self._exact else ""
        if op in (sre.ASSERT, sre.ASSERT_NOT):
            direction, inner = value
            sign = ("" if direction > 0 else "<") + ("=" if op is sre.ASSERT else "!")
            written = self.write(inner, flags)  # also where it is dropped: a later reference may want its groups
            return f"(?{sign}{written})" if self._exact else ""
        if op is sre.FAILURE:
            return r"[^\x00-\xff]"
        raise NotWidenable(f"{op} is not understood")

    # --- structure --------------------------------------------------------------------------------------------

    def _group(self, value: Any, flags: int) -> str:
        number, added, removed, inner = value
        flags = (flags | added) & ~removed
        if number is not None:
            self._groups[number] = inner, flags
        opening = "(" if number is not None and self._exact else "(?:"
        return f"{opening}{self.write(inner, flags)})"

    def _repeat(self, op: Any, value: Any, flags: int) -> str:
        low, high, inner = value
        body = self.write(inner, flags)
        if not body:
            return ""
        count = f"{{{int(low)},{'' if high is sre.MAXREPEAT else int(high)}}}"
        suffix = {sre.MIN_REPEAT: "?", sre.POSSESSIVE_REPEAT: "+"}.get(op, "") if self._exact else ""
        return f"(?:{body}){count}{suffix}"

    def _reference(self, number: int, flags: int) -> str:
        if self._exact:
            return f"(?{'i' if flags & re.IGNORECASE else ''}:\\{number})"
        inner, inner_flags = self._groups[number]
        return f"(?:{self.write(inner, inner_flags | re.IGNORECASE)})"

    def _anchor(self, where: Any, flags: int) -> str:
        lines = flags & re.MULTILINE
        if where is sre.AT_BEGINNING_STRING or (where is sre.AT_BEGINNING and not lines):
            return r"\A"
        if where is sre.AT_END_STRING:
            return r"\Z"
        newline = r"\n\x00" if self._wide else r"\n"
        if where is sre.AT_BEGINNING:
            return rf"(?:\A|(?<={newline}))"
        if where is sre.AT_END:
            return rf"(?={newline}|\Z)" if lines else rf"(?=(?:{newline})?\Z)"
        if not self._wide:
            return r"\b" if where is sre.AT_BOUNDARY else r"\B"
        if where is sre.AT_BOUNDARY:
            return _WIDE_BOUNDARY
        return f"(?!{_WIDE_BOUNDARY})"

    # --- classes ----------------------------------------------------------------------------------------------

    def _in(self, items: Any, flags: int) -> str:
        negated = False
        members: set[int] = set()
        complements: list[frozenset[int]] = []
        for op, value in items:
            if op is sre.NEGATE:
                negated = True
            elif op is sre.LITERAL:
                members.add(value)
            elif op is sre.RANGE:
                members |= self._range(*value)
            else:
                values, complement = _CATEGORIES[value]
                if complement:
                    complements.append(values)
                else:
                    members |= values
        if not complements:
            return self._class(members, flags, negated=negated)
        # \D and the like inside a class: everything but what all of them leave out.
        left_out = set(frozenset.intersection(*complements)) - self._cased(members, flags)
        if any(0x7F < member < _RAW for member in members) and not self._wide:
            raise NotWidenable("a class of bytes and of characters outside ASCII cannot be mixed")
        return self._class(left_out, flags & ~re.IGNORECASE, negated=not negated)

    def _range(self, low: int, high: int) -> set[int]:
        if low < 0x80 and high >= _RAW:  # [\x20-\xff]
            return set(range(low, 0x80)) | set(range(_RAW + 0x80, high + 1))
        if high - low > _MAX_CLASS:
            raise ValueError(f"a class of {high - low + 1} characters is too large")
        return set(range(low, high + 1))

    def _cased(self, members: set[int], flags: int) -> set[int]:
        """The members with their case variants: for ASCII letters the other ASCII letter, as in a bytes pattern."""
        if not flags & re.IGNORECASE:
            return members
        found = set(members)
        for member in members:
            if member < 0x80:
                found.update(ord(char) for char in (chr(member).lower(), chr(member).upper()))
            elif member < _RAW:
                found.update(map(ord, self._variants(chr(member))))
        return found

    def _class(self, members: set[int], flags: int, *, negated: bool = False) -> str:
        members = self._cased(members, flags)
        return self._units(members, negated=negated) if self._wide else self._bytes(members, negated=negated)

    def _one(self, values: Iterable[int]) -> str:
        """A class of single bytes."""
        values = set(values)
        self.alphabet |= values
        return byte_class(values)

    def _bytes(self, members: set[int], *, negated: bool) -> str:
        plain = {member if member < 0x80 else member - _RAW for member in members if member < 0x80 or member >= _RAW}
        chars = sorted(member for member in members if 0x80 <= member < _RAW)
        if negated:
            if chars:
                raise NotWidenable(
                    "a negated class with characters outside ASCII has no meaning in bytes; "
                    "write for example (?!ä)[^b] instead of [^äb]"
                )
            return self._one(_BYTE - plain)
        by_lead: dict[bytes, list[int]] = {}
        for char in chars:
            encoded = _encoded(char, "utf-8")
            by_lead.setdefault(encoded[:-1], []).append(encoded[-1])
        parts = [self._one(plain)] if plain or not chars else []
        parts += ["".join(self._one({byte}) for byte in lead) + self._one(last) for lead, last in by_lead.items()]
        return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"

    def _units(self, members: set[int], *, negated: bool) -> str:
        if any(member >= _RAW for member in members):
            raise NotWidenable("it names bytes above 7F, which are no characters")
        by_high: dict[int, set[int]] = {}
        for member in members:
            if member < 0x10000:
                by_high.setdefault(member >> 8, set()).add(member & 0xFF)
        pairs = sorted(member for member in members if member >= 0x10000)
        if negated:
            if pairs:
                raise NotWidenable("a negated class names characters that take two units")
            rest = self._one(_BYTE) + self._one(_BYTE - set(by_high))
            parts = [
                self._one(_BYTE - low) + self._one({high}) for high, low in sorted(by_high.items()) if low != _BYTE
            ]
            parts += [rest] if len(by_high) < 256 else []
        else:
            parts = [self._one(low) + self._one({high}) for high, low in sorted(by_high.items())]
            parts += ["".join(self._one({byte}) for byte in _encoded(pair, "utf-16-le")) for pair in pairs]
        if not parts:
            return r"[^\x00-\xff]"
        return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"


def _encoded(code: int, encoding: str) -> bytes:
    try:
        return chr(code).encode(encoding)
    except UnicodeEncodeError as error:
        raise NotWidenable("it names half of a surrogate pair") from error
