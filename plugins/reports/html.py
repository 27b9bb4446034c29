"""A report in HTML that opens from a folder with no network: pages, charts and a search over all findings.

Evidence never reaches a page but as escaped text: every value goes through `visible` and then through Jinja's
autoescape; the only evidence in a script file is JSON with every character beyond ASCII and ``< > &`` escaped. The
pages' own policy allows scripts and styles from the report's folder only.
"""

import hashlib
import heapq
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

from forensic_kit.api import Report

Row = dict[str, Any]
_TEMPLATES: Final = Path(__file__).parent / "templates" / "html"
_PAGE_ROWS: Final = 500
#: Longer lists are cut here and say so: 200 pages of one list are more than anybody turns.
_PAGES: Final = 200
_SEARCH_ROWS: Final = 2_000
_CELL: Final = 1_000  # characters of one value; the facts hold the rest
_LINES: Final = 10  # lines of a list in a record
_TOP_TERMS: Final = 15
#: Fields of records shown before others.
_FIRST: Final = ("term", "context", "rule", "namespace", "set", "category")
#: Fields of one string that a rule matched.
_MATCHED: Final = frozenset({"id", "offset", "length", "data"})
_CHART: Final = 960  # width, in the units of the drawing


class Html(Report, api=1):
    """index.html and a folder of pages beside it."""

    name, version = "report.html", "1.0"
    formats: ClassVar = ("html",)
    source = "HTML Living Standard; Content Security Policy Level 3; WCAG 2.2"
    limits = (
        "Entries without a finding or problem are counted, not listed: `case files` lists them.",
        f"Of one type of finding, of the problems and of the events at most {_PAGE_ROWS * _PAGES:,} rows are shown.",
        "The search covers the findings that are shown and needs scripts; every page can be read without.",
    )

    def write(self, facts: Path, out: Path) -> Iterator[Path]:
        site = _Site(facts, out)
        yield from site.lists()
        yield from site.front()


class _Site:
    """One report being written."""

    def __init__(self, facts: Path, out: Path) -> None:
        import jinja2

        self._facts_folder = facts
        self._out = out
        data = (facts / "report.json").read_bytes()
        self._facts: Row = json.loads(data)
        self._digest = hashlib.sha256(data).hexdigest()
        self._env = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            finalize=_final,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.filters |= {"n": _number, "size": _size, "groups": _groups, "fields": _fields, "percent": _percent}
        self._env.globals |= {"facts": self._facts, "report_sha256": self._digest, "stages": _STAGES}
        self._rows = self._env.get_template("rows.html").module
        self._top: dict[str, list[Row]] = {}
        self._pages: dict[str, list[Row]] = {"findings": []}
        (out / "html" / "data").mkdir(parents=True, exist_ok=True)

    # --- long lists -------------------------------------------------------------------------------------------

    def lists(self) -> Iterator[Path]:
        """The pages of findings, problems, events and terms, and the data of the search."""
        for name in ("style.css", "report.js"):
            yield self._save(f"html/{name}", (_TEMPLATES / name).read_text(encoding="utf-8"))
        yield from self._findings()
        for name, title, command in (
            ("problems", "Gaps and notes", "case problems"),
            ("timeline", "Events", "case timeline"),
            ("terms", "Terms and rules", ""),
        ):
            total = self._facts["lists"][name]["rows"]
            writer = _Pages(self, name, name, title, total, command)
            for row in self._list(name):
                yield from writer.add(row)
                if name == "terms" and row["findings"]:
                    self._remember(row)
            yield from writer.close()
            self._pages[name] = [writer.link]

    def _findings(self) -> Iterator[Path]:
        writers: dict[str, _Pages] = {}
        for number, kind in enumerate(self._facts["findings"]["types"], 1):
            slug = re.sub("[^a-z0-9]+", "-", kind["type"].lower())[:40]
            command = f"case findings --type {kind['type']}"
            writer = _Pages(self, "findings", f"findings-{number:02d}-{slug}", kind["type"], kind["places"], command)
            writers[kind["type"]] = writer
        search = _Search(self)
        for row in self._list("findings"):
            writer = writers[row["type"]]
            page = writer.next_page
            if page:
                yield from search.add(row, page)
            yield from writer.add(row)
        for writer in writers.values():
            yield from writer.close()
            self._pages["findings"].append(writer.link)
        yield from search.close()
        yield self.page("search.html", "html/search.html", depth="../", shards=search.files, title="Search")

    def _list(self, name: str) -> Iterator[Row]:
        for shard in self._facts["lists"][name]["shards"]:
            yield from json.loads((self._facts_folder / shard["file"]).read_bytes())

    def _remember(self, row: Row) -> None:
        """Keep the terms found most often of each list."""
        top = self._top.setdefault(row["digest"], [])
        top.append(row)
        if len(top) > 4 * _TOP_TERMS:
            self._top[row["digest"]] = heapq.nsmallest(_TOP_TERMS, top, key=_by_findings)

    # --- pages ------------------------------------------------------------------------------------------------

    def front(self) -> Iterator[Path]:
        """index.html."""
        top = {digest: heapq.nsmallest(_TOP_TERMS, rows, key=_by_findings) for digest, rows in self._top.items()}
        yield self.page(
            "index.html",
            "index.html",
            depth="",
            title=self._facts["front"]["title"] or "Digital examination record",
            pages=self._pages,
            top=top,
            charts=[_drawn(chart) for chart in self._facts["timeline"]["charts"]],
            outcomes=_OUTCOMES,
        )

    def page(self, template: str, name: str, **values: Any) -> Path:
        """Render a template into a file."""
        return self._save(name, self._env.get_template(template).render(values))

    def row(self, kind: str, row: Row) -> Any:
        """One row of a list as markup."""
        return getattr(self._rows, kind)(row)

    def _save(self, name: str, text: str) -> Path:
        path = self._out / name
        path.write_text(text, encoding="utf-8", newline="\n")
        return path


class _Pages:
    """The pages of one list."""

    def __init__(self, site: _Site, kind: str, stem: str, title: str, total: int, command: str) -> None:
        self._site, self._kind, self._stem, self._title = site, kind, stem, title
        self._total, self._command = total, command
        self._count = min(-(-total // _PAGE_ROWS), _PAGES)
        self._waiting: list[Any] = []
        self._done = 0

    @property
    def next_page(self) -> str:
        """File name of the page on which the next row will stand; empty if it is not shown."""
        return self._name(self._done + 1) if self._done < self._count else ""

    @property
    def link(self) -> Row:
        """What the index says of this list."""
        return {
            "href": f"html/{self._name(1)}" if self._count else "",
            "title": self._title,
            "pages": self._count,
            "shown": min(self._total, _PAGE_ROWS * _PAGES),
            "total": self._total,
            "command": self._command,
        }

    def add(self, row: Row) -> Iterator[Path]:
        """Take a row; gives a page when one is full."""
        if self._done >= self._count:
            return
        self._waiting.append(self._site.row(self._kind, row))
        if len(self._waiting) == _PAGE_ROWS:
            yield self._flush()

    def close(self) -> Iterator[Path]:
        """Write what is left."""
        if self._waiting:
            yield self._flush()

    def _flush(self) -> Path:
        rows, self._waiting = self._waiting, []
        self._done += 1
        return self._site.page(
            "list.html",
            f"html/{self._name(self._done)}",
            depth="../",
            kind=self._kind,
            title=self._title,
            rows=rows,
            first=(self._done - 1) * _PAGE_ROWS + 1,
            page=self._done,
            link=self.link,
            names=[self._name(number) for number in range(1, self._count + 1)],
        )

    def _name(self, number: int) -> str:
        return f"{self._stem}-{number:04d}.html"


class _Search:
    """The findings as scripts that hand their rows to the search page, one after another."""

    def __init__(self, site: _Site) -> None:
        self._site = site
        self._rows: list[list[Any]] = []
        self.files = 0

    def add(self, row: Row, page: str) -> Iterator[Path]:
        """Take a finding that stands on ``page``."""
        state = ("live" if row["allocated"] else "not live") + (" copy" if row["duplicate"] else "")
        values = (row["id"], page, row["type"], row["evidence"], row["path"], row["brief"], state)
        self._rows.append([visible(value) for value in values])
        if len(self._rows) == _SEARCH_ROWS:
            yield self._flush()

    def close(self) -> Iterator[Path]:
        """Write what is left."""
        if self._rows:
            yield self._flush()

    def _flush(self) -> Path:
        rows, self._rows = self._rows, []
        self.files += 1
        return self._site._save(f"html/data/findings-{self.files:04d}.js", f"fkRows({script_json(rows)});\n")


# --- words ----------------------------------------------------------------------------------------------------


def visible(text: str) -> str:
    """Text in which everything can be seen: controls and what turns, joins or hides text stand there by number."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else f"\u27e8U+{ord(char):04X}\u27e9" for char in text)


def script_json(value: Any) -> str:
    """JSON that is safe in a script, whatever the text in it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _final(value: Any) -> Any:
    """Applied by Jinja to every value it prints, before it escapes it."""
    if type(value) is str:
        return visible(value)
    return "" if value is None else value


def _number(value: int) -> str:
    return f"{value:,}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "0"


def _size(value: int) -> str:
    """Bytes in the unit people use for them."""
    amount = float(value)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            return f"{value:,} bytes" if unit == "bytes" else f"{amount:,.1f} {unit}"
        amount /= 1024
    raise AssertionError


def _groups(digest: str | None) -> list[str]:
    """A digest in groups of eight, so that two can be compared by eye."""
    return [digest[start : start + 8] for start in range(0, len(digest or ""), 8)] if digest else []


def _fields(record: Row) -> list[tuple[str, list[str]]]:
    """The fields of a record that have a value, what tells most first, each as lines of text."""
    found = []
    for name, value in sorted(record.items(), key=lambda item: _FIRST.index(item[0]) if item[0] in _FIRST else 99):
        if value in (None, "", [], {}):
            continue
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            lines = [_text(item) for item in value[:_LINES]]
            if len(value) > _LINES:
                lines.append(f"and {len(value) - _LINES:,} more in the facts")
        else:
            lines = [_text(value)]
        found.append((name, lines))
    return found


def _text(value: Any) -> str:
    if isinstance(value, dict) and "time" in value and "zone" in value:
        text = str(value["time"]) + (" (zone not known)" if value["zone"] == "local" else "")
    elif isinstance(value, dict) and value.keys() >= _MATCHED:
        place = value.get("image_offset")
        image = "" if place is None else f", in the image at {_text(place)}"
        text = f"{value['id']} at {_text(value['offset'])}{image}, {_text(value['length'])} bytes: {value['data']}"
    elif isinstance(value, dict):
        text = ", ".join(f"{name} {_text(item)}" for name, item in value.items() if item not in (None, ""))
    elif isinstance(value, list):
        text = ", ".join(map(_text, value))
    elif isinstance(value, bool):
        text = "yes" if value else "no"
    else:
        text = str(value)
    return text if len(text) <= _CELL else f"{text[:_CELL]}… ({len(text):,} characters; the facts hold them all)"


def _by_findings(row: Row) -> tuple[int, str]:
    return -row["findings"], row["id"]


# --- charts ---------------------------------------------------------------------------------------------------


def _drawn(chart: Row) -> Row:
    """A chart of the facts with the places of its bars and labels."""
    slots = chart["slots"]
    width = _CHART / len(slots)
    every = -(-len(slots) // 8)
    return {
        "unit": chart["unit"],
        "first": slots[0]["label"],
        "last": slots[-1]["label"],
        "outside": chart["outside"],
        "series": [
            _series(title, [slot[name] for slot in slots])
            for name, title in (("files", "Times of files"), ("events", "Events in records"))
        ],
        "labels": [(f"{i * width:.1f}", slots[i]["label"]) for i in range(0, len(slots), every)],
        "rows": [slot for slot in slots if slot["files"] or slot["events"]],
        "width": _CHART,
    }


def _series(title: str, counts: list[int]) -> Row:
    width = _CHART / len(counts)
    thick = min(width - min(1.0, width / 4), 56)
    top = max(counts)
    bars = [
        (f"{index * width:.2f}", f"{100 - height:.2f}", f"{thick:.2f}", f"{height:.2f}")
        for index, count in enumerate(counts)
        if count
        for height in [max(1.5, 100 * count / top)]
    ]
    return {"title": title, "top": top, "bars": bars, "total": sum(counts)}


_STAGES: Final = {
    "content": "Content read",
    "type": "Type identified",
    "hashset": "Hash sets",
    "yara": "YARA rules",
    "terms": "Search terms",
    "decoded": "Decoded text",
    "parse": "Records parsed",
    "unpack": "Archives unpacked",
}
#: Order, and what each means.
_OUTCOMES: Final = {
    "done": "all of it was examined",
    "duplicate": "the same content was examined at another entry",
    "known": "left out because a hash set knows it",
    "empty": "there is nothing to examine",
    "skipped": "left out on purpose, with a reason",
    "partial": "only a part could be examined, with a reason",
    "failed": "could not be examined, with a reason",
}
