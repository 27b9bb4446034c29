"""The program as a user runs it, and one case of the exercise disk."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.conftest import ROOT

SAMPLES = ROOT / "sample_images"


@dataclass
class Ran:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def text(self):
        return self.out.decode()

    @property
    def rows(self):
        return [json.loads(line) for line in self.out.splitlines()]


def fkit(*arguments, **env):
    """Run the program; arguments become text."""
    done = subprocess.run(
        [sys.executable, "-c", "from forensic_kit.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        check=False,
        env={**os.environ, **env},
    )
    return Ran(done.returncode, done.stdout, done.stderr.decode())


@pytest.fixture(scope="session")
def exercise(tmp_path_factory):
    """A case of the exercise disk, made by the program."""
    folder = tmp_path_factory.mktemp("cli") / "case"
    ran = fkit(
        *("run", "--exhibit", f"EX/1={SAMPLES / 'exercise.E01'}", "--case", folder, "--operator", "A. Tester"),
        *("--keywords", SAMPLES / "exercise.keywords.txt", "--rules", ROOT / "rules" / "yara"),
    )
    assert ran.code == 4, ran.err  # one zip member is locked
    assert "Traceback" not in ran.err
    return folder
