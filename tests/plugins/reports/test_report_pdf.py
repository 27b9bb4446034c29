"""The PDF report: equal bytes for equal facts, text of the evidence as text, tagged and numbered pages."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

from forensic_kit import api, case, facts, registry
from tests.plugins.reports import report_case


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Facts and PDF of the case full of hostile names."""
    base = tmp_path_factory.mktemp("pdf")
    made = report_case.make(base / "case")
    front = {"marking": "OFFICIAL-SENSITIVE", "reference": "OP EXAMPLE 123"}
    facts.write_report(made, base / "out", ["pdf"], registry.load(), front=front)
    return base / "out"


def plugin() -> type[api.Report]:
    return registry.load().get("report.pdf", api.Report)


def text(tool, path, *options: str) -> str:
    return subprocess.run([tool("pdftotext"), *options, path, "-"], capture_output=True, text=True, check=True).stdout


def squeezed(value: str) -> str:
    """Without spaces, line ends and the invisible places where a line may break."""
    return re.sub("[\\s\u200b]", "", value)


def test_the_same_facts_give_the_same_bytes_in_another_zone_and_folder(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "America/Caracas")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    try:
        list(plugin()().write(folder, tmp_path))
    finally:
        os.environ.pop("TZ")
        time.tzset()
    assert (tmp_path / "report.pdf").read_bytes() == (folder / "report.pdf").read_bytes()


def test_every_page_has_its_number_and_the_marking_at_head_and_foot(folder, tool):
    pages = text(tool, folder / "report.pdf", "-layout").removesuffix("\f").split("\f")
    assert len(pages) > 3
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in page
        assert page.count("OFFICIAL-SENSITIVE") == 2
        assert "OP EXAMPLE 123" in page


def test_the_document_is_tagged_titled_and_dated_by_its_case(folder, tool):
    command = [tool("pdfinfo"), folder / "report.pdf"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC"}).stdout
    fields = dict(line.split(":", 1) for line in told.splitlines() if ":" in line)
    assert fields["Tagged"].strip() == "yes"
    assert fields["Title"].strip() == "Digital examination record"
    assert "May  5" in fields["CreationDate"] and "2026" in fields["CreationDate"]


def test_the_document_says_it_is_pdf_a_2a_and_pdf_ua_1(folder):
    data = (folder / "report.pdf").read_bytes()
    for claim in (b"<pdfaid:part>2<", b"<pdfaid:conformance>A<", b"<pdfuaid:part>1<"):
        assert claim in data


def test_headings_are_numbered_and_in_the_outline(folder, tool):
    command = [tool("pdftohtml"), "-xml", "-stdout", "-i", folder / "report.pdf"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    outline = re.findall(r"<item page=\"\d+\">([^<]*)</item>", told)
    assert [item for item in outline if item.startswith("4")] == ["4 What could not be examined, and why"]


@pytest.mark.parametrize(
    "expected",
    [
        "<script>alert(1)</script>.txt",
        '{{ 7*7 }}{% raw %}#eval("1")$x$ *b* _i_ `code` @ref <lbl> \\u{41}.typ',
        "invoice⟨U+202E⟩fdp.exe",
        "⟨U+4E2D⟩⟨U+6587⟩⟨U+6587⟩⟨U+4EF6⟩ ⟨U+1F4C1⟩",
    ],
)
def test_text_of_the_evidence_is_printed_as_it_stands(folder, tool, expected):
    assert squeezed(expected) in squeezed(text(tool, folder / "report.pdf"))


def test_the_digest_of_the_facts_is_on_the_first_page(folder, tool):
    import hashlib

    digest = hashlib.sha256((folder / "report.json").read_bytes()).hexdigest()
    assert digest in squeezed(text(tool, folder / "report.pdf", "-l", "1"))


def test_terms_without_a_match_are_printed_with_what_that_means(folder, tool):
    printed = squeezed(text(tool, folder / "report.pdf"))
    assert squeezed("No match was found in the data searched for: term 31; term 32; term 33") in printed


def test_everything_said_to_be_shown_can_be_shown_in_every_style(tmp_path):
    module = sys.modules[plugin().__module__]
    every = "".join(chr(code) for first, last in module._SHOWN for code in range(first, last + 1))
    case.create(tmp_path / "case", "A. Examiner").close()
    facts.write_report(tmp_path / "case", tmp_path / "out", (), registry.Registry())
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    for start in range(0, len(every), 500):
        report["front"] |= dict.fromkeys(("title", "reference", "marking", "unit"), every[start : start + 500])
        report["statements"] = [{"id": "x", "tone": "plain", "text": every[start : start + 500]}]
        (tmp_path / "out" / "report.json").write_text(json.dumps(report))
        # typst refuses to write PDF/A with a character that its fonts lack
        assert [path.name for path in plugin()().write(tmp_path / "out", tmp_path / "out")] == ["report.pdf"]


def test_what_the_fonts_lack_or_hides_is_written_by_number():
    module = sys.modules[plugin().__module__]
    told = module.shown({"a": ["tab\there", "\u200e\u202e\ufeff", "\U0001f4c1", "Größe Ωλ Жук"]})
    assert told == {"a": ["tab⟨U+0009⟩here", "⟨U+200E⟩⟨U+202E⟩⟨U+FEFF⟩", "⟨U+1F4C1⟩", "Größe Ωλ Жук"]}


def test_a_very_long_value_is_cut_and_says_so():
    module = sys.modules[plugin().__module__]
    assert module.shown("x" * 5000) == "x" * 600 + "… (5000 characters)"


def test_a_case_with_nothing_in_it_gives_a_document(tmp_path, tool):
    case.create(tmp_path / "case", "A. Examiner").close()
    facts.write_report(tmp_path / "case", tmp_path / "out", ["pdf"], registry.load())
    printed = text(tool, tmp_path / "out" / "report.pdf")
    assert "NO PROTECTIVE MARKING SET" in printed
    assert "No match was found in the data searched." in printed
