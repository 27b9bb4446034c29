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
from typing import Any, Final, NamedTuple

#: ``\\x80`` to ``\\xff`` stand for bytes: in the tree they are private characters from here.
_RAW: Final = 0x10FF00
_MAX_CLASS: Final = 70_000  # characters
_MAX_NODES: Final = 20_000
#: Bytes behind a match that look-around may see; without look-around an anchor sees at most one unit.
_REACH_AROUND: Final = 64 * 1024
_REACH: Final = 8
#: A run over more values than this, or shorter than this many characters, narrows no search.
_MOST_IN_RUN: Final = 200
_SHORTEST_RUN: Final = 6

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
_NO_UNIT: Final = "it names bytes above 7F, which are no characters"
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


class Runs(NamedTuple):
    """Where a match can lie whole: a row of bytes that are all in an alphabet."""

    alphabet: bytes
    least: int  #: characters in the row
    wide: bool  #: characters are 16-bit units whose high byte is 0


class Regex:
    """A parsed expression.

    Args: variants: the characters that differ from a given one in case only.
    Raises: re.error, OverflowError, RecursionError, ValueError: it is no regular expression.
    """

    def __init__(self, text: str, *, any_case: bool, variants: Callable[[str], tuple[str, ...]]) -> None:
        flags = re.ASCII | (re.IGNORECASE if any_case else 0)
        self.tree = _parser.parse(_ESCAPE.sub(_raw, text), flags)
        self.flags = self.tree.state.flags
        self.variants = variants
        self.is_ascii = text.isascii() and "\\" + "u" not in text.lower() and "\\N" not in text
        self.matches_empty = self.tree.getwidth()[0] == 0
        operations = set(_operations(self.tree))
        around = bool(operations & {sre.ASSERT, sre.ASSERT_NOT})
        #: Does a part repeat what another part matched?
        self.refers = bool(operations & {sre.GROUPREF, sre.GROUPREF_EXISTS})
        #: How many bytes behind a match can decide whether it is one.
        self.reach = _REACH_AROUND if around else _REACH

    def source(self, *, wide: bool) -> str:
        """The expression over bytes, for `re` without flags. Raises NotWidenable."""
        return Writer(self.variants, wide=wide).write(self.tree, self.flags)

    def runs(self, *, wide: bool) -> Runs | None:
        """What a run of bytes must be like to hold a match; None where any bytes could.

        Raises NotWidenable.
        """
        writer = Writer(self.variants, wide=wide)
        writer.write(self.tree, self.flags)
        if (wide and not writer.is_narrow) or len(writer.alphabet) > _MOST_IN_RUN or self.refers:
            return None
        least = int(self.tree.getwidth()[0])
        # A shorter row of such bytes stands everywhere.
        return Runs(bytes(sorted(writer.alphabet)), least, wide) if least >= _SHORTEST_RUN else None

    def encoded(self, code: int, *, wide: bool) -> bytes:
        """The bytes of one member of the tree. Raises NotWidenable."""
        if code >= _RAW:
            if wide:
                raise NotWidenable(_NO_UNIT)
            return bytes([code - _RAW])
        return _encoded(code, "utf-16-le" if wide else "utf-8")


def _raw(match: re.Match[str]) -> str:
    digits = match[1]
    if len(digits) == 1:
        return match[0]
    return chr(_RAW + (int(digits[1:], 16) if digits[0] == "x" else int(digits, 8)))


def cased(members: set[int], flags: int, variants: Callable[[str], tuple[str, ...]]) -> set[int]:
    """The members with their case variants: for ASCII letters the other ASCII letter, as in a bytes pattern."""
    if not flags & re.IGNORECASE:
        return members
    found = set(members)
    for member in members:
        if member < 0x80:
            found.update(ord(char) for char in (chr(member).lower(), chr(member).upper()))
        elif member < _RAW:
            found.update(map(ord, variants(chr(member))))
    return found


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


class Writer:
    """Writes trees down for bytes, and remembers which bytes a match can hold."""

    def __init__(self, variants: Callable[[str], tuple[str, ...]], *, wide: bool) -> None:
        self._variants = variants
        self._wide = wide
        self._nodes = 0
        #: The bytes that classes outside look-around can match; of 16-bit units with high byte 0 the low ones.
        self.alphabet: set[int] = set()
        #: In UTF-16LE: are all units of a match U+0001 to U+00FF?
        self.is_narrow = True

    def write(self, tree: Any, flags: int) -> str:
        return "".join(self._node(op, value, flags) for op, value in tree)

    def _node(self, op: Any, value: Any, flags: int) -> str:
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise NotWidenable("it is too large")
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
            return f"(?>{self.write(value, flags)})"
        if op is sre.GROUPREF:
            return f"(?{'i' if flags & re.IGNORECASE else ''}:\\{value})"
        if op is sre.GROUPREF_EXISTS:
            group, yes, no = value
            either = f"{self.write(yes, flags)}|{self.write(no, flags) if no else ''}"
            return f"(?({group}){either})"
        if op is sre.AT:
            return self._anchor(value, flags)
        if op in (sre.ASSERT, sre.ASSERT_NOT):
            direction, inner = value
            sign = ("" if direction > 0 else "<") + ("=" if op is sre.ASSERT else "!")
            kept = set(self.alphabet), self.is_narrow
            written = self.write(inner, flags)
            self.alphabet, self.is_narrow = kept  # what is only looked at is no part of a match
            return f"(?{sign}{written})"
        if op is sre.FAILURE:
            return r"[^\x00-\xff]"
        raise NotWidenable(f"{op} is not understood")

    # --- structure --------------------------------------------------------------------------------------------

    def _group(self, value: Any, flags: int) -> str:
        number, added, removed, inner = value
        flags = (flags | added) & ~removed
        opening = "(?:" if number is None else "("
        return f"{opening}{self.write(inner, flags)})"

    def _repeat(self, op: Any, value: Any, flags: int) -> str:
        low, high, inner = value
        body = self.write(inner, flags)
        count = f"{{{int(low)},{'' if high is sre.MAXREPEAT else int(high)}}}"
        suffix = {sre.MIN_REPEAT: "?", sre.POSSESSIVE_REPEAT: "+"}.get(op, "")
        return f"(?:{body}){count}{suffix}"

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
        left_out = set(frozenset.intersection(*complements)) - cased(members, flags, self._variants)
        if any(0x7F < member < _RAW for member in members) and not self._wide:
            raise NotWidenable("a class of bytes and of characters outside ASCII cannot be mixed")
        return self._class(left_out, flags & ~re.IGNORECASE, negated=not negated)

    def _range(self, low: int, high: int) -> set[int]:
        if low < 0x80 and high >= _RAW:  # [\x20-\xff]
            return set(range(low, 0x80)) | set(range(_RAW + 0x80, high + 1))
        if high - low > _MAX_CLASS:
            raise ValueError(f"a class of {high - low + 1} characters is too large")
        return set(range(low, high + 1))

    def _class(self, members: set[int], flags: int, *, negated: bool = False) -> str:
        members = cased(members, flags, self._variants)
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
            raise NotWidenable(_NO_UNIT)
        by_high: dict[int, set[int]] = {}
        for member in members:
            if member < 0x10000:
                by_high.setdefault(member >> 8, set()).add(member & 0xFF)
        pairs = sorted(member for member in members if member >= 0x10000)
        if negated:
            if pairs:
                raise NotWidenable("a negated class names characters that take two units")
            self.is_narrow = False
            rest = byte_class(_BYTE) + byte_class(_BYTE - set(by_high))
            parts = [byte_class(_BYTE - low) + escaped(high) for high, low in sorted(by_high.items()) if low != _BYTE]
            parts += [rest] if len(by_high) < 256 else []
            self.alphabet |= _BYTE
        else:
            self.is_narrow &= not pairs and not any(by_high) and 0 not in by_high.get(0, ())
            parts = [byte_class(low) + escaped(high) for high, low in sorted(by_high.items())]
            parts += ["".join(map(escaped, _encoded(pair, "utf-16-le"))) for pair in pairs]
            self.alphabet |= _BYTE if not self.is_narrow else by_high.get(0, set())
        if not parts:
            return r"[^\x00-\xff]"
        return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"


def _encoded(code: int, encoding: str) -> bytes:
    try:
        return chr(code).encode(encoding)
    except UnicodeEncodeError as error:
        raise NotWidenable("it names half of a surrogate pair") from error
