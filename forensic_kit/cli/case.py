"""``case``: read a case."""

import fnmatch
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from forensic_kit.case import open_case
from forensic_kit.cli import console
from forensic_kit.errors import Misuse
from forensic_kit.queries import Reader

Row = dict[str, Any]
_folder = click.argument("case_folder", metavar="CASE", type=click.Path(path_type=Path))


@click.group()
def command() -> None:
    """Read a case: summary, files, findings, timeline, problems, show, search."""


@command.command()
@_folder
@console.json_option
def summary(case_folder: Path, as_json: bool) -> None:
    """The ledger: entries and bytes by stage and outcome, and whether it adds up."""
    with open_case(case_folder) as case:
        facts = Reader(case).summary()
    if as_json:
        console.print_json(facts, indent=True)
        return
    for exhibit in facts["exhibits"]:
        print(f"{console.safe(exhibit['name'])}: {exhibit['format']}, {console.size_text(exhibit['size'])}")
    totals = facts["ledger"]
    print(f"{totals['entries']} entries, {console.size_text(totals['bytes'])}")
    rows = [
        (stage, outcome, cell["entries"], cell["bytes"], "; ".join(f"{n} {why}" for why, n in cell["reasons"].items()))
        for stage, cells in totals["stages"].items()
        for outcome, cell in cells.items()
    ]
    console.print_table(("stage", "outcome", "entries", "bytes", "reasons"), rows)
    for type_, count in facts["findings"].items():
        print(f"{count:8} findings {type_}")
    for severity, count in facts["problems"].items():
        print(f"{count:8} problems: {severity}")
    whole = totals["adds_up"] and not facts["ledger_faults"]
    print("The ledger adds up." if whole else "The ledger does NOT add up.")
    for fault in facts["ledger_faults"]:
        print(f"  {fault}")
    print(f"Audit log: {facts['audit']['entries']} entries, head {facts['audit']['head']}")


@command.command()
@_folder
@click.option("--path", help="Pattern of paths, * crosses folders, any case.")
@click.option("--kind", help="file, stream, member, slack, unallocated, ...")
@click.option("--state", help="done, partial, failed, skipped, ...")
@click.option("--deleted", is_flag=True, help="Only what is not allocated.")
@console.json_option
def files(
    case_folder: Path, path: str | None, kind: str | None, state: str | None, deleted: bool, as_json: bool
) -> None:
    """Every entry: files, streams, members, slack and space, with states, times and digests."""
    with open_case(case_folder) as case:
        rows = (
            row
            for row in Reader(case).files()
            if _fits(row["path"], path)
            and kind in (None, row["kind"])
            and state in (None, row["state"])
            and not (deleted and row["allocated"])
        )
        if as_json:
            console.print_rows(rows)
            return
        for row in rows:
            mark = " " if row["allocated"] else "d"
            print(
                f"{mark} {row['kind']:11} {row['size']:>14} {row['modified'] or '':30} {row['sha256'] or '':64} "
                f"{row['state']:9} {console.safe(row['locator'])}"
            )


@command.command()
@_folder
@click.option("--type", "type_", help="Only this type, such as keyword.hit; * is a wildcard.")
@click.option("--path", help="Pattern of paths, * crosses folders, any case.")
@console.json_option
def findings(case_folder: Path, type_: str | None, path: str | None, as_json: bool) -> None:
    """Every finding, once for each entry that holds the content."""
    with open_case(case_folder) as case:
        rows = (row for row in Reader(case).findings() if _fits(row["path"], path) and _fits(row["type"], type_))
        if as_json:
            console.print_rows(rows)
            return
        for row in rows:
            place = "" if row["offset"] is None else f" at {row['offset']}"
            print(f"{row['id']} {row['type']} {console.safe(row['locator'])}{place}: {console.safe(_gist(row))}")


@command.command()
@_folder
@console.json_option
def timeline(case_folder: Path, as_json: bool) -> None:
    """File times and events of records, earliest first. Local times stand as the device wrote them."""
    with open_case(case_folder) as case:
        rows = ({key: value for key, value in row.items() if key != "sort"} for row in Reader(case).timeline())
        if as_json:
            console.print_rows(rows)
            return
        for row in rows:
            print(
                f"{row['time']:31} {row['zone']:6} {row['meaning']:20} {row['type']:28} {console.safe(row['locator'])}"
            )


@command.command()
@_folder
@console.json_option
def problems(case_folder: Path, as_json: bool) -> None:
    """What could not be examined (gap) and routine limits (note)."""
    with open_case(case_folder) as case:
        rows = Reader(case).problems()
        if as_json:
            console.print_rows(rows)
            return
        for row in rows:
            print(f"{row['severity']:5} {row['stage']:8} {console.safe(row['path'])}: {console.safe(row['message'])}")


@command.command()
@_folder
@click.argument("what")
@click.option("--bytes", "byte_count", type=click.IntRange(0, 65536), default=0, help="Print so many bytes at the hit.")
@click.option("--operator", help="Who does this; entered in the audit log.")
@console.credentials_option
@console.json_option
def show(
    case_folder: Path, what: str, byte_count: int, operator: str | None, credentials: Path | None, as_json: bool
) -> None:
    """One finding (by id) or one entry (by locator), with the bytes it stands on."""
    with open_case(case_folder, writable=True) as case:
        rows = list(_found(Reader(case), what))
        if not rows:
            raise Misuse(f"{what}: the case has no such finding or entry. `case findings` and `case files` list them.")
        case.record(console.operator_of(operator), "shown", {"what": what, "bytes": byte_count})
        exhibits = {name: Path(paths[0]) for name, (_, paths, _) in case.exhibits().items()}
        entries = {row["locator"]: Reader(case).entry(row["locator"]) for row in rows}
    for row in rows:
        if byte_count:
            row["bytes"] = _bytes(row, entries[row["locator"]], exhibits, byte_count, credentials).hex()
    if as_json:
        console.print_rows(rows)
        return
    for row in rows:
        for name, value in row.items():
            if name == "bytes":
                _dump(bytes.fromhex(value), max(0, (row.get("offset") or 0)))
            else:
                print(f"{name:16} {console.safe(value)}")
        print()


def _found(reader: Reader, what: str) -> Iterator[Row]:
    if "/" in what:
        row = reader.file(what)
        return iter([row] if row else [])
    finding = what.split(".")[0]
    return (row for row in reader.findings("findings.id = ?", (finding,)) if what in (finding, row["id"]))


def _bytes(row: Row, entry: Any, exhibits: dict[str, Path], count: int, credentials: Path | None) -> bytes:
    """The content from the hit on; read from the evidence, not from the case."""
    import msgspec

    from forensic_kit.session import Session

    start = row.get("offset") or 0
    known = b"" if any(step.is_member for step in entry.locator.steps) else msgspec.msgpack.encode(entry)
    out = b""
    position = 0
    secrets = console.read_credentials(credentials)
    with Session({row["evidence"]: exhibits[row["evidence"]]}, credentials=secrets, jobs=1) as session:
        for piece in session.read(row["locator"], known):
            out += piece[max(0, start - position) :][: count - len(out)]
            position += len(piece)
            if len(out) >= count:
                break
    return out


def _dump(data: bytes, offset: int) -> None:
    for start in range(0, len(data), 16):
        line = data[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in line)
        print(f"  {offset + start:012x}  {line.hex(' '):47}  {text}")


@command.command()
@_folder
@click.argument("text")
@console.json_option
def search(case_folder: Path, text: str, as_json: bool) -> None:
    """Find TEXT (any case) in the paths of entries and in the records of findings.

    Not searched: the bytes of files. For those, run a keyword list over the case.
    """
    needle = text.casefold()
    with open_case(case_folder) as case:
        reader = Reader(case)
        entries = findings_ = 0
        for row in reader.files():
            entries += 1
            if needle in row["path"].casefold():
                _hit({"in": "path", **row}, as_json)
        for row in reader.findings():
            findings_ += 1
            if any(needle in value.casefold() for value in _texts(row["record"])):
                _hit({"in": "record", **row}, as_json)
    console.say(
        f"Searched: the paths of {entries} entries and the records of {findings_} findings. Not searched: the bytes of "
        "files; run a keyword list over the case for those."
    )


def _hit(row: Row, as_json: bool) -> None:
    if as_json:
        console.print_rows([row])
    else:
        print(
            f"{row['in']:6} {console.safe(row['locator'])} {console.safe(row.get('id') or '')} {row.get('type') or ''}"
        )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _fits(text: str, pattern: str | None) -> bool:
    return pattern is None or fnmatch.fnmatchcase(text.lower(), pattern.lower().lstrip("/"))


def _gist(row: Row) -> str:
    """The record in one line."""
    record = row["record"]
    if row["type"] == "yara.match":
        return f"rule {record['rule']} ({record['namespace']})"
    if row["type"] == "keyword.hit":
        return f"{record['term']} [{record['encoding']}] {record['context']}"
    parts = {
        name: value["time"] if isinstance(value, dict) and "time" in value else value for name, value in record.items()
    }
    return ", ".join(f"{name}={value}" for name, value in parts.items() if value not in (None, "", [], {}))[:300]
