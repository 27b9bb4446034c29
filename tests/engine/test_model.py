"""Locators: the examples are those of docs/reference/locators.md; the round trip is a property."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from forensic_kit.errors import Misuse
from forensic_kit.model import FileEntry, Locator, Name, Step, finding_id

names = some.binary(max_size=12).map(Name.of)
steps = some.one_of(
    some.builds(Step, some.sampled_from(["zip", "gzip", "x.y"]), names, some.integers(0, 3)),
    some.sampled_from([Step("slack"), Step("text")]),
    some.builds(
        lambda by, start, length: Step(by, start=start, length=length),
        some.sampled_from(["carved", "unallocated", "system"]),
        some.integers(0, 2**60),
        some.integers(0, 2**60),
    ),
)
locators = some.builds(
    Locator,
    some.text(min_size=1, max_size=8).filter(lambda text: text.isprintable()),
    some.sampled_from(["0", "1", "1.2", "2.vss3"]),
    some.sampled_from(["-", "66", "5-128-1"]),
    names.filter(lambda name: b"\0" not in name.bytes),
    names,
    some.integers(0, 3),
    some.lists(steps, max_size=3).map(tuple),
)


@given(locators)
def test_a_locator_parses_back_to_the_same_value(locator):
    assert Locator.parse(str(locator)) == locator


@given(locators)
def test_the_text_of_a_locator_holds_no_control_character(locator):
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in str(locator))


@pytest.mark.parametrize(
    ("locator", "text"),
    [
        (Locator("ABC1", "1", "66", path=Name("Users/ann/note.txt")), "ABC1/v1/66/Users/ann/note.txt"),
        (Locator("ABC/1", "1.2", "7", Name("Zone.Identifier"), Name("a b")), "ABC%2F1/v1.2/7:Zone.Identifier/a b"),
        (Locator("A", "1", "9", path=Name.of(b"caf\xe9/50%")), "A/v1/9/caf%E9/50%25"),
        (
            Locator("A", "1", "9", path=Name("x.zip"), steps=(Step("zip", Name("a/b~c"), 2), Step("text"))),
            "A/v1/9/x.zip!zip:a/b%7Ec~2#text",
        ),
        (
            Locator("A", "0", steps=(Step("unallocated", start=0, length=67108864),)),
            "A/v0/-/#unallocated@0+67108864",
        ),
    ],
)
def test_the_text_of_a_locator(locator, text):
    assert str(locator) == text


@pytest.mark.parametrize("text", ["", "x", "A/1/66/p", "A/v1/66", "A/v1/66/p!zip", "A/v1/66/p#other"])
def test_what_is_no_locator_is_refused_with_an_example(text):
    with pytest.raises(Misuse, match="locator"):
        Locator.parse(text)


def test_an_undecodable_name_keeps_its_bytes_and_two_such_names_differ():
    one, other = Name.of(b"a\xff"), Name.of(b"a\xfe")
    assert one.text == other.text == "a\ufffd"
    assert one != other
    assert one.bytes == b"a\xff"


def test_the_place_of_a_byte_follows_the_runs():
    entry = FileEntry(Locator("A", "1"), "file", 25, runs=((100, 10), (-1, 10), (500, 10)))
    assert [entry.place(offset) for offset in (0, 9, 10, 20, 29, 30)] == [100, 109, None, 500, 509, None]


def test_a_finding_id_depends_on_every_part_and_on_nothing_else():
    base = finding_id("aa", "yara", "yara.match", "content", 5, {"rule": "x", "n": 1})
    assert base == finding_id("aa", "yara", "yara.match", "content", 5, {"n": 1, "rule": "x"})
    others = [
        finding_id("ab", "yara", "yara.match", "content", 5, {"rule": "x", "n": 1}),
        finding_id("aa", "yarb", "yara.match", "content", 5, {"rule": "x", "n": 1}),
        finding_id("aa", "yara", "yara.matcg", "content", 5, {"rule": "x", "n": 1}),
        finding_id("aa", "yara", "yara.match", "slack", 5, {"rule": "x", "n": 1}),
        finding_id("aa", "yara", "yara.match", "content", 6, {"rule": "x", "n": 1}),
        finding_id("aa", "yara", "yara.match", "content", 5, {"rule": "x", "n": 2}),
    ]
    assert len({base, *others}) == 7
