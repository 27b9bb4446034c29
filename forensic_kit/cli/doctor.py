"""``doctor``: does everything on this machine work?"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from forensic_kit.cli import console
from forensic_kit.errors import ForensicError

_FREE = 10 << 30  # bytes: less is worth a word before an overnight run


@click.command()
@click.option("--case-disk", type=click.Path(path_type=Path), default=Path(), help="A folder on the disk for cases.")
@console.json_option
def command(case_disk: Path, as_json: bool) -> int:
    """Check libraries, plugins, worker processes, rules and disk space of this machine, each in a line."""
    rows = [{"check": name, "ok": ok, "detail": detail} for name, ok, detail in _checks(case_disk)]
    if as_json:
        console.print_rows(rows)
    else:
        for row in rows:
            print(f"{'ok  ' if row['ok'] else 'FAIL'} {row['check']:24} {console.safe(row['detail'])}")
    return 0 if all(row["ok"] for row in rows) else 3


def _checks(disk: Path) -> Iterator[tuple[str, bool, str]]:
    from forensic_kit import registry
    from forensic_kit.passes import libraries
    from forensic_kit.workers import default_jobs

    for name, version in libraries().items():
        yield f"library {name}", version != "not installed", version
    plugins = registry.load()
    yield "plugins", not plugins.broken, f"{len(plugins.loaded)} loaded, {len(plugins.broken)} broken"
    for item in plugins.broken:
        yield f"plugin {item.path.name}", False, item.reason
    yield "worker processes", True, f"{default_jobs()} would be used"
    yield _try("run on a made-up disk", _tiny_run)
    free = shutil.disk_usage(disk).free
    yield "disk space", free > _FREE, f"{console.size_text(free)} free at {disk.absolute()}"


def _try(name: str, call: Callable[[], str]) -> tuple[str, bool, str]:
    try:
        return name, True, call()
    except ForensicError as error:
        return name, False, error.message


def _tiny_run() -> str:
    """The whole path on a disk of our own making: worker, image, space, digests, type, rules, case, ledger."""
    from forensic_kit import pipeline, profile, registry

    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "doctor.dd"
        image.write_bytes(bytes(1 << 20) + b"forensic-kit doctor" + bytes((1 << 20) - 19))
        options = {"yara": {"rules": [str(registry.resource_folder("rules") / "yara")]}}
        job = pipeline.Job(
            {"doctor": image},
            Path(folder) / "case",
            profile.load("standard"),
            registry.load(),
            options=options,
            verify="none",
            jobs=1,
        )
        outcome = pipeline.run(job)
    if outcome.exit_code not in (0, 4) or not outcome.summary["adds_up"]:
        raise ForensicError(f"the run ended with exit code {outcome.exit_code}")
    return f"{outcome.summary['entries']} entries, ledger adds up"
