"""``extract``: write files out of evidence."""

import fnmatch
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from forensic_kit.cli import console
from forensic_kit.model import FileEntry

_CONTENT = ("file", "stream", "link", "member")


@click.command()
@console.evidence_options
@click.option("--case", "case_folder", type=click.Path(path_type=Path), help="Extract what a case lists, members too.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to; made if needed.")
@click.option("--path", default="*", show_default=True, help="Pattern of paths, * crosses folders, any case.")
@click.option("--state", type=click.Choice(["all", "live", "deleted"]), default="all", show_default=True)
@click.option("--space", is_flag=True, help="Also slack, unallocated and system space.")
@click.option("--operator", help="Who does this; entered in the case's audit log.")
@console.json_option
def command(
    images: tuple[Path, ...],
    exhibits: tuple[str, ...],
    credentials: Path | None,
    plugin_folders: tuple[Path, ...],
    case_folder: Path | None,
    out: Path,
    path: str,
    state: str,
    space: bool,
    operator: str | None,
    as_json: bool,
) -> int:
    """Write contents below --out under names that every system takes. manifest.jsonl gives for each the locator, the
    original and the written name, size and digests."""
    from forensic_kit.extract import Extraction
    from forensic_kit.session import Session

    found, known = _from_case(case_folder, operator, out) if case_folder else (console.named(images, exhibits), None)
    secrets = console.read_credentials(credentials)
    with (
        Session(found, plugin_folders=plugin_folders, credentials=secrets, jobs=1) as session,
        Extraction(out) as files,
    ):
        entries = known if known is not None else _listed(session)
        for entry in list(entries):
            if _wanted(entry, path, state, space):
                base = _base(entry)
                blob = msgspec.msgpack.encode(entry) if base else b""
                row = files.write(entry, session.read(str(entry.locator), blob))
                if as_json:
                    console.print_rows([row])
    console.say(f"{files.count} written below {out}, {files.failed} of them not whole; see {out / 'manifest.jsonl'}")
    return 4 if files.failed else 0


def _base(entry: FileEntry) -> bool:
    """Can the entry be opened as it was listed, without unpacking?"""
    return not any(step.is_member for step in entry.locator.steps)


def _from_case(folder: Path, operator: str | None, out: Path) -> tuple[dict[str, Path], Iterator[FileEntry]]:
    from forensic_kit.case import open_case

    with open_case(folder, writable=True) as case:
        case.record(console.operator_of(operator), "content extracted", {"to": str(out.absolute())})
        found = {name: Path(paths[0]) for name, (_, paths, _) in case.exhibits().items()}
    return found, _entries(folder)


def _entries(folder: Path) -> Iterator[FileEntry]:
    from forensic_kit.case import open_case

    with open_case(folder) as case:
        for (blob,) in case.db.execute("SELECT entry FROM entries ORDER BY locator"):
            yield msgspec.msgpack.decode(blob, type=FileEntry)


def _listed(session: object) -> Iterator[FileEntry]:
    from forensic_kit.cli.ls import _volumes
    from forensic_kit.session import Session

    assert isinstance(session, Session)
    for name, facts in session.facts().items():
        for number, size in _volumes(facts["volumes"]):
            for item in session.listing(name, number, size):
                if isinstance(item, FileEntry):
                    yield item
                else:
                    console.say(f"{item.locator}: {console.safe(item.message)}")


def _wanted(entry: FileEntry, path: str, state: str, space: bool) -> bool:
    if entry.kind not in _CONTENT and not (space and entry.is_space):
        return False
    if state != "all" and entry.allocated != (state == "live"):
        return False
    return fnmatch.fnmatchcase("/" + entry.locator.display.lower(), "/" + path.lower().lstrip("/"))
