"""``ls``: list an image without processing it."""

import fnmatch
from collections.abc import Iterator
from pathlib import Path

import click

from forensic_kit.cli import console
from forensic_kit.model import FileEntry, Problem


@click.command()
@console.evidence_options
@click.option("-r", "--recursive", is_flag=True, help="All folders, not only the top one or --path.")
@click.option("--volume", help="Only this volume.")
@click.option("--path", default="", help="A folder, or a pattern with * (any case) together with -r.")
@click.option("--space", is_flag=True, help="Also slack, unallocated and system space.")
@console.json_option
def command(
    images: tuple[Path, ...],
    exhibits: tuple[str, ...],
    credentials: Path | None,
    plugin_folders: tuple[Path, ...],
    recursive: bool,
    volume: str | None,
    path: str,
    space: bool,
    as_json: bool,
) -> int:
    """List the files of IMAGE..., live and deleted, as they are found. Nothing is hashed or kept.

    The content state of deleted files is only known after `run`, which compares their clusters with everyone's.
    """
    from forensic_kit.queries import entry_row
    from forensic_kit.session import Session

    found = console.named(images, exhibits)
    gaps = 0
    with Session(
        found, plugin_folders=plugin_folders, credentials=console.read_credentials(credentials), jobs=1
    ) as session:
        for name, facts in session.facts().items():
            problems = [problem for problem in facts["problems"] if problem["severity"] == "gap"]
            gaps += len(problems)
            for problem in problems:
                console.say(f"{name}: {console.safe(problem['message'])}")
            for number, size in _volumes(facts["volumes"]):
                if volume not in (None, number):
                    continue
                for item in session.listing(name, number, size):
                    if isinstance(item, Problem):
                        gaps += item.severity == "gap"
                        console.say(f"{item.locator}: {console.safe(item.message)}")
                    elif _shown(item, path, recursive=recursive, space=space):
                        if as_json:
                            console.print_rows([entry_row(item)])
                        else:
                            _print(item)
    return 4 if gaps else 0


def _volumes(volumes: list[dict[str, object]]) -> Iterator[tuple[str, int]]:
    for volume in volumes:
        yield str(volume["number"]), int(str(volume["size"]))
        inner = volume["volumes"]
        if isinstance(inner, list):
            yield from _volumes(inner)


def _shown(entry: FileEntry, path: str, *, recursive: bool, space: bool) -> bool:
    if entry.is_space and not space:
        return False
    name = entry.locator.display
    if "*" in path:
        return fnmatch.fnmatchcase(name.lower(), path.lower().lstrip("/"))
    folder = path.strip("/")
    if folder and not name.lower().startswith(folder.lower() + "/"):
        return False
    return recursive or "/" not in name[len(folder) + 1 if folder else 0 :]


def _print(entry: FileEntry) -> None:
    state = " " if entry.allocated else "d"
    time = entry.modified.iso if entry.modified else ""
    print(f"{state} {entry.kind:11} {entry.size:>14} {time:30} {console.safe(entry.locator)}")
