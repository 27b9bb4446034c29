"""The zip unpacker: expected values come from the manifest (7-Zip), Info-ZIP and the makers of the archives here."""

import hashlib
import io
import struct
import subprocess
import zipfile
import zlib

import pytest

from forensic_kit import registry
from forensic_kit.api import Credential, Damaged, Locked, Member, Problem, Unpacker, Unsupported
from forensic_kit.formats.inflate import Deflate
from tests.plugins.content import LooseContent


@pytest.fixture(scope="module")
def plugin():
    return registry.load().get("zip", Unpacker)()


def unpack(plugin, data, name="a.zip", passwords=()):
    credentials = tuple(Credential("password", value) for value in passwords)
    found = list(plugin.unpack(LooseContent(data, name, type="application/zip"), credentials))
    members = [item for item in found if isinstance(item, Member)]
    return members, [item for item in found if isinstance(item, Problem)]


def read(member):
    """(what came out, the error that ended it or None)"""
    out = b""
    try:
        for piece in member.open():
            out += piece
    except (Damaged, Locked, Unsupported) as error:
        return out, error
    return out, None


def archive(members, *, method=zipfile.ZIP_DEFLATED, **kwargs):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method, **kwargs) as made:
        for name, data in members:
            made.writestr(zipfile.ZipInfo(name, (2021, 3, 4, 5, 6, 8)), data, compress_type=method)
    return out.getvalue()


TEXT = b"".join(b"line %d of a text that compresses\n" % number for number in range(2000))


@pytest.mark.parametrize(
    "name",
    ["jpegs.zip", "zip/absolute_paths.zip", "zip/mixed_paths.zip", "zip/syslog.zip", "zip/with_directory.zip"],
)
def test_members_of_the_corpus_are_what_7zip_says(plugin, corpus, name):
    path = "artefacts/archives/" + name
    expected = corpus.manifest(path)["expected"]
    rows = expected.get("members_by_7zip") or expected["tools"]["members"]
    members, problems = unpack(plugin, corpus.path(path).read_bytes())
    got = {
        item.name.text: (len(read(item)[0]), hashlib.sha256(read(item)[0]).hexdigest())
        for item in members
        if item.kind == "member"
    }
    assert got == {row["name"]: (row["size"], row["sha256"]) for row in rows}
    assert problems == []


def test_a_docx_is_wanted_and_gives_13_members(plugin, corpus):
    data = corpus.path("artefacts/plaso/Document.docx").read_bytes()
    assert plugin.wants(LooseContent(data, "Document.docx"))
    members, _ = unpack(plugin, data)
    assert len(members) == 13
    assert all(read(item)[1] is None for item in members)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_each_method_of_the_standard_library_is_decompressed(plugin, method):
    members, problems = unpack(plugin, archive([("a.txt", TEXT), ("empty", b"")], method=method))
    assert [(item.name.text, read(item)) for item in members] == [("a.txt", (TEXT, None)), ("empty", (b"", None))]
    assert problems == []


def test_listing_decompresses_nothing(plugin):
    data = bytearray(archive([("a.txt", TEXT)]))
    data[40:60] = bytes(20)
    members, _ = unpack(plugin, bytes(data))
    assert members[0].size == len(TEXT)


def test_info_zip_times_are_utc_from_the_extended_field(plugin, tmp_path, tool):
    (tmp_path / "a.txt").write_bytes(b"x")
    subprocess.run(["touch", "-d", "2020-02-03T04:05:07Z", tmp_path / "a.txt"], check=True)
    subprocess.run([tool("zip"), "-q", "a.zip", "a.txt"], cwd=tmp_path, check=True)
    members, _ = unpack(plugin, (tmp_path / "a.zip").read_bytes())
    assert members[0].modified.iso == "2020-02-03T04:05:07Z"
    assert members[0].accessed is not None
    assert members[0].attributes["mode"] & 0o170000 == 0o100000


def test_a_dos_time_is_local_and_in_steps_of_two_seconds(plugin):
    member = unpack(plugin, archive([("a", b"x")]))[0][0]
    assert (member.modified.iso, member.modified.zone) == ("2021-03-04T05:06:08", "local")
    assert member.modified.resolution_ns == 2_000_000_000


def test_ntfs_times_are_exact_to_100_ns(plugin):
    info = zipfile.ZipInfo("a", (2021, 3, 4, 5, 6, 8))
    # date -u -d @$((132293594918535169 / 10000000 - 11644473600)) prints 2020-03-22 14:04:51.
    info.extra = struct.pack("<HHIHHQQQ", 0x000A, 32, 0, 1, 24, 132293594918535169, 0, 132293594918535169)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr(info, b"x")
    member = unpack(plugin, out.getvalue())[0][0]
    assert member.modified.raw == member.born.raw == "132293594918535169"
    assert member.modified.iso == "2020-03-22T14:04:51.8535169Z"
    assert member.accessed is None


def test_a_date_on_no_calendar_is_left_empty_and_noted(plugin):
    data = bytearray(archive([("a", b"x")]))
    place = data.index(b"PK\x01\x02")
    data[place + 14 : place + 16] = b"\xff\xff"
    members, problems = unpack(plugin, bytes(data))
    assert members[0].modified is None
    assert [problem.error for problem in problems] == ["times"]


def test_a_wrong_checksum_gives_the_content_and_then_damaged(plugin):
    data = bytearray(archive([("a", TEXT)]))
    data[data.index(b"PK\x01\x02") + 16] ^= 1
    content, error = read(unpack(plugin, bytes(data))[0][0])
    assert content == TEXT
    assert isinstance(error, Damaged)
    assert "CRC-32" in error.message


def test_a_damaged_stream_gives_what_decoded_before_the_error(plugin):
    data = bytearray(archive([("a", TEXT)]))
    place = 31 + 3000
    data[place : place + 40] = b"\xff" * 40
    content, error = read(unpack(plugin, bytes(data))[0][0])
    assert isinstance(error, Damaged)
    assert len(content) > 8_000
    assert TEXT.startswith(content[:8_000])


def test_everything_before_a_block_of_no_known_type_is_given():
    stream = zlib.compressobj(wbits=-15)
    # RFC 1951, 3.2.3: block type 3 is an error.
    data = stream.compress(TEXT) + stream.flush(zlib.Z_SYNC_FLUSH) + b"\x07" * 10
    content = b""
    with pytest.raises(Damaged, match="invalid block type"):
        for piece in Deflate().feed(data):
            content += piece
    assert content == TEXT


def test_a_torn_archive_is_read_by_its_local_headers(plugin):
    whole = archive([("a", TEXT), ("b", b"second"), ("c", TEXT)])
    members, problems = unpack(plugin, whole[: whole.index(b"PK\x01\x02") - 30])
    assert [problem.error for problem in problems] == ["no-directory", "unlisted"]
    assert [item.name.text for item in members] == ["a", "b", "c"]
    assert read(members[0]) == (TEXT, None)
    torn, error = read(members[2])
    assert TEXT.startswith(torn)
    assert torn
    assert "cut short" in error.message


def test_a_streamed_archive_without_directory_takes_sizes_from_descriptors(plugin):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.out = b""

        def writable(self):
            return True

        def write(self, data):
            self.out += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a", TEXT)
        made.writestr("b", b"second")
    members, _ = unpack(plugin, pipe.out[: pipe.out.index(b"PK\x01\x02")])
    assert [(item.name.text, item.size, read(item)) for item in members] == [
        ("a", len(TEXT), (TEXT, None)),
        ("b", 6, (b"second", None)),
    ]


def test_a_member_that_the_directory_hides_is_found_and_noted(plugin):
    whole = archive([("a", b"one"), ("hidden", b"secret"), ("b", b"two")])
    start = whole.index(b"PK\x01\x02")
    entries = whole[start:].split(b"PK\x01\x02")[1:]
    last, _ = entries[2].split(b"PK\x05\x06")
    directory = b"PK\x01\x02" + entries[0] + b"PK\x01\x02" + last
    record = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 2, 2, len(directory), start, 0)
    members, problems = unpack(plugin, whole[:start] + directory + record)
    assert [item.name.text for item in members] == ["a", "b", "hidden"]
    assert read(members[2]) == (b"secret", None)
    assert members[2].attributes["listed"] == "no"
    assert [(problem.error, problem.severity) for problem in problems] == [("unlisted", "note")]
    assert "'hidden'" in problems[0].message


def test_entries_that_share_bytes_are_a_gap(plugin):
    data = bytearray(archive([("a", TEXT), ("b", TEXT)]))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 4)
    data[second + 42 : second + 46] = bytes(4)
    members, problems = unpack(plugin, bytes(data))
    assert len(members) == 3  # the two listed ones and the second's own, now unlisted
    assert ("gap", "overlap") in [(problem.severity, problem.error) for problem in problems]


def test_equal_names_are_both_given(plugin):
    with pytest.warns(UserWarning, match="Duplicate"):
        data = archive([("a", b"one"), ("a", b"two")])
    assert [read(item)[0] for item in unpack(plugin, data)[0]] == [b"one", b"two"]


def test_a_name_that_is_no_utf8_keeps_its_bytes(plugin):
    data = archive([("abcd", b"x")]).replace(b"abcd", b"\x81\x00\x1b\xff")
    member = unpack(plugin, data)[0][0]
    assert member.name.bytes == b"\x81\x00\x1b\xff"
    assert member.name.text == "\ufffd\x00\x1b\ufffd"
    assert member.attributes["name_cp437"] == "\xfc\x00\x1b\xa0"


def test_a_name_that_differs_in_the_local_header_is_noted(plugin):
    data = archive([("abcd", b"x")]).replace(b"abcd", b"wxyz", 1)
    members, problems = unpack(plugin, data)
    assert members[0].name.text == "abcd"
    assert [problem.error for problem in problems] == ["names"]


def test_a_directory_that_holds_bytes_is_a_member(plugin):
    members, problems = unpack(plugin, archive([("folder/", b"hidden here"), ("real/", b"")]))
    assert [(item.kind, item.name.text) for item in members] == [("member", "folder/"), ("directory", "real/")]
    assert [problem.error for problem in problems] == ["directories"]


def test_bytes_in_front_of_the_archive_do_not_hide_it(plugin):
    program = b"MZ" + bytes(998) + archive([("a", TEXT)])
    assert plugin.wants(LooseContent(program, "setup.exe"))
    members, problems = unpack(plugin, program)
    assert read(members[0]) == (TEXT, None)
    assert [(problem.error, problem.offset) for problem in problems] == [("unlisted", 0)]
    assert problems[0].message == "1000 bytes in 1 places belong to no member"


def test_a_program_without_archive_is_not_wanted(plugin):
    assert not plugin.wants(LooseContent(b"MZ" + bytes(5000), "plain.exe"))


def test_bytes_after_the_archive_are_noted(plugin):
    members, problems = unpack(plugin, archive([("a", b"x")]) + b"tail")
    assert len(members) == 1
    assert [(problem.error, problem.message) for problem in problems] == [("trailing", "4 bytes follow the archive")]


def test_a_zip64_archive_is_read(plugin):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made, made.open(zipfile.ZipInfo("a"), "w", force_zip64=True) as member:
        member.write(TEXT)
    data = out.getvalue()
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    size = end - start
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, start)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    last = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    members, problems = unpack(plugin, data[:end] + record + locator + last)
    assert read(members[0]) == (TEXT, None)
    assert problems == []


def test_a_part_of_a_split_archive_is_refused_in_a_sentence(plugin):
    data = bytearray(archive([("a", b"x")]))
    data[data.index(b"PK\x05\x06") + 4] = 2
    with pytest.raises(Unsupported, match="part 3 of a split zip"):
        unpack(plugin, bytes(data))
    with pytest.raises(Unsupported, match="first part of a split zip"):
        unpack(plugin, b"PK\x07\x08" + archive([("a", b"x")])[:40])


def test_an_unknown_method_is_unsupported_when_opened(plugin):
    data = bytearray(archive([("a", b"x")]))
    for place in (8, data.index(b"PK\x01\x02") + 10):
        data[place : place + 2] = b"\x62\x00"
    assert isinstance(read(unpack(plugin, bytes(data))[0][0])[1], Unsupported)


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    import shutil

    if shutil.which("zip") is None:
        pytest.skip("the program zip is not installed")
    folder = tmp_path_factory.mktemp("encrypted")
    (folder / "a.txt").write_bytes(TEXT)
    (folder / "b.txt").write_bytes(b"short")
    subprocess.run(["zip", "-q", "-P", "geheim", "a.zip", "a.txt", "b.txt"], cwd=folder, check=True)
    return (folder / "a.zip").read_bytes()


def test_without_the_password_members_are_locked(plugin, encrypted):
    assert [item.locked for item in unpack(plugin, encrypted)[0]] == [True, True]


def test_the_right_password_opens_members_that_info_zip_encrypted(plugin, encrypted):
    members, problems = unpack(plugin, encrypted, passwords=("wrong", "geheim"))
    assert [(item.locked, read(item)) for item in members] == [(False, (TEXT, None)), (False, (b"short", None))]
    assert problems == []


def test_a_wrong_password_never_gives_bytes(plugin, encrypted):
    # One of 3000 wrong passwords passes the one-byte check of most members.
    members, _ = unpack(plugin, encrypted, passwords=[f"wrong{number}" for number in range(3000)])
    assert any(not item.locked for item in members)
    for item in members:
        if not item.locked:
            content, error = read(item)
            assert content == b""
            assert isinstance(error, Locked)


def test_a_bomb_is_given_out_in_small_pieces(plugin):
    member = unpack(plugin, archive([("zeros", bytes(50_000_000))]))[0][0]
    pieces = member.open()
    assert max(len(next(pieces)) for _ in range(20)) <= 256 * 1024
