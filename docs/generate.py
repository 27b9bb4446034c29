"""Writes the reference pages that repeat what the program says of itself: commands, plugins, formats, records ...

``python docs/generate.py`` writes them; with ``--check`` it writes nothing and fails when one is stale. A new plugin
appears on them by itself: from its docstrings, its attributes and the ``#:`` comments at its records' fields.
"""

import argparse
import ast
import inspect
import io
import sys
import tokenize
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click
import msgspec

from forensic_kit import api, cli, profile, registry
from forensic_kit.formats import signatures

REFERENCE = Path(__file__).resolve().parent / "reference"
#: Characters: the help is laid out for this width, whatever terminal the generator runs in.
WIDTH = 100
_NOTICE = "<!-- Written by docs/generate.py: change the source it names, then run it. -->"
_KINDS = {
    "images": "Images",
    "volumes": "Volume schemes",
    "filesystems": "File systems",
    "identifiers": "Types of content",
    "unpackers": "Unpackers",
    "artefacts": "Artefacts",
    "scanners": "Scanners",
    "reports": "Reports",
}
_TYPES = {str: "text", int: "integer", float: "number", bool: "true or false", api.Moment: "moment"}


# --- Markdown -------------------------------------------------------------------------------------------------


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A table; cells are Markdown on one line."""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(' '.join(cell.split()).replace('|', '&#124;') for cell in row)} |"
    yield ""


def prose(text: str | None) -> str:
    """A docstring or comment as Markdown."""
    return inspect.cleandoc(text or "").replace("``", "`")


def line(text: str | None) -> str:
    """Its first paragraph on one line."""
    return " ".join(prose(text).split("\n\n")[0].split())


def code(value: object) -> str:
    """A value as code in a sentence or cell."""
    text = str(value)
    return f"`` {text} ``" if "`" in text else f"`{text}`"


# --- commands -------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """(path, command, context) of every command and subcommand, each after its group."""
    settings = cli.group.context_settings | {"terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(cli.group, info_name="fkit", **settings)
    yield from _commands("fkit", cli.group, context)


def _commands(
    path: str, command: click.Command, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, f"{path} lists {name} and has no such command"
            yield from _commands(f"{path} {name}", inner, click.Context(inner, context, info_name=name))


def cli_page() -> Iterator[str]:
    """docs/reference/cli.md"""
    yield "# Commands"
    yield "`forensic-kit` and `fkit` are one program. What follows is its own help."
    yield "[Exit codes](exit-codes.md) and [the fields of --json](json.md) have pages of their own."
    yield ""
    for path, command, context in commands():
        yield f"{'#' * min(3, 1 + len(path.split()))} `{path}`" if path != "fkit" else "## `fkit`"
        yield f"\n```text\n{command.get_help(context)}\n```\n"


# --- plugins --------------------------------------------------------------------------------------------------


def plugins() -> list[registry.Loaded]:
    """The plugins that come with the program, by kind in the order of the bytes, then by name."""
    loaded = registry.load()
    assert not loaded.broken, "; ".join(f"{item.path.name}: {item.reason}" for item in loaded.broken)
    found = (item for item in loaded.loaded.values() if item.origin == "bundled")
    return sorted(found, key=lambda item: (list(_KINDS).index(item.plugin.kind), item.plugin.name))


def module_of(item: registry.Loaded) -> types.ModuleType:
    """The loaded file of a plugin."""
    return sys.modules[item.plugin.__module__]


def sections() -> Iterator[tuple[str, list[registry.Loaded]]]:
    """(title, plugins) of every kind that has any."""
    for kind, title in _KINDS.items():
        found = [item for item in plugins() if item.plugin.kind == kind]
        if found:
            yield title, found


def plugins_page() -> Iterator[str]:
    """docs/reference/plugins.md"""
    yield "# Plugins"
    yield "What comes with the program. `fkit plugins show NAME` says the same and adds file and SHA-256."
    yield "[Write a plugin](../how-to/write-a-plugin.md) adds one.\n"
    rows = ((code(i.plugin.name), i.plugin.kind, i.plugin.version, line(module_of(i).__doc__)) for i in plugins())
    yield from table(("name", "kind", "version", "file format or job"), rows)
    for title, found in sections():
        yield f"## {title}\n"
        for item in found:
            yield from _plugin(item)


def _plugin(item: registry.Loaded) -> Iterator[str]:
    plugin = item.plugin
    yield f"### {plugin.name}\n"
    yield f"Version {plugin.version}, `plugins/{plugin.kind}/{item.path.name}`.\n"
    yield prose(module_of(item).__doc__) + "\n"
    yield prose(plugin.__doc__) + "\n"
    yield from (f"- {said}" for said in _asked(plugin))
    yield f"- Source: {prose(plugin.source)}"
    yield from (f"- Limit: {line(limit)}" for limit in plugin.limits)
    tags = [record.__struct_config__.tag for record in records_of(item) if produced_by(item, record)]
    if tags:
        links = (f"[{tag}](records.md#{anchor(str(tag))})" for tag in tags)
        yield f"- Records: {', '.join(links)}"
    yield ""
    if plugin.options:
        head = ("option", "type", "default", "meaning")
        yield from table(head, (_option(plugin.name, option) for option in plugin.options))


def _asked(plugin: type[api.Plugin]) -> Iterator[str]:
    """What decides that a plugin is asked, by its kind."""
    if issubclass(plugin, api.Artefact):
        if plugin.paths:
            yield f"Paths: {', '.join(map(code, plugin.paths))}"
        if plugin.signatures:
            marks = dict.fromkeys(f"`{magic.hex(' ')}` at {offset}" for offset, magic in plugin.signatures)
            yield f"Signatures: {', '.join(marks)}"
    elif issubclass(plugin, api.Unpacker):
        yield f"In locators: `!{plugin.label}:MEMBER`"
    elif issubclass(plugin, api.Scanner):
        yield f"Stage: `{plugin.stage}`"
    elif issubclass(plugin, api.Report):
        yield f"Formats: {', '.join(map(code, plugin.formats))}"


def _option(plugin: str, option: api.Option) -> tuple[str, ...]:
    default = "" if option.default in (None, "", ()) else code(option.default)
    return code(f"-o {plugin}.{option.name}=..."), option.type.__name__, default, line(option.help)


def anchor(heading: str) -> str:
    """The anchor that a heading gets."""
    return "".join(char for char in heading.lower().replace(" ", "-") if char.isalnum() or char in "-_")


# --- formats --------------------------------------------------------------------------------------------------


def formats_page() -> Iterator[str]:
    """docs/reference/formats.md"""
    yield "# Formats"
    yield "What is read, and what of it is not. Each line comes from the plugin that does the reading;"
    yield "[plugins](plugins.md) gives its source and options.\n"
    for title, found in sections():
        if title in ("Scanners", "Reports"):
            continue
        yield f"## {title}\n"
        rows = (
            (f"[{i.plugin.name}](plugins.md#{anchor(i.plugin.name)})", line(module_of(i).__doc__), _limits(i.plugin))
            for i in found
        )
        yield from table(("plugin", "format", "not read, or not told"), rows)
    yield "## Recognised and not read\n"
    yield "A volume or image of these is named in one sentence with what to try, and searched raw.\n"
    names: dict[str, list[str]] = {}
    for signature in signatures._SIGNATURES:
        names.setdefault(signature.kind, []).append(signature.name)
    names["volume manager"].append("Linux software RAID")  # told by functions, not by a row of the table
    names["file system"].append("ZFS")
    yield from table(("kind", "names"), ((kind, ", ".join(dict.fromkeys(found))) for kind, found in names.items()))


def _limits(plugin: type[api.Plugin]) -> str:
    return "<br>".join(line(limit) for limit in plugin.limits)


# --- records --------------------------------------------------------------------------------------------------


def records_of(item: registry.Loaded) -> list[type[api.Record]]:
    """The record classes that the plugin's file defines, in the order of the file."""
    found = vars(module_of(item)).values()
    own = (value for value in found if inspect.isclass(value) and issubclass(value, api.Record))
    return [value for value in own if value.__module__ == item.plugin.__module__]


def produced_by(item: registry.Loaded, record: type[api.Record]) -> bool:
    """Where a file holds several plugins, a record belongs to the one whose name begins its type."""
    others = [other.plugin.name for other in plugins() if other.path == item.path]
    tag = str(record.__struct_config__.tag)
    fitting = [name for name in others if tag.startswith(f"{name}.")]
    return item.plugin.name in fitting if fitting else True


def records_page() -> Iterator[str]:
    """docs/reference/records.md"""
    yield "# Records"
    yield "What parsers and scanners find. In [`case findings --json`](json.md#fkit-case-findings---json) the type"
    yield "stands in `type` and the fields in `record`. A field with an event also gives a line of the timeline.\n"
    yield "A *moment* is an object: `time` (ISO 8601), `zone` (`utc`, `local` or an offset), `resolution_ns` (the step"
    yield "of the clock) and `raw` (the value as stored). Bytes are written as lower-case hex.\n"
    for item in plugins():
        for record in records_of(item):
            if not produced_by(item, record):
                continue
            yield f"## {record.__struct_config__.tag}\n"
            yield f"By [{item.plugin.name}](plugins.md#{anchor(item.plugin.name)}). {line(record.__doc__)}\n"
            yield from table(("field", "type", "event", "meaning"), _fields(item.path, record))


def _fields(path: Path, record: type[api.Record]) -> Iterator[tuple[str, ...]]:
    said = comments(path.read_text(encoding="utf-8"), record.__name__)
    hints = typing.get_type_hints(record, include_extras=True)
    for field in msgspec.structs.fields(record):
        marks = getattr(hints[field.name], "__metadata__", ())
        event = next((mark.meaning for mark in marks if isinstance(mark, api.When)), "")
        yield code(field.name), type_text(hints[field.name]), event, line(said.get(field.name)).replace("None", "null")


def type_text(hint: object) -> str:
    """A type in words."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return type_text(inner[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if part is type(None) else type_text(part) for part in inner)
    if origin in (tuple, list):
        return f"list of {type_text(inner[0])}"
    if origin is dict or hint is dict:
        return "object"
    if origin is typing.Literal:
        return " or ".join(map(code, inner))
    if inspect.isclass(hint) and issubclass(hint, msgspec.Struct) and hint is not api.Moment:
        return f"object with {', '.join(code(field.name) for field in msgspec.structs.fields(hint))}"
    return _TYPES.get(hint, getattr(hint, "__name__", str(hint)))  # type: ignore[call-overload]


def comments(source: str, class_name: str) -> dict[str, str]:
    """The ``#:`` comments of a class's fields: those on the line of the field or on the lines just above it."""
    said = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.string.startswith("#:"):
            said[token.start[0]] = token.string[2:].strip()
    found = {}
    for node in ast.parse(source).body:
        if not (isinstance(node, ast.ClassDef) and node.name == class_name):
            continue
        taken: set[int] = set()  # a comment at the end of one field's line does not belong to the next
        for field in node.body:
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            lines = [at for at in range(field.lineno, (field.end_lineno or field.lineno) + 1) if at in said]
            above = field.lineno - 1
            while above in said and above not in taken:
                lines.insert(0, above)
                above -= 1
            taken.update(lines)
            found[field.target.id] = " ".join(said[at] for at in lines)
    return found


# --- profiles -------------------------------------------------------------------------------------------------


def profiles_page() -> Iterator[str]:
    """docs/reference/profiles.md"""
    folder = registry.resource_folder("rules") / "profiles"
    shipped = {path.stem: profile.load(path.stem) for path in sorted(folder.glob("*.toml"))}
    names = sorted(shipped, key=lambda name: ("triage", "standard", "full", name).index(name))
    source = inspect.getsource(profile)
    yield "# Profiles"
    yield line(profile.__doc__)
    yield "`fkit run --profile NAME` takes a shipped one, `--profile FILE.toml` a lab's own. A switch that a file"
    yield "leaves out has its default; one not listed here is refused. The SHA-256 over all switches is kept with each"
    yield "pass.\n"
    yield from table(
        ("profile", "version", "what for"), ((code(n), shipped[n].version, shipped[n].description) for n in names)
    )
    yield "[Outcomes](outcomes.md#kinds) says what each kind of entry is.\n"
    for part in (profile.Areas, profile.Budgets):
        key = part.__name__.lower()
        yield f"## `[{key}]`\n"
        yield f"{line(part.__doc__)}\n"
        said = comments(source, part.__name__)
        rows = (
            (
                code(field.name),
                _value(field.default),
                *(_value(getattr(getattr(shipped[name], key), field.name)) for name in names),
                line(said.get(field.name)),
            )
            for field in msgspec.structs.fields(part)
        )
        yield from table(("switch", "default", *names, "meaning"), rows)
    yield "## `[options]`\n"
    yield f"{line(comments(source, 'Profile')['options'])} The [plugins](plugins.md) list them.\n"
    yield "## The shipped files\n"
    for name in names:
        text = (folder / f"{name}.toml").read_text(encoding="utf-8")
        tomllib.loads(text)  # what is shown here is what is read
        yield f"`{name}.toml`:\n\n```toml\n{text}```\n"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:,}" if isinstance(value, int) else str(value)


# --- writing --------------------------------------------------------------------------------------------------

PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "cli.md": cli_page,
    "plugins.md": plugins_page,
    "formats.md": formats_page,
    "records.md": records_page,
    "profiles.md": profiles_page,
}


def text_of(name: str) -> str:
    """A page as it should be."""
    lines = "\n".join(PAGES[name]()).split("\n")
    title, rest = lines[0], lines[1:]
    return "\n".join([title, "", _NOTICE, "", *(part.rstrip() for part in rest)]).rstrip("\n") + "\n"


def stale() -> list[str]:
    """The pages that differ from what they should be."""
    found = []
    for name in PAGES:
        path = REFERENCE / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text_of(name):
            found.append(name)
    return found


def main() -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description="Write the generated pages of docs/reference.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is stale")
    if parser.parse_args().check:
        for name in (old := stale()):
            print(f"docs/reference/{name} is stale: run python docs/generate.py")
        return 1 if old else 0
    for name in PAGES:
        (REFERENCE / name).write_text(text_of(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
