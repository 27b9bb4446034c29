"""The documentation says what is so: generated pages are fresh, links lead somewhere, commands and fields exist."""

import importlib
import itertools
import json
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import click
import pytest
from click.testing import CliRunner

from docs import generate, outputs
from forensic_kit import audit, cli, model
from forensic_kit.cli.console import read_credentials
from tests.conftest import ROOT
from tests.engine import test_model

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
SAMPLE = ROOT / "sample_images" / "exercise.dd"
LIST = ROOT / "sample_images" / "exercise.keywords.txt"
#: Pages whose commands take a while: what they show is compared by .ci/long.
SLOW = (
    "docs/how-to/check-a-result.md",
    "docs/how-to/late-list.md",
    "docs/how-to/run-overnight.md",
    "docs/tutorial/first-case.md",
)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def prose_of(text: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def cells(text: str, column: int = 0) -> list[str]:
    """What stands in backticks in one column of the tables of a text, heads left out."""
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row[column])]


def section(text: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


# --- generated pages ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_generated_page_is_fresh(name):
    stored = (generate.REFERENCE / name).read_text(encoding="utf-8")
    assert stored == generate.text_of(name), f"docs/reference/{name} is stale: run python docs/generate.py"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_documented(name):
    assert f"\n### `fkit {name}`\n" in page("reference/cli.md")


def test_help_is_laid_out_alike_whatever_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert generate.text_of("cli.md") == page("reference/cli.md")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in SLOW else ()) for name in outputs.PAGES]
)
def test_a_page_shows_what_the_commands_print(name, tool):
    tool("bash")
    text = (ROOT / name).read_text(encoding="utf-8")
    if "```console" in text:
        now = outputs.refreshed(text)
        assert outputs.same(now, text), f"{name} is stale: run python docs/outputs.py"


# --- links ----------------------------------------------------------------------------------------------------


def anchors(path: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose_of(path.read_text(encoding="utf-8")), re.MULTILINE)
    return {generate.anchor(heading.replace("`", "")) for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_links_lead_somewhere(path):
    text = re.sub(r"`[^`\n]*`(?!\])", "", prose_of(path.read_text(encoding="utf-8")))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{named(path)}: {target} does not exist"
        if anchor:
            assert anchor in anchors(there), f"{named(path)}: {target}: no such heading"


# --- commands that are shown ----------------------------------------------------------------------------------


def shown_commands(text: str) -> Iterator[list[str]]:
    """The words of every fkit command in the console and sh blocks of a page."""
    for mark, body in outputs.blocks(text):
        lines = [item.command for item in outputs.shown(body)] if mark == "console" else body.splitlines()
        if mark not in ("console", "sh"):
            continue
        for line in "\n".join(lines).replace("\\\n", " ").splitlines():
            words = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
            words.whitespace_split = True
            for is_end, group in itertools.groupby(words, lambda word: set(word) <= set("|&;()<>")):
                command = list(group)
                if not is_end and command[0].rsplit("/", 1)[-1] in ("fkit", "forensic-kit"):
                    yield command[1:]


def check_command(words: list[str]) -> None:
    """Raises click's own error where a command or one of its options does not exist or lacks something."""
    command: click.Command = cli.group
    context = click.Context(command, info_name="fkit")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        inner = command.get_command(context, name)
        assert inner is not None, f"there is no command {context.command_path} {name}"
        command, context = inner, click.Context(inner, context, info_name=name)
    values, rest, _ = command.make_parser(context).parse_args(words)
    assert not rest or isinstance(command, click.Group), f"{context.command_path}: {rest} is too much"
    if values.get("help") or isinstance(command, click.Group):
        return
    for parameter in command.params:
        if parameter.required:
            assert values.get(parameter.name), f"{context.command_path}: {parameter.name} is missing"


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_commands_that_are_shown_exist(path):
    for words in shown_commands(path.read_text(encoding="utf-8")):
        check_command(words)


@pytest.mark.parametrize(
    "words", [["run", "x.dd"], ["run", "--case", "c", "--no-such"], ["nothing"], ["cat", "-r", "x"]]
)
def test_a_command_that_does_not_exist_is_noticed(words):
    with pytest.raises((AssertionError, click.UsageError)):
        check_command(words)


# --- JSON -----------------------------------------------------------------------------------------------------

JSON_PAGE = page("reference/json.md")


@cache
def documented(command: str) -> frozenset[str]:
    """The field paths that json.md gives for a command, those of the commands it refers to included."""
    text = section(JSON_PAGE, f"`fkit {command} --json`")
    found = set(cells(text))
    for other in re.findall(r"fields of \[`[^`]+`\]\(#fkit-([a-z-]+)---json\)", text.replace("\n", " ")):
        found |= documented(other.replace("-", " "))
    return frozenset(found)


def fields(value: object, known: frozenset[str], path: str = "") -> Iterator[str]:
    """The paths of a JSON value, down to where the documentation goes down."""
    deeper = any(name != path and name.startswith((f"{path}.", f"{path}[]")) for name in known) if path else True
    if isinstance(value, list) and deeper:
        for item in value:
            yield from fields(item, known, f"{path}[]")
    elif isinstance(value, dict) and deeper:
        wild = next((name for name in known if re.match(rf"{re.escape(path)}\.<", name)), "")
        key = wild[len(path) + 1 :].split(".")[0].split("[")[0] if wild else ""
        for name, item in value.items():
            yield from fields(item, known, f"{path}.{key or name}" if path else name)
    else:
        yield path


def json_of(arguments: list[str]) -> list[object]:
    """What a command prints with --json."""
    result = CliRunner().invoke(cli.group, [*arguments, "--json"], standalone_mode=False)
    assert result.exception is None, f"{arguments}: {result.exception!r}"
    try:
        return [json.loads(result.stdout)]
    except json.JSONDecodeError:
        return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> dict[str, str]:
    """A case of the sample image with hits of every scanner, and things to look at besides."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "broken").mkdir()
    (folder / "broken" / "bad.py").write_text("import nothing_of_this_name\n")
    (folder / "rules").mkdir()
    (folder / "rules" / "good.yar").write_text("rule fine { condition: true }\n")
    (folder / "rules" / "bad.yar").write_text("rule broken { condition: nothing }\n")
    with SAMPLE.open("rb") as source:
        (folder / "cut.dd").write_bytes(source.read(30 << 20))
    run = ["run", str(SAMPLE), "--case", str(folder / "case"), "--keywords", str(LIST), "--verify", "none", "--quiet"]
    result = CliRunner().invoke(cli.group, [*run, "--rules", str(ROOT / "rules" / "yara")], standalone_mode=False)
    assert result.return_value == 4, result.output
    (row,) = json_of(["extract", str(SAMPLE), "--path", "*/$I*", "--out", str(folder / "taken")])
    (finding, *_) = json_of(["case", "findings", str(folder / "case"), "--type", "keyword.hit"])
    return {
        "folder": str(folder),
        "case": str(folder / "case"),
        "deleted": str(folder / "taken" / row["written"]),
        "id": finding["id"],
        "locator": finding["locator"],
    }


#: Command: what to ask so that every field it can give is given.
ASKED = {
    "info": [["info", "{folder}/cut.dd", f"--exhibit=e01={SAMPLE.with_suffix('.E01')}"]],
    "ls": [["ls", "-r", str(SAMPLE)]],
    "extract": [["extract", str(SAMPLE), "--path", "*.zip", "--out", "{folder}/zips"]],
    "parse": [["parse", "{deleted}", "--as", "windows.recycle_bin"]],
    "verify": [["verify", str(SAMPLE)]],
    "case summary": [["case", "summary", "{case}"]],
    "case files": [["case", "files", "{case}"]],
    "case findings": [["case", "findings", "{case}"]],
    "case timeline": [["case", "timeline", "{case}"]],
    "case problems": [["case", "problems", "{case}"]],
    "case show": [["case", "show", "{case}", "{id}", "--bytes", "16"], ["case", "show", "{case}", "{locator}"]],
    "case search": [["case", "search", "{case}", "recipe"], ["case", "search", "{case}", "SILVERMOTH"]],
    "report": [["report", "{case}", "--out", "{folder}/report"]],
    "audit verify": [["audit", "verify", "{case}"]],
    "audit show": [["audit", "show", "{case}"]],
    "plugins list": [["plugins", "list", "--plugins", "{folder}/broken"]],
    "plugins show": [["plugins", "show", "keywords"]],
    "rules list": [["rules", "list", str(ROOT / "rules" / "yara")]],
    "rules check": [["rules", "check", "{folder}/rules"]],
    "keywords check": [["keywords", "check", str(LIST)]],
    "doctor": [["doctor"]],
}


@pytest.mark.parametrize("command", ASKED)
def test_json_fields_are_those_that_are_documented(command, case):
    known = documented(command)
    found = set()
    for arguments in ASKED[command]:
        for row in json_of([word.format(**case) for word in arguments]):
            found |= set(fields(row, known))
    assert found == known


def test_every_command_that_gives_json_is_documented_and_asked():
    can = {
        path.removeprefix("fkit ")
        for path, command, _ in generate.commands()
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert set(re.findall(r"^## `fkit ([a-z ]+) --json`$", JSON_PAGE, re.MULTILINE)) == can == set(ASKED)


# --- hand-written reference -----------------------------------------------------------------------------------


def test_the_locators_shown_are_those_that_are_tested():
    rows = cells(page("reference/locators.md"))
    tested = [text for _, text in test_model.test_the_text_of_a_locator.pytestmark[0].args[1]]
    assert [row for row in rows if "/v" in row] == tested


def test_the_credentials_shown_are_read(tmp_path):
    example = next(body for mark, body in outputs.blocks(page("reference/credentials.md")) if mark == "toml")
    (tmp_path / "secrets.toml").write_text(example, encoding="utf-8")
    first, second = read_credentials(tmp_path / "secrets.toml")
    assert (first.kind, first.value, first.exhibit) == ("password", "kneading", "")
    assert (second.value, second.exhibit) == ("another guess", "exercise.dd")


def test_every_table_and_column_of_the_case_is_described():
    db = sqlite3.connect(":memory:")
    db.executescript(audit.SCHEMA + (ROOT / "forensic_kit" / "case.sql").read_text(encoding="utf-8"))
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    parts = dict(part.split("\n", 1) for part in page("reference/case-folder.md").split("\n### ")[1:])
    assert set(parts) == set(tables)
    for table in tables:
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        missing = [column for column in columns if f"`{column}`" not in parts[table]]
        assert not missing, f"{table}: {missing}"


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Stages", model.STAGES),
        ("Outcomes", model.OUTCOMES),
        ("Kinds", model.KINDS),
        ("States", ("name_state", "meta_state", "content_state", *get_args(model.State))),
        ("Problems", get_args(model.Severity)),
    ],
)
def test_outcomes_are_explained_in_their_order(heading, names):
    assert cells(section(page("reference/outcomes.md"), heading)) == list(names)


def test_the_exit_codes_of_errors_are_explained():
    errors = importlib.import_module("forensic_kit.errors")
    codes = {str(value.exit_code) for value in vars(errors).values() if hasattr(value, "exit_code")}
    explained = set(re.findall(r"^\| (\d+) \|", page("reference/exit-codes.md"), re.MULTILINE))
    assert codes | {"0", "1", "4", "5", "130"} == explained


def script(tmp_path: Path) -> Path:
    body = next(body for _, body in outputs.blocks(page("how-to/check-a-result.md")) if body.startswith("# check.py"))
    (tmp_path / "check.py").write_text(body, encoding="utf-8")
    return tmp_path / "check.py"


def test_the_check_script_notices_bytes_that_differ(case, tmp_path):
    rows = json_of(["case", "findings", case["case"], "--type", "keyword.hit"])
    (tmp_path / "findings.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    image = tmp_path / "image.dd"
    image.write_bytes(SAMPLE.read_bytes())
    arguments = [sys.executable, "-I", str(script(tmp_path)), str(image), str(tmp_path / "findings.jsonl")]
    assert subprocess.run(arguments, capture_output=True, check=False).returncode == 0
    place = next(row["image_offset"] for row in rows if row["image_offset"] is not None)
    with image.open("r+b") as out:
        out.seek(place)
        out.write(b"\0")
    assert subprocess.run(arguments, capture_output=True, check=False).returncode == 1


def test_the_check_script_uses_nothing_of_ours(tmp_path):
    assert "forensic_kit" not in script(tmp_path).read_text(encoding="utf-8")
