"""What every plugin owes, present and future: a failure names the plugin."""

import re
import sys
import types
import typing

import msgspec
import pytest

from forensic_kit import registry
from forensic_kit.api import Record, When
from tests.conftest import ROOT

FILES = sorted(path for path in (ROOT / "plugins").rglob("*.py") if not path.name.startswith("_"))


def loaded():
    return [item for item in registry.load().loaded.values() if item.origin == "bundled"]


def records() -> list[tuple[str, type[Record]]]:
    """(plugin file, record class) of every record that a bundled plugin defines."""
    found = {}
    for item in loaded():
        for value in vars(sys.modules[item.plugin.__module__]).values():
            if isinstance(value, type) and issubclass(value, Record) and value.__module__ == item.plugin.__module__:
                found[value] = f"{item.plugin.kind}/{item.path.name}"
    return [(path, record) for record, path in found.items()]


def bare(hint: object) -> object:
    """A type without its marks and without None."""
    if typing.get_origin(hint) is typing.Annotated:
        return bare(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [bare(part) for part in typing.get_args(hint) if part is not type(None)]
        return rest[0] if len(rest) == 1 else frozenset(rest)
    return hint


def each(name="item"):
    return pytest.mark.parametrize(name, loaded(), ids=lambda item: item.plugin.name)


def test_every_plugin_file_loads():
    assert [f"{broken.path.name}: {broken.reason}" for broken in registry.load().broken] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-2:]))
def test_every_plugin_file_holds_a_plugin(path):
    assert path in {item.path for item in loaded()}, f"{path} defines no plugin that loads"


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-2:]))
def test_every_plugin_file_has_a_witness(path):
    folder = ROOT / "tests" / "plugins" / path.parent.name / path.stem
    witness = folder / "witness.md"
    assert witness.is_file(), f"{witness.relative_to(ROOT)} is missing: say who else says that the results are right"
    assert len(witness.read_text(encoding="utf-8").split()) > 10, f"{witness.relative_to(ROOT)} says nothing"


@each()
def test_a_plugin_lies_in_the_folder_of_its_kind(item):
    assert item.path.parent.name == item.plugin.kind


@each()
def test_a_plugin_says_what_it_is(item):
    plugin = item.plugin
    assert (plugin.__dict__.get("__doc__") or "").strip(), f"{plugin.name}: no docstring"
    assert (sys.modules[plugin.__module__].__doc__ or "").strip(), f"{plugin.name}: its file has no docstring"
    assert plugin.source.strip(), f"{plugin.name}: no source of its knowledge"
    assert re.fullmatch(r"\d+(\.\d+)+", plugin.version), f"{plugin.name}: version {plugin.version!r}"
    assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", plugin.name), f"{plugin.name!r}: not a dotted lower-case name"


@each()
def test_a_plugin_says_its_limits_in_sentences(item):
    plugin = item.plugin
    assert isinstance(plugin.limits, tuple), f"{plugin.name}: limits must be a tuple of sentences"
    assert plugin.limits, f"{plugin.name}: no limits; every plugin has some"
    for limit in plugin.limits:
        assert limit[0].isupper() or not limit[0].isalpha(), f"{plugin.name}: {limit!r} does not start like a sentence"
        assert limit.endswith("."), f"{plugin.name}: {limit!r} does not end like a sentence"


@each()
def test_options_have_unique_names_and_help(item):
    names = [option.name for option in item.plugin.options]
    assert len(names) == len(set(names)), f"{item.plugin.name}: {names}"
    assert all(option.help.strip() for option in item.plugin.options), f"{item.plugin.name}: an option without help"


def test_record_types_are_unique_and_dotted():
    seen = {}
    for path, record in records():
        tag = record.__struct_config__.tag
        assert isinstance(tag, str), f"{path}: {record.__name__} has no tag"
        assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", tag), f"{path}: {tag!r} is not a dotted lower-case type"
        assert tag not in seen, f"{path}: {tag} is also a record of {seen.get(tag)}"
        seen[tag] = path
    assert seen


def test_a_record_is_documented():
    for path, record in records():
        assert (record.__dict__.get("__doc__") or "").strip(), f"{path}: {record.__name__} has no docstring"


def test_the_same_field_name_has_the_same_type_in_every_record():
    seen: dict[str, tuple[object, str]] = {}
    for path, record in records():
        for name, hint in typing.get_type_hints(record, include_extras=True).items():
            if name not in msgspec.structs.fields(record) and name.startswith("_"):
                continue
            kind = bare(hint)
            first, where = seen.setdefault(name, (kind, f"{path} {record.__name__}"))
            assert kind == first, f"{path} {record.__name__}: field {name} is {kind}, in {where} it is {first}"


def test_a_field_marked_as_an_event_holds_moments():
    from forensic_kit.api import Moment

    for path, record in records():
        for name, hint in typing.get_type_hints(record, include_extras=True).items():
            marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, When)]
            if marks:
                assert bare(hint) in (Moment, tuple[Moment, ...]), f"{path} {record.__name__}: {name} is no moment"
                assert marks[0].meaning.strip(), f"{path} {record.__name__}: {name} has no meaning"
