"""``verify``: recompute digests and compare."""

from pathlib import Path
from typing import Any

import click

from forensic_kit.cli import console
from forensic_kit.cli.run import _expected

_CODES = {"verified": 0, "not verifiable": 0, "mismatch": 5}


@click.command()
@console.evidence_options
@click.option("--case", "case_folder", type=click.Path(path_type=Path), help="The exhibits of a case.")
@click.option("--expect", multiple=True, metavar="[EXHIBIT=]ALGORITHM:DIGEST", help="A digest the evidence must have.")
@click.option("--operator", help="Who does this; entered in the case's audit log.")
@console.json_option
def command(
    images: tuple[Path, ...],
    exhibits: tuple[str, ...],
    credentials: Path | None,
    plugin_folders: tuple[Path, ...],
    case_folder: Path | None,
    expect: tuple[str, ...],
    operator: str | None,
    as_json: bool,
) -> int:
    """Recompute the digests of IMAGE..., or of the evidence of --case, and compare them with those stored in the
    image, in files beside it, given with --expect, or computed when the case was made."""
    from forensic_kit.session import Session
    from forensic_kit.verify import compare

    before: dict[str, dict[str, Any]] = {}
    if case_folder:
        found, before = _of_case(case_folder)
    else:
        found = console.named(images, exhibits)
    expected = _expected(expect, list(found))
    code = 0
    secrets = console.read_credentials(credentials)
    results = {}
    with Session(found, plugin_folders=plugin_folders, credentials=secrets) as session:
        sizes = {name: facts["size"] for name, facts in session.facts().items()}
        for name, digests in session.verify(sizes):
            results[name] = compare(digests, expected.get(name, {}), before.get(name))
    for name in found:
        result = results[name]
        code = max(code, _CODES[result["result"]], 4 if result["unreadable"] else 0)
        if as_json:
            console.print_rows([{"evidence": name, **result}])
        else:
            _show(name, result)
    if case_folder:
        _record(case_folder, console.operator_of(operator), results)
    return code


def _of_case(folder: Path) -> tuple[dict[str, Path], dict[str, dict[str, Any]]]:
    from forensic_kit.case import open_case

    with open_case(folder) as case:
        exhibits = case.exhibits()
        before = {}
        for name, (key, _, _) in exhibits.items():
            for run, *_rest in case.runs():
                facts = case.verification(key, run, "before") or case.verification(key, run, "after")
                if facts and name not in before:
                    before[name] = facts
        return {name: Path(paths[0]) for name, (_, paths, _) in exhibits.items()}, before


def _record(folder: Path, operator: str, results: dict[str, Any]) -> None:
    from forensic_kit.case import open_case

    with open_case(folder, writable=True) as case:
        head = case.record(operator, "digests recomputed", results)
        console.say(f"Audit log: {head}")


def _show(name: str, result: dict[str, Any]) -> None:
    print(f"{console.safe(name)}: {result['result']}")
    for algorithm in ("md5", "sha1", "sha256"):
        print(f"  computed {algorithm:7} {result[algorithm]}")
    for item in result["compared"]:
        word = "equals" if item["equal"] else "DIFFERS FROM"
        print(f"  {item['algorithm']:7} {word} {item['stored']} ({console.safe(item['origin'])})")
    if result["result"] == "not verifiable":
        print("  nothing was found to compare with: no digest in the image, beside it, or given with --expect")
    if result["unreadable"]:
        print(f"  not all of it could be read (counted as zeros): {console.safe(result['unreadable'])}")
