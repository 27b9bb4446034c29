"""The command line: one file per command; this file only finds them and turns errors into exit codes."""

import importlib
import logging
import os
import sys
from typing import Any

import click

import forensic_kit
from forensic_kit.errors import ForensicError

#: Command: the module that holds it and one line for the overview, so that ``--help`` loads none of them.
COMMANDS = {
    "info": "What evidence is: format, volumes, file systems, encryption, stored digests.",
    "ls": "List the files of an image without processing it.",
    "cat": "Write the bytes of one locator to standard output.",
    "extract": "Write files out of evidence under safe names, with a manifest of digests.",
    "parse": "The records of loose artefact files, without a case.",
    "verify": "Recompute digests and compare them with stored, sidecar or expected ones.",
    "run": "The main job: list, read, hash, scan and parse everything into a case.",
    "case": "Read a case: summary, files, findings, timeline, problems, show, search.",
    "report": "Write the report of a case.",
    "audit": "Verify or show the audit log of a case.",
    "plugins": "List, show or start writing plugins.",
    "rules": "List or check YARA rules.",
    "keywords": "Check keyword lists.",
    "doctor": "Does everything on this machine work?",
}


class _PipeClosed(Exception):
    """The reader of our output has had enough (`| head`). No OSError, which click would end with exit code 1."""


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _PipeClosed from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"forensic_kit.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(forensic_kit.__version__, prog_name="forensic-kit")
def group() -> None:
    """forensic-kit opens seized device images read-only, lists every file (live, deleted, unallocated), extracts and
    hashes artefacts, scans with YARA rules and keywords, and writes reports.

    Results go to standard output, everything else to standard error. Exit codes: 0 done, 2 wrong use, 3 could not
    be done, 4 part of the evidence could not be examined, 5 a digest differs or the ledger does not add up,
    130 stopped by the user.
    """


def main() -> None:
    """Entry point of ``forensic-kit`` and ``fkit``."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s: %(message)s")
    try:
        code: Any = group.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        print("Stopped. What was done is kept; `run` goes on with --resume.", file=sys.stderr)
        sys.exit(130)
    except _PipeClosed:
        # What Python still holds for standard output goes nowhere, instead of failing when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except ForensicError as error:
        print(f"forensic-kit: {error.message}", file=sys.stderr)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
