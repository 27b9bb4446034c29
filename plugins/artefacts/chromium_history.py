"""History of Chromium and the browsers made from it: Chrome, Edge, Brave, Opera, Vivaldi."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from forensic_kit.api import (
    Artefact,
    At,
    Content,
    Damaged,
    Moment,
    NotThisFormat,
    Problem,
    Record,
    note,
    unix,
    webkit,
    when,
)

# ui/base/page_transition_types.h
_TRANSITIONS = (
    "link", "typed", "auto_bookmark", "auto_subframe", "manual_subframe", "generated", "auto_toplevel",
    "form_submit", "reload", "keyword", "keyword_generated",
)  # fmt: skip
_QUALIFIERS = {
    0x00200000: "from_api_3",
    0x00400000: "from_api_2",
    0x00800000: "blocked",
    0x01000000: "forward_back",
    0x02000000: "from_address_bar",
    0x04000000: "home_page",
    0x08000000: "from_api",
    0x10000000: "chain_start",
    0x20000000: "chain_end",
    0x40000000: "client_redirect",
    0x80000000: "server_redirect",
}
# components/history/core/browser/history_types.h, VisitSource. Chromium writes no row for its own visits.
_SOURCES = (
    "synced from another device", "browsed", "extension", "imported from Firefox", "imported from Internet Explorer",
    "imported from Safari",
)  # fmt: skip
# components/history/core/browser/download_constants.h, DownloadState
_OUTCOMES = ("in progress", "complete", "cancelled", "interrupted (bug 140687)", "interrupted")
_DOWNLOAD_COLUMNS = (
    "url", "full_path", "target_path", "current_path", "referrer", "tab_url", "site_url", "mime_type",
    "original_mime_type", "received_bytes", "total_bytes", "state", "danger_type", "interrupt_reason", "opened",
    "hash", "by_ext_id", "by_ext_name", "last_modified", "guid", "start_time", "end_time", "last_access_time",
)  # fmt: skip
# Up to this version of the schema visits were timed in microseconds since 1970 where Chromium did not run on Windows.
_LAST_UNIX_VERSION = 16
# A time in microseconds since 1601 is past this from 1759 on, one since 1970 until 2128.
_BETWEEN_CLOCKS = 5_000_000_000_000_000


class Visit(Record, tag="chromium.history.visit"):
    """One visit to one page."""

    url: str
    title: str
    visit_id: int | None
    from_visit: int | None  #: the visit that led here; None if none is known
    from_url: str  #: its page, where that visit is still there
    transition: str
    transition_qualifiers: tuple[str, ...]
    visit_duration_us: int | None  #: microseconds; None where the schema has none
    visit_source: str
    originator: str  #: identifier of the device a synced visit was made on
    external_referrer: str
    visit_count: int | None  #: of the page, all visits
    typed_count: int | None  #: of the page
    hidden: bool  #: not shown in the browser's own history
    state: str  #: ``main wal superseded journal uncommitted unknown``; see the plugin's limits
    visited: Annotated[Moment | None, when("visited")] = None


class Page(Record, tag="chromium.history.page"):
    """A page that no visit is stored for any more."""

    url: str
    title: str
    visit_count: int | None
    typed_count: int | None
    hidden: bool
    state: str
    last_visited: Annotated[Moment | None, when("last visited")] = None


class Download(Record, tag="chromium.history.download"):
    """One download."""

    url: str  #: the last of the chain
    url_chain: tuple[str, ...]  #: from what was asked for to what was given
    target_path: str
    current_path: str  #: differs while the download runs
    referrer: str
    tab_url: str
    site_url: str
    mime_type: str
    original_mime_type: str
    received_bytes: int | None
    total_bytes: int | None  #: -1 or 0 where the server did not say
    outcome: str
    danger_type: int | None
    interrupt_reason: int | None
    opened: bool
    content_hash: str  #: SHA-256 as Chromium stored it, hex; mostly empty
    extension: str  #: name and identifier of the browser extension that started it
    server_last_modified: str  #: as the server wrote it
    guid: str
    state: str
    started: Annotated[Moment | None, when("download started")] = None
    ended: Annotated[Moment | None, when("download ended")] = None
    last_accessed: Annotated[Moment | None, when("download opened in the browser")] = None


class Search(Record, tag="chromium.history.search"):
    """A term typed into a search engine that the browser knows."""

    term: str
    normalised_term: str
    url: str
    title: str
    state: str
    #: Of the page with the results: a later search for the same term moves it.
    last_visited: Annotated[Moment | None, when("search results last visited")] = None


class ChromiumHistory(Artefact, api=1):
    """Reads the tables urls, visits, downloads and keyword_search_terms of every schema version."""

    name, version = "chromium.history", "1.0"
    # Other names: `parse --as chromium.history`. Without paths every SQLite file would be reported as a mismatch.
    paths = ("*/History", "*/Archived History", "*/History-*")
    signatures = ((0, b"SQLite format 3\0"),)
    source = (
        "Chromium source: components/history/core/browser (url_database.cc, visit_database.cc, download_database.cc)"
    )
    limits = (
        "With a -wal or -journal beside it the database is read without and with it: state main is in both, wal and "
        "journal only with it, superseded and uncommitted only without it, unknown where one reading broke off.",
        "Log frames after the last commit, older versions in the log and free pages are not looked at.",
        "After a damaged page the rest of its table is not read; a database whose schema is torn gives nothing.",
        "A change of a page's counters alone does not make its visits superseded.",
        "Up to schema version 16 the clock of visits is told from the size of the number, and a note says so.",
    )

    def parse(self, content: Content) -> Iterator[Record | At | Problem]:
        from forensic_kit.formats import sqlite_copy

        filename = content.entry.locator.filename
        companions = {}
        for suffix in sqlite_copy.SUFFIXES:
            if found := content.companion(filename + suffix):
                companions[suffix] = found.on_disk()
        with sqlite_copy.opened(content.on_disk(), companions) as database:
            yield from _History(database).records()


class _History:
    """One pass over one opened database."""

    def __init__(self, database) -> None:
        self._database = database
        self._bad_times = 0
        self._unix_times = 0
        self._version = 0

    def records(self) -> Iterator[Record | Problem]:
        tables = self._database.tables
        if not {"id", "url", "title"} <= tables.get("urls", set()) or not {"id", "url", "visit_time"} <= tables.get(
            "visits", set()
        ):
            raise NotThisFormat("this SQLite database has no tables urls and visits as Chromium makes them")
        if self._database.short:
            yield note(f"the file is {self._database.short} bytes shorter than its header says", error="cut-short")
        broken = []
        for what, read in (
            ("meta", self._read_version),
            ("visits", self._visits),
            ("urls", self._pages),
            ("downloads", self._downloads),
            ("keyword_search_terms", self._searches),
        ):
            try:
                if what in tables:
                    yield from read()
            except Damaged as error:
                broken.append(f"{what} ({error.message})")
        if self._bad_times:
            yield note(f"{self._bad_times} times outside the years 1 to 9999 were left empty", error="time")
        if self._unix_times:
            yield note(
                f"{self._unix_times} times of this schema version {self._version} were taken as counted from 1970, "
                "by their size",
                error="clock",
            )
        if broken:
            raise Damaged(f"tables that could not be read to their end: {', '.join(broken)}")

    def _select(self, query: str, compared: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
        for row in self._database.rows(query, compared):
            yield row.state, row.values

    def _columns(self, table: str, alias: str, wanted: tuple[str, ...]) -> str:
        """``wanted`` as a select list; a column that this schema version lacks reads as NULL."""
        have = self._database.tables.get(table, frozenset())
        return ", ".join(f"{alias}.{name} AS {name}" if name in have else f"NULL AS {name}" for name in wanted)

    def _read_version(self) -> Iterator[Record]:
        for _, row in self._select("SELECT rowid AS id, key, value FROM meta ORDER BY rowid", ("value",)):
            if row["key"] == "version":
                text = _text(row["value"])
                self._version = int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else 0
        return iter(())

    def _visits(self) -> Iterator[Record]:
        own = ("from_visit", "transition", "visit_duration", "originator_cache_guid", "external_referrer_url")
        page = ("title", "visit_count", "typed_count", "hidden")
        source, join = "NULL", ""
        if "visit_source" in self._database.tables:
            source, join = "s.source", "LEFT JOIN visit_source s ON s.id = v.id"
        from_join = "LEFT JOIN visits f ON f.id = v.from_visit LEFT JOIN urls fu ON fu.id = f.url"
        from_url = "fu.url"
        if "from_visit" not in self._database.tables["visits"]:
            from_url, from_join = "NULL", ""
        query = (
            f"SELECT v.id AS id, v.visit_time AS visit_time, {self._columns('visits', 'v', own)}, "
            f"{self._columns('urls', 'u', page)}, u.url AS url, {from_url} AS from_url, {source} AS source "
            f"FROM visits v LEFT JOIN urls u ON u.id = v.url {join} {from_join} ORDER BY v.id"
        )
        for state, row in self._select(query, ("visit_time", *own, "url", "title", "source")):
            core, qualifiers = _transition(_number(row["transition"]))
            yield Visit(
                url=_text(row["url"]),
                title=_text(row["title"]),
                visit_id=_number(row["id"]),
                from_visit=_number(row["from_visit"]) or None,
                from_url=_text(row["from_url"]),
                transition=core,
                transition_qualifiers=qualifiers,
                visit_duration_us=_number(row["visit_duration"]),
                visit_source=_of(_SOURCES, 1 if row["source"] is None else _number(row["source"])),
                originator=_text(row["originator_cache_guid"]),
                external_referrer=_text(row["external_referrer_url"]),
                visit_count=_number(row["visit_count"]),
                typed_count=_number(row["typed_count"]),
                hidden=bool(row["hidden"]),
                state=state,
                visited=self._visit_time(row["visit_time"]),
            )

    def _pages(self) -> Iterator[Record]:
        page = ("url", "title", "visit_count", "typed_count", "hidden", "last_visit_time")
        query = (
            f"SELECT u.id AS id, {self._columns('urls', 'u', page)} FROM urls u "
            "WHERE NOT EXISTS (SELECT 1 FROM visits v WHERE v.url = u.id) ORDER BY u.id"
        )
        for state, row in self._select(query, page):
            yield Page(
                url=_text(row["url"]),
                title=_text(row["title"]),
                visit_count=_number(row["visit_count"]),
                typed_count=_number(row["typed_count"]),
                hidden=bool(row["hidden"]),
                state=state,
                last_visited=self._visit_time(row["last_visit_time"]),
            )

    def _downloads(self) -> Iterator[Record]:
        chain = "NULL"
        if {"id", "chain_index", "url"} <= self._database.tables.get("downloads_url_chains", set()):
            # A URL as Chromium stores it holds no line feed.
            chain = (
                "(SELECT group_concat(url, char(10)) FROM "
                "(SELECT url FROM downloads_url_chains c WHERE c.id = d.id ORDER BY chain_index))"
            )
        query = (
            f"SELECT d.id AS id, {chain} AS chain, {self._columns('downloads', 'd', _DOWNLOAD_COLUMNS)} "
            "FROM downloads d ORDER BY d.id"
        )
        # The rewrite of version 24 that split full_path in two also moved the clock (download_database.cc).
        clock = _seconds if "full_path" in self._database.tables["downloads"] else webkit
        for state, row in self._select(query, ("chain", *_DOWNLOAD_COLUMNS)):
            yield self._download(state, row, clock)

    def _download(self, state: str, row: dict[str, Any], clock: Callable[[int], Moment | None]) -> Download:
        urls = tuple(_text(row["chain"]).split("\n")) if row["chain"] else (_text(row["url"]),)
        named = (_text(row["by_ext_name"]), _text(row["by_ext_id"]))
        return Download(
            url=urls[-1],
            url_chain=urls,
            target_path=_text(row["target_path"]) or _text(row["full_path"]),
            current_path=_text(row["current_path"]),
            referrer=_text(row["referrer"]),
            tab_url=_text(row["tab_url"]),
            site_url=_text(row["site_url"]),
            mime_type=_text(row["mime_type"]),
            original_mime_type=_text(row["original_mime_type"]),
            received_bytes=_number(row["received_bytes"]),
            total_bytes=_number(row["total_bytes"]),
            outcome=_of(_OUTCOMES, _number(row["state"])),
            danger_type=_number(row["danger_type"]),
            interrupt_reason=_number(row["interrupt_reason"]),
            opened=bool(row["opened"]),
            content_hash=row["hash"].hex() if isinstance(row["hash"], bytes) else "",
            extension=" ".join(part for part in named if part),
            server_last_modified=_text(row["last_modified"]),
            guid=_text(row["guid"]),
            state=state,
            started=self._moment(row["start_time"], clock),
            ended=self._moment(row["end_time"], clock),
            last_accessed=self._moment(row["last_access_time"], webkit),
        )

    def _searches(self) -> Iterator[Record]:
        # lower_term became normalized_term in version 42.
        terms = ("term", "normalized_term", "lower_term", "url_id")
        page = ("url", "title", "last_visit_time")
        query = (
            f"SELECT k.rowid AS id, {self._columns('keyword_search_terms', 'k', terms)}, "
            f"{self._columns('urls', 'u', page)} "
            "FROM keyword_search_terms k LEFT JOIN urls u ON u.id = k.url_id ORDER BY k.rowid"
        )
        for state, row in self._select(query, (*terms, *page)):
            yield Search(
                term=_text(row["term"]),
                normalised_term=_text(row["normalized_term"]) or _text(row["lower_term"]),
                url=_text(row["url"]),
                title=_text(row["title"]),
                state=state,
                last_visited=self._visit_time(row["last_visit_time"]),
            )

    def _visit_time(self, value: Any) -> Moment | None:
        if 0 < self._version <= _LAST_UNIX_VERSION and 0 < (_number(value) or 0) < _BETWEEN_CLOCKS:
            self._unix_times += 1
            return self._moment(value, _microseconds)
        return self._moment(value, webkit)

    def _moment(self, value: Any, clock: Callable[[int], Moment | None]) -> Moment | None:
        number = _number(value)
        if number is None:
            return None
        try:
            return clock(number)
        except Damaged:
            self._bad_times += 1
            return None


def _seconds(value: int) -> Moment | None:
    return unix(value) if value else None


def _microseconds(value: int) -> Moment | None:
    return unix(value // 1_000_000, value % 1_000_000 * 1000, resolution_ns=1000)


def _transition(value: int | None) -> tuple[str, tuple[str, ...]]:
    if value is None:
        return "", ()
    names = tuple(name for bit, name in _QUALIFIERS.items() if value & bit)
    return _of(_TRANSITIONS, value & 0xFF), names


def _of(names: tuple[str, ...], value: int | None) -> str:
    """The word for a stored number; the number itself where it is not known."""
    if value is None:
        return ""
    return names[value] if 0 <= value < len(names) else str(value)


def _text(value: Any) -> str:
    """SQLite columns hold what was put into them, whatever their type says."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None
