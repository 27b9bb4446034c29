"""Types against `file --mime-type`, an independent build of libmagic; see witness.md."""

import subprocess

import pytest

from forensic_kit import api, registry

#: Corpus file: type as `file --mime-type` 5.44 prints it.
TYPES = {
    "artefacts/archives/jpegs.zip": "application/zip",
    "artefacts/archives/jpegs.rar": "application/x-rar",
    "artefacts/archives/syslog.gz": "application/gzip",
    "artefacts/archives/syslog.bz2": "application/x-bzip2",
    "artefacts/archives/syslog.xz": "application/x-xz",
    "artefacts/exif/Exif_v0221.jpg": "image/jpeg",
    "artefacts/plaso/chrome/History": "application/vnd.sqlite3",
    "artefacts/plaso/Document.docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "artefacts/plaso/NeroInfoTool.lnk": "application/x-ms-shortcut",
    "artefacts/plaso/bash_history": "text/plain",
}


@pytest.fixture(scope="module")
def identifier():
    return registry.load().get("filetype", api.Identifier)()


@pytest.mark.parametrize("name", TYPES)
def test_a_type_is_the_one_the_file_program_gives(corpus, identifier, name):
    path = corpus.path(name)
    found = identifier.identify(path.read_bytes()[: 64 * 1024], path.name).mime
    told = subprocess.run(
        ["file", "-b", "--mime-type", path], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert found in (TYPES[name], told)


def test_a_name_that_claims_another_type_is_told(identifier, corpus):
    data = corpus.path("artefacts/archives/jpegs.zip").read_bytes()
    assert identifier.identify(data[:65536], "holiday.jpg").mismatch == "image/jpeg"
    assert identifier.identify(data[:65536], "holiday.zip").mismatch == ""
    assert identifier.identify(data[:65536], "holiday.docx").mismatch == ""
    assert identifier.identify(data[:65536], "holiday.unheard-of").mismatch == ""


def test_nothing_is_the_empty_type(identifier):
    assert identifier.identify(b"", "x.jpg") == ("inode/x-empty", "")
