"""The report in PDF: the same facts as the HTML without its long lists, tagged, with equal bytes for equal facts.

The document is a typst template that reads the facts as data; no text of the evidence is ever typst source. Its fonts
come with the typst wheel. What they cannot show stands there by number, as do controls and what turns or hides text.
"""

import datetime
import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterator
from heapq import nsmallest
from pathlib import Path
from typing import Any, ClassVar, Final

from forensic_kit.api import PluginError, Report

Row = dict[str, Any]
_TEMPLATE: Final = Path(__file__).parent / "templates" / "pdf" / "report.typ"
#: PDF/A for keeping (level a: with structure), PDF/UA for readers who cannot see it.
_STANDARDS: Final = ["a-2a", "ua-1"]
#: Rows of one table; what is cut is said below it.
_TERMS: Final = 60
_NO_MATCH: Final = 200
_GROUPS: Final = 60
_TYPES: Final = 15
_PLUGIN_ROWS: Final = 200
_TEXT: Final = 600  # characters of one value
#: First and last code points of what both fonts of the template can show, found by compiling each under PDF/A.
_SHOWN: Final = (
    (0x20, 0x7E), (0xA1, 0xAC), (0xAE, 0x377), (0x37A, 0x37F), (0x384, 0x38A), (0x38C, 0x38C), (0x38E, 0x3A1),
    (0x3A3, 0x4FF), (0x510, 0x513), (0x51A, 0x51D), (0x5D0, 0x5EA), (0x2010, 0x2027), (0x2030, 0x2040),
    (0x2042, 0x2042), (0x2044, 0x205E), (0x20A0, 0x20BF), (0x2100, 0x211E), (0x2120, 0x2120), (0x2122, 0x2122),
    (0x2124, 0x2124), (0x2126, 0x2151), (0x2153, 0x2184), (0x2189, 0x2189), (0x2190, 0x23FF), (0x2422, 0x2423),
    (0x2460, 0x25FF),
)  # fmt: skip
_STARTS: Final = [first for first, _ in _SHOWN]
#: Inside the ranges, and yet invisible or turning the text.
_HIDDEN: Final = frozenset({0x34F, 0x200E, 0x200F})


class Pdf(Report, api=1):
    """report.pdf."""

    name, version = "report.pdf", "1.0"
    formats: ClassVar = ("pdf",)
    source = "ISO 19005-2 (PDF/A-2a) and ISO 14289-1 (PDF/UA-1), as typst writes them; https://typst.app/docs"
    limits = (
        "Findings, problems and events are counted and not listed one by one: the HTML report and the facts list them.",
        "Characters outside Latin, Greek, Cyrillic and Hebrew stand there by number, such as ⟨U+4E2D⟩.",
        "That the file keeps to PDF/A-2a and PDF/UA-1 is checked by typst alone while it writes.",
    )

    def write(self, facts: Path, out: Path) -> Iterator[Path]:
        import typst

        data = (facts / "report.json").read_bytes()
        report = json.loads(data)
        ended = _ended(report)
        view = _view(report, facts) | {
            "sha256": hashlib.sha256(data).hexdigest(),
            "date": [ended.year, ended.month, ended.day],
        }
        try:
            pdf = typst.compile(
                _TEMPLATE.read_bytes(),
                sys_inputs={"data": json.dumps(shown(view))},
                ignore_system_fonts=True,
                pdf_standards=_STANDARDS,
                timestamp=ended,
            )
        except typst.TypstError as error:
            raise PluginError(
                f"report.pdf could not be written: {error}. The HTML report and report.json hold the same facts."
            ) from error
        path = out / "report.pdf"
        path.write_bytes(pdf)
        yield path


def _ended(report: Row) -> datetime.datetime:
    """When the case reached this state; the date of the document, so that it does not depend on today."""
    text = report["status"]["ended"] or report["case"]["created"] or "1970-01-01T00:00:00Z"
    return datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)


def _view(report: Row, folder: Path) -> Row:
    """The facts as the template prints them: cut to what fits on paper, each cut with the number of what was left."""
    names = (
        "front",
        "status",
        "exhibits",
        "ledger",
        "findings",
        "terms",
        "timeline",
        "files",
        "runs",
        "plans",
        "audit",
    )
    view = {name: report[name] for name in names} | {"statements": report["statements"]}
    met, unmet = _terms(report, folder)
    return view | {
        "problems": _cut(report["problems"]["groups"], _GROUPS),
        "types": _cut(report["files"]["types"], _TYPES),
        "plugins": _cut(report["plugins"], _PLUGIN_ROWS),
        "silent": [plugin["name"] for plugin in report["plugins"] if not plugin["described"]],
        "met": met,
        "unmet": unmet,
        "lists": [
            {"name": name, "rows": item["rows"]} | shard
            for name, item in sorted(report["lists"].items())
            for shard in item["shards"]
        ],
    }


def _cut(rows: list[Any], limit: int) -> Row:
    return {"rows": rows[:limit], "more": max(0, len(rows) - limit)}


def _terms(report: Row, folder: Path) -> tuple[Row, Row]:
    """The terms found most often, and those never met, of each list."""
    met: dict[str, list[Row]] = {}
    unmet: dict[str, list[str]] = {}
    for shard in report["lists"]["terms"]["shards"]:
        for row in json.loads((folder / shard["file"]).read_bytes()):
            rows = met.setdefault(row["digest"], [])
            left = unmet.setdefault(row["digest"], [])
            if row["findings"]:
                rows.append(row)
                if len(rows) > 4 * _TERMS:
                    met[row["digest"]] = nsmallest(_TERMS, rows, key=_by_findings)
            elif len(left) < _NO_MATCH:
                left.append(row["text"])
    return {digest: nsmallest(_TERMS, rows, key=_by_findings) for digest, rows in met.items()}, unmet


def _by_findings(row: Row) -> tuple[int, str]:
    return -row["findings"], row["id"]


def shown(value: Any) -> Any:
    """The same value with every text in it cut to what fits and written in characters that the fonts have."""
    if isinstance(value, str):
        text = value if len(value) <= _TEXT else f"{value[:_TEXT]}… ({len(value)} characters)"
        if text.isascii() and text.isprintable():
            return text
        return "".join(char if _has(ord(char)) else f"⟨U+{ord(char):04X}⟩" for char in text)
    if isinstance(value, dict):
        return {shown(name): shown(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shown(item) for item in value]
    return value


def _has(code: int) -> bool:
    index = bisect_right(_STARTS, code) - 1
    return index >= 0 and code <= _SHOWN[index][1] and code not in _HIDDEN
