"""Items that crash, hang, grow, lie and are killed cost themselves and nothing else.

The toy handler is tests/engine/plugins_workers.py; everything here runs in real processes.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forensic_kit import workers
from forensic_kit.errors import CaseFull, EvidenceLost, ForensicError, Misuse
from forensic_kit.workers import Completed, Item, ItemResult, Limits, Lost, Pool, Restarted, Shard, Streamed

TOY = "tests.engine.plugins_workers:start"
MIB = 1 << 20
pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to see processes")


def item(key: str, *steps: list[Any], size: int = 0) -> Item:
    return Item(key, json.dumps(steps).encode(), size)


def stream(*steps: list[Any]) -> list[Shard]:
    return [Shard(1, "toy", (item("s", *steps),), stream=True)]


def toys(jobs: int = 1, *, seconds: float = 20.0, **more: Any) -> Pool:
    silence, start = more.pop("silence", 20.0), more.pop("start", 20.0)
    limits = Limits(seconds=seconds, silence=silence, start=start, output=64 * MIB)
    return Pool(more.pop("function", TOY), b"setup", jobs=jobs, limits=limits, **more)


def results(pool: Pool, *items: Item) -> list[ItemResult]:
    """What became of the items of one shard."""
    (event,) = pool.run([Shard(7, "toy", items)])
    assert isinstance(event, Completed) and event.number == 7
    return list(event.results)


def texts(result: ItemResult) -> list[str]:
    assert result.lost == ()
    return [data.decode() for data in result.results]


def children() -> set[int]:
    """Process ids of this process's children, zombies included."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= set(map(int, (task / "children").read_text().split()))
    return found


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))  # noqa: PTH208 - iterdir holds one open itself


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """After each test: no process, no zombie, no descriptor more than before."""
    before = children(), len(descriptors())
    yield
    assert (children(), len(descriptors())) == before


# --- the ordinary ---------------------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_shard():
    with toys() as pool:
        found = results(pool, item("b", ["emit", "1"], ["emit", "2"]), item("a", ["tell", "key"]), item("c"))
    assert found == [ItemResult("b", (b"1", b"2")), ItemResult("a", (b"a",)), ItemResult("c")]


def test_workers_know_the_setup_and_no_zone_language_or_hash_of_this_machine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with toys(env={"TOY": "yes", "PYTHONHASHSEED": "7"}) as pool:
        (found,) = results(pool, item("a", ["tell", "setup"], ["tell", "env"], ["tell", "zone"], ["tell", "hash"]))
    command = [sys.executable, "-c", "print(hash('forensic'))"]
    expected = subprocess.run(command, env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True)
    assert texts(found) == ["setup", "UTC C.UTF-8 0 yes", "UTC", expected.stdout.strip()]


def test_a_worker_has_no_input_no_core_dump_no_interrupt_and_no_descriptor_of_ours():
    with Path(__file__).open(), toys() as pool:
        (found,) = results(
            pool, item("a", ["tell", "stdin"], ["tell", "core"], ["tell", "sigint"], ["tell", "inherited"])
        )
    stdin, core, ignored, inherited = texts(found)
    # 0 to 2, the pipe, the folder being listed.
    assert (stdin, core, ignored, len(json.loads(inherited))) == ("", "1", "True", 5)


def test_chatter_reaches_no_terminal_and_stops_nobody(capfd: pytest.CaptureFixture[str]):
    with toys() as pool:
        assert texts(results(pool, item("a", ["chat", 500], ["emit", "done"]))[0]) == ["done"]
    assert capfd.readouterr() == ("", "")


def test_nothing_is_imported_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "msgspec.py").write_text("raise SystemExit('evidence ran')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    with toys() as pool:
        assert texts(results(pool, item("a", ["emit", "fine"]))[0]) == ["fine"]


def test_payloads_and_results_may_be_much_larger_than_a_pipe():
    with toys() as pool:
        big = Item("a", json.dumps([["emit", "x" * 8 * MIB]]).encode())
        assert results(pool, big, big)[1] == ItemResult("a", (b"x" * 8 * MIB,))


def test_an_empty_shard_and_no_shard_are_fine():
    with toys() as pool:
        assert list(pool.run([])) == []
        assert list(pool.run([Shard(3, "toy", ())])) == [Completed(3, ())]


def test_a_shard_is_taken_only_when_a_worker_is_free():
    taken = []

    def shards() -> Iterator[Shard]:
        for number in range(12):
            taken.append(number)
            yield Shard(number, "toy", (item("a"),))

    with toys(jobs=2) as pool:
        for done, _ in enumerate(pool.run(shards())):
            assert len(taken) <= done + 1 + 2


def test_workers_stay_warm_between_runs():
    with toys() as pool:
        first, second = (results(pool, item("a", ["tell", "pid"], ["tell", "seen"]))[0] for _ in range(2))
    assert texts(first)[0] == texts(second)[0]
    assert (texts(first)[1], texts(second)[1]) == ("1", "2")


# --- items that go wrong --------------------------------------------------------------------------------------

WRONG: dict[str, tuple[list[Any], str, str]] = {
    "abort": (["abort"], "crash", "killed the worker (signal 6, abort)"),
    "segfault": (["segfault"], "crash", "killed the worker (signal 11, segmentation fault)"),
    "killed": (["signal", 9], "crash", "killed the worker (signal 9)"),
    "exit": (["leave", 3], "crash", "ended the worker (exit status 3)"),
    "exit 0": (["leave", 0], "crash", "ended the worker (exit status 0)"),
    "sys.exit": (["leave_politely", 4], "crash", "ended the worker (exit status 4)"),
    "sleep": (["sleep", 60], "time", "took longer than its limit"),
    "sleep in C": (["sleep_in_c", 60], "time", "took longer than its limit"),
    "spin": (["spin"], "time", "took longer than its limit"),
    "stopped": (["stop"], "time", "took longer than its limit"),
    "stopped in a message": (["half_then_stop"], "time", "took longer than its limit"),
    "hang and chatter": (["chat_for_ever"], "time", "took longer than its limit"),
    "memory": (["eat", 1000], "memory", "needed more memory than its limit"),
    "memory in C": (["eat_in_c", 1000], "memory", "needed more memory than its limit"),
    "dies in a message": (["half"], "crash", "killed the worker (signal 6, abort)"),
    "leaves a child": (["child"], "crash", "killed the worker (signal 6, abort)"),
    "junk": (["junk"], "crash", "made the worker send what is no message"),
    "promises 4 GiB": (["huge"], "output", "gave more results than its limit"),
    "emits nothing for ever": (["many", 10**9, 0], "output", "gave more results than its limit"),
    "emits for ever": (["many", 10**9, MIB], "output", "gave more results than its limit"),
    "closes the pipe": (["hang_up"], "crash", "closed the worker's pipe"),
    "error": (["fail", "ValueError", "bad\nmore"], "error", "failed with ValueError: bad"),
    "error without text": (["fail", "OSError", ""], "error", "failed with OSError"),
    "error with an address": (
        ["fail_with_address"],
        "error",
        "failed with ValueError: cannot use <object object> here",
    ),
    "error not in Unicode": (["fail", "Unicode", "a\ud800b"], "error", "failed with UnicodeError: a?b"),
    "an error of ours": (["fail", "Damaged", "torn"], "error", "failed with Damaged: torn"),
}


@pytest.fixture(scope="module")
def gone_wrong() -> dict[str, list[ItemResult]]:
    """Each of them between two good items."""
    shards = []
    for number, (key, (steps, cause, _)) in enumerate(WRONG.items()):
        size = 0 if cause == "time" else 60 * MIB  # a busy machine must not turn other ends into time-outs
        bad = item(key, ["emit", "part"], steps, size=size)
        shards.append(Shard(number, "toy", (item("before", ["emit", "1"]), bad, item("after"))))
    keys = list(WRONG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "_GRACE", 0.5)
        with toys(jobs=4, seconds=0.7, memory=300 * MIB) as pool:
            return {keys[event.number]: list(event.results) for event in pool.run(shards)}  # type: ignore[union-attr]


@pytest.mark.parametrize("key", WRONG)
def test_an_item_that_goes_wrong_is_lost_alone_and_with_a_reason(key: str, gone_wrong: dict[str, list[ItemResult]]):
    _, cause, reason = WRONG[key]
    before, lost, after = gone_wrong[key]
    assert (before, after) == (ItemResult("before", (b"1",)), ItemResult("after"))
    assert lost == ItemResult(key, (), (Lost(key, reason, cause),))  # type: ignore[arg-type]


def test_an_error_does_not_cost_the_worker():
    with toys() as pool:
        found = results(
            pool, item("a", ["tell", "pid"]), item("b", ["fail", "ValueError", ""]), item("c", ["tell", "pid"])
        )
    assert texts(found[0]) == texts(found[2])


def test_what_was_finished_is_not_done_again_and_the_rest_is(tmp_path: Path):
    mark = ["mark", str(tmp_path / "marks")]
    with toys() as pool:
        found = results(pool, item("a", mark), item("b", ["abort"]), item("c", mark), item("d", mark))
    assert [bool(result.lost) for result in found] == [False, True, False, False]
    assert len((tmp_path / "marks").read_text().splitlines()) == 3


def test_what_goes_wrong_once_costs_nothing(tmp_path: Path):
    steps = [["emit", "1"], ["at_first", str(tmp_path / "times"), 1, ["abort"]], ["tell", "seen"]]
    with toys() as pool:
        found = results(pool, item("a"), item("b", *steps), item("c"))
    # The second time in a process that had seen nothing before it.
    assert [texts(result) for result in found] == [[], ["1", "1"], []]


def test_being_killed_from_outside_twice_alone_costs_nothing(tmp_path: Path):
    with toys() as pool:
        (found,) = results(pool, item("a", ["at_first", str(tmp_path / "times"), 3, ["signal", 9]], ["emit", "fine"]))
    assert texts(found) == ["fine"]


def test_memory_that_others_left_taken_is_not_held_against_an_item():
    shards = [Shard(number, "toy", (item("a", ["keep", 150]),)) for number in range(2)]
    with toys(jobs=2, memory=300 * MIB) as pool:
        collect(pool, shards, [0])
        # The worker that gets it dies; the other one is idle, and as full.
        assert texts(results(pool, item("b", ["eat", 150], ["emit", "fits"]))[0]) == ["fits"]


def test_large_items_get_more_time():
    limits = Limits(seconds=0.3, seconds_per_mib=0.1)
    with Pool(TOY, b"", jobs=2, limits=limits) as pool:
        found = results(pool, item("large", ["sleep", 0.9], size=20 * MIB), item("small", ["sleep", 0.9], size=MIB))
    assert [bool(result.lost) for result in found] == [False, True]


# --- members --------------------------------------------------------------------------------------------------


def test_a_member_that_kills_is_left_out_and_the_others_are_kept():
    with toys() as pool:
        (found,) = results(pool, item("zip", ["members", 5, {"m2": ["abort"], "m3": ["segfault"]}]))
    assert found.results == (b"m0", b"m1", b"m4")
    assert [(lost.key, lost.reason) for lost in found.lost] == [
        ("m2", "killed the worker (signal 6, abort)"),
        ("m3", "killed the worker (signal 11, segmentation fault)"),
    ]


def test_a_member_has_the_limit_that_was_announced():
    with toys() as pool:
        (found,) = results(pool, item("zip", ["members", 1, {}], ["patient", "slow", 0.3], ["sleep", 60]))
    # Toy announces "slow" whatever it is told to avoid: so the container goes too.
    assert [(lost.key, lost.cause) for lost in found.lost] == [("slow", "time"), ("zip", "time")]


def test_after_its_own_key_is_announced_the_item_itself_is_to_blame():
    with toys() as pool:
        (found,) = results(pool, item("zip", ["members", 2, {}], ["back"], ["abort"]))
    assert [lost.key for lost in found.lost] == ["zip"]


def test_a_handler_that_does_not_heed_avoid_loses_the_item():
    with toys() as pool:
        (found,) = results(pool, item("zip", ["heedless"]))
    assert [lost.key for lost in found.lost] == ["m", "zip"]


def test_after_too_many_members_the_container_is_given_up(monkeypatch: pytest.MonkeyPatch):
    assert workers.MEMBERS == 32
    monkeypatch.setattr(workers, "MEMBERS", 4)
    with toys() as pool:
        (found,) = results(pool, item("zip", ["members", 6, {f"m{number}": ["abort"] for number in range(6)}]))
    assert [lost.key for lost in found.lost] == ["m0", "m1", "m2", "m3", "zip"]
    assert found.results == ()


# --- the run stops --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [EvidenceLost, CaseFull])
def test_losing_evidence_or_case_stops_the_run_and_blames_nobody(kind: type[ForensicError]):
    with toys(jobs=2) as pool:
        shards = [Shard(0, "toy", (item("a"), item("b", ["fail", kind.__name__, "gone.\nCheck it."])))]
        shards.append(Shard(1, "toy", (item("c", ["sleep", 60]),)))
        with pytest.raises(kind) as caught:
            list(pool.run(shards))
        assert (type(caught.value), caught.value.message) == (kind, "gone.\nCheck it.")
        assert texts(results(pool, item("d", ["emit", "usable"]))[0]) == ["usable"]


@pytest.mark.parametrize(
    ("function", "kind", "said"),
    [
        ("tests.engine.plugins_workers:refusing", Misuse, "the profile names no rules. Give --rules."),
        ("tests.engine.plugins_workers:lost", EvidenceLost, "disk.E01: reading failed."),
        ("tests.engine.plugins_workers:broken", ForensicError, "begin their work: KeyError: 'no such rule'. Run"),
        ("tests.engine.plugins_workers:dying", ForensicError, "the process killed the worker (signal 6, abort). Run"),
        ("tests.engine.plugins_workers:hanging", ForensicError, "took too long to start"),
        ("no.such.module:start", ForensicError, "ModuleNotFoundError: No module named 'no'"),
    ],
)
def test_workers_that_cannot_start_stop_the_run_with_their_reason(function: str, kind: type[ForensicError], said: str):
    start = 0.5 if "hang" in function else 20.0
    with toys(jobs=2, function=function, start=start) as pool, pytest.raises(ForensicError) as caught:
        results(pool, item("a"))
    assert type(caught.value) is kind
    assert said in caught.value.message


# --- streams --------------------------------------------------------------------------------------------------


def test_a_stream_hands_on_each_result_and_then_completes():
    with toys() as pool:
        events = list(pool.run(stream(["emit", "a"], ["emit", "b"])))
    assert events == [Streamed(1, "s", b"a"), Streamed(1, "s", b"b"), Completed(1, (ItemResult("s"),))]


def test_a_stream_of_two_items_is_refused():
    with toys() as pool, pytest.raises(ValueError, match="stream of 2 items"):
        list(pool.run([Shard(1, "toy", (item("a"), item("b")), stream=True)]))


def test_a_stream_that_crashes_is_restarted_and_leaves_the_member_out():
    with toys() as pool:
        events = list(pool.run(stream(["members", 3, {"m1": ["abort"]}])))
    lost = Lost("m1", "killed the worker (signal 6, abort)", "crash")
    assert [event for event in events if not isinstance(event, Streamed)] == [
        Restarted(1, "s", frozenset()),
        Restarted(1, "s", frozenset({"m1"})),
        Completed(1, (ItemResult("s", (), (lost,)),)),
    ]
    last = max(index for index, event in enumerate(events) if isinstance(event, Restarted))
    assert [event.data for event in events[last + 1 :] if isinstance(event, Streamed)] == [b"m0", b"m2"]


def test_a_stream_may_go_on_for_long_and_may_not_be_silent_for_long():
    going = [step for number in range(5) for step in (["sleep", 0.3], ["emit", str(number)])]
    with toys(seconds=0.1, silence=0.8) as pool:
        events = list(pool.run(stream(*going)))
        assert [event.data for event in events[:-1]] == [b"%d" % number for number in range(5)]  # type: ignore[union-attr]
        events = list(pool.run(stream(["emit", "a"], ["sleep", 60])))
    assert events[-1] == Completed(1, (ItemResult("s", (), (Lost("s", "took longer than its limit", "time"),)),))


def test_a_slow_caller_slows_the_stream_down_and_no_memory_fills_up():
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with toys() as pool:
        before, count = resident(), 0
        for event in pool.run(stream(["many", 300, MIB])):
            count += isinstance(event, Streamed)
            if count == 3:
                time.sleep(0.5)
            assert resident() - before < 32 * MIB
    assert count == 300


def test_a_worker_is_not_charged_for_a_slow_caller(tmp_path: Path):
    mark, late, much, later = ["mark", str(tmp_path / "marks")], ["sleep", 0.7], ["many", 40, 1 << 16], ["sleep", 0.5]
    shards = [Shard(0, "toy", (item("quick", ["sleep", 0.4]),)), Shard(1, "toy", (item("s", mark, late, much, later),))]
    with toys(jobs=2, seconds=2.0) as pool:
        for event in pool.run(shards):
            assert isinstance(event, Completed) and event.results[0].lost == ()
            time.sleep(2.5 if event.number == 0 else 0)
    assert len((tmp_path / "marks").read_text().splitlines()) == 1  # not ended and done again


# --- the same whatever happens --------------------------------------------------------------------------------


def population() -> tuple[list[Shard], dict[str, ItemResult]]:
    """500 items, some of them lethal, and what must come of each."""
    shards, expected = [], {}
    for number in range(50):
        items = []
        for index in range(10):
            key = f"{number}/{index}"
            if (number, index) in ((2, 3), (11, 9)):
                items.append(item(key, ["emit", "part"], ["abort"]))
                expected[key] = ItemResult(key, (), (Lost(key, "killed the worker (signal 6, abort)", "crash"),))
            elif (number, index) == (5, 0):
                items.append(item(key, ["members", 4, {"m2": ["segfault"]}]))
                lost = Lost("m2", "killed the worker (signal 11, segmentation fault)", "crash")
                expected[key] = ItemResult(key, (b"m0", b"m1", b"m3"), (lost,))
            else:
                items.append(item(key, ["emit", key], ["sleep", 0.001]))
                expected[key] = ItemResult(key, (key.encode(),))
        shards.append(Shard(number, "toy", tuple(items)))
    return shards, expected


def collect(pool: Pool, shards: list[Shard], progress: list[int]) -> dict[str, ItemResult]:
    """The results by key; how many there are is told as they come."""
    found: dict[str, ItemResult] = {}
    for event in pool.run(iter(shards)):
        assert isinstance(event, Completed)
        assert [result.key for result in event.results] == [item.key for item in shards[event.number].items]
        found |= {result.key: result for result in event.results}
        progress[0] = len(found)
    return found


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_the_number_of_workers_changes_nothing(jobs: int):
    shards, expected = population()
    with toys(jobs) as pool:
        assert collect(pool, shards, [0]) == expected


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killing_workers_at_random_changes_nothing(seed: int):
    shards, expected = population()
    chance, over, kills, progress = random.Random(seed), threading.Event(), [], [0]

    def kill() -> None:
        goal = 0
        while not over.wait(chance.uniform(0, 0.03)):
            victims = sorted(children())
            if victims and progress[0] >= goal:  # so that a slow machine is not outrun
                kills.append(chance.choice(victims))
                os.kill(kills[-1], signal.SIGKILL)
                goal = progress[0] + chance.randrange(5, 40)

    killer = threading.Thread(target=kill)
    with toys(jobs=1 + seed) as pool:
        killer.start()
        try:
            found = collect(pool, shards, progress)
        finally:
            over.set()
            killer.join()
    assert found == expected
    assert len(kills) >= 5


def test_a_worker_killed_between_two_runs_is_replaced():
    with toys() as pool:
        (first,) = results(pool, item("a", ["tell", "pid"]))
        os.kill(int(texts(first)[0]), signal.SIGKILL)
        assert texts(results(pool, item("b", ["emit", "fine"]))[0]) == ["fine"]


def test_without_process_descriptors_the_end_of_the_pipe_tells(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.setattr(workers, "_GRACE", 0.5)
    bad = {key: WRONG[key] for key in ("segfault", "stopped in a message", "closes the pipe")}
    with toys(jobs=2, seconds=0.5, memory=300 * MIB) as pool:
        found = results(
            pool,
            *(item(key, steps, size=0 if cause == "time" else 60 * MIB) for key, (steps, cause, _) in bad.items()),
            item("after", ["emit", "1"]),
        )
    assert [lost.reason for result in found for lost in result.lost] == [reason for _, _, reason in bad.values()]
    assert texts(found[-1]) == ["1"]


# --- the end --------------------------------------------------------------------------------------------------


def test_a_run_that_is_left_ends_its_workers_and_the_pool_goes_on():
    with toys(jobs=2) as pool:
        run = pool.run([Shard(0, "toy", (item("a"),)), Shard(1, "toy", (item("b", ["sleep", 60]),))])
        assert isinstance(next(run), Completed)
        with pytest.raises(RuntimeError, match="is running"):
            next(pool.run([]))
        run.close()  # type: ignore[attr-defined]
        assert len(children()) <= 1
        assert texts(results(pool, item("c", ["emit", "fine"]))[0]) == ["fine"]


def test_interrupting_ends_busy_workers_at_once():
    started = time.monotonic()
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), toys(jobs=2) as pool:
        timer.start()
        results(pool, item("a", ["sleep_in_c", 60]))
    assert time.monotonic() - started < 10


def test_closing_twice_and_working_after_closing_are_fine():
    pool = toys()
    assert texts(results(pool, item("a", ["emit", "1"]))[0]) == ["1"]
    pool.close()
    pool.close()
    assert texts(results(pool, item("a", ["emit", "2"]))[0]) == ["2"]
    pool.close()


def test_a_worker_that_does_not_want_to_end_is_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "_GRACE", 0.5)
    started = time.monotonic()
    with toys() as pool:
        results(pool, item("a", ["thread"]))
    assert time.monotonic() - started < 10


SCRIPT = """
import json, sys
from forensic_kit.workers import Item, Limits, Pool, Shard
steps = json.loads(sys.argv[1])
with Pool("tests.engine.plugins_workers:start", b"", jobs=1, limits=Limits(seconds=float(sys.argv[2]))) as pool:
    for event in pool.run([Shard(1, "toy", (Item("a", json.dumps(steps).encode()),))]):
        print(event.results[0].lost)
"""


def script(steps: list[Any], seconds: float) -> "subprocess.Popen[str]":
    """A pool in a process of its own, in a process group of its own."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", SCRIPT, json.dumps(steps), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, process_group=0)


def lines_of(path: Path) -> list[str]:
    """The lines of a file that another process is about to write."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if path.exists() and (found := path.read_text().splitlines()):
            return found
        time.sleep(0.02)
    raise AssertionError(f"{path} was not written")


def test_workers_die_with_their_parent(tmp_path: Path):
    marks = tmp_path / "marks"
    with script([["mark", str(marks)], ["sleep_in_c", 60]], 60) as parent:
        worker = int(lines_of(marks)[0].split()[0])
        parent.kill()
        parent.wait()
        until = time.monotonic() + 5
        while Path(f"/proc/{worker}/cmdline").exists() and Path(f"/proc/{worker}/cmdline").read_bytes():
            assert time.monotonic() < until, "the worker lives on"
            time.sleep(0.02)


def test_time_in_which_everything_stood_still_counts_for_nobody(tmp_path: Path):
    marks = tmp_path / "marks"
    with script([["mark", str(marks)], *[["sleep", 0.1]] * 10], 1.5) as parent:
        lines_of(marks)
        os.killpg(parent.pid, signal.SIGSTOP)
        time.sleep(3)
        os.killpg(parent.pid, signal.SIGCONT)
        assert parent.communicate(timeout=20)[0] == "()\n"
    assert len(lines_of(marks)) == 1  # not ended and done again


@pytest.mark.parametrize(("cores", "free", "jobs"), [(8, 3 << 30, 2), (2, 64 << 30, 2), (4, 1 << 30, 1)])
def test_there_are_as_many_workers_as_cores_and_memory_allow(
    cores: int, free: int, jobs: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(workers, "_free_memory", lambda: free)
    assert workers.default_jobs() == jobs


def test_free_memory_is_what_the_kernel_calls_available():
    kib = next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in line)
    assert 0 < workers._free_memory() <= int(kib) * 1024 * 1.1
