"""Keyword lists: text, Excel's CSV or TOML in, terms with ids and places out. docs/reference/keyword-lists.md."""

import csv
import io
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from forensic_kit.errors import Misuse

KINDS: Final = ("text", "word", "regex", "hex", "phone")
#: In the fixed order in which one offset is given to one encoding.
ENCODINGS: Final = (
    "utf-8",
    "utf-16-le",
    "utf-16-be",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "koi8-r",
)
DEFAULT_ENCODINGS: Final = ENCODINGS[:2]
#: The encoding of ``hex`` terms.
BYTES: Final = "bytes"
_MAX_LIST = 64 << 20  # bytes
_MAX_TERMS = 200_000
_PREFIX = re.compile(rf"({'|'.join(KINDS)}):")
_NONE: Final = "\x1f"  # divides nothing: the whole line is one cell
_TOML_TERM = re.compile(r"^\s*\[\[\s*term\s*\]\]")


class Term(NamedTuple):
    """One thing to look for."""

    id: str  #: ``T`` and the number of the term in its list, from 1; or what a TOML list says
    text: str  #: without the prefix that pins its kind
    kind: str  #: one of `KINDS`
    source: str  #: file and line, ``list.txt:7``
    any_case: bool = True
    encodings: tuple[str, ...] = DEFAULT_ENCODINGS


def read_list(data: bytes, name: str) -> tuple[Term, ...]:
    """The terms of a list, in its order.

    Args: data: the file; name: its name, whose ending (``.toml``, ``.csv``, anything else) says what it is.
    Raises: Misuse: naming file and line, for anything that is not a term.
    """
    if len(data) > _MAX_LIST:
        raise Misuse(f"{name}: {len(data)} bytes is more than a keyword list may have ({_MAX_LIST}). Is it one?")
    text = _decoded(data, name)
    suffix = name.lower().rpartition(".")[2]
    if suffix == "toml":
        terms = tuple(_toml(text, name))
    elif suffix == "csv":
        terms = tuple(_csv(text, name))
    else:
        lines = ((number, line, "") for number, line in enumerate(_lines(text), 1))
        terms = tuple(_numbered(lines, name))
    if not terms:
        raise Misuse(f"{name}: the list holds no term. Write one term a line.")
    return terms


def _decoded(data: bytes, name: str) -> str:
    """The list as text, without its byte-order mark."""
    encoding = "utf-8-sig"
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif data[1:2] == b"\0":  # a Latin first character in UTF-16 without its mark
        encoding = "utf-16-le"
    elif data[:1] == b"\0":
        encoding = "utf-16-be"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Misuse(
            f"{name}:{line}: byte {error.start} is not {encoding.removesuffix('-sig').upper()}. "
            "Save the list as UTF-8 (in Excel: CSV UTF-8) and try again."
        ) from error


def _lines(text: str) -> list[str]:
    """Lines by CR LF, LF or CR alone: never by the other separators that str.splitlines knows."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _numbered(rows: Iterator[tuple[int, str, str]], name: str) -> Iterator[Term]:
    """Terms of (line, text with or without prefix, kind or empty); blank ones are left out and not counted."""
    number = 0
    for line, raw, kind in rows:
        text = raw.strip()
        if not text:
            continue
        if not kind:
            prefix = _PREFIX.match(text)
            kind = prefix[1] if prefix else "text"
            text = text[prefix.end() :].strip() if prefix else text
        number += 1
        yield _checked(Term(f"T{number}", text, kind, f"{name}:{line}"), number)


def _checked(term: Term, number: int) -> Term:
    if number > _MAX_TERMS:
        raise Misuse(f"{term.source}: more than {_MAX_TERMS} terms. Split the list.")
    if term.kind not in KINDS:
        raise Misuse(f"{term.source}: {term.kind!r} is not a kind of term. Kinds: {', '.join(KINDS)}.")
    if term.kind == "phone":
        raise Misuse(
            f"{term.source}: kind phone is not built yet. Write the number as regex: until it is, "
            r"for example regex:\+46[ -]?70[ -]?123[ -]?45[ -]?67"
        )
    if not term.text:
        raise Misuse(f"{term.source}: nothing follows {term.kind}:. Write the term behind it or delete the line.")
    return term


# --- CSV ------------------------------------------------------------------------------------------------------


def _csv(text: str, name: str) -> Iterator[Term]:
    lines = _lines(text)
    skipped = 0
    delimiters = ",;\t"  # which of them Excel writes depends on the country
    said = re.fullmatch(r"sep=([,;|\t])", lines[0], re.IGNORECASE)  # Excel's own way to say it
    if said:
        delimiters, skipped = said[1], 1
    body = "\n".join(lines[skipped:])
    split = {delimiter: list(_cells(body, delimiter, name, skipped)) for delimiter in (*delimiters, _NONE)}
    for rows in split.values():
        header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
        # A header of one column says that nothing else in a line divides it: then only the last way fits.
        if "term" in header and (len(header) > 1 or rows is split[_NONE]):
            return _columns(rows, header, name)
    divided = [line for delimiter in delimiters for line, cells in split[delimiter] if cells[1:]]
    if divided:
        raise Misuse(
            f"{name}:{min(divided)}: several columns, or a separator inside a term, and no header called `term`. "
            "Write `term` over the column of the terms."
        )
    return _numbered(((line, cells[0] if cells else "", "") for line, cells in split[delimiters[0]]), name)


def _cells(text: str, delimiter: str, name: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row; empty cells at the end, which Excel likes to write, are dropped."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            while cells and not cells[-1].strip():
                cells.pop()
            yield reader.line_num + skipped, cells
    except csv.Error as error:
        raise Misuse(f"{name}:{reader.line_num + skipped}: not CSV: {error}. Save it as CSV UTF-8 again.") from error


def _columns(rows: list[tuple[int, list[str]]], header: list[str], name: str) -> Iterator[Term]:
    column = header.index("term")
    kind = header.index("kind") if "kind" in header else -1

    def cell(cells: list[str], index: int) -> str:
        return cells[index] if 0 <= index < len(cells) else ""

    return _numbered(
        ((line, cell(cells, column), cell(cells, kind).strip().lower()) for line, cells in rows[1:]),
        name,
    )


# --- TOML -----------------------------------------------------------------------------------------------------

_TOML_KEYS = {"id": str, "text": str, "kind": str, "case": str, "encodings": list, "note": str}


def _toml(text: str, name: str) -> Iterator[Term]:
    try:
        table = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        place = line[1] if line else text.count("\n") + 1
        raise Misuse(f"{name}:{place}: not TOML: {error}.") from error
    rows = table.get("term")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Misuse(f"{name}:1: a TOML list holds its terms as tables called [[term]]; there are none.")
    lines = [number for number, line in enumerate(_lines(text), 1) if _TOML_TERM.match(line)]
    seen: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        # An inline array of tables has no header line of its own: then the first line stands for all.
        source = f"{name}:{lines[number - 1] if len(lines) == len(rows) else 1}"
        term = _checked(_toml_term(row, number, source), number)
        if term.id in seen:
            raise Misuse(f"{source}: the id {term.id} is taken by {seen[term.id]}. Give each term its own.")
        seen[term.id] = source
        yield term


def _toml_term(row: dict[str, Any], number: int, source: str) -> Term:
    for key, value in row.items():
        if key not in _TOML_KEYS:
            raise Misuse(f"{source}: a term has no setting {key!r}. Settings: {', '.join(_TOML_KEYS)}.")
        if not isinstance(value, _TOML_KEYS[key]):
            raise Misuse(f"{source}: {key} must be {'a list' if key == 'encodings' else 'text'}, not {value!r}.")
    case = row.get("case", "any")
    if case not in ("any", "exact"):
        raise Misuse(f"{source}: case is {case!r}; it can be any or exact.")
    encodings = row.get("encodings", list(DEFAULT_ENCODINGS))
    unknown = [encoding for encoding in encodings if encoding not in ENCODINGS]
    if unknown or not encodings:
        raise Misuse(f"{source}: encodings {encodings!r} must name some of {', '.join(ENCODINGS)}.")
    return Term(
        id=row.get("id") or f"T{number}",
        text=row.get("text", ""),
        kind=row.get("kind", "text"),
        source=source,
        any_case=case == "any",
        encodings=tuple(encoding for encoding in ENCODINGS if encoding in encodings),
    )
