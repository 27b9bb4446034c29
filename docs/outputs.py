"""Runs the commands shown in the documentation and puts what they really print below them.

``python docs/outputs.py`` rewrites the pages named in `PAGES`; ``--check`` writes nothing and fails where the program
says something else now. In a page, a block marked ``console`` holds commands (after ``$``) and what they print. A block
whose first line is ``# NAME.ext`` is a file that they use. All commands of a page run in one new folder that has
``sample_images``, ``rules`` and ``.venv`` in it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    "docs/reference/credentials.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/[th]*/*.md")),
)
#: What the temporary folder is called in what is shown.
HOME = "/home/ann/lab"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"# ([\w.-]+\.\w+)\n")
#: Making the environment is not done again here.
_SETUP = re.compile(r"^(?:(?:python3 -m venv|\.venv/bin/pip install) [^&]*&& )+")
#: What differs between two equal runs: the hash of a log that holds times, times of this machine's clock.
_VOLATILE = re.compile(r"(?<=head )[0-9a-f]{64}|(?<=^ {5}\d )20\S+Z", re.MULTILINE)
_SECONDS = 120


class Shown(NamedTuple):
    """One command as a page shows it."""

    command: str  #: with its continuation lines
    output: str


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(mark, body) of every fenced block of a page."""
    for match in _BLOCK.finditer(text):
        yield match[1], match[2]


def shown(body: str) -> Iterator[Shown]:
    """The commands of a console block."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command = re.match(r"(?:.*\\\n)*.*\n", part)
        assert command
        yield Shown(command[0].rstrip("\n"), part[command.end() :])


def run(command: str, folder: Path, before: int = 0) -> tuple[str, int]:
    """What a command prints, errors included, as a terminal shows them; and its exit code.

    Args: before: the exit code of the command before it, which ``$?`` gives.
    """
    bin_folder = Path(sys.executable).parent
    environment = {
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        ["bash", "-c", f"(exit {before})\n{_SETUP.sub('', command)}"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_SECONDS,
        check=False,
    )
    text = done.stdout.decode("utf-8").replace(str(folder), HOME)
    lines = text.rstrip().split("\n") if text.strip() else []
    return "".join(f"{line.rstrip()}\n" for line in lines), done.returncode


def refreshed(text: str) -> str:
    """A page with the real output of its commands. A command whose program this machine lacks keeps what it had."""
    with tempfile.TemporaryDirectory(prefix="forensic-kit-docs-") as name:
        folder = Path(name).resolve()
        for shared in ("rules", "sample_images"):
            (folder / shared).symlink_to(ROOT / shared)
        (folder / ".venv").symlink_to(Path(sys.executable).parent.parent)
        return _BLOCK.sub(lambda match: _block(match[1], match[2], folder), text)


def _block(mark: str, body: str, folder: Path) -> str:
    file = _FILE.match(body)
    if file:
        (folder / file[1]).write_text(body, encoding="utf-8")
    if mark == "console":
        before, items = 0, list(shown(body))
        body = ""
        for item in items:
            output = item.output
            if _here(item.command):
                output, before = run(item.command, folder, before)
            body += f"$ {item.command}\n{output}"
    return f"```{mark}\n{body}```"


def _here(command: str) -> bool:
    """Has this machine the program?"""
    program = command.split()[0]
    own = str(Path(sys.executable).parent)
    return "/" in program or program == "echo" or bool(shutil.which(program) or shutil.which(program, path=own))


def same(one: str, other: str) -> bool:
    """Are two pages equal but for what differs between equal runs?"""
    return _VOLATILE.sub("", one) == _VOLATILE.sub("", other)


def main() -> int:
    """Refresh the pages, or check them."""
    parser = argparse.ArgumentParser(description="Run the commands shown in the documentation.")
    parser.add_argument("pages", nargs="*", default=PAGES, help="default: all")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the output differs")
    arguments = parser.parse_args()
    code = 0
    for name in arguments.pages:
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        if "```console" not in text or same(text, new := refreshed(text)):
            continue
        if arguments.check:
            print(f"{name} shows what the program no longer prints: run python docs/outputs.py")
            code = 1
        else:
            path.write_text(new, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
