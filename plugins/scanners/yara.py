"""YARA rules: every rule that matches a content, with where and what its strings matched."""

import hashlib
import heapq
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from forensic_kit.api import (
    At,
    Content,
    FileEntry,
    Misuse,
    Option,
    Plan,
    PlanItem,
    PluginError,
    Problem,
    Record,
    Scanner,
    TimedOut,
    note,
)
from forensic_kit.formats.filetype import short_type
from forensic_kit.formats.rulefiles import EXTERNALS, Source, included, sources

_EMPTY = dict.fromkeys(EXTERNALS, "")
_ERROR = re.compile(r"(.*)\((\d+)\): (.*)", re.DOTALL)
_SHOWN_ERRORS = 10


class MatchedString(Record, tag="yara.match.string"):
    """One place where a string of a rule stands."""

    id: str
    offset: int  #: from the start of the whole content, bytes
    length: int  #: bytes
    data: str  #: hex, at most the first bytes that ``string_bytes`` allows


class YaraMatch(Record, tag="yara.match"):
    """One rule that matched."""

    rule: str
    namespace: str  #: path of the rule file in the folder that was given
    tags: tuple[str, ...]
    meta: dict[str, str | int | bool]
    strings: tuple[MatchedString, ...]  #: by offset, at most as many as ``strings`` allows
    string_count: int  #: all places of all strings


class Yara(Scanner, api=1):
    """Matches YARA rules, from files, folders or compiled."""

    name, version = "yara", "1.0"
    stage = "yara"
    exact_in_windows = False
    source = "https://yara.readthedocs.io/en/v4.5.0/; external variables as in https://github.com/Neo23x0/Loki"
    limits = (
        "Contents seen in windows give other results where a rule asks for the size, for counts, for a place from "
        "the start or the end, or for a module.",
        "YARA keeps the first 1,000,000 places of a string; more are noted, not counted.",
        "Results are those of the libyara that the plan names; 4.2.3 and 4.5.4 agreed wherever they were compared.",
        "Compiled rules carry no namespaces that could be listed, and a damaged file of them can crash a worker: take "
        "them only from people you trust.",
        "The external variable owner is empty unless the file system names the owner.",
    )
    options = (
        Option("rules", str, (), "rule file or folder (*.yar, *.yara, *.rule, compiled); may be given several times"),
        Option("timeout", int, 60, "longest time for one content, seconds"),
        Option("strict", bool, True, "stop if a rule file does not compile; else leave it out and say so"),
        Option("externals", str, "filled", "external variables: filled (from the entry) or empty"),
        Option("string_bytes", int, 64, "bytes kept of each matched string"),
        Option("strings", int, 64, "matched strings kept of one rule in one content; all are counted"),
    )

    def plan(self, options: Mapping[str, Any], cache: Path) -> Iterable[Plan]:
        given = options.get("rules") or ()
        settings = _settings(options)
        _configure(settings)
        for path in [given] if isinstance(given, str | Path) else given:
            for source in sources(Path(path)):
                yield from self._plans(source, settings, cache, strict=bool(options.get("strict", True)))

    def _plans(self, source: Source, settings: dict[str, Any], cache: Path, *, strict: bool) -> list[Plan]:
        """Those of one source, from the cache where the same files were compiled before."""
        identity = [self.name, self.version, _engine(), settings, source.hashes, source.is_compiled]
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        stored = cache / f"yara-{digest}-{'strict' if strict else 'lenient'}.json"
        if stored.is_file():
            plans = msgspec.json.decode(stored.read_bytes(), type=list[Plan])
            # The case may have moved since.
            plans = [msgspec.structs.replace(plan, compiled=str(cache / Path(plan.compiled).name)) for plan in plans]
            if all(Path(plan.compiled).is_file() for plan in plans):
                return plans
        cache.mkdir(parents=True, exist_ok=True)
        compiled = _compiled_set(source, settings) if source.is_compiled else _compile(source, settings, strict=strict)
        plans = [self._plan(source, one, settings, digest, cache) for one in compiled]
        _write(stored, msgspec.json.encode(plans))
        return plans

    def _plan(self, source: Source, made: "_Set", settings: dict[str, Any], digest: str, cache: Path) -> Plan:
        digest = hashlib.sha256(f"{digest} {made.per_entry}".encode()).hexdigest()
        path = cache / f"yara-{digest}.yarc"
        part = path.with_name(path.name + ".part")
        made.rules.save(str(part))
        part.replace(path)
        return Plan(
            plugin=self.name,
            stage=self.stage,
            name=source.name + (" (rules that use names)" if made.per_entry and not source.is_compiled else ""),
            digest=digest,
            items=tuple(made.items),
            problems=tuple(made.problems),
            compiled=str(path),
            per_entry=made.per_entry,
            timeout=settings["timeout"],
            engine={**_engine(), "externals": settings["externals"]},
            files=source.hashes,
            settings={**settings, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
        )

    def prepare(self, plan: Plan) -> None:
        import yara

        _configure(plan.settings)
        path = Path(plan.compiled)
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            rules = yara.load(str(path))
        except (OSError, yara.Error) as error:
            raise PluginError(
                f"the compiled rules of {plan.name} cannot be loaded: {error}. Every machine of a run needs the "
                "folder of the case and the same version of yara-python."
            ) from error
        if found != plan.settings["sha256"]:
            raise PluginError(
                f"the compiled rules of {plan.name} are not those that were planned. Start the run again."
            )
        self._loaded = plan
        self._rules = rules

    def scan(self, content: Content) -> Iterator[Record | At | Problem]:
        problems: set[Problem] = set()
        matches = self._match(content, problems)
        for match in sorted(matches, key=lambda match: (match.namespace, match.rule)):
            record = self._record(match, content)
            if record is not None:
                yield At(record.strings[0].offset, record) if record.strings else record
        yield from sorted(problems)

    def _match(self, content: Content, problems: set[Problem]) -> Any:
        """What the rules say of the data; warnings go to ``problems``."""
        import yara

        def on_warning(_kind: int, what: Any) -> int:
            if isinstance(what, str):
                problems.add(note(f"YARA warns: {what}", error="warning"))
            else:
                text = f"{what.namespace}: rule {what.rule}: {what.string} stands in more places than YARA keeps"
                problems.add(note(f"{text}; they are not all counted.", error="capped"))
            return int(yara.CALLBACK_CONTINUE)

        plan = self._loaded
        externals = _externals(content) if plan.per_entry else _EMPTY
        try:
            return self._rules.match(
                data=content.data, externals=externals, timeout=plan.timeout, warnings_callback=on_warning
            )
        except yara.TimeoutError as error:
            raise TimedOut(
                f"the rules of {plan.name} took longer than their limit; no result of them is known for this content. "
                "Raise yara.timeout or scan it alone."
            ) from error
        except yara.Error as error:
            raise PluginError(f"YARA stopped over the rules of {plan.name}: {error}.") from error

    def _record(self, match: Any, content: Content) -> YaraMatch | None:
        """A match as a record; None where all its strings belong to the next window."""
        border = len(content.data) - content.margin
        settings = self._loaded.settings
        places = [
            (instance.offset, string.identifier, instance.matched_length, instance.matched_data)
            for string in match.strings
            for instance in string.instances
            if instance.offset < border
        ]
        if match.strings and not places:
            return None
        return YaraMatch(
            rule=match.rule,
            namespace=match.namespace,
            tags=tuple(match.tags),
            meta=dict(match.meta),
            strings=tuple(
                MatchedString(name, content.base + offset, length, data[: settings["string_bytes"]].hex())
                for offset, name, length, data in heapq.nsmallest(settings["strings"], places)
            ),
            string_count=len(places),
        )


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    limits = {"timeout": (60, 86_400), "string_bytes": (64, 4096), "strings": (64, 100_000)}
    found: dict[str, Any] = {}
    for name, (default, high) in limits.items():
        found[name] = int(options.get(name, default))
        if not 1 <= found[name] <= high:
            raise Misuse(f"yara.{name} is {found[name]}; it can be 1 to {high}.")
    found["externals"] = options.get("externals", "filled")
    if found["externals"] not in ("filled", "empty"):
        raise Misuse(f"yara.externals is {found['externals']!r}; it can be filled or empty.")
    return found


def _configure(settings: Mapping[str, Any]) -> None:
    import yara

    # Bytes kept of a string, so that a million places stay affordable; deep conditions and long lists of strings,
    # which rule sets of today have, need more than the defaults (16,384 and 10,000).
    yara.set_config(max_match_data=settings["string_bytes"], stack_size=65_536, max_strings_per_rule=100_000)


def _engine() -> dict[str, str]:
    import yara

    return {"yara-python": yara.__version__, "libyara": yara.YARA_VERSION, "modules": " ".join(sorted(yara.modules))}


def _externals(content: Content) -> dict[str, str]:
    """The external variables of an entry, as LOKI fills them; empty for space outside files."""
    entry = content.entry
    name = "" if entry.is_space else entry.locator.filename
    dot = name.rfind(".")
    return {
        "filename": name,
        "filepath": "" if entry.is_space else _path(entry),
        "extension": name[dot:].lower() if dot > 0 else "",
        "filetype": short_type(bytes(content.data[:64])) if content.base == 0 else "",
        "owner": str(entry.attributes.get("owner", "")),
    }


def _path(entry: FileEntry) -> str:
    """The full path, with the separator of the system that wrote it: DOS attributes mean ``\\``."""
    parts = [entry.locator.path.text, *(step.member.text for step in entry.locator.steps if step.is_member)]
    path = "/" + "/".join(part.strip("/") for part in parts if part)
    return path.replace("/", "\\") if "dos" in entry.attributes else path


# --- compiling ------------------------------------------------------------------------------------------------


@dataclass
class _Set:
    """Rules compiled together."""

    rules: Any
    items: list[PlanItem]
    problems: list[Problem]
    per_entry: bool


class _Bad(Misuse):
    """A rule file does not compile; the message has its place and the reason."""


def _compiled_set(source: Source, settings: Mapping[str, Any]) -> list[_Set]:
    """Rules that came compiled. Which variables they use cannot be seen, so they are never shared between entries."""
    import yara

    ((namespace, path),) = source.files.items()
    try:
        rules = yara.load(str(path))
    except yara.Error as error:
        raise Misuse(
            f"{path}: {error}. Compile the rules with YARA {yara.YARA_VERSION} or give the sources."
        ) from error
    items = [PlanItem(f"{namespace}:{rule.identifier}", rule.identifier, "rule", namespace) for rule in rules]
    return [_Set(rules, items, [], per_entry=settings["externals"] == "filled")]


def _compile(source: Source, settings: Mapping[str, Any], *, strict: bool) -> list[_Set]:
    """The rules of a source: those that any entry of equal content shares, and those that use names."""
    filled = settings["externals"] == "filled"
    shared, named, bad = _sort_out(source, filled=filled)
    if bad and strict:
        more = f"\n... and {len(bad) - _SHOWN_ERRORS} more files" if len(bad) > _SHOWN_ERRORS else ""
        listed = "\n".join(bad[:_SHOWN_ERRORS])
        raise Misuse(
            f"{source.name}: {len(bad)} of {len(source.files)} rule files do not compile; correct or remove them, or "
            f"leave them out with -o yara.strict=false:\n{listed}{more}"
        )
    problems = [note(f"left out, does not compile: {text}", error="SyntaxError") for text in bad]
    problems += [
        note(f"{source.name}: {name} is included by another file and is also scanned on its own.", error="included")
        for name in sorted(source.included & source.files.keys())
    ]
    sets = []
    for namespaces, per_entry in ((shared, False), (named, True)):
        if namespaces:
            rules = _compiled(source, namespaces, _EMPTY if per_entry or not filled else None)
            warnings = [f"{source.name}: {text}" for text in rules.warnings]
            items = list(_items(source, namespaces, rules))
            sets.append(_Set(rules, items, [note(text, error="warning") for text in warnings], per_entry))
    if not sets:
        raise Misuse(f"{source.name}: none of its {len(source.files)} rule files compiles:\n" + "\n".join(bad[:1]))
    sets[0].problems[:0] = problems
    return sets


def _sort_out(source: Source, *, filled: bool) -> tuple[list[str], list[str], list[str]]:
    """Namespaces whose files compile without external variables, those that need them, and what is wrong."""
    doubtful = source.mentions if filled else set()
    rest = [namespace for namespace in source.files if namespace not in doubtful]
    try:
        if rest:
            _compiled(source, rest, None if filled else _EMPTY)
    except _Bad:
        doubtful = set(source.files)  # one by one tells which
    shared, named, bad = [], [], []
    for namespace in source.files:
        if namespace not in doubtful:
            shared.append(namespace)
            continue
        try:
            _compiled(source, [namespace], None if filled else _EMPTY)
            shared.append(namespace)
        except _Bad:
            try:
                _compiled(source, [namespace], _EMPTY)
                named.append(namespace)
            except _Bad as error:
                bad.append(str(error))
    return shared, named, bad


def _compiled(source: Source, namespaces: list[str], externals: dict[str, str] | None) -> Any:
    """The rules of these files. Raises _Bad."""
    import yara

    found: dict[str, Path] = {}
    refused: list[str] = []

    def include(name: str, by: str | None, _namespace: str) -> str | None:
        # A file that was itself included is known to the compiler by the name it was asked for.
        asking = found.get(by or "", Path(by or source.root / "-"))
        target = included(source.root, asking, name)
        if target is None:
            refused.append(f'include "{name}" names no file inside the folder of rules')
            return None
        found[name] = target
        try:
            return target.read_bytes().decode()
        except UnicodeDecodeError:
            refused.append(f'include "{name}" is not UTF-8')
            return None

    paths = {namespace: str(source.files[namespace]) for namespace in namespaces}
    try:
        return yara.compile(filepaths=paths, externals=externals or {}, include_callback=include)
    except yara.Error as error:
        place = _ERROR.fullmatch(str(error))
        by_path = {path: namespace for namespace, path in paths.items()}
        reason = refused[0] if refused else place[3] if place else str(error)
        where = f"{by_path.get(place[1], place[1])}:{place[2]}" if place else namespaces[0]
        raise _Bad(f"{where}: {reason}") from error


def _items(source: Source, namespaces: list[str], rules: Any) -> Iterator[PlanItem]:
    """Every rule that can be reported. The compiler lists names without namespaces, in the order of the files."""
    listed = [(rule.identifier, rule.is_private) for rule in rules]
    declared = [(namespace, rule) for namespace in namespaces for rule in source.declared[namespace]]
    if [rule for _, rule in declared] != [rule for rule, _ in listed]:
        # An include, or a layout that reading alone does not understand: ask the compiler file by file.
        by_file = ((namespace, _compiled(source, [namespace], _EMPTY)) for namespace in namespaces)
        declared = [(namespace, rule.identifier) for namespace, found in by_file for rule in found]
    for (namespace, rule), (_, is_private) in zip(declared, listed, strict=True):
        if not is_private:
            yield PlanItem(f"{namespace}:{rule}", rule, "rule", namespace)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, so that a killed run leaves no half file that the next would load."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
