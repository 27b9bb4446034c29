"""``audit``: the hash-chained log of a case."""

import json
from pathlib import Path

import click

from forensic_kit import audit
from forensic_kit.case import open_case
from forensic_kit.cli import console


@click.group()
def command() -> None:
    """Verify or show the audit log of a case."""


@command.command()
@click.argument("case_folder", metavar="CASE", type=click.Path(path_type=Path))
@click.option("--head", help="A head printed earlier (`12 entries, head 3f...`): the log must still contain it.")
@console.json_option
def verify(case_folder: Path, head: str | None, as_json: bool) -> int:
    """Recompute the chain: an entry edited, deleted, moved or cut off shows."""
    expected = audit.parse_head(head) if head else None
    with open_case(case_folder) as case:
        found = audit.faults(case.db, expected)
        now = audit.head(case.db)
    if as_json:
        console.print_json({"entries": now.count, "head": now.hash, "faults": found})
    else:
        for fault in found:
            print(fault)
        print(f"{now}: {'the chain is whole' if not found else 'the log was changed'}")
    return 5 if found else 0


@command.command()
@click.argument("case_folder", metavar="CASE", type=click.Path(path_type=Path))
@console.json_option
def show(case_folder: Path, as_json: bool) -> None:
    """Print the log in order."""
    with open_case(case_folder) as case:
        for entry in audit.entries(case.db):
            if as_json:
                console.print_rows([entry])
            else:
                details = console.safe(json.dumps(entry["details"], ensure_ascii=False))
                who = console.safe(entry["operator"])
                print(f"{entry['number']:6} {entry['time']} {who}: {entry['action']} {details}")
