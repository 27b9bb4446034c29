"""Random regular expressions give what `re.finditer` gives, by every way of narrowing. See keywords/witness.md.

The seed is fixed; expressions on which `re` itself needs long are kept out by the small contents.
"""

import random
import re

import pytest

from forensic_kit.api import Misuse
from tests.plugins.scanners.scanned import Piece, plans, prepared, scan, windows

ATOMS = [*"aabbcAB", "ab", "bca", ".", "[ab]", "[^a]", "[a-c]", r"[\Wb]", r"\w", r"\s", r"\d", r"\S", r"[^\D]"]
EDGES = [r"\b", "^", "$", r"\B", r"\A", r"\Z", r"\1"]
GROUPS = ["(", "(?:", "(?>", "(?i:", "(?-i:", "(?s:", "(?m:", "(?=", "(?!", "(?<=", "(?<!"]
REPEATS = ["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?", "++", "{3}"]


def expression(random_, depth=2):
    """Some expression, perhaps not a valid one."""
    parts = []
    for _ in range(random_.randint(1, 4)):
        kind = random_.random()
        if depth and kind < 0.3:
            part = random_.choice(GROUPS) + expression(random_, depth - 1) + ")"
        else:
            part = random_.choice(EDGES if kind < 0.4 else ATOMS)
        parts.append(part + (random_.choice(REPEATS) if random_.random() < 0.3 else ""))
    return "".join(parts) + (f"|{expression(random_, depth - 1)}" if depth and random_.random() < 0.2 else "")


def cases(count, random_, prefix=""):
    """Valid expressions that do not match nothing."""
    found = []
    while len(found) < count:
        pattern = prefix + expression(random_)
        try:
            re.compile(pattern.encode())
        except (re.error, OverflowError):
            continue
        found.append(pattern)
    return found


def search(tmp_path, pattern, encoding):
    """A scanner for one expression; None where it is refused because it also matches nothing."""
    path = tmp_path / "l.toml"
    path.write_text(f"[[term]]\nkind = 'regex'\ntext = '{pattern}'\nencodings = ['{encoding}']\n")
    try:
        (plan,) = plans("keywords", tmp_path, lists=str(path), hits=100_000)
    except Misuse as error:
        assert "also matches nothing" in error.message
        return None
    return prepared(plan)


def spans(scanner, *contents):
    return [(hit.offset, hit.offset + hit.record.length) for hit in scan(scanner, *contents)[0]]


@pytest.fixture(params=["rows", "single bytes", "runs", "alone"])
def narrowing(request, monkeypatch):
    """Makes short contents take the ways that only long ones would."""
    if request.param == "single bytes":
        monkeypatch.setattr("forensic_kit.formats.atoms.worth_of", len)
    if request.param in ("runs", "alone"):
        monkeypatch.setattr("forensic_kit.formats.patterns.atoms_of", lambda *_, **__: ())
        monkeypatch.setattr("forensic_kit.formats.widen._SHORTEST_RUN", 2 if request.param == "runs" else 10**6)
    monkeypatch.setattr("forensic_kit.formats.matching._TRIES", 3)
    monkeypatch.setattr("forensic_kit.formats.matching._PIECE", 40)
    return request.param


def test_over_bytes(tmp_path, narrowing):
    random_ = random.Random(narrowing)
    for pattern in cases(60, random_):
        scanner = search(tmp_path, pattern, "utf-8")
        if scanner is None:
            continue
        for _ in range(3):
            data = bytes(random_.choices(b"aaabbbcAB \n\0\xff1", k=random_.randint(0, 160)))
            expected = [match.span() for match in re.finditer(pattern.encode(), data, re.IGNORECASE)]
            assert spans(scanner, Piece(data)) == expected, (pattern, data)
            assert spans(scanner, *windows(data, 30, 200)) == expected, (pattern, data)


def test_over_utf_16(tmp_path, narrowing):
    random_ = random.Random(narrowing)
    # The first character holds every match to even offsets, where the text is.
    for pattern in cases(60, random_, prefix="[abü]"):
        pattern = re.sub(r"\|", "|[abü]", pattern) if "(" not in pattern else pattern
        scanner = search(tmp_path, f"[ab](?:{pattern})", "utf-16-le")
        if scanner is None:
            continue
        for _ in range(3):
            text = "".join(random_.choices("aaabbbcABü \n1", k=random_.randint(0, 160)))
            found = re.finditer(f"[ab](?:{pattern})", text, re.IGNORECASE | re.ASCII)
            expected = [(2 * match.start(), 2 * match.end()) for match in found]
            data = text.encode("utf-16-le")
            assert spans(scanner, Piece(data)) == expected, (pattern, text)
            assert spans(scanner, *windows(data, 30, 400)) == expected, (pattern, text)
