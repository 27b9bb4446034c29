"""``parse``: the records of loose files."""

from pathlib import Path

import click

from forensic_kit.cli import console


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--as", "wanted", default="", metavar="PLUGIN", help="Use this artefact plugin, whatever the file's name."
)
@console.plugins_option
@console.json_option
def command(files: tuple[Path, ...], wanted: str, plugin_folders: tuple[Path, ...], as_json: bool) -> int:
    """The records that artefact plugins find in FILE..., one JSON line each, without a case."""
    from forensic_kit.session import Session

    gaps = 0
    with Session({}, plugin_folders=plugin_folders, jobs=1) as session:
        for file in files:
            result = session.parse(file, wanted)
            for finding in result.own_findings:
                row = {
                    "file": str(file),
                    "type": finding.type,
                    "plugin": finding.plugin,
                    "version": finding.version,
                    "offset": finding.offset,
                    "record": finding.record,
                    "events": [
                        {"meaning": event.meaning, "time": event.moment.iso, "zone": event.moment.zone}
                        for event in finding.events
                    ],
                }
                if as_json:
                    console.print_rows([row])
                else:
                    print(f"{console.safe(file)}: {finding.type} by {finding.plugin} {finding.version}")
                    for name, value in finding.record.items():
                        shown = value["time"] if isinstance(value, dict) and "time" in value else value
                        print(f"  {name:24} {console.safe(shown)}")
            for problem in result.own_problems:
                gaps += problem.severity == "gap"
                console.say(f"{file}: {console.safe(problem.message)}")
            if not result.own:
                console.say(
                    f"{file}: no artefact plugin knows this file ({result.mime}). --as PLUGIN tries one all the same."
                )
    return 4 if gaps else 0
