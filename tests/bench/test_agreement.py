"""What the comparison calls a difference."""

from pathlib import Path

from tests.bench import agreement, peers, planted

_TRUTH = {"a.txt": "11", "b.txt": "22"}


def test_equal_digests_and_matches_are_no_difference() -> None:
    assert agreement.of_hashes(_TRUTH, dict(_TRUTH), "x") == []
    assert agreement.of_matches({("n", "r", "a.txt")}, {("other/n", "r", "a.txt")}) == []


def test_a_missing_a_wrong_and_a_further_file_are_told() -> None:
    assert agreement.of_hashes(_TRUTH, {"b.txt": None, "c.txt": "33"}, "x") == [
        "x: no a.txt",
        "x: b.txt has SHA-256 None, it went in as 22",
        "x: c.txt was not put on the disk",
    ]


def test_a_match_of_one_side_is_told() -> None:
    found = agreement.of_matches({("n", "r", "a.txt")}, {("n", "s", "a.txt")})
    assert [difference.text for difference in found] == [
        "rule r in a.txt: yara 1 times, fkit 0 times",
        "rule s in a.txt: yara 0 times, fkit 1 times",
    ]


def test_two_rules_of_one_name_are_two_matches() -> None:
    tools = {("n", "r", "a.txt"), ("m", "r", "a.txt")}
    assert agreement.of_matches(tools, {("n", "r", "a.txt")}) == [agreement.Difference("r", "a.txt", yara=2, fkit=1)]


def test_names_with_commas_blanks_and_colons_are_read_whole(tmp_path: Path) -> None:
    root = tmp_path / "recovered"
    (tmp_path / "hashdeep.txt").write_text(f"%%%% HASHDEEP-1.0\n## Invoked\n3,m,s,22,{root}/a, b:c.txt\n")
    (tmp_path / "yara.txt").write_text(f"x/apt.yar:Rule {root}/a, b:c.txt\n")
    assert peers.hashes(tmp_path) == {"a, b:c.txt": "22"}
    assert peers.matches(tmp_path) == {("x/apt.yar", "Rule", "a, b:c.txt")}


def test_planted_contents_hold_the_bytes_that_strings_stand_for(tmp_path: Path) -> None:
    (tmp_path / "one.yar").write_text(
        r"""rule one { strings:
            $a = "C:\\x\x41\n" wide
            $b = { 4D 5A [2-4] ?? (41 | 42 43) 7? } // from a dropper
        condition: all of them }"""
    )
    found = dict(planted.contents(tmp_path))
    assert found["one.yar.bin"] == b"C:\\xA\n\nMZ\0\0\0Ap\n"
    assert found["one.yar.exe"].startswith(b"MZ")
    assert found["one.yar.exe"].endswith(found["one.yar.bin"])
    assert found["one.yar.wide"] == b"\n\0C\0:\0\\\0x\0A\0\n\0\n\0M\0Z\0\0\0\0\0\0\0A\0p\0\n\0"
