"""Reading keyword lists: expected terms are what the list says, written out. See keywords/witness.md."""

import random

import pytest

from forensic_kit.errors import ForensicError, Misuse
from forensic_kit.formats.terms import read_list


def short(data, name="list.txt"):
    return [(term.id, term.kind, term.text, term.source) for term in read_list(data, name)]


def test_a_plain_line_is_text_and_blank_lines_are_not_counted():
    assert short(b"alpha\n\n  beta gamma  \n") == [
        ("T1", "text", "alpha", "list.txt:1"),
        ("T2", "text", "beta gamma", "list.txt:3"),
    ]


def test_a_prefix_pins_the_kind_and_a_hash_sign_is_no_comment():
    assert [row[1:3] for row in short(b"word:cat\nregex:a+b\nhex:00 FF\ntext:regex:x\n#tag\nhttp://a\n")] == [
        ("word", "cat"),
        ("regex", "a+b"),
        ("hex", "00 FF"),
        ("text", "regex:x"),
        ("text", "#tag"),
        ("text", "http://a"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        "größe\r\nключ\r\n".encode(),
        b"\xef\xbb\xbf" + "größe\nключ".encode(),
        "größe\nключ".encode("utf-16"),
        b"\xfe\xff" + "größe\r\nключ".encode("utf-16-be"),
        "größe\nключ".encode("utf-16-le"),
        "größe\rключ".encode("utf-16-be"),
    ],
    ids=["crlf", "utf-8 mark", "utf-16 mark", "utf-16-be mark", "utf-16-le bare", "utf-16-be bare, cr"],
)
def test_every_way_editors_save_text_gives_the_same_terms(data):
    assert [row[2] for row in short(data)] == ["größe", "ключ"]


def test_a_list_in_another_encoding_is_refused_with_its_line():
    with pytest.raises(Misuse, match=r"list\.txt:2: byte 5 is not UTF-8.*Save the list as UTF-8"):
        read_list(b"ok\ngr\xf6\xdfe\n", "list.txt")


@pytest.mark.parametrize(
    "data",
    [
        b'"Smith, John"\r\nbeta\r\n',
        b"Smith, John\r\nbeta\r\n".join([b"sep=;\r\n", b""]),
        b"term\r\nSmith, John\r\nbeta",
    ],
    ids=["quoted", "separator said", "header said"],
)
def test_csv_with_one_column_may_hold_separators_that_are_told_apart(data):
    assert [row[2] for row in short(data, "list.csv")] == ["Smith, John", "beta"]


def test_csv_with_a_header_takes_the_column_term_and_the_kind_beside_it():
    data = "\ufeffNo;Term;Kind\r\n1;Müller;word\r\n2;;\r\n3;hex:00ff;\r\n".encode()
    assert short(data, "list.csv") == [
        ("T1", "word", "Müller", "list.csv:2"),
        ("T2", "hex", "00ff", "list.csv:4"),
    ]


def test_csv_with_columns_and_no_header_is_refused_with_its_line():
    with pytest.raises(Misuse, match=r"list\.csv:2: several columns, or a separator inside a term, and no header"):
        read_list(b"alpha\r\nbeta;gamma\r\n1,2\r\n", "list.csv")


def test_toml_gives_ids_case_and_encodings():
    data = b'[[term]]\nid = "K-1"\ntext = "alpha"\n\n[[term]]\ntext = "b c"\nkind = "word"\ncase = "exact"\n'
    data += b'encodings = ["windows-1252", "utf-8"]\n'
    first, second = read_list(data, "list.toml")
    assert (first.id, first.source, first.any_case, first.encodings) == (
        "K-1",
        "list.toml:1",
        True,
        ("utf-8", "utf-16-le"),
    )
    assert (second.id, second.source, second.any_case, second.encodings) == (
        "T2",
        "list.toml:5",
        False,
        ("utf-8", "windows-1252"),
    )


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("l.txt", b"a\nphone:+46 70 1234567\n", r"l\.txt:2: kind phone is not built yet"),
        ("l.txt", b"a\nword:\n", r"l\.txt:2: nothing follows word:"),
        ("l.txt", b"\n\n", r"l\.txt: the list holds no term"),
        ("l.csv", b"term,kind\nx,fuzzy\n", r"l\.csv:2: 'fuzzy' is not a kind"),
        ("l.toml", b"[[term]]\ntext = 'a'\n[[term]\n", r"l\.toml:3: not TOML"),
        ("l.toml", b"[[term]]\ntext = 'a'\n[[term]]\ntxt = 'b'\n", r"l\.toml:3: a term has no setting 'txt'"),
        (
            "l.toml",
            b"[[term]]\nid='x'\ntext='a'\n[[term]]\nid='x'\ntext='b'",
            r"l\.toml:4: the id x is taken by l\.toml:1",
        ),
        ("l.toml", b"[[term]]\ntext = 'a'\nencodings = ['latin']", r"l\.toml:1: encodings \['latin'\] must name"),
        ("l.toml", b"[[term]]\ntext = 5", r"l\.toml:1: text must be text"),
        ("l.toml", b"terms = ['a']", r"l\.toml:1: a TOML list holds its terms"),
    ],
)
def test_what_is_no_term_is_refused_with_file_and_line(name, data, message):
    with pytest.raises(Misuse, match=message):
        read_list(data, name)


def test_the_lists_of_the_corpus_are_read_line_by_line(corpus):
    # wc -l and the files themselves: 33 lines with a last one without newline, of which 7 are blank.
    data = corpus.path("keywords/lists/signature-base-keywords.txt").read_bytes()
    lines = [(number, line) for number, line in enumerate(data.decode().split("\n"), 1) if line.strip()]
    assert [(row[3], row[2]) for row in short(data, "k.txt")] == [(f"k.txt:{n}", line.strip()) for n, line in lines]


@pytest.mark.parametrize("name", ["l.txt", "l.csv", "l.toml"])
def test_torn_and_flipped_lists_are_read_or_refused(name):
    whole = {
        "l.txt": "word:größe\nhex:00ff\nregex:a+b\n".encode("utf-16"),
        "l.csv": b'No;term;kind\r\n1;"a;b";word\r\n2;hex:00;\r\n',
        "l.toml": b'[[term]]\nid = "a"\ntext = "x"\nencodings = ["utf-8"]\n[[term]]\ntext = "y"\n',
    }[name]
    random_ = random.Random(7)
    for cut in range(len(whole)):
        flipped = bytearray(whole)
        flipped[cut] ^= 1 << random_.randrange(8)
        for data in (whole[:cut], bytes(flipped)):
            try:
                assert read_list(data, name)
            except ForensicError as error:
                assert error.message.startswith(name)
