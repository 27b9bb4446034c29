"""$I and INFO2: expected values are those that plaso's own tests demand of the same files (corpus manifest)."""

import struct

import pytest

from forensic_kit import registry
from forensic_kit.api import Artefact, At, Damaged, NotThisFormat, Problem, Unsupported
from tests.plugins.content import LooseContent

FOLDER = "artefacts/plaso/recycler/"


def parse(name, data):
    """(records, problems, the error at the end or None)"""
    found, error = [], None
    try:
        for item in registry.load().get(name, Artefact)().parse(LooseContent(data)):
            found.append(item)
    except (Damaged, Unsupported, NotThisFormat) as caught:
        error = caught
    return (
        [item for item in found if not isinstance(item, Problem)],
        [item for item in found if isinstance(item, Problem)],
        error,
    )


def plaso(corpus, name):
    return corpus.manifest(FOLDER + name)["expected"]["plaso"][0]


@pytest.mark.parametrize(("name", "version"), [("$I103S5F.jpg", 2), ("$II3DF3L.zip", 1)])
def test_i_files_say_what_plaso_demands(corpus, name, version):
    expected = plaso(corpus, name)["values"][0]["values"]
    (record,), problems, error = parse("windows.recycle_bin", corpus.path(FOLDER + name).read_bytes())
    assert record.original_path == expected["original_filename"]
    assert record.size == expected["file_size"]
    assert record.deleted.iso == expected["deletion_time"].replace("+00:00", "Z")
    assert record.format_version == version
    assert (problems, error) == ([], None)


def test_info2_has_the_records_that_plaso_counts(corpus):
    expected = plaso(corpus, "INFO2")
    records, problems, error = parse("windows.recycle_bin_xp", corpus.path(FOLDER + "INFO2").read_bytes())
    assert len(records) == expected["event_data"] == 4
    first = expected["values"][0]["values"]
    assert records[0].record.original_path == first["original_filename"]
    assert records[0].record.record_index == first["record_index"]
    assert first["drive_number"] == 2
    assert records[0].record.drive == "C:"
    assert records[0].record.deleted.iso == first["deletion_time"].replace("+00:00", "Z")
    assert [item.offset for item in records] == [20, 820, 1620, 2420]
    assert not any(item.record.removed for item in records)
    assert (problems, error) == ([], None)


def test_a_zeroed_first_byte_marks_a_removed_record_that_keeps_its_unicode_path(corpus):
    data = bytearray(corpus.path(FOLDER + "INFO2").read_bytes())
    data[820] = 0
    records, _, _ = parse("windows.recycle_bin_xp", bytes(data))
    assert [item.record.removed for item in records] == [False, True, False, False]
    assert records[1].record.original_path.startswith("C:\\Documents")


def info2_of_98(path):
    header = struct.pack("<5I", 4, 0, 0, 280, 0)
    return header + struct.pack("<260sIIQI", path, 7, 3, 127379243052370000, 4096)


def test_a_record_of_280_bytes_has_its_ansi_path(corpus):
    (found,), _, error = parse("windows.recycle_bin_xp", info2_of_98(b"D:\\f\xfcr.txt"))
    assert isinstance(found, At)
    assert (found.record.original_path, found.record.drive) == ("D:\\f\xfcr.txt", "D:")
    assert found.record.original_path_raw == b"D:\\f\xfcr.txt".hex()
    assert found.record.deleted.iso == "2004-08-25T16:18:25.2370000Z"
    assert error is None


def test_a_removed_record_without_unicode_path_shows_the_lost_letter():
    (found,), _, _ = parse("windows.recycle_bin_xp", info2_of_98(b"\0:\\a.txt"))
    assert found.record.removed
    assert found.record.original_path == "\ufffd:\\a.txt"


def test_a_torn_last_record_is_damaged_after_the_whole_ones(corpus):
    records, _, error = parse("windows.recycle_bin_xp", corpus.path(FOLDER + "INFO2").read_bytes()[:2000])
    assert len(records) == 2
    assert error.offset == 1620


def test_a_torn_path_is_kept_and_told(corpus):
    (record,), _, error = parse("windows.recycle_bin", corpus.path(FOLDER + "$I103S5F.jpg").read_bytes()[:60])
    assert record.original_path == "C:\\Users\\random\\"
    assert record.size == 222255
    assert "cut short" in error.message


def test_an_undecodable_path_keeps_its_bytes():
    name = "C:\\a".encode("utf-16-le") + b"\x00\xd8" + "b\0".encode("utf-16-le")
    data = struct.pack("<QQQI", 2, 1, 131117098656180000, len(name) // 2) + name
    (record,), _, _ = parse("windows.recycle_bin", data)
    assert record.original_path == "C:\\a\ufffdb"
    assert record.original_path_raw == name.hex()


def test_a_time_of_zero_is_none_and_one_past_9999_is_noted():
    for ticks, problems in ((0, []), (2**63, ["time"])):
        data = struct.pack("<QQQI", 2, 1, ticks, 2) + "a\0".encode("utf-16-le")
        (record,), found, error = parse("windows.recycle_bin", data)
        assert record.deleted is None
        assert [item.error for item in found] == problems
        assert error is None


def test_an_unknown_version_is_unsupported_and_other_bytes_are_another_format():
    assert isinstance(parse("windows.recycle_bin", struct.pack("<QQQ", 3, 1, 1))[2], Unsupported)
    assert isinstance(parse("windows.recycle_bin", b"just some text that is long")[2], NotThisFormat)
    assert isinstance(parse("windows.recycle_bin_xp", b"just some text that is long")[2], NotThisFormat)


def test_a_path_longer_than_windows_allows_is_damaged():
    (record,), _, error = parse("windows.recycle_bin", struct.pack("<QQQI", 2, 5, 0, 0xFFFFFFFF))
    assert record.size == 5
    assert isinstance(error, Damaged)
