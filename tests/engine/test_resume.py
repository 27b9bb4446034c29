"""Stopping a run at any moment costs nothing but time."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forensic_kit import pipeline
from forensic_kit.case import open_case
from forensic_kit.errors import CaseError, CaseFull, EvidenceLost, Misuse
from tests.engine.toys import PLUGINS, image, job, rows

KILLS = 20


def items():
    """Enough shards that a kill falls between, with deleted and equal contents, a box and a bad file."""
    found = [{"name": f"f{n:04}.txt", "data": b"text %d with a needle" % (n % 400)} for n in range(1200)]
    found += [{"name": f"gone{n}", "data": b"gone %d" % n, "deleted": True} for n in range(30)]
    found += [{"name": "box", "data": b'TOYBOX[["a.txt", "needle one"], ["b.txt", "text 7 with a needle"]]'}]
    found += [{"name": "large", "data": b"needle " + bytes(3 << 20)}]
    found.insert(600, {"name": "bad", "data": b"RAISE x"})
    return found


def command(exhibit, case, *more):
    return [
        sys.executable,
        "-c",
        "from forensic_kit.cli import main; main()",
        *("run", "--exhibit", f"X={exhibit}", "--case", str(case), "--plugins", str(PLUGINS)),
        *("--jobs", "2", "--verify", "none", "--operator", "A. Tester", "--quiet", *more),
    ]


def test_a_run_killed_at_random_moments_and_resumed_gives_the_same_case(tmp_path):
    exhibit = image(tmp_path / "x.toy", items(), tail=1000)
    started = time.monotonic()
    whole = subprocess.run(command(exhibit, tmp_path / "whole"), check=False)
    took = time.monotonic() - started
    assert whole.returncode in (0, 4)
    chance = random.Random(2)
    case = tmp_path / "killed"
    kills = 0
    for _ in range(200):
        process = subprocess.Popen(command(exhibit, case, "--resume"), start_new_session=True)
        try:
            code = process.wait(timeout=chance.uniform(0.25, max(0.5, 0.9 * took)))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            continue
        assert code == whole.returncode
        if kills >= KILLS:
            break
        case = tmp_path / f"killed{kills}"  # finished before enough kills: again from the start
    assert kills >= KILLS
    assert rows(case) == rows(tmp_path / "whole")
    again = subprocess.run(command(exhibit, case, "--resume"), check=False)
    assert again.returncode == whole.returncode


def test_ctrl_c_stops_with_130_and_resumes(tmp_path):
    exhibit = image(tmp_path / "x.toy", [*items(), {"name": "slow", "data": b"HANG"}])
    process = subprocess.Popen(command(exhibit, tmp_path / "case"), stderr=subprocess.PIPE, start_new_session=True)
    for _ in range(200):
        time.sleep(0.1)
        if (tmp_path / "case" / "case.db").exists() and _entries(tmp_path / "case") > 100:
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"--resume" in errors
    assert b"Traceback" not in errors


def _entries(case: Path) -> int:
    try:
        with open_case(case) as opened:
            return opened.db.execute("SELECT count(*) FROM entry_outcomes").fetchone()[0]
    except CaseError:
        return 0


def test_an_unfinished_pass_is_not_begun_anew_by_accident(tmp_path):
    exhibit = image(tmp_path / "x.toy", items())
    _interrupted(exhibit, tmp_path / "case")
    with pytest.raises(CaseError, match="--resume"):
        pipeline.run(job(exhibit, tmp_path / "case"))


def test_resume_refuses_other_options_and_names_them(tmp_path):
    exhibit = image(tmp_path / "x.toy", items())
    _interrupted(exhibit, tmp_path / "case")
    with pytest.raises(Misuse, match="options"):
        pipeline.run(job(exhibit, tmp_path / "case", resume=True, options={"toy.scanner": {"word": "other"}}))


def test_resume_without_a_case_starts_and_resume_of_a_finished_pass_does_nothing(tmp_path):
    exhibit = image(tmp_path / "x.toy", items()[:5])
    first = pipeline.run(job(exhibit, tmp_path / "case", resume=True))
    before = rows(tmp_path / "case")
    again = pipeline.run(job(exhibit, tmp_path / "case", resume=True))
    assert again.message == "the last pass is finished: nothing to resume"
    assert again.exit_code == first.exit_code
    assert rows(tmp_path / "case") == before


def _interrupted(exhibit, case):
    """Stop a run in its middle."""

    def stop(progress):
        if progress.entries:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pipeline.run(job(exhibit, case), stop)


def test_evidence_cut_short_in_the_run_stops_it_and_fails_no_entry(tmp_path):
    exhibit = image(tmp_path / "x.toy", items())
    size = exhibit.stat().st_size
    kept = exhibit.read_bytes()

    def cut(progress):
        if progress.phase == "examine" and exhibit.stat().st_size == size:
            os.truncate(exhibit, size // 2)

    with pytest.raises(EvidenceLost, match="--resume"):
        pipeline.run(job(exhibit, tmp_path / "case", jobs=1), cut)
    with open_case(tmp_path / "case") as case:
        assert not case.db.execute("SELECT 1 FROM problems WHERE error IN ('worker', 'EvidenceLost')").fetchone()
    exhibit.write_bytes(kept)
    pipeline.run(job(exhibit, tmp_path / "case", resume=True))
    pipeline.run(job(exhibit, tmp_path / "whole"))
    assert rows(tmp_path / "case") == rows(tmp_path / "whole")


def test_a_full_case_disk_stops_the_run_and_resumes_when_there_is_room(tmp_path):
    mounted = tmp_path / "small"
    mounted.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mounted], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        exhibit = image(tmp_path / "x.toy", items())
        with pytest.raises(CaseFull, match="room"):
            pipeline.run(job(exhibit, mounted / "case"))
        subprocess.run(["mount", "-o", "remount,size=200m", mounted], check=True)
        pipeline.run(job(exhibit, mounted / "case", resume=True))
        pipeline.run(job(exhibit, tmp_path / "whole"))
        assert rows(mounted / "case") == rows(tmp_path / "whole")
    finally:
        subprocess.run(["umount", mounted], check=True)


def test_a_second_writer_is_refused_in_one_sentence(tmp_path):
    exhibit = image(tmp_path / "x.toy", items()[:3])
    pipeline.run(job(exhibit, tmp_path / "case"))
    with open_case(tmp_path / "case", writable=True), pytest.raises(CaseError, match="another command is writing"):
        pipeline.run(job(exhibit, tmp_path / "case"))
