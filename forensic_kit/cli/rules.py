"""``rules``: YARA rules before they are used."""

import tempfile
from pathlib import Path
from typing import Any

import click

from forensic_kit.cli import console


@click.group()
def command() -> None:
    """List or check YARA rules."""


@command.command(name="list")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@console.json_option
def list_(paths: tuple[Path, ...], as_json: bool) -> None:
    """The rules in PATHS (files or folders), or those that come with the program."""
    plans = _plans(paths, strict=True)
    rows = [{"id": item.id, "rule": item.text, "source": item.source} for plan in plans for item in plan.items]
    if as_json:
        console.print_rows(rows)
    else:
        console.print_table(("rule", "namespace and rule", "file"), [(r["rule"], r["id"], r["source"]) for r in rows])


@command.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@console.json_option
def check(paths: tuple[Path, ...], as_json: bool) -> int:
    """Compile the rules in PATHS and name every file that does not compile, with line and reason."""
    plans = _plans(paths, strict=False)
    problems = [problem for plan in plans for problem in plan.problems]
    count = sum(len(plan.items) for plan in plans)
    if as_json:
        console.print_json(
            {"rules": count, "problems": [{"severity": p.severity, "message": p.message} for p in problems]},
            indent=True,
        )
    else:
        for problem in problems:
            print(f"{problem.severity}: {console.safe(problem.message)}")
        print(f"{count} rules compile, {len(problems)} problems")
    # A warning of the compiler is shown; a file that had to be left out is what was asked about.
    return 3 if any(problem.error != "warning" for problem in problems) else 0


def _plans(paths: tuple[Path, ...], *, strict: bool) -> list[Any]:
    from forensic_kit.registry import resource_folder
    from forensic_kit.session import Session

    wanted = [str(path.absolute()) for path in paths] or [str(resource_folder("rules") / "yara")]
    with tempfile.TemporaryDirectory() as cache, Session({}, jobs=1) as session:
        return session.plan("yara", _defaults("yara") | {"rules": wanted, "strict": strict}, Path(cache))


def _defaults(plugin: str) -> dict[str, Any]:
    from forensic_kit import api, registry

    return {option.name: option.default for option in registry.load().get(plugin, api.Scanner).options}
