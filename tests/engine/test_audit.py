"""Every way to tamper with the log, done by plain SQL, shows."""

import sqlite3

import pytest

from forensic_kit import audit
from forensic_kit.errors import Misuse


@pytest.fixture
def log():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(audit.SCHEMA)
    for number in range(5):
        audit.append(connection, "A. Examiner", "run started", {"run": number, "name": "Zoë"})
    return connection


def test_an_untouched_log_has_no_faults(log):
    assert audit.faults(log) == []
    assert audit.head(log).count == 5


def test_an_edited_entry_shows(log):
    log.execute("UPDATE audit SET operator = 'B. Examiner' WHERE number = 3")
    assert audit.faults(log) == ["entry 3 was edited: its hash does not fit its text"]


def test_a_deleted_entry_shows(log):
    log.execute("DELETE FROM audit WHERE number = 3")
    assert any("entry 3 is missing" in fault for fault in audit.faults(log))


def test_entries_that_changed_places_show(log):
    log.execute("UPDATE audit SET number = 99 WHERE number = 2")
    log.execute("UPDATE audit SET number = 2 WHERE number = 3")
    log.execute("UPDATE audit SET number = 3 WHERE number = 99")
    assert len(audit.faults(log)) >= 2


def test_a_cut_tail_shows(log):
    log.execute("DELETE FROM audit WHERE number > 3")
    assert any("cut off" in fault for fault in audit.faults(log))


def test_a_cut_tail_shows_against_a_head_noted_down_even_if_the_log_was_made_to_fit(log):
    noted = audit.head(log)
    log.execute("DELETE FROM audit WHERE number > 3")
    log.execute("UPDATE audit_head SET count = 3, hash = (SELECT hash FROM audit WHERE number = 3)")
    assert audit.faults(log) == []
    assert any("cut off" in fault for fault in audit.faults(log, noted))


def test_a_rewritten_log_shows_against_a_head_noted_down(log):
    noted = audit.head(log)
    log.execute("DELETE FROM audit")
    for number in range(6):
        audit.append(log, "B. Examiner", "run started", {"run": number})
    assert audit.faults(log) == []
    assert any("not the one noted down" in fault for fault in audit.faults(log, noted))


def test_a_head_parses_from_the_words_commands_print(log):
    assert audit.parse_head(str(audit.head(log))) == audit.head(log)
    with pytest.raises(Misuse, match="looks like"):
        audit.parse_head("nonsense")


def test_the_export_is_the_log_line_by_line(log, tmp_path):
    audit.export(log, tmp_path / "audit.jsonl")
    lines = (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5
    assert '"name": "Zoë"' in lines[0]
