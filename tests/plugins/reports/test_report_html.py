"""The HTML report: nothing of the evidence runs, everything can be read, searched and found again."""

import html.parser
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from forensic_kit import api, case, facts, registry
from tests.plugins.reports import report_case

#: All elements the templates use; anything else came from the evidence.
TAGS = {
    "html", "head", "meta", "title", "link", "body", "a", "p", "footer", "code", "span", "script", "header", "h1", "h2",
    "h3", "nav", "main", "section", "ol", "ul", "li", "dl", "dt", "dd", "div", "table", "caption", "thead", "tbody",
    "tr", "th", "td", "br", "wbr", "details", "summary", "figure", "figcaption", "svg", "desc", "g", "text", "line",
    "rect", "noscript", "label", "input", "select", "option",
}  # fmt: skip


class Page(html.parser.HTMLParser):
    """What a browser would see."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The report of a case full of hostile names: each of the first nine entries has one, and so have records."""
    base = tmp_path_factory.mktemp("html")
    folder = report_case.make(base / "case")
    facts.write_report(folder, base / "out", ["html"], registry.load(), front={"marking": "OFFICIAL-SENSITIVE"})
    return base / "out"


@pytest.fixture(scope="module")
def pages(site):
    """Every page by its path in the report."""
    return {str(path.relative_to(site)): Page(path) for path in sorted(site.rglob("*.html"))}


def test_no_element_comes_from_the_evidence(pages):
    assert {tag for page in pages.values() for tag, _ in page.elements} <= TAGS


def test_no_attribute_runs_or_styles_anything(pages):
    for name, page in pages.items():
        for tag, attributes in page.elements:
            bad = {
                key for key in attributes if key.startswith("on") or key in ("style", "srcdoc", "action", "formaction")
            }
            assert not bad, (name, tag, bad)


def test_the_only_script_of_a_page_is_the_reports_own(pages):
    for name, page in pages.items():
        scripts = [attributes for tag, attributes in page.elements if tag == "script"]
        assert scripts == [{"src": "html/report.js" if name == "index.html" else "../html/report.js"}], name


def test_every_page_has_a_policy_that_allows_its_own_folder_only(pages):
    for name, page in pages.items():
        policies = [a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
        assert policies == [
            "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'"
        ], name


def test_every_link_leads_to_a_place_in_the_report(site, pages):
    for name, page in pages.items():
        for _, attributes in page.elements:
            for key in ("href", "src"):
                if key not in attributes:
                    continue
                parts = urlsplit(attributes[key])
                assert not parts.scheme and not parts.netloc, (name, attributes[key])
                target = ((site / name).parent / unquote(parts.path)).resolve() if parts.path else site / name
                assert target.is_file(), (name, attributes[key])
                if parts.fragment and target.name != "search.html":
                    ids = {a.get("id") for _, a in pages[str(target.relative_to(site))].elements}
                    assert unquote(parts.fragment) in ids, (name, attributes[key])


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>.txt",
        '"onmouseover="alert(2)".jpg',
        "'><img src=x onerror=alert(3)>.png",
        "javascript:alert(4)",
        "invoice⟨U+202E⟩fdp.exe",
        "bell⟨U+0007⟩ escape⟨U+001B⟩[31m null⟨U+0000⟩ tab⟨U+0009⟩ line⟨U+000A⟩.log",
        "</script><script>alert(5)</script>⟨U+2028⟩⟨U+2029⟩.js",
        "\u4e2d\u6587\u6587\u4ef6 \U0001f4c1 \u0641\u0627\u0631\u0633\u06cc.doc",
    ],
)
def test_a_hostile_name_is_shown_as_text_with_what_it_hides_made_visible(pages, text):
    assert any(text in page.text for name, page in pages.items() if "recycle" in name)


def test_no_control_or_turning_character_is_left_in_any_file(site):
    hidden = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
    for path in [*site.rglob("*.html"), *site.rglob("*.js")]:
        assert not hidden.search(path.read_text(encoding="utf-8")), path.name


def test_the_data_of_the_search_is_ascii_without_markup(site):
    for path in (site / "html" / "data").iterdir():
        text = path.read_text(encoding="utf-8")
        assert text.isascii()
        assert not set("<>&") & set(text)
        assert text.startswith("fkRows(") and text.endswith(");\n")


def test_the_data_of_the_search_holds_every_finding(site):
    rows = [
        row
        for path in sorted((site / "html" / "data").iterdir())
        for row in json.loads(path.read_text(encoding="utf-8").removeprefix("fkRows(").removesuffix(");\n"))
    ]
    assert len(rows) == 180  # 101 + 39 + 40 places, see test_facts.py
    assert {row[3] for row in rows} == {"ABC/1", "XYZ-2"}


def test_every_finding_of_the_facts_stands_on_a_page(site, pages):
    listed = json.loads((site / "facts" / "findings-0001.json").read_bytes())
    ids = {a["id"] for page in pages.values() for tag, a in page.elements if tag == "tr" and "id" in a}
    assert ids == {f"f-{row['id']}" for row in listed}


def test_large_numbers_on_the_front_page_stand_in_the_facts(site, pages):
    report = json.loads((site / "report.json").read_bytes())
    known = set(map(int, re.findall(r"(?<![\w.])\d+(?![\w.])", json.dumps(report))))
    # The text of a chart adds its bars up.
    known |= {sum(slot["files"] for slot in chart["slots"]) for chart in report["timeline"]["charts"]}
    printed = {
        int(text.replace(",", ""))
        for text in re.findall(r"\d{1,3}(?:,\d{3})+(?!\.)", " ".join(pages["index.html"].words))
    }
    assert printed and printed <= known


def test_tables_and_pages_can_be_read_by_a_screen_reader(pages):
    for name, page in pages.items():
        tags = [tag for tag, _ in page.elements]
        assert tags.count("h1") == 1 and tags.count("main") == 1, name
        assert tags.count("caption") == tags.count("table"), name
        assert all("scope" in a for tag, a in page.elements if tag == "th"), name
        assert all("aria-hidden" in a or "aria-labelledby" in a for tag, a in page.elements if tag == "svg"), name
        assert ("html", {"lang": "en-GB"}) in page.elements, name
        assert ("a", {"class": "skip", "href": "#content"}) in page.elements, name


def test_the_same_facts_give_the_same_bytes(site, tmp_path):
    plugin = registry.load().get("report.html", api.Report)
    written = [path.relative_to(tmp_path) for path in plugin().write(site, tmp_path)]
    assert len(written) == len(set(written)) == 11
    for path in written:
        assert (tmp_path / path).read_bytes() == (site / path).read_bytes(), path


def test_a_list_that_is_cut_says_so_and_names_the_command(site, tmp_path, monkeypatch):
    plugin = registry.load().get("report.html", api.Report)
    module = sys.modules[plugin.__module__]
    monkeypatch.setattr(module, "_PAGE_ROWS", 20)
    monkeypatch.setattr(module, "_PAGES", 3)
    list(plugin().write(site, tmp_path))
    page = Page(tmp_path / "html" / "findings-01-keyword-hit-0003.html")
    assert "This report shows the first 60 of 101 rows." in page.text
    assert "forensic-kit case findings --type keyword.hit CASE" in page.text
    assert not (tmp_path / "html" / "findings-01-keyword-hit-0004.html").exists()
    assert "Page 3 of 3" in page.text


def test_a_case_with_nothing_in_it_gives_a_report(tmp_path):
    case.create(tmp_path / "case", "A. Examiner").close()
    facts.write_report(tmp_path / "case", tmp_path / "out", ["html"], registry.load())
    assert "No match was found in the data searched." in Page(tmp_path / "out" / "index.html").text


def _dom(tool, address: str) -> str:
    command = [
        tool("chromium"),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=5000",
        "--dump-dom",
    ]
    return subprocess.run([*command, address], capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_search_runs_from_a_folder_in_a_browser(site, tool):
    address = (site / "html" / "search.html").as_uri()
    text = _dom(tool, f"{address}#loader_a%20000950")
    assert "1 of 180 fit." in text
    assert "file 000950.pdf" in text


def test_a_search_hit_with_markup_in_it_stays_text_in_a_browser(site, tool):
    text = _dom(tool, (site / "html" / "search.html").as_uri() + "#alert(5)")
    assert "&lt;script&gt;alert(5)&lt;/script&gt;" in text
    assert text.count("<script") == 1  # the report's own
