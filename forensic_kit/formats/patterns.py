"""Terms as byte patterns: what a keyword looks like in each encoding, and how its places are found.

Case variants are written out byte by byte, since the two cases of a letter can have different bytes and even a
different number of them in UTF-8. A literal's pattern can match only one length at any one start, because no
character's bytes begin with another's.
"""

import functools
import re
import unicodedata
from collections.abc import Iterable
from typing import Final, NamedTuple

from forensic_kit.errors import Misuse
from forensic_kit.formats.atoms import Atom, atoms_of, window
from forensic_kit.formats.terms import BYTES, Term
from forensic_kit.formats.widen import NotWidenable, Regex, Runs, byte_class, escaped

#: Characters of a pattern's source.
_MAX_PATTERN: Final = 100_000
#: Characters above this have no two cases (Unicode 15: the last are Adlam, U+1E943).
_LAST_CASED: Final = 0x1F000
#: No letter, digit, underscore (ASCII) and no Latin, Greek or Cyrillic letter, U+00C0 to U+04FF, before or after.
_WORD_PARTS: Final = {
    "utf-8": ("[0-9A-Za-z_]", r"[\xc3-\xd3][\x80-\xbf]"),
    "utf-16-le": (r"[0-9A-Za-z_]\x00", r"[\xc0-\xff]\x00", r"[\x00-\xff][\x01-\x04]"),
    "utf-16-be": (r"\x00[0-9A-Za-z_]", r"\x00[\xc0-\xff]", r"[\x01-\x04][\x00-\xff]"),
}
_WORD_8_BIT: Final = ("[0-9A-Za-z_]", r"[\xc0-\xff]")  # the letters of every 8-bit code page offered


class Pattern(NamedTuple):
    """One term in one encoding."""

    encoding: str
    #: Source of a bytes pattern for `re`, which decides; compile it with ``flags``. A literal's has one group: the
    #: part that an atom is.
    decide: bytes
    flags: int
    is_literal: bool
    #: Every match holds one of these rows of bytes; none if there are no rows worth looking for.
    atoms: tuple[Atom, ...]
    #: Of a regex: bytes behind a match that the decision may depend on.
    reach: int = 0
    #: Of a regex: every match lies in such a run; None if it can lie anywhere.
    runs: Runs | None = None


class Patterns(NamedTuple):
    """One term in all its encodings."""

    patterns: tuple[Pattern, ...]
    #: What was asked for and is not searched, in words; empty if nothing.
    left_out: str


def patterns_of(term: Term) -> Patterns:
    """The byte patterns of a term, in the order of its encodings.

    Raises: Misuse: the term cannot be searched; names its file and line.
    """
    if term.kind == "hex":
        return Patterns((_hex(term),), "")
    if term.kind == "regex":
        return _regex(term)
    found: list[Pattern] = []
    missing = []
    for encoding in term.encodings:
        pattern = _literal(term, encoding)
        if pattern is None:
            missing.append(encoding)
        elif all(pattern.decide != other.decide for other in found):  # ASCII is the same in many code pages
            found.append(pattern)
    if not found:
        raise Misuse(f"{term.source}: {term.text!r} cannot be written in {', '.join(missing)}. Name other encodings.")
    return Patterns(tuple(found), f"not searched in {', '.join(missing)}, which lacks a character" if missing else "")


def fold(char: str) -> str:
    """The simple case folding of one character (Unicode CaseFolding.txt, status C and S)."""
    full = char.casefold()
    if len(full) == 1:
        return full
    lower = char.lower()
    return lower if len(lower) == 1 else char


@functools.cache
def _variants_by_fold() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for code in range(_LAST_CASED):
        if 0xD800 <= code < 0xE000:
            continue
        char = chr(code)
        folded = fold(char)
        # Most characters stand alone: only those that something else folds to are worth a place.
        if folded != char:
            found.setdefault(folded, [folded]).append(char)
    return {folded: tuple(sorted(set(chars))) for folded, chars in found.items()}


def variants(char: str) -> tuple[str, ...]:
    """All characters that differ from this one in case only, itself included: k, K and the Kelvin sign."""
    folded = fold(char)
    return _variants_by_fold().get(folded, (char,))


def unicode_version() -> str:
    """The version of Unicode that decides what case variants there are."""
    return unicodedata.unidata_version


# --- literals -------------------------------------------------------------------------------------------------


def _literal(term: Term, encoding: str) -> Pattern | None:
    """The pattern of a text or word; None where a character does not exist in the encoding."""
    chars = []
    for char in term.text:
        spellings = _spellings(variants(char) if term.any_case else (char,), encoding)
        if not spellings:
            return None
        chars.append(spellings)
    source, atoms = _row(chars, any_case=term.any_case)
    if len(source) > _MAX_PATTERN:
        raise Misuse(f"{term.source}: {len(term.text)} characters are too many for one term. Cut it short.")
    if term.kind == "word":
        edges = _WORD_PARTS.get(encoding, _WORD_8_BIT)
        before = "".join(f"(?<!{edge})" for edge in edges)
        behind = "".join(f"(?!{edge})" for edge in edges)
        source = before + source + behind
    return Pattern(encoding, source.encode(), 0, True, atoms)


def _row(chars: list[list[bytes]], *, any_case: bool) -> tuple[str, tuple[Atom, ...]]:
    """The source of some characters, the part that is looked for in a group, and what it is looked for as."""
    first, last, rows = window(chars, any_case=any_case)
    parts = [_alternatives(spellings) for spellings in chars]
    source = f"{''.join(parts[:first])}({''.join(parts[first:last])}){''.join(parts[last:])}"
    least = sum(min(map(len, spellings)) for spellings in chars[:first])
    most = sum(max(map(len, spellings)) for spellings in chars[:first])
    return source, tuple(Atom(row, any_case, least, most, b"") for row in rows)


def _spellings(chars: Iterable[str], encoding: str) -> list[bytes]:
    found = set()
    for char in chars:
        try:
            found.add(char.encode(encoding))
        except UnicodeEncodeError:  # a variant this encoding lacks
            continue
    return sorted(found)


def _alternatives(spellings: list[bytes]) -> str:
    single = {spelling[0] for spelling in spellings if len(spelling) == 1}
    found = [byte_class(single)] if single else []
    found += ["".join(map(escaped, spelling)) for spelling in spellings if len(spelling) > 1]
    return found[0] if len(found) == 1 else f"(?:{'|'.join(found)})"


def _hex(term: Term) -> Pattern:
    digits = re.sub(r"\s+", "", term.text)
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", digits):
        raise Misuse(f"{term.source}: {term.text!r} is not a row of hexadecimal bytes, such as hex:50 4B 03 04.")
    source, atoms = _row([[bytes([value])] for value in bytes.fromhex(digits)], any_case=False)
    if len(source) > _MAX_PATTERN:
        raise Misuse(f"{term.source}: {len(digits) // 2} bytes are too many for one term. Cut it short.")
    return Pattern(BYTES, source.encode(), 0, True, atoms)


# --- regular expressions --------------------------------------------------------------------------------------


def _regex(term: Term) -> Patterns:
    try:
        regex = Regex(term.text, any_case=term.any_case, variants=variants)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise Misuse(f"{term.source}: {term.text!r} is not a regular expression: {error}.") from error
    if regex.matches_empty:
        raise Misuse(f"{term.source}: {term.text!r} also matches nothing at all, so everywhere. Use + instead of *.")
    found = []
    left_out = []
    for encoding in term.encodings:
        try:
            found.append(_regex_in(term, regex, encoding))
        except NotWidenable as error:
            left_out.append(f"not searched in {encoding}: {error}")
    if not found:
        raise Misuse(f"{term.source}: {term.text!r}: {'; '.join(left_out)}.")
    return Patterns(tuple(found), "; ".join(left_out))


def _regex_in(term: Term, regex: Regex, encoding: str) -> Pattern:
    if encoding not in ("utf-8", "utf-16-le"):
        raise NotWidenable("a regular expression is searched in UTF-8 and UTF-16LE")
    wide = encoding == "utf-16-le"
    flags = re.IGNORECASE if term.any_case and not wide else 0
    # As written where `re` takes it over bytes; else (characters outside ASCII, UTF-16) as the tree says.
    if wide or not term.text.isascii() or not _compiles(term.text.encode(), flags):
        flags = 0
        try:
            decide = regex.source(wide=wide).encode()
            re.compile(decide)
        except (re.error, OverflowError, ValueError) as error:
            raise NotWidenable(str(error)) from error
    else:
        decide = term.text.encode()
    atoms = atoms_of(regex, wide=wide)
    runs = None
    if not atoms:
        try:
            runs = regex.runs(wide=wide)
        except NotWidenable:  # `re` took it as written, and what it matches cannot be told
            runs = None
    return Pattern(encoding, decide, flags, False, atoms, regex.reach, runs)


def _compiles(source: bytes, flags: int) -> bool:
    try:
        re.compile(source, flags)
    except (re.error, OverflowError, ValueError):
        return False
    return True
