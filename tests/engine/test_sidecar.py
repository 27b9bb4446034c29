"""Digests in files beside the evidence.

Witnesses: the FTK Imager reports are those that users published (cited at the text); the Guymager report has the
layout of its source (threadwrite.cpp writes the rows, tr() gives the labels) and of published reports; lists are
written by the programs md5sum, sha256sum and hashdeep themselves.
"""

import hashlib
import subprocess
import time

import pytest

from forensic_kit.bytesource import FileSource, Memory
from forensic_kit.formats.sidecar import StoredDigest, find

MD5, SHA1 = "784dc9b7b4f5eef4e123480c0324dc68", "f4e9dd70116dffd6c9bfc7ac92d76561152ae796"
SHA256 = "69bf6a0a408347390fcbebaa99aef95b1e1df81ca24643186daff935b1e88429"
OTHER = "00112233445566778899aabbccddeeff"

# Layout of FTK Imager 4.5.0.3, as published with the image "Sports.E01".
FTK = f"""Created By AccessData\u00ae FTK\u00ae Imager 4.5.0.3

Case Information:
Acquired using: ADI4.5.0.3
Case Number: 120
Notes: MD5 checksum: {OTHER}

--------------------------------------------------------------

Information for E:\\Encase_2\\Sports:

[Drive Geometry]
 Bytes per Sector: 512
[Computed Hashes]
 MD5 checksum:    {MD5}
 SHA1 checksum:   {SHA1}

Image Information:
 Acquisition started:   Sat Nov 19 20:20:36 2022
 Segment list:
  E:\\Encase_2\\Sports.E01

Image Verification Results:
 Verification started:  Sat Nov 19 21:01:19 2022
 MD5 checksum:    {OTHER} : mismatch
 SHA1 checksum:   {SHA1} : verified
"""

# Layout of Guymager 0.8.8, as published with "evidence1.info".
GUYMAGER = f"""Hash calculation        : MD5 and SHA-256
Source verification     : off
Image verification      : on

No bad sectors encountered during acquisition.
State: Finished successfully

MD5 hash                   : {MD5}
MD5 hash verified source   : --
MD5 hash verified image    : {OTHER}
SHA1 hash                  : --
SHA256 hash                : {SHA256}
SHA256 hash verified image : --

Generated image files and their MD5 hashes
==========================================

MD5                               Image file
{OTHER}  evidence1.E01
n/a                               evidence1.E02
"""

UFD = f"""[DeviceInfo]\r
Model=Pixel 7a\r
\r
[Dumps]\r
FileDump=EXTRACTION_FFS.zip\r
\r
[SHA256]\r
EXTRACTION_FFS.zip={SHA256.upper()}\r
other.zip={"0" * 64}\r
\r
[Hash]\r
HMAC={"A" * 64}\r
"""


def beside(name, **sidecars):
    """What the sidecars (content by name, with ``__`` for a dot) say of the file ``name``."""
    siblings = {key.replace("__", "."): value for key, value in sidecars.items()}
    return find(Memory(b"", name, siblings), (name,))


def content(algorithm, value, origin, filename):
    return StoredDigest(algorithm, value, origin, "content", filename)


def test_an_ftk_imager_report_gives_what_was_computed_from_the_source():
    assert find(Memory(b"", "Sports.E01", {"Sports.E01.txt": FTK.encode()}), ("Sports.E01", "Sports.E02")) == (
        content("md5", MD5, "Sports.E01.txt", "Sports.E01"),
        content("sha1", SHA1, "Sports.E01.txt", "Sports.E01"),
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_reports_in_any_encoding_and_with_crlf_are_read(encoding):
    data = FTK.replace("\n", "\r\n").encode(encoding)
    found = find(Memory(b"", "Sports.001", {"Sports.001.txt": data}), ("Sports.001",))
    assert [digest.value for digest in found] == [MD5, SHA1]


def test_a_text_file_that_is_no_report_gives_nothing():
    assert beside("a.E01", a__E01__txt=f"MD5 checksum: {MD5}\n".encode()) == ()


def test_a_guymager_report_gives_the_source_digests_and_those_of_the_files():
    found = find(Memory(b"", "evidence1.E01", {"evidence1.info": GUYMAGER.encode()}), ("evidence1.E01",))
    assert found == (
        content("md5", MD5, "evidence1.info", "evidence1.E01"),
        content("sha256", SHA256, "evidence1.info", "evidence1.E01"),
        StoredDigest("md5", OTHER, "evidence1.info", "file", "evidence1.E01"),
    )


def test_a_ufd_gives_the_digest_of_the_extraction():
    found = find(Memory(b"", "EXTRACTION_FFS.zip", {"EXTRACTION_FFS.ufd": UFD.encode()}), ("EXTRACTION_FFS.zip",))
    assert found == (StoredDigest("sha256", SHA256, "EXTRACTION_FFS.ufd", "file", "EXTRACTION_FFS.zip"),)


@pytest.mark.parametrize(
    ("program", "sidecar", "algorithm"),
    [
        ("md5sum", "disk.E01.md5", "md5"),
        ("sha1sum", "disk.sha1", "sha1"),
        ("sha256sum", "SHA256SUMS", "sha256"),
        ("sha256sum --tag", "disk.sha256", "sha256"),
        ("md5sum -b", "MD5SUMS", "md5"),
        ("hashdeep -c md5 -b", "disk.hashdeep", "md5"),
    ],
)
def test_lists_that_programs_write_are_read(tool, tmp_path, program, sidecar, algorithm):
    for name in ("disk.E01", "disk.E02", "unrelated.E01"):
        (tmp_path / name).write_bytes(name.encode())
    name, *options = program.split()
    command = [tool(name), *options, "disk.E01", "disk.E02", "unrelated.E01"]
    (tmp_path / sidecar).write_bytes(subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout)
    found = find(FileSource(tmp_path / "disk.E01"), ("disk.E01", "disk.E02"))
    # hashdeep lists files in the order in which its threads finish.
    assert sorted(found, key=lambda digest: digest.filename) == [
        StoredDigest(algorithm, hashlib.new(algorithm, part.encode()).hexdigest(), sidecar, "file", part)
        for part in ("disk.E01", "disk.E02")
    ]


def test_capitals_paths_and_upper_case_digests_are_matched():
    found = beside("disk.dd", disk__dd__MD5=f"{MD5.upper()} *E:\\cases\\DISK.DD\r\n".encode())
    assert found == (StoredDigest("md5", MD5, "disk.dd.MD5", "file", "disk.dd"),)


def test_a_lone_digest_belongs_to_the_file_that_the_sidecar_is_named_after():
    assert beside("disk.dd", disk__dd__md5=f"{MD5}\n".encode()) == (
        StoredDigest("md5", MD5, "disk.dd.md5", "file", "disk.dd"),
    )
    assert beside("disk.dd", disk__dd__md5=f"{MD5}  -\n".encode())[0].filename == "disk.dd"


def test_a_lone_digest_that_may_be_of_file_or_content_is_left_out():
    assert beside("disk.E01", disk__md5=MD5.encode()) == ()


def test_a_digest_of_the_whole_raw_image_covers_the_content_of_its_parts():
    sidecars = {"disk.dd.md5": f"{MD5}  disk.dd\n".encode()}
    found = find(Memory(b"", "disk.dd.001", sidecars), ("disk.dd.001", "disk.dd.002"))
    assert found == (content("md5", MD5, "disk.dd.md5", "disk.dd.001"),)


def test_digests_of_other_files_and_other_lengths_are_left_out():
    lines = f"{MD5}  other.dd\n{'a' * 33}  disk.dd\n{'g' * 32}  disk.dd\n# {MD5}  disk.dd\n"
    assert beside("disk.dd", MD5SUMS=lines.encode()) == ()


def test_a_name_that_md5sum_escaped_is_read_back():
    name = "a\\b\n.dd"
    line = f"\\{MD5}  a\\\\b\\n.dd\n"
    assert find(Memory(b"", name, {"MD5SUMS": line.encode()}), ("b\n.dd",))[0].value == MD5


def test_no_sidecar_gives_nothing():
    assert beside("disk.E01") == ()


def test_only_the_first_mebibyte_is_read():
    line = f"{MD5}  disk.dd\n".encode()
    assert beside("disk.dd", MD5SUMS=b"\n" * (1 << 20) + line) == ()
    assert len(beside("disk.dd", MD5SUMS=line + b"x" * (2 << 20))) == 1


def test_a_line_that_the_limit_cuts_is_not_taken_for_a_whole_one():
    line = f"{MD5}  disk.dd".encode()
    assert beside("disk.dd", MD5SUMS=b"\n" * ((1 << 20) - len(line)) + line + b".old\n") == ()


@pytest.mark.parametrize("unit", [" ", "=", "a=", "[", "]", ")", f"{MD5} ", f"MD5 ({MD5}", "\\", ","])
def test_hostile_lines_are_read_in_bounded_time(unit):
    data = (unit * (1 << 20))[: 1 << 20].encode()
    began = time.monotonic()
    for name in ("disk.ufd", "disk.dd.txt", "disk.info", "MD5SUMS"):
        for start in (b"", b"[MD5]\n", b"[Computed Hashes]\n", b"%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n"):
            find(Memory(b"", "disk.dd", {name: start + data}), ("disk.dd",))
    assert time.monotonic() - began < 5
