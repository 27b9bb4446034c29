"""``cat``: the bytes of one locator."""

import sys
from pathlib import Path

import click
import msgspec

from forensic_kit.cli import console
from forensic_kit.errors import Misuse
from forensic_kit.model import Locator


@click.command()
@click.argument("locator")
@console.evidence_options
@click.option("--case", "case_folder", type=click.Path(path_type=Path), help="Take the evidence from a case.")
@click.option("--operator", help="Who does this; entered in the case's audit log.")
def command(
    locator: str,
    images: tuple[Path, ...],
    exhibits: tuple[str, ...],
    credentials: Path | None,
    plugin_folders: tuple[Path, ...],
    case_folder: Path | None,
    operator: str | None,
) -> None:
    """Write the bytes that LOCATOR names to standard output, from IMAGE... or from the evidence of --case.

    A locator is what `ls --json` and `case files --json` print, such as ABC1/v1/66/Users/ann/note.txt.
    """
    from forensic_kit.session import Session

    wanted = Locator.parse(locator)
    entry = b""
    if case_folder is None:
        found = console.named(images, exhibits)
    else:
        from forensic_kit import queries
        from forensic_kit.case import open_case

        with open_case(case_folder, writable=True) as case:
            base = wanted
            while base.steps and base.steps[-1].is_member and base.parent:
                base = base.parent
            known = queries.Reader(case).entry(str(base))
            if known is None:
                raise Misuse(f"{locator}: the case has no such entry. `case files --json` lists what it has.")
            entry = msgspec.msgpack.encode(known)
            found = {name: Path(paths[0]) for name, (_, paths, _) in case.exhibits().items()}
            case.record(console.operator_of(operator), "content read", {"locator": locator})
    found = {name: path for name, path in found.items() if name == wanted.exhibit} or found
    with Session(
        found, plugin_folders=plugin_folders, credentials=console.read_credentials(credentials), jobs=1
    ) as session:
        for piece in session.read(locator, entry):
            sys.stdout.buffer.write(piece)
