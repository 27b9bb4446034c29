"""``plugins``: list, show, start a new one."""

from pathlib import Path
from typing import Any

import click

from forensic_kit.cli import console
from forensic_kit.errors import Misuse


@click.group()
def command() -> None:
    """List, show or start writing plugins."""


@command.command(name="list")
@console.plugins_option
@console.json_option
def list_(plugin_folders: tuple[Path, ...], as_json: bool) -> int:
    """All plugins, and files that could not be loaded with the reason."""
    from forensic_kit import registry

    found = registry.load(plugin_folders)
    rows = [_row(item) for item in sorted(found.loaded.values(), key=lambda item: (item.plugin.kind, item.plugin.name))]
    if as_json:
        console.print_rows(rows)
        console.print_rows({"broken": str(item.path), "reason": item.reason} for item in found.broken)
    else:
        console.print_table(
            ("kind", "name", "version", "origin", "what it does"),
            [(row["kind"], row["name"], row["version"], row["origin"], row["summary"]) for row in rows],
        )
    for item in found.broken:
        console.say(f"broken: {item.path}: {item.reason}")
    return 3 if found.broken else 0


@command.command()
@click.argument("name")
@console.plugins_option
@console.json_option
def show(name: str, plugin_folders: tuple[Path, ...], as_json: bool) -> None:
    """One plugin: what it does, its limits, options and where its knowledge comes from."""
    from forensic_kit import registry

    loaded = registry.load(plugin_folders).loaded
    if name not in loaded:
        raise Misuse(f"no plugin is called {name!r}. `plugins list` names them.")
    row = _row(loaded[name])
    if as_json:
        console.print_json(row, indent=True)
        return
    print(f"{row['name']} {row['version']} ({row['kind']}, {row['origin']})\n\n{row['documentation']}\n")
    print(f"Source: {row['source']}")
    for limit in row["limits"]:
        print(f"Limit: {limit}")
    for option in row["options"]:
        print(f"-o {name}.{option['name']}=...  {option['help']} (default: {option['default']})")
    print(f"File: {row['path']}\nSHA-256: {row['sha256']}")


def _row(item: Any) -> dict[str, Any]:
    import inspect

    plugin = item.plugin
    documentation = inspect.getdoc(plugin) or ""
    return {
        "kind": plugin.kind,
        "name": plugin.name,
        "version": plugin.version,
        "origin": item.origin,
        "summary": documentation.split("\n")[0],
        "documentation": documentation,
        "source": plugin.source,
        "limits": list(plugin.limits),
        "options": [
            {"name": option.name, "type": option.type.__name__, "default": option.default, "help": option.help}
            for option in plugin.options
        ],
        "path": str(item.path),
        "sha256": item.sha256,
    }


_TEMPLATE = '''"""What the file holds, in one line."""

from collections.abc import Iterator
from typing import Annotated

from forensic_kit.api import Artefact, At, Content, Damaged, Moment, Problem, Record, unix, when
from forensic_kit.formats.layout import Layout

HEADER = Layout("<", magic="4s", seconds="I")  # offsets 0, 4


class {record}(Record, tag="{name}"):
    """One record."""

    written: Annotated[Moment | None, when("written")] = None  # becomes a timeline event


class {class_}(Artefact, api=1):
    """Says what it reads. Limits: say what it does not."""

    name, version = "{name}", "0.1"
    paths = ("*/{name}.dat",)  # any case
    source = "name the document that describes the format"
    limits = ("Say in a sentence what it does not do.",)

    def parse(self, content: Content) -> Iterator[Record | At | Problem]:
        header = HEADER.read(content.data)  # raises Damaged when cut short
        if header.magic != b"DATA":
            raise Damaged(f"the file starts with {{header.magic.hex()}}, not with DATA", offset=0)
        yield {record}(unix(header.seconds))
'''


@command.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Folder to write to.")
def new(name: str, out: Path) -> None:
    """Write the start of an artefact plugin called NAME (dotted, lower case) to NAME.py."""
    words = name.replace(".", "_").split("_")
    if not all(word.isidentifier() and word.islower() for word in words):
        raise Misuse(f"{name!r}: a plugin's name is dotted and lower case, such as windows.prefetch.")
    class_ = "".join(word.title() for word in words)
    path = out / f"{'_'.join(words)}.py"
    if path.exists():
        raise Misuse(f"{path} exists already. Choose another name or --out.")
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(_TEMPLATE.format(name=name, class_=class_, record=f"{class_}Record"), encoding="utf-8")
    print(f"{path}: try it with `forensic-kit parse FILE --as {name} --plugins {out}`")
