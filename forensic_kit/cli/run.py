"""``run``: the main job."""

import sys
from pathlib import Path
from typing import Any

import click

from forensic_kit.cli import console
from forensic_kit.errors import Misuse


@click.command()
@console.evidence_options
@click.option("--case", "case_folder", type=click.Path(path_type=Path), required=True, help="Folder of the case.")
@click.option("--profile", default="standard", show_default=True, help="triage, standard, full, or a .toml file.")
@click.option("--rules", multiple=True, type=click.Path(path_type=Path), help="YARA rule file or folder.")
@click.option("--keywords", multiple=True, type=click.Path(path_type=Path), help="Keyword list.")
@click.option("-o", "--option", "settings", multiple=True, metavar="PLUGIN.NAME=VALUE", help="One plugin option.")
@click.option("--operator", help="Who runs this; entered in the audit log.")
@click.option("--reason", default="", help="Why; entered in the audit log.")
@click.option("--verify", type=click.Choice(["both", "before", "after", "none"]), default="both", show_default=True)
@click.option("--expect", multiple=True, metavar="[EXHIBIT=]ALGORITHM:DIGEST", help="A digest the evidence must have.")
@click.option("--accept-mismatch", metavar="REASON", default="", help="Process evidence whose digest differs.")
@click.option("--jobs", type=click.IntRange(1), help="Worker processes; default: cores, as far as memory allows.")
@click.option("--resume", is_flag=True, help="Finish an interrupted pass.")
@click.option("--only", multiple=True, metavar="PLUGIN", help="Scanners, parsers and unpackers to use, no others.")
@click.option("--skip", multiple=True, metavar="PLUGIN", help="Plugins not to use.")
@click.option("--progress", type=click.Choice(["bar", "jsonl", "none"]), default="bar", show_default=True)
@click.option("--quiet", is_flag=True, help="No progress and no summary.")
def command(
    images: tuple[Path, ...],
    exhibits: tuple[str, ...],
    credentials: Path | None,
    plugin_folders: tuple[Path, ...],
    case_folder: Path,
    rules: tuple[Path, ...],
    keywords: tuple[Path, ...],
    settings: tuple[str, ...],
    operator: str | None,
    expect: tuple[str, ...],
    only: tuple[str, ...],
    skip: tuple[str, ...],
    profile: str,
    progress: str,
    quiet: bool,
    jobs: int | None,
    **rest: Any,
) -> int:
    """List, read, hash, scan and parse IMAGE... into a case. Run it again with new evidence or lists: only what is
    new is done, and earlier results keep their ids."""
    from forensic_kit import pipeline, registry
    from forensic_kit import profile as profiles

    left_out = _left_out(registry.load(plugin_folders), only, skip)
    plugins = registry.load(plugin_folders, skip=left_out)
    found = console.named(images, exhibits)
    options = _options(settings, plugins)
    for plugin, name, paths in (("yara", "rules", rules), ("keywords", "lists", keywords)):
        if paths:
            options.setdefault(plugin, {})[name] = [str(_existing(path).absolute()) for path in paths]
    job = pipeline.Job(
        found,
        case_folder,
        profiles.load(profile),
        plugins,
        operator=console.operator_of(operator),
        options=options,
        credentials=console.read_credentials(credentials),
        plugin_folders=list(plugin_folders),
        skip=left_out,
        expect=_expected(expect, list(found)),
        jobs=jobs or 0,
        arguments=sys.argv[1:],
        **rest,
    )
    shown = console.Shown("none" if quiet else progress)
    try:
        outcome = pipeline.run(job, shown)
    finally:
        shown.close()
    if not quiet:
        _tell(outcome, case_folder)
    return outcome.exit_code


def _tell(outcome: Any, folder: Path) -> None:
    if outcome.message:
        console.say(outcome.message)
        return
    summary = outcome.summary
    console.say(f"{summary['entries']} entries, {console.size_text(summary['bytes'])}:")
    for stage, cells in summary["stages"].items():
        parts = ", ".join(f"{cell['entries']} {outcome}" for outcome, cell in cells.items())
        console.say(f"  {stage:8} {parts}")
    console.say(
        f"{outcome.findings} findings; {outcome.gaps} gaps and {outcome.notes} notes (`case problems {folder}`)"
    )
    if not summary["adds_up"]:
        console.say("The ledger does not add up: see `case summary`.")
    console.say(f"Audit log: {outcome.audit}")


def _existing(path: Path) -> Path:
    if not path.exists():
        raise Misuse(f"{path}: no such file or folder. Check the path.")
    return path


def _left_out(plugins: Any, only: tuple[str, ...], skip: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the plugins not to use: --skip, and with --only all other scanners, parsers and unpackers."""
    from forensic_kit import api

    if not only:
        return skip
    chosen = {plugin.name for kind in (api.Scanner, api.Artefact, api.Unpacker) for plugin in plugins.of(kind)}
    unknown = set(only) - chosen
    if unknown:
        raise Misuse(f"--only {', '.join(sorted(unknown))}: no scanner, parser or unpacker is called so.")
    return (*skip, *sorted(chosen - set(only) - set(skip)))


def _options(settings: tuple[str, ...], plugins: Any) -> dict[str, dict[str, Any]]:
    """``plugin.name=value`` by plugin, each value of the type that the plugin says."""
    found: dict[str, dict[str, Any]] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        plugin, _, name = key.rpartition(".")
        if not (equals and plugin and name):
            raise Misuse(f"-o {text!r}: write PLUGIN.NAME=VALUE. `plugins show PLUGIN` lists the names.")
        loaded = plugins.loaded.get(plugin)
        if loaded is None:
            raise Misuse(f"-o {text!r}: no plugin is called {plugin!r}. `plugins list` names them.")
        option = next((item for item in loaded.plugin.options if item.name == name), None)
        if option is None:
            known = ", ".join(item.name for item in loaded.plugin.options) or "none"
            raise Misuse(f"-o {text!r}: {plugin} has no option {name!r}. It has: {known}.")
        found.setdefault(plugin, {})[name] = _value(text, value, option.type)
    return found


def _value(text: str, value: str, kind: type) -> Any:
    if kind is bool:
        if value.lower() not in ("true", "false", "yes", "no", "on", "off", "1", "0"):
            raise Misuse(f"-o {text!r}: the value must be true or false.")
        return value.lower() in ("true", "yes", "on", "1")
    if kind in (int, float):
        try:
            return kind(value)
        except ValueError as error:
            raise Misuse(f"-o {text!r}: the value must be a number.") from error
    return value


def _expected(texts: tuple[str, ...], names: list[str]) -> dict[str, dict[str, str]]:
    """``[EXHIBIT=]ALGORITHM:DIGEST`` by exhibit; without a name it is the only exhibit's."""
    lengths = {"md5": 32, "sha1": 40, "sha256": 64}
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        name, _, digest = text.rpartition("=")
        algorithm, _, value = digest.partition(":")
        algorithm = algorithm.lower().replace("-", "")
        if lengths.get(algorithm) != len(value) or set(value.lower()) - set("0123456789abcdef"):
            raise Misuse(f"--expect {text!r}: write sha256:..., sha1:... or md5:... with the digest in hex.")
        if not name and len(names) != 1:
            raise Misuse(f"--expect {text!r}: there are several exhibits; write NAME={digest}.")
        if name and name not in names:
            raise Misuse(f"--expect {text!r}: no exhibit is called {name!r}.")
        found.setdefault(name or names[0], {})[algorithm] = value.lower()
    return found
