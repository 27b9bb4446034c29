"""``report``: the papers of a case."""

from pathlib import Path

import click

from forensic_kit.cli import console


@click.command()
@click.argument("case_folder", metavar="CASE", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write to; default: the next free number in the case's reports/.",
)
@click.option(
    "--format", "formats", multiple=True, metavar="FORMAT", help="html, pdf; default: all. report.json always."
)
@console.plugins_option
@click.option("--operator", help="Who does this; entered in the audit log.")
@console.json_option
def command(
    case_folder: Path,
    out: Path | None,
    formats: tuple[str, ...],
    plugin_folders: tuple[Path, ...],
    operator: str | None,
    as_json: bool,
) -> None:
    """Write report.json (the canonical facts), an HTML report and a PDF of the same facts. Same case, same bytes."""
    from forensic_kit import facts, registry
    from forensic_kit.case import open_case

    target = out or facts.default_folder(case_folder)
    written = facts.write_report(case_folder, target, formats, registry.load(plugin_folders))
    with open_case(case_folder, writable=True) as case:
        digests = {path.relative_to(target).as_posix(): facts.file_digest(path) for path in written}
        head = case.record(console.operator_of(operator), "report written", {"to": str(target), "files": digests})
    if as_json:
        console.print_json({"folder": str(target), "files": digests}, indent=True)
    else:
        for name in ("index.html", "report.pdf", "report.json"):
            if name in digests:
                print(f"{digests[name]}  {target / name}")
        print(f"{len(digests)} files below {target}")
    console.say(f"Audit log: {head}")
