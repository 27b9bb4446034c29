"""Storage that goes away in the middle of a run: the run stops, nothing is blamed, and --resume finishes it."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from forensic_kit import pipeline, profile, registry
from forensic_kit.case import open_case
from forensic_kit.errors import EvidenceLost
from tests.conftest import ROOT
from tests.engine.toys import rows

EXERCISE = ROOT / "sample_images" / "exercise.E01"


def job(exhibit, case, **changes):
    settings = {"verify": "none", "jobs": 2, "operator": "A. Tester", **changes}
    lists = {"keywords": {"lists": [str(ROOT / "sample_images" / "exercise.keywords.txt")]}}
    return pipeline.Job({"EX": exhibit}, case, profile.load("standard"), registry.load(), options=lists, **settings)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an undisturbed run says."""
    case = tmp_path_factory.mktemp("whole") / "case"
    pipeline.run(job(EXERCISE, case))
    return rows(case)


def workers():
    """Process ids of this process's children that are workers."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[1]
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(parent) == os.getpid() and b"forensic_kit.worker" in line:
                found.append(int(entry.name))
    return found


def test_workers_killed_from_outside_on_a_real_image_change_nothing(tmp_path, whole):
    started, stop = threading.Event(), threading.Event()
    kills = []

    def begun(progress):
        if progress.phase == "examine":
            started.set()

    def killer():
        started.wait()
        while not stop.is_set() and len(kills) < 4:
            time.sleep(0.2)
            for pid in workers()[:1]:
                os.kill(pid, signal.SIGKILL)
                kills.append(pid)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        pipeline.run(job(EXERCISE, tmp_path / "case"), begun)
    finally:
        stop.set()
        started.set()
        thread.join()
    assert kills
    assert rows(tmp_path / "case") == whole


@pytest.mark.parametrize("deed", ["SEGV", "HANG", "EAT"])
def test_a_file_of_a_real_image_that_ends_its_worker_costs_that_file_alone(tmp_path, whole, deed):
    plugins = [Path(__file__).parent / "plugins"]
    made = job(EXERCISE, tmp_path / "case", plugin_folders=plugins)
    made.registry = registry.load(plugins)
    made.profile = profile.Profile("short", "1", budgets=profile.Budgets(seconds=4.0))
    made.options["toy.scanner"] = {"victim": "contract.pdf", "deed": deed}
    outcome = pipeline.run(made)
    files = {row["path"]: (row["state"], row["sha256"]) for row in rows(tmp_path / "case")["files"]}
    expected = {row["path"]: (row["state"], row["sha256"]) for row in whole["files"]}
    lost = [path for path in expected if files[path][1] != expected[path][1]]
    assert [path.rsplit("/", 1)[-1] for path in lost] == ["contract.pdf"]
    assert files[lost[0]] == ("failed", None)
    assert (outcome.exit_code, outcome.summary["adds_up"]) == (4, True)


def test_an_image_that_goes_away_with_its_worker_is_lost_evidence_and_no_empty_disk(tmp_path, whole):
    copy = tmp_path / "copy.E01"
    copy.write_bytes(EXERCISE.read_bytes())

    def vanish(progress):
        if progress.phase == "examine" and progress.entries and copy.exists():
            copy.rename(tmp_path / "away")
            for pid in workers():
                os.kill(pid, signal.SIGKILL)

    with pytest.raises(EvidenceLost, match="--resume"):
        pipeline.run(job(copy, tmp_path / "case", jobs=1), vanish)
    with open_case(tmp_path / "case") as case:
        assert not case.db.execute("SELECT 1 FROM problems WHERE error = 'worker'").fetchone()
    (tmp_path / "away").rename(copy)
    pipeline.run(job(copy, tmp_path / "case", resume=True))
    assert rows(tmp_path / "case") == whole
