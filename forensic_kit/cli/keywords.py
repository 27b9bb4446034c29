"""``keywords``: lists before they are used."""

import tempfile
from pathlib import Path

import click

from forensic_kit.cli import console


@click.group()
def command() -> None:
    """Check keyword lists."""


@command.command()
@click.argument("lists", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@console.json_option
def check(lists: tuple[Path, ...], as_json: bool) -> int:
    """Read LISTS as `run` would: every term with its kind, and what is wrong, with file and line."""
    from forensic_kit.cli.rules import _defaults
    from forensic_kit.session import Session

    with tempfile.TemporaryDirectory() as cache, Session({}, jobs=1) as session:
        options = _defaults("keywords") | {"lists": [str(path.absolute()) for path in lists]}
        plans = session.plan("keywords", options, Path(cache))
    problems = [problem for plan in plans for problem in plan.problems]
    if as_json:
        console.print_rows(
            {"id": item.id, "term": item.text, "kind": item.kind, "source": item.source}
            for plan in plans
            for item in plan.items
        )
    else:
        console.print_table(
            ("id", "kind", "term", "source"),
            [(item.id, item.kind, item.text, item.source) for plan in plans for item in plan.items],
        )
        for plan in plans:
            print(f"{plan.name}: {len(plan.items)} terms; {', '.join(f'{k}: {v}' for k, v in plan.engine.items())}")
    for problem in problems:
        console.say(f"{problem.severity}: {console.safe(problem.message)}")
    return 3 if any(problem.severity == "gap" for problem in problems) else 0
