"""Every disk image of the corpus: exactly the partitions of the manifest (mmls), and none where it has none."""

import re

import pytest

from forensic_kit.bytesource import FileSource
from tests.plugins.volumes.volume_reading import ewf, matching, read, schemes, sectors

_PLAIN = ("raw image", "BitLocker volume", "LUKS volume")
#: Bytes of an unpacked image above which a test takes too long for every day.
_LARGE = 200 << 20
# These have a table that mmls of The Sleuth Kit 4.11.1 does not list: no partition in use, or (p4) partitions
# past the end of an image cut to 1024 bytes. test_mbr.py and test_gpt.py say what is true of them.
_UNLISTED = {"images/dfir_ntfs/mbr-512-p0.bin", "images/dfir_ntfs/mbr-512-p4.bin", "images/dfir_ntfs/gpt-512-0p.raw.gz"}
_PARTITION = re.compile(r"\d+(:\d+)?")


def partitions(table):
    """(start, length) in sectors of the manifest's partitions, ascending."""
    return sorted((row["start"], row["length"]) for row in table["entries"] if _PARTITION.fullmatch(row["slot"]))


def media(corpus, *, large=False):
    """(name, expected, source) of each image whose medium can be read without our image plugins."""
    for name, row in corpus.entries.items():
        if not name.startswith("images/") or name in _UNLISTED:
            continue
        if (row.get("unpacked", {}).get("size", row["size"]) > _LARGE) != large:
            continue
        if row["format"] in _PLAIN:
            yield name, row["expected"], FileSource(corpus.unpacked(name))
        elif row["format"] == "EWF" and name.endswith(".E01"):
            yield name, row["expected"], ewf(corpus.path(name))
        for member in row.get("members", ()) if row["format"] == "zip of disk images" else ():
            if "raw_size" in member.get("expected", {}):
                yield f"{name}!{member['name']}", member["expected"], FileSource(corpus.unpacked(name) / member["name"])


def mismatches(media):
    """What is not as the manifest says, and how many images of each sort were looked at."""
    wrong, partitioned, plain = [], 0, 0
    for name, expected, source in media:
        other_size = "partition_table_read_with_4096_byte_sectors"
        sector_size = 4096 if other_size in expected else 512
        table = expected.get("partition_table") or expected.get(other_size)
        matched = matching(source, sector_size)
        if table is None:
            plain += 1
            wrong += [(name, size, found) for size in (512, 4096) if (found := matching(source, size))]
            continue
        partitioned += 1
        volumes = read(matched, source, sector_size)[0] if matched else []
        if sorted(sectors(volumes, sector_size)) != partitions(table):
            wrong.append((name, matched, sectors(volumes, sector_size), partitions(table)))
    return wrong, partitioned, plain


def test_every_image_has_the_partitions_of_the_manifest_and_file_systems_have_none(corpus):
    wrong, partitioned, plain = mismatches(media(corpus))
    assert wrong == []
    assert partitioned >= 13  # so that a manifest read wrongly cannot pass
    assert plain >= 45


@pytest.mark.long
def test_large_images_have_the_partitions_of_the_manifest(corpus):
    wrong, partitioned, _ = mismatches(media(corpus, large=True))
    assert wrong == []
    assert partitioned == 3


def test_tables_of_4096_byte_sectors_are_refused_with_512(corpus):
    for name in ("images/dfir_ntfs/mbr-4096-p1e0.bin.gz", "images/dfir_ntfs/mbr-4096-p1e1.bin.gz"):
        assert matching(FileSource(corpus.unpacked(name)), 512) == ""


def test_tables_of_512_byte_sectors_are_refused_with_4096_where_something_is_recognised(corpus):
    for name in ("images/dfir_ntfs/mbr-512-p1e2.bin.gz", "images/dfir_ntfs/ntfs_index.raw.gz", "images/raw/mbr.raw.gz"):
        assert matching(FileSource(corpus.unpacked(name)), 4096) == ""


def test_a_table_of_no_partitions_matches_and_yields_only_the_table(corpus):
    for name, expected in (("mbr-512-p0.bin", "mbr"), ("gpt-512-0p.raw.gz", "gpt")):
        source = FileSource(corpus.unpacked(f"images/dfir_ntfs/{name}"))
        assert matching(source) == expected
        volumes, tables, problems = read(expected, source)
        assert volumes == []
        assert tables
        assert problems == []


def test_partitions_of_a_cut_image_are_all_listed(corpus):
    """dfir_ntfs demands 4; the file is 1024 bytes long. Sectors as in its bytes 454 to 510."""
    source = FileSource(corpus.unpacked("images/dfir_ntfs/mbr-512-p4.bin"))
    assert matching(source) == "mbr"
    volumes, _, _ = read("mbr", source)
    assert sectors(volumes) == [(1, 2), (3, 2), (5, 2), (7, 2041)]
    assert [volume.source.size for volume in volumes] == [512, 0, 0, 0]


def test_gpt_partitions_carry_names_and_guids(corpus):
    """Values as sgdisk -i prints them for this image."""
    source = FileSource(corpus.unpacked("images/dfir_ntfs/gpt-512-3p.raw.gz"))
    volumes, _, problems = read("gpt", source)
    assert [volume.label for volume in volumes] == ["Linux filesystem", "Linux filesystem", "EFI System"]
    assert volumes[2].type == "EFI System (c12a7328-f81f-11d2-ba4b-00a0c93ec93b)"
    assert volumes[2].serial == "8bd51a24-3053-4849-b987-e5bb05eafe51"
    assert problems == []


def test_the_apple_map_of_the_corpus_has_its_names(corpus):
    source = FileSource(corpus.path("images/apm/apm_map_32k.bin"))
    volumes, tables, problems = read("apm", source)
    assert [volume.type for volume in volumes] == [
        "Apple partition map (Apple_partition_map)",
        "Apple HFS / HFS+ (Apple_HFS)",
    ]
    assert [(table.start, table.size) for table in tables] == [(0, 3 * 512)]
    assert problems == []


def test_there_are_four_schemes():
    assert [plugin.name for plugin in schemes()] == ["gpt", "apm", "bsd", "mbr"]
