"""The gzip unpacker: expected values come from the corpus, gzip's own program and the makers here."""

import gzip
import hashlib
import struct
import subprocess

import pytest

from forensic_kit import registry
from forensic_kit.api import Damaged, Member, Unpacker
from tests.plugins.content import LooseContent

TEXT = b"".join(b"line %d of a text that compresses\n" % number for number in range(20000))


@pytest.fixture(scope="module")
def plugin():
    return registry.load().get("gzip", Unpacker)()


def unpack(plugin, data, name="a.gz"):
    """(member, content, error, problems) with the member read before the listing goes on, as the engine does."""
    found = plugin.unpack(LooseContent(data, name, type="application/gzip"), ())
    member = next(found)
    assert isinstance(member, Member)
    content, error = b"", None
    try:
        for piece in member.open():
            content += piece
    except Damaged as caught:
        error = caught
    return member, content, error, list(found)


def test_the_decoded_content_is_the_file_beside_it(plugin, corpus):
    data = corpus.path("artefacts/archives/syslog.gz").read_bytes()
    assert plugin.wants(LooseContent(data, "syslog.gz"))
    member, content, error, problems = unpack(plugin, data, "syslog.gz")
    assert hashlib.sha256(content).hexdigest() == corpus.manifest("artefacts/archives/syslog")["sha256"]
    assert (member.name.text, error, problems) == ("syslog.1", None, [])  # as `gzip -lN` lists it


def test_a_tgz_gives_its_tar_as_one_member(plugin, corpus):
    _, content, error, _ = unpack(plugin, corpus.path("artefacts/archives/jpegs.tar.gz").read_bytes())
    assert content[257:262] == b"ustar"
    assert error is None


def test_name_and_time_are_those_that_the_gzip_program_wrote(plugin, tmp_path, tool):
    (tmp_path / "note.txt").write_bytes(TEXT)
    subprocess.run(["touch", "-d", "2020-02-03T04:05:07Z", tmp_path / "note.txt"], check=True)
    subprocess.run([tool("gzip"), "note.txt"], cwd=tmp_path, check=True)
    member, content, _, _ = unpack(plugin, (tmp_path / "note.txt.gz").read_bytes(), "renamed.gz")
    assert (member.name.text, member.modified.iso, content) == ("note.txt", "2020-02-03T04:05:07Z", TEXT)


@pytest.mark.parametrize(("outer", "inner"), [("a.tgz", "a.tar"), ("b.txt.gz", "b.txt"), ("c", "content")])
def test_without_a_stored_name_the_outer_one_counts(plugin, outer, inner):
    assert unpack(plugin, gzip.compress(b"x", mtime=0), outer)[0].name.text == inner


def test_a_time_of_zero_is_none(plugin):
    assert unpack(plugin, gzip.compress(b"x", mtime=0))[0].modified is None


def test_members_one_after_another_are_one_content(plugin):
    data = gzip.compress(TEXT) + gzip.compress(b"") + gzip.compress(b"end")
    assert unpack(plugin, data)[1:] == (TEXT + b"end", None, [])


def test_zero_padding_is_not_garbage(plugin):
    assert unpack(plugin, gzip.compress(TEXT) + bytes(512))[1:] == (TEXT, None, [])


def test_trailing_garbage_is_noted_with_its_place(plugin):
    data = gzip.compress(TEXT)
    _, content, error, problems = unpack(plugin, data + b"garbage")
    assert (content, error) == (TEXT, None)
    assert [(item.severity, item.error, item.offset) for item in problems] == [("note", "trailing", len(data))]


def test_a_torn_stream_gives_what_decoded(plugin):
    data = gzip.compress(TEXT)
    _, content, error, _ = unpack(plugin, data[: len(data) // 2])
    assert len(content) > len(TEXT) // 3
    assert TEXT.startswith(content)
    assert "cut short" in error.message


def test_a_wrong_checksum_is_told_after_the_content(plugin):
    data = gzip.compress(TEXT)
    _, content, error, _ = unpack(plugin, data[:-8] + struct.pack("<II", 1, len(TEXT)))
    assert content == TEXT
    assert "CRC-32" in error.message
