"""``info``: what evidence is, without processing it."""

from pathlib import Path
from typing import Any

import click

from forensic_kit.cli.console import (
    evidence_options,
    json_option,
    named,
    print_json,
    read_credentials,
    safe,
    say,
    size_text,
)


@click.command()
@evidence_options
@json_option
def command(
    images: tuple[Path, ...],
    exhibits: tuple[str, ...],
    credentials: Path | None,
    plugin_folders: tuple[Path, ...],
    as_json: bool,
) -> int:
    """What IMAGE... is: format, volumes, file systems, encryption, stored digests, problems."""
    from forensic_kit.session import Session

    found = named(images, exhibits)
    with Session(found, plugin_folders=plugin_folders, credentials=read_credentials(credentials), jobs=1) as session:
        facts = list(session.facts().values())
    if as_json:
        print_json({"evidence": facts}, indent=True)
    else:
        for item in facts:
            _show(item)
    return 4 if any(problem["severity"] == "gap" for item in facts for problem in item["problems"]) else 0


def _show(facts: dict[str, Any]) -> None:
    print(
        f"{safe(facts['name'])}: {facts['format']}, {size_text(facts['size'])}, sectors of {facts['sector_size']} bytes"
    )
    for path in facts["paths"][:5]:
        print(f"  file     {safe(path)}")
    if len(facts["paths"]) > 5:
        print(f"           and {len(facts['paths']) - 5} more")
    for algorithm, digest in sorted(facts["stored_digests"].items()):
        print(f"  stored   {algorithm} {digest}")
    for name, value in facts["facts"]:
        print(f"  imager   {safe(name)}: {safe(value)}")
    for volume in facts["volumes"]:
        _show_volume(volume, 1)
    for problem in facts["problems"]:
        say(f"  {problem['severity']}: {safe(problem['message'])}")


def _show_volume(volume: dict[str, Any], depth: int) -> None:
    start = "decoded" if volume["start"] is None else f"at byte {volume['start']}"
    parts = [volume["filesystem"] or "no file system", volume["type"], volume["label"], volume["encryption"]]
    words = ", ".join(safe(part) for part in parts if part)
    print(f"{'  ' * depth}volume {volume['number']}: {words}; {start}, {size_text(volume['size'])}")
    for child in volume["volumes"]:
        _show_volume(child, depth + 1)
