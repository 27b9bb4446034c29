"""What commands share: options, safe text, JSON Lines, tables."""

import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from forensic_kit.errors import Misuse

F = TypeVar("F", bound=Callable[..., Any])
_encode = msgspec.json.Encoder(order="deterministic").encode

json_option = click.option("--json", "as_json", is_flag=True, help="JSON or JSON Lines on standard output.")
plugins_option = click.option(
    "--plugins", "plugin_folders", type=click.Path(path_type=Path), multiple=True, help="Folder of further plugins."
)
credentials_option = click.option(
    "--credentials", type=click.Path(path_type=Path), help="TOML file with the secrets for locked evidence."
)
exhibit_option = click.option(
    "--exhibit", "exhibits", multiple=True, metavar="NAME=PATH", help="Name an exhibit; its file name does otherwise."
)


def evidence_options(command: F) -> F:
    """IMAGE... and what says how to open them."""
    command = click.argument("images", nargs=-1, type=click.Path(path_type=Path))(command)
    for option in (exhibit_option, credentials_option, plugins_option):
        command = option(command)
    return command


def named(images: Iterable[Path], exhibits: Iterable[str]) -> dict[str, Path]:
    """Exhibits by name. Later segments of a set beside its first one count as that set.

    Raises: Misuse: none was named, one is missing, or two have one name.
    """
    pairs = [_pair(text) for text in exhibits]
    taken = {path.absolute() for _, path in pairs}
    given = [path for path in images if path.absolute() not in taken]
    pairs += [(path.name, path) for path in given if not _later_segment(path, [*given, *taken])]
    found: dict[str, Path] = {}
    for name, path in pairs:
        if not path.exists():
            raise Misuse(f"{path}: no such file. Check the path.")
        if name in found:
            raise Misuse(f"two exhibits are called {name}: {found[name]} and {path}. Name them: --exhibit NAME=PATH.")
        found[name] = path
    if not found:
        raise Misuse("no evidence was named. Give the path of an image, or --exhibit NAME=PATH.")
    return found


def _later_segment(path: Path, others: list[Path]) -> bool:
    """Was this named by a wildcard beside the first segment of its set?"""
    from forensic_kit import api, registry

    beside = [
        other for other in others if other.stem == path.stem and other.parent.absolute() == path.parent.absolute()
    ]
    if len(beside) < 2:
        return False
    plugins = [plugin() for plugin in registry.load().of(api.Image)]
    return any(plugin.owns(path.name) and not all(plugin.owns(item.name) for item in beside) for plugin in plugins)


def _pair(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (equals and name and path):
        raise Misuse(f"--exhibit {text!r}: write NAME=PATH, such as ABC/1=/evidence/abc1.E01.")
    return name, Path(path)


def safe(value: object) -> str:
    """Text out of evidence for a terminal: control and direction characters are made visible."""
    text = "" if value is None else str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char.isprintable() and unicodedata.category(char) not in ("Cf", "Cs", "Co") else f"\\u{ord(char):04x}"
        for char in text
    )


def print_json(value: Any, *, indent: bool = False) -> None:
    """One JSON value and a line end; the bytes do not depend on the locale."""
    data = _encode(value)
    if indent:
        data = msgspec.json.format(data, indent=2)
    sys.stdout.buffer.write(data + b"\n")


def print_rows(rows: Iterable[Any]) -> None:
    """JSON Lines."""
    for row in rows:
        sys.stdout.buffer.write(_encode(row) + b"\n")


def print_table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    """A table as wide as the terminal, plain where there is none."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    width = None if sys.stdout.isatty() else 200
    console = Console(width=width, no_color=not sys.stdout.isatty(), highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console.print(table)


def _cell(value: object) -> str:
    from rich.markup import escape

    return escape(safe(value))


def say(text: str) -> None:
    """One line for the examiner, on standard error."""
    print(text, file=sys.stderr)


def size_text(size: int | None) -> str:
    """Bytes for people, with the exact number where it was rounded."""
    if size is None:
        return "?"
    value, unit = float(size), "bytes"
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{size} bytes" if unit == "bytes" else f"{value:.1f} {unit} ({size} bytes)"


def read_credentials(path: Path | None) -> list[Any]:
    """The secrets of a credentials file: ``[[credential]]`` tables of kind, value and, if for one exhibit, exhibit."""
    import tomllib

    from forensic_kit.api import Credential

    if path is None:
        return []
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        if set(tables) != {"credential"}:
            raise Misuse(f"{path}: a credentials file has [[credential]] tables and nothing else.")
        return [msgspec.convert(table, Credential) for table in tables["credential"]]
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        # Not the parser's own words: they could repeat a secret.
        raise Misuse(
            f"{path}: not a credentials file ({type(error).__name__}). docs/reference/credentials.md shows one."
        ) from None


def operator_of(name: str | None) -> str:
    """Who runs this, as it is entered in the audit log."""
    return name or os.environ.get("FORENSIC_KIT_OPERATOR", "") or "operator not identified"


def pages(rows: Iterator[Any], size: int) -> Iterator[list[Any]]:
    """Rows in lists of at most ``size``."""
    page: list[Any] = []
    for row in rows:
        page.append(row)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page


class Shown:
    """Progress on standard error: a bar, JSON Lines, or nothing."""

    def __init__(self, kind: str) -> None:
        self._kind = "none" if kind == "bar" and not sys.stderr.isatty() else kind
        self._bar: Any = None
        self._phase = ""
        self._last = 0.0

    def __call__(self, progress: Any) -> None:
        """Show where the run is, a few times a second at most."""
        now = time.monotonic()
        if self._kind == "none" or (now - self._last < 0.2 and progress.phase == self._phase):
            return
        self._last = now
        if self._kind == "jsonl":
            self._phase = progress.phase
            sys.stderr.write(msgspec.json.encode(vars(progress)).decode() + "\n")
            return
        self._draw(progress)

    def _draw(self, progress: Any) -> None:
        from tqdm import tqdm

        if progress.phase != self._phase:
            self.close()
            self._phase = progress.phase
            total = progress.bytes_total or None
            self._bar = tqdm(total=total, desc=progress.phase, unit="B", unit_scale=True, file=sys.stderr, leave=True)
        self._bar.total = progress.bytes_total or None
        self._bar.set_postfix_str(
            f"{progress.entries}/{progress.entries_total} entries, {progress.problems} problems", refresh=False
        )
        self._bar.update(max(0, progress.bytes - self._bar.n))

    def close(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
