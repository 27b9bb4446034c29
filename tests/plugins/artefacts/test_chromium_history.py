"""Chromium history: expected values are plaso's (corpus manifest) and queries written here for the sqlite3 module."""

import random
import shutil
import sqlite3

import pytest

from forensic_kit import registry
from forensic_kit.api import Artefact, Damaged, NotThisFormat, Problem
from tests.plugins.content import LooseContent

CHROME = "artefacts/plaso/chrome/"
BROWSERS = "artefacts/browser/browserexport/"
HISTORIES = (
    *(
        CHROME + name
        for name in (
            "History",
            "History-57.0.2987.133",
            "History-58.0.3029.96",
            "History-59.0.3071.86",
            "History-59_added-fake-column",
        )
    ),
    *(BROWSERS + name for name in ("brave.sqlite", "chrome.sqlite", "chromium.sqlite", "vivaldi.sqlite")),
)


def parse(data, companions=None, name="History"):
    """({record class: records}, problems, the error at the end or None)"""
    records, problems, error = {"Visit": [], "Page": [], "Download": [], "Search": []}, [], None
    plugin = registry.load().get("chromium.history", Artefact)()
    try:
        for item in plugin.parse(LooseContent(data, name, companions)):
            if isinstance(item, Problem):
                problems.append(item)
            else:
                records[type(item).__name__].append(item)
    except (Damaged, NotThisFormat) as caught:
        error = caught
    return records, problems, error


def asked(path, query):
    """What the sqlite3 module itself says."""
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


@pytest.mark.parametrize("path", HISTORIES)
def test_there_is_a_record_for_each_row_that_the_sqlite_shell_counts(corpus, path):
    rows = corpus.manifest(path)["expected"]["tools"]["rows_per_table"]
    records, problems, error = parse(corpus.path(path).read_bytes())
    assert len(records["Visit"]) == rows["visits"]
    assert len(records["Download"]) == rows["downloads"]
    assert len(records["Search"]) == rows["keyword_search_terms"]
    assert (problems, error) == ([], None)


@pytest.mark.parametrize("path", HISTORIES)
def test_visits_equal_a_query_of_the_tables(corpus, path):
    expected = asked(
        corpus.path(path),
        "select urls.url, coalesce(urls.title, ''), strftime('%Y-%m-%dT%H:%M:%S', visit_time / 1000000 - 11644473600, "
        "'unixepoch'), visits.transition & 255, urls.visit_count, urls.typed_count, nullif(visits.from_visit, 0) "
        "from visits, urls where urls.id = visits.url order by visits.id",
    )
    cores = ["link", "typed", "auto_bookmark", "auto_subframe", "manual_subframe", "generated", "auto_toplevel"]
    cores += ["form_submit", "reload", "keyword", "keyword_generated"]
    records, _, _ = parse(corpus.path(path).read_bytes())
    assert [
        (
            item.url,
            item.title,
            item.visited.iso[:19],
            cores.index(item.transition),
            item.visit_count,
            item.typed_count,
            item.from_visit,
        )
        for item in records["Visit"]
    ] == expected
    assert {item.state for item in records["Visit"]} <= {"main"}


@pytest.mark.parametrize("path", HISTORIES[:5])
def test_values_are_those_that_plaso_demands(corpus, path):
    records, _, _ = parse(corpus.path(path).read_bytes())
    for value in (row["values"] for row in corpus.manifest(path)["expected"]["plaso"][0]["values"]):
        if value["data_type"] == "chrome:history:page_visited":
            (visit,) = [
                item
                for item in records["Visit"]
                if item.url == value["url"] and item.visited.iso == value["last_visited_time"].replace("+00:00", "Z")
            ]
            assert (visit.title, visit.visit_count) == (value["title"], value["visit_count"])
            assert visit.typed_count == value["typed_count"]
        else:
            (download,) = [item for item in records["Download"] if item.target_path == value["full_path"]]
            assert download.url == value["url"]
            assert (download.received_bytes, download.total_bytes) == (value["received_bytes"], value["total_bytes"])
            assert download.started.iso == value["start_time"].replace("+00:00", "Z")
            ended = download.ended and download.ended.iso
            assert ended == (value["end_time"] and value["end_time"].replace("+00:00", "Z"))


def test_the_source_of_an_imported_visit_is_named(corpus):
    records, _, _ = parse(corpus.path(CHROME + "History").read_bytes())
    # plaso: visit_source 3 of the first visit; 15 rows in the table visit_source.
    assert records["Visit"][0].visit_source == "imported from Firefox"
    assert sum(item.visit_source != "browsed" for item in records["Visit"]) == 15


def test_search_terms_have_their_page(corpus):
    records, _, _ = parse(corpus.path(CHROME + "History").read_bytes())
    assert [item.term for item in records["Search"]] == ["funny cats", "really really funny cats", "funnycats.exe"]
    assert "funny+cats" in records["Search"][0].url


def test_qualifiers_of_a_transition_are_named():
    data = made(["INSERT INTO visits VALUES (1, 1, 13161017332037692, 0, -1610612735, 0, 5)"])
    (visit,) = parse(data)[0]["Visit"]
    # 0xA0000001: typed, server redirect and end of a chain, stored as a negative number
    assert (visit.transition, visit.transition_qualifiers) == ("typed", ("chain_end", "server_redirect"))


SCHEMA = (
    "CREATE TABLE meta(key LONGVARCHAR NOT NULL UNIQUE PRIMARY KEY, value LONGVARCHAR)",
    "INSERT INTO meta VALUES ('version', '36')",
    "CREATE TABLE urls(id INTEGER PRIMARY KEY, url LONGVARCHAR, title LONGVARCHAR, visit_count INTEGER, "
    "typed_count INTEGER, last_visit_time INTEGER, hidden INTEGER)",
    "CREATE TABLE visits(id INTEGER PRIMARY KEY, url INTEGER, visit_time INTEGER, from_visit INTEGER, "
    "transition INTEGER, segment_id INTEGER, visit_duration INTEGER)",
    "INSERT INTO urls VALUES (1, 'https://a.example/', 'A', 1, 0, 13161017332037692, 0)",
)


def made(statements, *, schema=SCHEMA):
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in (*schema, *statements):
        connection.execute(statement)
    data = connection.serialize()
    connection.close()
    return data


def test_a_page_without_visits_is_a_record_of_its_own():
    (page,) = parse(made([]))[0]["Page"]
    assert (page.url, page.last_visited.iso) == ("https://a.example/", "2018-01-21T14:08:52.037692Z")


def test_a_time_out_of_range_is_left_empty_and_noted():
    data = made(["INSERT INTO visits VALUES (1, 1, 9223372036854775807, 0, 0, 0, 0)"])
    records, problems, error = parse(data)
    assert records["Visit"][0].visited is None
    assert [item.error for item in problems] == ["time"]
    assert error is None


def test_values_of_other_types_than_the_schema_says_are_kept():
    data = made(
        [
            "UPDATE urls SET title = x'ff41', url = 5",
            "INSERT INTO visits VALUES (1, 1, 'yesterday', 'x', 1.5, 0, NULL)",
        ]
    )
    (visit,) = parse(data)[0]["Visit"]
    assert (visit.url, visit.title, visit.visited) == ("5", "\ufffdA", None)


def test_times_of_old_schemas_outside_windows_are_told_by_their_size():
    data = made(["UPDATE meta SET value = '16'", "INSERT INTO visits VALUES (1, 1, 1300000000000001, 0, 0, 0, 0)"])
    records, problems, _ = parse(data)
    assert records["Visit"][0].visited.iso == "2011-03-13T07:06:40.000001Z"
    assert [item.error for item in problems] == ["clock"]


@pytest.fixture
def logged(tmp_path):
    """A database and its -wal: visit 1 unchanged, visit 2 deleted, visit 3 changed, visit 4 added in the log."""
    path = tmp_path / "History"
    path.write_bytes(made([f"INSERT INTO visits VALUES ({n}, 1, 1316101733203769{n}, 0, 0, 0, 0)" for n in (1, 2, 3)]))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    writer.execute("DELETE FROM visits WHERE id = 2")
    writer.execute("UPDATE visits SET transition = 1 WHERE id = 3")
    writer.execute("INSERT INTO visits VALUES (4, 1, 13161017332037694, 0, 0, 0, 0)")
    yield path.read_bytes(), (tmp_path / "History-wal").read_bytes()
    writer.close()


def states(records):
    return [(item.visit_id, item.transition, item.state) for item in records["Visit"]]


def test_rows_of_the_log_and_rows_it_takes_away_are_told_apart(logged):
    main, log = logged
    records, problems, error = parse(main, {"History-wal": log})
    assert states(records) == [
        (1, "link", "main"),
        (2, "link", "superseded"),
        (3, "link", "superseded"),
        (3, "typed", "wal"),
        (4, "link", "wal"),
    ]
    assert (problems, error) == ([], None)


def test_without_its_log_a_database_is_read_as_it_stands(logged):
    assert states(parse(logged[0])[0]) == [(1, "link", "main"), (2, "link", "main"), (3, "link", "main")]


def test_a_log_of_another_database_changes_nothing(logged):
    main, log = logged
    foreign = bytearray(log)
    foreign[16:24] = b"\xff" * 8  # the salts of the header no longer fit the frames
    assert [state for _, _, state in states(parse(main, {"History-wal": bytes(foreign)})[0])] == ["main"] * 3


def test_a_torn_log_gives_rows_or_damaged(logged):
    main, log = logged
    dice = random.Random("log")
    for _ in range(150):
        torn = bytearray(log[: dice.randrange(len(log))] if dice.random() < 0.5 else log)
        if torn:
            torn[dice.randrange(len(torn))] ^= dice.randrange(1, 256)
        _, _, error = parse(main, {"History-wal": bytes(torn)})
        assert error is None or isinstance(error, Damaged)


def test_a_counter_that_changed_in_the_log_does_not_double_the_visits(tmp_path):
    path = tmp_path / "History"
    path.write_bytes(made(["INSERT INTO visits VALUES (1, 1, 13161017332037691, 0, 0, 0, 0)"]))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("UPDATE urls SET visit_count = 9")
    records, _, _ = parse(path.read_bytes(), {"History-wal": (tmp_path / "History-wal").read_bytes()})
    writer.close()
    assert [(item.state, item.visit_count) for item in records["Visit"]] == [("main", 9)]


def test_a_hot_journal_is_rolled_back_and_what_was_underway_is_kept(tmp_path):
    path = tmp_path / "History"
    rows = [f"INSERT INTO visits VALUES ({n}, 1, 13161017332037691, 0, 0, 0, 0)" for n in range(1, 2001)]
    path.write_bytes(made(rows))
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA cache_size=2")  # so that the unfinished change reaches the file
    writer.execute("PRAGMA synchronous=FULL")
    writer.execute("BEGIN")
    writer.execute("UPDATE visits SET transition = 1 WHERE id <= 1000")
    shutil.copy(path, tmp_path / "copy")
    shutil.copy(tmp_path / "History-journal", tmp_path / "copy-journal")
    writer.execute("ROLLBACK")
    writer.close()
    records, _, error = parse(
        (tmp_path / "copy").read_bytes(), {"History-journal": (tmp_path / "copy-journal").read_bytes()}
    )
    assert error is None
    seen = [item for item in states(records) if item[0] == 1]
    assert seen == [(1, "link", "uncommitted"), (1, "link", "journal")] or seen == [
        (1, "typed", "uncommitted"),
        (1, "link", "journal"),
    ]
    assert (2000, "link", "main") in states(records)


def test_a_torn_database_gives_the_rows_that_are_left_and_names_the_table():
    data = made([f"INSERT INTO visits VALUES ({n}, 1, 13161017332037691, 0, 0, 0, 0)" for n in range(1, 2001)])
    pages = len(data) // 4096
    records, problems, error = parse(data[: 4096 * (pages - 3)])
    numbers = [item.visit_id for item in records["Visit"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert 1000 < len(numbers) < 2000
    assert [item.message for item in problems] == ["the file is 12288 bytes shorter than its header says"]
    assert isinstance(error, Damaged)
    assert "visits (SQLite: database disk image is malformed)" in error.message


def test_a_database_without_its_schema_is_damaged_not_empty(corpus):
    data = corpus.path(CHROME + "History-59.0.3071.86").read_bytes()  # its schema ends on its last page
    assert isinstance(parse(data[: 20 * 4096])[2], Damaged)


def test_a_table_that_breaks_off_gives_the_rows_before(corpus):
    data = bytearray(corpus.path(CHROME + "History").read_bytes())
    data[30 * 1024 : 31 * 1024] = bytes(1024)  # page 31, the second leaf of visits
    records, _, error = parse(bytes(data))
    assert 0 < len(records["Visit"]) < 69
    assert len(records["Download"]) == 2
    assert "visits (SQLite: database disk image is malformed)" in error.message


@pytest.mark.parametrize("path", [CHROME + "Web Data", BROWSERS + "firefox.sqlite", BROWSERS + "safari.sqlite"])
def test_other_databases_are_another_format(corpus, path):
    assert isinstance(parse(corpus.path(path).read_bytes())[2], NotThisFormat)


def test_a_view_in_place_of_a_table_is_not_run():
    schema = (
        "CREATE VIEW urls AS SELECT 1 AS id, 'x' AS url, 'x' AS title",
        "CREATE TABLE visits(id, url, visit_time)",
    )
    assert isinstance(parse(made([], schema=schema))[2], NotThisFormat)
