"""Two ways to one answer: raw and E01, one worker and four, another zone, another locale."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SAMPLES = ROOT / "sample_images"
WAYS = {
    "raw, 1 worker, UTC": ("exercise.dd", "1", {"TZ": "UTC", "LC_ALL": "C.UTF-8"}),
    "E01, 4 workers, New York, C locale": ("exercise.E01", "4", {"TZ": "America/New_York", "LC_ALL": "C"}),
    "E01, 2 workers, Tokyo, Turkish": ("exercise.E01", "2", {"TZ": "Asia/Tokyo", "LANG": "tr_TR.UTF-8"}),
}


def fkit(*arguments, env=None):
    return subprocess.run(
        [sys.executable, "-c", "from forensic_kit.cli import main; main()", *map(str, arguments)],
        env={**os.environ, **(env or {})},
        capture_output=True,
        check=False,
    )


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What files, findings, timeline and problems print, for each way."""
    found = {}
    for name, (image, jobs, env) in WAYS.items():
        case = tmp_path_factory.mktemp("case") / "case"
        run = fkit(
            *("run", "--exhibit", f"X={SAMPLES / image}", "--case", case, "--jobs", jobs, "--verify", "none"),
            *("--keywords", SAMPLES / "exercise.keywords.txt", "--rules", ROOT / "rules" / "yara", "--quiet"),
            env=env,
        )
        assert run.returncode in (0, 4), run.stderr
        found[name] = {
            what: fkit("case", what, case, "--json", env=env).stdout
            for what in ("files", "findings", "timeline", "problems")
        }
    return found


@pytest.mark.parametrize("what", ["files", "findings", "timeline", "problems"])
def test_every_way_gives_the_same_bytes(answers, what):
    first, *others = (answers[name][what] for name in WAYS)
    assert len(first.splitlines()) > (2 if what == "problems" else 100)
    for other in others:
        assert other == first


def test_the_timeline_is_in_order_of_time(answers):
    import json

    times = [json.loads(line)["time"] for line in answers["raw, 1 worker, UTC"]["timeline"].splitlines()]
    assert len(times) > 100
    comparable = [time[:19] for time in times]
    assert comparable == sorted(comparable)
