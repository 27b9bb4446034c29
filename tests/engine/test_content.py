"""Huge and sparse contents: whole for every consumer up to the limit, windows above it, and never much memory."""

import hashlib

from forensic_kit import pipeline, profile
from tests.engine.toys import image, job, rows

MIB = 1 << 20


def sparse_image(path, places, size):
    """An image with one file of ``size`` bytes that is a hole but for words at ``places``."""
    image(path, [{"name": "huge.bin", "data": b"", "offset": 4096}])
    text = path.read_bytes().replace(b'"size": 0', b'"size": %d' % size)
    header = text[12:].rstrip(b"\0")
    with path.open("wb") as file:
        file.write(b"TOYIMAGE" + len(header).to_bytes(4, "little") + header)
        file.truncate(4096 + size)
        for place in places:
            file.seek(4096 + place)
            file.write(b"needle")
    return path


def needles(case):
    return [row["offset"] for row in rows(case)["findings"] if row["path"] == "huge.bin"]


def test_a_content_larger_than_memory_allows_is_seen_whole(tmp_path):
    places = [0, 40 * MIB - 3, 1500 * MIB]
    exhibit = sparse_image(tmp_path / "x.toy", places, 1600 * MIB)
    small = profile.Profile("small", "1", budgets=profile.Budgets(worker_memory=400 * MIB))
    outcome = pipeline.run(job(exhibit, tmp_path / "case", profile=small))
    (row,) = [row for row in rows(tmp_path / "case")["files"] if row["path"] == "huge.bin"]
    assert (row["state"], outcome.exit_code) == ("done", 0)
    assert needles(tmp_path / "case") == places
    digest = hashlib.sha256()
    with exhibit.open("rb") as file:
        file.seek(4096)
        while piece := file.read(MIB):
            digest.update(piece)
    assert row["sha256"] == digest.hexdigest()
    assert {path.name for path in (tmp_path / "case" / "temp").iterdir()} <= {"work"}


def test_above_the_limit_windows_find_each_hit_once_and_the_case_says_so(tmp_path):
    border = 64 * MIB  # content.WINDOW
    places = [5, border - 3, border + 100, 2 * border - 6, 2 * border, 2 * border + 65530]
    exhibit = sparse_image(tmp_path / "x.toy", places, 2 * border + 70_000)
    low = profile.Profile("low", "1", budgets=profile.Budgets(whole_content=MIB))
    pipeline.run(job(exhibit, tmp_path / "case", profile=low))
    found = [row for row in rows(tmp_path / "case")["findings"] if row["path"] == "huge.bin"]
    assert [row["offset"] for row in found] == places
    assert not any(row["whole"] for row in found)
    (row,) = [row for row in rows(tmp_path / "case")["files"] if row["path"] == "huge.bin"]
    assert row["stages"]["parse"] == "skipped: larger than the limit for whole contents"


def test_hits_across_the_borders_of_cells_of_space_are_found_once(tmp_path):
    exhibit = image(tmp_path / "x.toy", [{"name": "a", "data": b"x"}])
    cell = 64 * MIB
    places = [cell - 3, cell + 10, 2 * cell - 6, 2 * cell]
    with exhibit.open("r+b") as file:
        file.truncate(2 * cell + 1000)
        for place in places:
            file.seek(place)
            file.write(b"needle")
    pipeline.run(job(exhibit, tmp_path / "case"))
    found = [row for row in rows(tmp_path / "case")["findings"] if row["kind"] == "unallocated"]
    assert sorted(row["image_offset"] for row in found) == places
    assert {row["where"] for row in found} == {"unallocated"}


def test_budgets_on_members_are_problems_and_what_came_before_is_kept(tmp_path):
    bomb = b'TOYBOX[["big", "' + b"needle " * 1000 + b'"], ["next", "a needle"]]'
    low = profile.Profile("low", "1", budgets=profile.Budgets(member_bytes=3000))
    pipeline.run(job(image(tmp_path / "x.toy", [{"name": "box", "data": bomb}]), tmp_path / "case", profile=low))
    found = rows(tmp_path / "case")
    states = {row["path"]: row["state"] for row in found["files"]}
    assert states["box!big"] == "partial"
    assert any("more than 3000 bytes unpacked" in row["message"] for row in found["problems"])


def test_too_many_and_too_deep_members_are_problems(tmp_path):
    many = b"TOYBOX[" + b",".join(b'["m%d", "x"]' % n for n in range(50)) + b"]"
    low = profile.Profile("low", "1", budgets=profile.Budgets(member_count=10, member_depth=0))
    deep = profile.Profile("deep", "1", budgets=profile.Budgets(member_depth=0))
    path = image(tmp_path / "x.toy", [{"name": "box", "data": many}])
    pipeline.run(job(path, tmp_path / "deep", profile=deep))
    assert any("nested deeper" in row["message"] for row in rows(tmp_path / "deep")["problems"])
    low = profile.Profile("low", "1", budgets=profile.Budgets(member_count=10))
    pipeline.run(job(path, tmp_path / "low", profile=low))
    found = rows(tmp_path / "low")
    assert sum(row["kind"] == "member" for row in found["files"]) == 10
    assert any("more than 10 members" in row["message"] for row in found["problems"])
