"""Searching keywords: every expected place comes from a plain search written here. See keywords/witness.md."""

import itertools
import json
import random
import re
import sys

import pytest

from forensic_kit import registry
from forensic_kit.api import Image, Misuse, TimedOut
from forensic_kit.bytesource import FileSource
from forensic_kit.formats.atoms import Atom, atoms_of
from forensic_kit.formats.matching import Sightings, matches_in
from forensic_kit.formats.patterns import variants
from forensic_kit.formats.widen import Regex
from tests.plugins.scanners.scanned import Piece, places, plans, prepared, scan, windows

TERMS = ["kiss", "ok", "aa", "Ürü", "ключ", "ß1", "ǆa", "Σας", "日本", "x"]


def made(tmp_path, text, name="list.txt", **options):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (plan,) = plans("keywords", tmp_path, lists=[str(path)], **options)
    return plan, prepared(plan)


def same_letter(char):
    """What Python's `re` takes for the same letter in any case: an authority of its own, apart from casefold.

    Its dotted and dotless i are left out: CaseFolding.txt folds them for Turkish only (status T).
    """
    pattern = re.compile(re.escape(char), re.IGNORECASE)
    codes = (code for code in range(0x10000) if not 0xD800 <= code < 0xE000 and code not in (0x130, 0x131))
    return [chr(code) for code in codes if pattern.fullmatch(chr(code))]


@pytest.fixture(scope="module")
def spelled():
    """Every spelling of each term, in bytes, by encoding."""
    letters = {char: same_letter(char) for term in TERMS for char in term}
    return {
        (number, encoding): {
            "".join(chars).encode(encoding) for chars in itertools.product(*(letters[char] for char in term))
        }
        for number, term in enumerate(TERMS, 1)
        for encoding in ("utf-8", "utf-16-le")
    }


def plain_search(data, spelled):
    """(offset, term id, encoding), by bytes.find alone; of two encodings at one place the first."""
    found = {}
    for (number, encoding), spellings in spelled.items():  # utf-8 of a term comes before its utf-16-le
        for spelling in spellings:
            at = data.find(spelling)
            while at >= 0:
                found.setdefault((at, f"T{number}"), encoding)
                at = data.find(spelling, at + 1)
    return sorted((at, term, encoding) for (at, term), encoding in found.items())


def planted(spelled, size=60_000, seed=1):
    """Random bytes of a small alphabet with terms planted, close together and overlapping."""
    random_ = random.Random(seed)
    data = bytearray(random_.choices(b"\0 xaAkK\xcf\xc3\xe2sS1", k=size))
    choices = sorted((key, sorted(spellings)) for key, spellings in spelled.items())
    for _ in range(400):
        spelling = random_.choice(random_.choice(choices)[1])
        at = random_.randrange(size - len(spelling))
        data[at : at + len(spelling)] = spelling
    return bytes(data)


def test_text_is_found_at_every_start_in_every_case_and_both_encodings(tmp_path, spelled):
    _, scanner = made(tmp_path, "\n".join(TERMS), hits=100_000)
    data = planted(spelled)
    expected = plain_search(data, spelled)
    assert {term for _, term, _ in expected} == {f"T{number}" for number in range(1, len(TERMS) + 1)}
    hits, problems = scan(scanner, Piece(data))
    assert places(hits) == expected
    assert problems == []


@pytest.mark.parametrize("size", [1000, 4096, 59_999])
def test_windows_give_the_hits_of_the_whole(tmp_path, spelled, size):
    _, scanner = made(tmp_path, "\n".join([*TERMS, "word:ok", r"regex:a+x", r"regex:\bk\w*"]), hits=100_000)
    data = planted(spelled, seed=2)
    whole, _ = scan(scanner, Piece(data))
    cut, problems = scan(scanner, *windows(data, size, 200))
    assert sorted(cut, key=repr) == sorted(whole, key=repr)
    assert len(whole) > 500
    assert problems == []


@pytest.mark.parametrize("piece", [64, 1000])
def test_pieces_of_a_large_content_give_the_hits_of_the_whole(tmp_path, monkeypatch, spelled, piece):
    _, scanner = made(tmp_path, "\n".join([*TERMS, r"regex:a+x", r"regex:\bk\w*"]), hits=100_000)
    data = planted(spelled, size=20_000, seed=3)
    whole, _ = scan(scanner, Piece(data))
    module = sys.modules[type(scanner).__module__]
    monkeypatch.setattr(module, "_PIECE", piece)
    monkeypatch.setattr(module, "_OVERLAP", 100)
    assert sorted(scan(scanner, Piece(data))[0], key=repr) == sorted(whole, key=repr)


def test_hits_at_the_same_place_of_each_piece_all_count(tmp_path, monkeypatch):
    _, scanner = made(tmp_path, "ok")
    monkeypatch.setattr(sys.modules[type(scanner).__module__], "_PIECE", 64)
    monkeypatch.setattr(sys.modules[type(scanner).__module__], "_OVERLAP", 1)
    hits, _ = scan(scanner, Piece((b"ok" + b" " * 62) * 4))
    assert [hit.offset for hit in hits] == [0, 64, 128, 192]


def test_a_term_is_one_hit_where_the_row_it_is_looked_for_by_stands_twice(tmp_path):
    # Ten omegas stand before the row, each of two or three bytes, so both rows could belong to the one start.
    _, scanner = made(tmp_path, "ω" * 12 + "ab")
    assert places(scan(scanner, Piece(("ω" * 12 + "abωωab").encode()))[0]) == [(0, "T1", "utf-8")]
    ((hit,), _) = scan(scanner, Piece(("\u2126" * 12 + "AB").encode()))
    assert hit.record.length == 38


def test_overlapping_starts_all_count(tmp_path):
    _, scanner = made(tmp_path, "aa")
    assert places(scan(scanner, Piece(b"xaaa"))[0]) == [(1, "T1", "utf-8"), (2, "T1", "utf-8")]


def test_a_kelvin_sign_and_a_long_s_are_letters_in_another_case(tmp_path):
    _, scanner = made(tmp_path, "kiss")
    data = "\u212ai\u017fS".encode()
    (hit,), _ = scan(scanner, Piece(data))
    assert (hit.offset, hit.record.length, hit.record.matched) == (0, len(data), data.hex())


def test_exact_case_finds_only_what_is_written(tmp_path):
    _, scanner = made(tmp_path, '[[term]]\ntext = "Müx"\ncase = "exact"\n', "l.toml")
    assert places(scan(scanner, Piece("Müx MÜX müx".encode()))[0]) == [(0, "T1", "utf-8")]


def test_a_list_can_name_code_pages(tmp_path):
    _, scanner = made(tmp_path, '[[term]]\ntext = "ключ"\nencodings = ["koi8-r", "windows-1251"]\n', "l.toml")
    data = "КЛЮЧ".encode("koi8-r") + b"  " + "Ключ".encode("cp1251") + "ключ".encode()
    assert places(scan(scanner, Piece(data))[0]) == [(0, "T1", "koi8-r"), (6, "T1", "windows-1251")]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("cat", 1),
        ("Cat.", 1),
        ("cats", 0),
        ("_cat", 0),
        ("ücat", 0),
        ("catя", 0),
        ("(cat)", 1),
        ("1cat", 0),
        ("“cat”", 1),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_word_stands_between_what_is_no_letter_digit_or_underscore(tmp_path, text, count, encoding):
    _, scanner = made(tmp_path, "word:cat")
    data = text.encode(encoding)
    assert len(scan(scanner, Piece(data))[0]) == count
    # The same with the border of a window right before and right behind the word.
    at = data.find("at".encode(encoding)) - len("c".encode(encoding))
    for border in (at, at + 1):
        assert len(scan(scanner, *windows(data, max(border, 1), 100))[0]) == count


def test_bytes_are_found_as_given(tmp_path):
    _, scanner = made(tmp_path, "hex: 00 ff 0a")
    assert places(scan(scanner, Piece(b"\x00\xff\x0a\x00\xff\x0a"))[0]) == [(0, "T1", "bytes"), (3, "T1", "bytes")]


REGEXES = [
    r"a+x",
    r"(?:ab|a)b?",
    r"\bk\w*",
    r"[^a]x{2,3}",
    r"(a)(?:x|\1)+?x",
    r"(?<!a)x(?=a)",
    r"x$|^a",
    r"(?-i:A)[\W\d]",
    r"(?s)k.*?1",
    # Of each of the next three, hyperscan 0.9.1 (vectorscan 5.4.12) loses matches when it is given the expression.
    r"b\s(.{1,3}[ab]|.?a*)a*",
    r"b\d[^a]*",
    r"\da+",
    r"a{0,3}bk",
    r"(?=(b+))\1x1",
    r"curl.*\|\s*python",
    r"\xcf[\x80-\xff]?",
    r"a{2,}+x",
]


@pytest.mark.parametrize("pattern", REGEXES)
def test_a_regular_expression_gives_what_finditer_gives(tmp_path, pattern):
    _, scanner = made(tmp_path, f"regex:{pattern}", hits=1_000_000)
    random_ = random.Random(pattern)
    for size in (0, 1, 50, 3000):
        data = bytes(random_.choices(b"aaaaxxbbAB k1\n\0\xcf\x80", k=size))
        expected = [match.span() for match in re.finditer(pattern.encode(), data, re.IGNORECASE)]
        hits, _ = scan(scanner, Piece(data))
        assert sorted((h.offset, h.offset + h.record.length) for h in hits if h.record.encoding == "utf-8") == expected


@pytest.mark.parametrize(
    "pattern", [r"a[bü]+", r"k\w*\d", r"(a)\1", r"a.b", r"a[^b]x", r"a\b", r"a\B", r"ab$", r"x(?=ü)", r"Ü"]
)
def test_in_utf_16_an_expression_gives_what_it_gives_on_the_text(tmp_path, pattern):
    # UTF-16 alone: in UTF-8 an `a.b` is also found in the bytes a, NUL, b.
    rule = f"[[term]]\nkind = 'regex'\ntext = '{pattern}'\nencodings = ['utf-16-le']\n"
    _, scanner = made(tmp_path, rule, "l.toml", hits=1_000_000)
    random_ = random.Random(pattern)
    # One letter of two cases outside ASCII and none that a wrongly aligned unit could be.
    text = "".join(random_.choices("aaabbxxkü1 \n", k=3000)) + "ab"
    flags = re.IGNORECASE | (re.ASCII if pattern.isascii() else 0)
    expected = [(2 * m.start(), 2 * m.end()) for m in re.finditer(pattern, text, flags)]
    assert expected
    hits, _ = scan(scanner, Piece(text.encode("utf-16-le")))
    assert [(h.offset, h.offset + h.record.length) for h in hits] == expected


def test_one_place_is_one_hit_of_a_term_in_the_encoding_that_comes_first(tmp_path):
    _, scanner = made(tmp_path, "regex:a.?\nx")
    data = b"a\0b\0 x\0"
    assert places(scan(scanner, Piece(data))[0]) == [(0, "T1", "utf-8"), (5, "T2", "utf-8")]


def test_a_match_that_goes_on_behind_its_place_is_made_again_without_the_stop():
    found = list(matches_in(re.compile(rb"\w+\b"), memoryview(b"aaaaaaaaaa b"), [(0, 3)], 0, 2, lambda: None))
    assert found == [(0, 10)]
    found = list(matches_in(re.compile(rb"a\b"), memoryview(b"xaaaa"), [(0, 2)], 0, 1, lambda: None))
    assert found == []


def test_a_character_outside_ascii_in_an_expression_is_one_character_in_any_case(tmp_path):
    _, scanner = made(tmp_path, "regex:m(ü|ue)ll[eä]+r")
    data = "MÜLLÄÄR mueller Mull".encode()
    assert places(scan(scanner, Piece(data))[0]) == [(0, "T1", "utf-8"), (11, "T1", "utf-8")]


def test_what_has_no_right_form_in_utf_16_is_said_and_searched_in_utf_8(tmp_path):
    plan, scanner = made(tmp_path, r"regex:\xff\xd8[\xdb\xe0]")
    assert [problem.severity for problem in plan.problems] == ["note"]
    assert "list.txt:1" in plan.problems[0].message
    assert "not searched in utf-16-le" in plan.problems[0].message
    assert places(scan(scanner, Piece(b"\xff\xd8\xe0"))[0]) == [(0, "T1", "utf-8")]


def test_a_regex_runs_on_over_window_borders_as_over_the_whole(tmp_path):
    _, scanner = made(tmp_path, r"regex:(ab)+")
    data = b"x" + b"ab" * 40 + b"x"
    assert scan(scanner, *windows(data, 10, 100))[0] == scan(scanner, Piece(data))[0]


def test_a_match_up_to_the_end_of_what_is_seen_is_noted(tmp_path):
    _, scanner = made(tmp_path, r"regex:a+")
    _, problems = scan(scanner, next(windows(b"a" * 100, 10, 20)))
    assert [(problem.error, problem.offset) for problem in problems] == [("cut", 0)]


def test_an_expression_that_nothing_narrows_is_said_and_searched(tmp_path):
    plan, scanner = made(tmp_path, r"regex:a[bx]{40000}c|\d.\d")
    assert [problem.message for problem in plan.problems] == [
        r"list.txt:1: 'a[bx]{40000}c|\\d.\\d': nothing in it narrows the search, so it is slow"
    ]
    data = b"zz" + b"a" + b"b" * 40_000 + b"c 1 2"
    assert places(scan(scanner, Piece(data))[0]) == [(2, "T1", "utf-8"), (40005, "T1", "utf-8")]


@pytest.mark.parametrize("pattern", [r"[ab]{6,9}", r"(?<!b)[abAB]{7}\b", r"a?[b1]{3}[a1]{3,}"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_runs_of_an_alphabet_are_found_over_pieces(tmp_path, monkeypatch, pattern, encoding):
    rule = f"[[term]]\nkind = 'regex'\ntext = '{pattern}'\nencodings = ['{encoding}']\n"
    _, scanner = made(tmp_path, rule, "l.toml", hits=1_000_000)
    assert all(found.pattern.runs and not found.pattern.atoms for found in scanner._search.found)
    text = "".join(random.Random(pattern).choices(["a", "b", "ab", "bbb", "A1", " ", "11b"], k=4000))
    data = text.encode(encoding)
    unit = len("a".encode(encoding))
    expected = [(unit * m.start(), unit * m.end()) for m in re.finditer(pattern, text, re.IGNORECASE)]
    assert len(expected) > 20
    for piece in (40, 777, 1 << 20):
        monkeypatch.setattr("forensic_kit.formats.matching._PIECE", piece)
        hits, _ = scan(scanner, Piece(data))
        assert [(h.offset, h.offset + h.record.length) for h in hits] == expected


def test_starts_reach_back_through_bytes_that_can_stand_before_a_row():
    sightings = Sightings()
    for place in (50, 150, 250):
        sightings.add(place)
    buffer = memoryview(b"-" + b"a" * 199 + b"-" + b"a" * 100)
    assert sightings.starts(buffer, Atom(b"x", False, 2, None, b"a")) == [(1, 49), (1, 149), (201, 249)]
    assert sightings.starts(buffer, Atom(b"x", False, 2, 5, b"a")) == [(45, 49), (145, 149), (245, 249)]


@pytest.mark.parametrize(
    ("pattern", "rows"),
    [
        (r"[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,4}", {b"@"}),
        (r"https?://[^\s]+", {b"http"}),
        (r"(?:passw(?:or)?d|lösen)\s*[:=]", {b"passw", b"l\xc3\xb6sen", b"l\xc3\x96sen"}),
        (r"x{2}(?:\d|ab)", set()),
        (r"(ab\d)+?x", {b"ab"}),
        (r"(?:ab)?\d{2}", set()),
    ],
)
def test_every_match_of_an_expression_holds_one_of_its_rows(pattern, rows):
    regex = Regex(pattern, any_case=True, variants=variants)
    assert {atom.row for atom in atoms_of(regex, wide=False)} == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ok\nregex:a(b", r"list\.txt:2: 'a\(b' is not a regular expression: missing \)"),
        ("regex:a*", r"list\.txt:1: 'a\*' also matches nothing"),
        ("hex:0g", r"list\.txt:1: '0g' is not a row of hexadecimal bytes"),
        ("hex:", r"list\.txt:1: nothing follows hex:"),
        ("x" * 20_000, r"list\.txt:1: 20000 characters are too many"),
        ("regex:" + "(" * 5000 + ")" * 5000 + "a", r"list\.txt:1: .* is not a regular expression"),
        ("regex:a{99999999999}", r"list\.txt:1: .* is not a regular expression"),
    ],
)
def test_a_term_that_cannot_be_searched_is_refused_with_file_and_line(tmp_path, text, message):
    with pytest.raises(Misuse, match=message):
        made(tmp_path, text)


def test_hits_beyond_the_cap_are_counted_exactly_and_the_cap_is_said(tmp_path):
    _, scanner = made(tmp_path, "aa\nregex:b", hits=3)
    hits, problems = scan(scanner, *windows(b"a" * 1001 + b"b" * 7, 100, 10))
    assert places(hits) == [(n, "T1", "utf-8") for n in range(3)] + [(n, "T2", "utf-8") for n in range(1001, 1004)]
    assert [problem.message.split(": ", 1)[1].split(",")[0] for problem in problems] == [
        "T1 'aa': 1000 hits",
        "T2 'b': 7 hits",
    ]


def test_the_context_is_readable_and_as_long_as_asked(tmp_path):
    _, scanner = made(tmp_path, "key", context=6)
    (hit,), _ = scan(scanner, Piece("ünd\u202e\tkey\nÄb\0cdef".encode()))
    assert hit.record.context == "nd\\u202e\\tkey\\nÄb\\x00c"
    (wide,), _ = scan(scanner, Piece("日本 key\tend".encode("utf-16-le")))
    assert wide.record.context == "日本 key\\ten"


def test_equal_lists_give_equal_plans_and_any_change_another_digest(tmp_path):
    plan, _ = made(tmp_path, "alpha\nbeta")
    again, _ = made(tmp_path, "alpha\nbeta")
    assert again == plan
    others = [made(tmp_path, "alpha\nbeta", context=41)[0], made(tmp_path, "alpha\nword:beta")[0]]
    assert len({plan.digest, *(other.digest for other in others)}) == 3
    assert [(item.id, item.text, item.kind, item.source) for item in plan.items] == [
        ("T1", "alpha", "text", "list.txt:1"),
        ("T2", "beta", "text", "list.txt:2"),
    ]


def test_each_list_is_a_plan_of_its_own(tmp_path):
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(name)
    found = plans("keywords", tmp_path, lists=[str(tmp_path / "one.txt"), str(tmp_path / "two.txt")])
    assert [plan.name for plan in found] == ["one.txt", "two.txt"]
    assert plans("keywords", tmp_path) == []


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-20], lambda data: b"\0" * 40, None], ids=["cut", "zeros", "gone"]
)
def test_a_worker_makes_the_automaton_again_where_its_file_cannot_be_used(tmp_path, damage):
    plan, _ = made(tmp_path, "alpha\nregex:b+")
    path = tmp_path / "cache" / plan.compiled.rsplit("/", 1)[1]
    path.write_bytes(damage(path.read_bytes())) if damage else path.unlink()
    assert places(scan(prepared(plan), Piece(b"bb alpha"))[0]) == [(0, "T2", "utf-8"), (3, "T1", "utf-8")]


def test_a_content_full_of_proposals_is_stopped_in_time(tmp_path, monkeypatch):
    plan, scanner = made(tmp_path, "a")
    clock = itertools.chain([0.0], itertools.repeat(float(plan.timeout + 1)))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with pytest.raises(TimedOut):
        scan(scanner, Piece(b"a" * 100_000))
    assert scanner._trail.counts[0] == 4096


def test_a_scan_over_its_time_says_so_and_keeps_what_came_before(tmp_path, monkeypatch):
    plan, scanner = made(tmp_path, "alpha\nregex:b")
    clock = itertools.chain([0.0], itertools.repeat(float(plan.timeout + 1)))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    found = []
    with pytest.raises(TimedOut):
        for item in scanner.scan(Piece(b"alpha b")):
            found.append(item)
    assert places(found) == [(0, "T1", "utf-8")]


def test_the_searches_of_the_corpus_give_their_offsets(tmp_path, corpus):
    ewf = registry.load().get("ewf", Image)()
    for search in corpus.contents["keyword_searches"]:
        source = ewf.open(FileSource(corpus.path(search["image"])), ()).source
        data = source.read(0, source.size)
        terms = sorted({hit["term"] for hit in search["hits"]})
        rows = [
            f'[[term]]\ntext = {json.dumps(term, ensure_ascii=False)}\ncase = "exact"\n'
            'encodings = ["utf-8", "utf-16-le", "windows-1252"]\n'
            for term in terms
        ]
        _, scanner = made(tmp_path, "".join(rows), "l.toml", hits=100_000)
        hits, _ = scan(scanner, Piece(data))
        for row in search["hits"]:
            encoding = {"latin-1": "windows-1252"}.get(row["encoding"], row["encoding"])
            found = sorted(h.offset for h in hits if h.record.term == row["term"] and h.record.encoding == encoding)
            assert len(found) == row["count"], row["term"]
            assert found[: len(row["byte_offsets"])] == row["byte_offsets"]
