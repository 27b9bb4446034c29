"""The run: open, verify, list, examine, commit; then the ledger. What is done is kept shard by shard."""

import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

import forensic_kit
from forensic_kit import api, case, ledger, passes, tasks
from forensic_kit.case import Case, Result, Todo
from forensic_kit.errors import CaseError, Misuse
from forensic_kit.model import OUTSIDE, FileEntry, Problem, StageOutcome
from forensic_kit.profile import Profile
from forensic_kit.registry import Registry
from forensic_kit.session import Session, lost_problem
from forensic_kit.space import cells
from forensic_kit.verify import compare
from forensic_kit.workers import Completed, Item, Restarted, Shard, Streamed

_SHARD_ENTRIES: Final = 256
_SHARD_BYTES: Final = 64 << 20
_NO_CONTENT: Final = ("directory", "other")
_pack = msgspec.msgpack.Encoder().encode


@dataclass
class Job:
    """What the examiner asked for."""

    exhibits: dict[str, Path]
    case: Path
    profile: Profile
    registry: Registry
    operator: str = "operator not identified"
    reason: str = ""
    #: Options by plugin: `{"yara": {"rules": [...]}}`, the profile's under those of the command line.
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    credentials: list[api.Credential] = field(default_factory=list)
    plugin_folders: list[Path] = field(default_factory=list)
    skip: tuple[str, ...] = ()  #: plugins not to use; `registry` is without them
    verify: str = "both"
    expect: dict[str, dict[str, str]] = field(default_factory=dict)  #: digests by exhibit and algorithm
    accept_mismatch: str = ""
    jobs: int = 0
    resume: bool = False
    arguments: list[str] = field(default_factory=list)  #: the command line, for the audit log


@dataclass
class Progress:
    """What is going on, for whoever shows it."""

    phase: str = ""
    entries: int = 0
    entries_total: int = 0
    bytes: int = 0
    bytes_total: int = 0
    problems: int = 0


@dataclass
class Outcome:
    """How a run ended."""

    exit_code: int
    run: int
    #: Why nothing was done; empty where something was.
    message: str
    summary: dict[str, Any] = field(default_factory=dict)
    findings: int = 0
    gaps: int = 0
    notes: int = 0
    audit: str = ""


Show = Callable[[Progress], None]


def run(job: Job, show: Show = lambda _: None) -> Outcome:
    """The main job. Raises ForensicError where it could not be done; what was done by then is kept."""
    if not case.exists(job.case):
        case.create(job.case, job.operator).close()
    with case.open_case(job.case, writable=True) as opened:
        return _Run(job, opened, show).go()


class _Run:
    """One pass over one case."""

    def __init__(self, job: Job, opened: Case, show: Show) -> None:
        self._job = job
        self._case = opened
        self._progress = Progress()
        self._show = show
        self._work_file = job.case / "temp" / "work"
        self._plans: list[api.Plan] = []
        self._facts: dict[str, dict[str, Any]] = {}
        self._number = 0

    def go(self) -> Outcome:
        """All of it."""
        job = self._job
        session = Session(
            job.exhibits,
            profile=job.profile,
            temp=job.case / "temp",
            plugin_folders=job.plugin_folders,
            skip=job.skip,
            credentials=job.credentials,
            case=job.case / "case.db",
            work=self._work_file,
            jobs=job.jobs,
        )
        with session as self._session:
            self._plan()
            wanted = self._wanted()
            self._facts = self._session.facts()
            self._check_exhibits()
            finished = self._begin(wanted)
            if finished is not None:
                return finished
            for plan in self._plans:
                facts = msgspec.to_builtins(msgspec.structs.replace(plan, items=(), problems=()))
                items = ((item.id, item.text, item.kind, item.source) for item in plan.items)
                self._case.add_plan(self._number, plan.digest, facts, items)
            exhibits = self._verified("before")
            for name in exhibits:
                self._list(name)
            for name in exhibits:
                self._examine(name)
            self._verified("after")
        return self._finish()

    # --- what to do -------------------------------------------------------------------------------------------

    def _check_exhibits(self) -> None:
        """A name stands for one piece of evidence for good; it may have moved since."""
        known = self._case.exhibits()
        for name, facts in self._facts.items():
            if name in known and passes.shape(facts) != passes.shape(known[name][2]):
                raise Misuse(
                    f"the case has other evidence called {name} ({known[name][1][0]}). "
                    f"Give this one a name of its own: --exhibit OTHER={self._job.exhibits[name]}."
                )

    def _plan(self) -> None:
        """Every scanner says what it will look for. Errors are told before anything starts."""
        plans: list[api.Plan] = []
        for plugin in self._job.registry.of(api.Scanner):
            options = {option.name: option.default for option in plugin.options}
            options |= self._job.profile.options.get(plugin.name, {}) | self._job.options.get(plugin.name, {})
            plans += self._session.plan(plugin.name, options, self._job.case / "cache")
        self._plans = sorted(plans, key=lambda plan: (plan.plugin, plan.name, plan.digest))

    def _wanted(self) -> dict[str, Any]:
        """What was asked for, as it is compared on --resume and with earlier passes."""
        job = self._job
        loaded = job.registry.loaded.values()
        plugins = {
            f"{item.plugin.kind}/{item.plugin.name}": item.sha256 for item in loaded if item.plugin.kind != "reports"
        }
        return {
            "exhibits": {name: str(path.absolute()) for name, path in sorted(self._job.exhibits.items())},
            "profile": f"{job.profile.name} {job.profile.version} {job.profile.digest}",
            "tool": forensic_kit.__version__,
            "plugins": dict(sorted(plugins.items())),
            "plans": {f"{plan.plugin} {plan.name}": plan.digest for plan in self._plans},
            "options": job.options,
            "verify": job.verify,
            # How many, never a digest of them: a short secret could be guessed from one.
            "credentials": len(job.credentials),
        }

    def _begin(self, wanted: dict[str, Any]) -> Outcome | None:
        """Start or go on with a pass; an Outcome where there is nothing to do."""
        last = self._case.last_run()
        if last and last[1] == "running":
            if not self._job.resume:
                raise CaseError("the last pass over this case was interrupted. Use --resume to finish it.")
            passes.same_or_refuse(last[2], wanted)
            self._number = last[0]
            self._case.record(self._job.operator, "run resumed", {"run": last[0], "arguments": self._job.arguments})
        elif last and self._job.resume:
            passes.same_or_refuse(last[2], wanted)
            return Outcome(last[3]["exit"], last[0], "the last pass is finished: nothing to resume", {})
        self._todo = passes.new_work(wanted, self._case.runs())
        if not any(plans or base for plans, base in self._todo.values()):
            code = last[3]["exit"] if last else 0
            return Outcome(code, last[0] if last else 0, "nothing new: all of this was done in an earlier pass", {})
        for name, facts in self._facts.items():
            outside = {"number": OUTSIDE, "start": 0, "size": facts["size"], "scheme": "outside"}
            self._case.add_evidence(name, facts["paths"], facts, [outside, *passes.flat(facts["volumes"])])
        if not self._number:
            self._number = self._case.start_run(wanted, self._run_facts())
        self._keep_first_problems()
        units = {name: passes.units(self._shared(plans)) for name, (plans, _) in self._todo.items()}
        work = tasks.Work(
            self._plans,
            {name: plans for name, (plans, _) in self._todo.items()},
            [name for name, (_, base) in self._todo.items() if base],
            units,
            {name: facts["paths"] for name, facts in self._facts.items()},
        )
        self._units = units
        self._work_file.write_bytes(_pack(work))
        return None

    def _keep_first_problems(self) -> None:
        """What opening and planning had to say. Also on --resume: the pass may have been killed before it was kept."""
        found = [msgspec.convert(problem, Problem) for facts in self._facts.values() for problem in facts["problems"]]
        for plan in self._plans:
            found += [msgspec.structs.replace(item, stage="plan", plugin=plan.plugin) for item in plan.problems]
        with self._case.transaction() as db:
            for problem in found:
                case.add_problem(db, problem, self._number)

    def _shared(self, digests: list[str]) -> list[str]:
        return [plan.digest for plan in self._plans if plan.digest in digests and not plan.per_entry]

    def _run_facts(self) -> dict[str, Any]:
        job = self._job
        return {
            "operator": job.operator,
            "reason": job.reason,
            "arguments": job.arguments,
            "started": passes.now(),
            "ended": "",
            "exit": None,
            "tool": f"forensic-kit {forensic_kit.__version__}",
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "libraries": passes.libraries(),
            "profile": msgspec.to_builtins(job.profile),
            "accepted_mismatch": job.accept_mismatch,
        }

    # --- verification -----------------------------------------------------------------------------------------

    def _verified(self, moment: str) -> list[str]:
        """Recompute the digests where asked. Returns the exhibits that may be processed."""
        todo = [name for name, (plans, base) in self._todo.items() if plans or base]
        if self._job.verify not in ("both", moment):
            return todo
        self._progress.phase = f"verify {moment}"
        self._progress.bytes, self._progress.bytes_total = 0, sum(self._facts[name]["size"] for name in todo)
        evidence = {name: key for name, (key, _, _) in self._case.exhibits().items()}
        sizes = {
            name: self._facts[name]["size"]
            for name in todo
            if self._case.verification(evidence[name], self._number, moment) is None
        }
        for name, found in self._session.verify(sizes, self._show_bytes):
            facts = compare(found, self._job.expect.get(name, {}), self._before(evidence[name], moment))
            self._case.add_verification(evidence[name], self._number, moment, facts)
        fine = []
        for name in todo:
            facts = self._case.verification(evidence[name], self._number, moment) or {"result": ""}
            self._note_mismatch(name, moment, facts)
            if facts["result"] != "mismatch" or self._job.accept_mismatch:
                fine.append(name)
        return fine

    def _show_bytes(self, done: int) -> None:
        self._progress.bytes = done
        self._show(self._progress)

    def _before(self, evidence: int, moment: str) -> dict[str, Any] | None:
        return self._case.verification(evidence, self._number, "before") if moment == "after" else None

    def _note_mismatch(self, name: str, moment: str, facts: dict[str, Any]) -> None:
        if facts["result"] != "mismatch":
            return
        wrong = "; ".join(
            f"{item['algorithm']} is {item['computed']}, {item['origin']} says {item['stored']}"
            for item in facts["compared"]
            if not item["equal"]
        )
        stopped = (
            ""
            if self._job.accept_mismatch or moment == "after"
            else (" The exhibit was not processed; --accept-mismatch REASON processes it all the same.")
        )
        problem = Problem(
            "gap", f"digest mismatch {moment} processing: {wrong}.{stopped}", "mismatch", None, "verify", "", name
        )
        with self._case.transaction() as db:
            case.add_problem(db, problem, self._number)

    # --- listing ----------------------------------------------------------------------------------------------

    def _list(self, name: str) -> None:
        """List the volumes of an exhibit that are not listed yet, each in one streaming task."""
        self._progress.phase = "list"
        key = self._case.exhibits()[name][0]
        sizes = {volume["number"]: volume["size"] for volume in passes.flat(self._facts[name]["volumes"])}
        volumes = {number: row for row, number, listed in self._case.volumes(key) if not listed}
        shards = []
        for number, row in volumes.items():
            self._case.clear_listing(row)
            item = Item(number, _pack((name, number)), sizes.get(number, 0))
            shards.append(self._session.shard("list", [item], stream=True))
        problems: dict[str, list[Problem]] = {number: [] for number in volumes}
        for event in self._session.run(shards):
            if isinstance(event, Streamed):
                problems[event.key] += self._keep_batch(volumes[event.key], event.data)
            elif isinstance(event, Restarted):
                self._case.clear_listing(volumes[event.key])
                problems[event.key] = []
            else:
                for done in event.results:
                    number = done.key
                    for lost in done.lost:
                        place = f"{name}/v{number}" if lost.key == number else lost.key
                        problems[number].append(lost_problem(lost, "list", place))
                    if any(lost.key == number for lost in done.lost):
                        self._give_up_listing(name, number, volumes[number], sizes[number])
                    self._case.finish_listing(volumes[number], problems[number], self._number)

    def _keep_batch(self, volume: int, data: bytes) -> list[Problem]:
        batch = msgspec.msgpack.decode(data, type=tasks.Batch)
        self._case.add_listing(volume, batch.entries, batch.states)
        if batch.account is not None:
            self._case.set_account(volume, msgspec.to_builtins(batch.account))
        self._progress.entries_total += len(batch.entries)
        self._show(self._progress)
        return batch.problems

    def _give_up_listing(self, name: str, number: str, row: int, size: int) -> None:
        """No listing could be had: all of the volume is space."""
        self._case.clear_listing(row)
        entries = (
            msgspec.structs.replace(entry, locator=msgspec.structs.replace(entry.locator, exhibit=name, volume=number))
            for entry in cells([(0, size)], "unallocated", "unknown")
        )
        self._case.add_listing(row, entries, ())

    # --- examination ------------------------------------------------------------------------------------------

    def _examine(self, name: str) -> None:
        self._progress.phase = "examine"
        self._progress.bytes, self._progress.bytes_total = 0, self._count_bytes()
        key = self._case.exhibits()[name][0]
        for row, _, _ in self._case.volumes(key):
            self._pass_over(name, row)
            todo = self._case.todo(row, self._number)
            self._progress.entries_total = max(self._progress.entries_total, self._progress.entries + len(todo))
            waiting: dict[int, list[Todo]] = {}
            for event in self._session.run(self._examine_shards(todo, waiting)):
                if isinstance(event, Completed):
                    self._commit(name, row, event, waiting.pop(event.number))

    def _pass_over(self, name: str, volume: int) -> None:
        """Entries without content, and space that the profile leaves out, never travel to a worker."""
        self._case.pass_over(volume, self._number, _NO_CONTENT, [StageOutcome("content", "empty")])
        stages = {plan.stage for plan in self._plans if plan.digest in self._todo[name][0]}
        for kind in ("slack", "unallocated", "system"):
            if not getattr(self._job.profile.areas, kind):
                skipped = [StageOutcome(stage, "skipped", f"profile: no {kind}") for stage in {"content", *stages}]
                self._case.pass_over(volume, self._number, (kind,), skipped)

    def _count_bytes(self) -> int:
        return int(self._case.db.execute("SELECT ifnull(sum(size), 0) FROM entries").fetchone()[0])

    def _examine_shards(self, todo: list[int], waiting: dict[int, list[Todo]]) -> Iterator[Shard]:
        """Shards in physical order, small enough that little is lost with one and large enough to cost nothing."""
        for start in range(0, len(todo), _SHARD_ENTRIES):
            group: list[Todo] = []
            size = 0
            for entry in self._case.entries_by_key(todo[start : start + _SHARD_ENTRIES]):
                if group and size + entry.size > _SHARD_BYTES:
                    yield self._entries_shard(group, waiting)
                    group, size = [], 0
                group.append(entry)
                size += entry.size
            if group:
                yield self._entries_shard(group, waiting)

    def _entries_shard(self, group: list[Todo], waiting: dict[int, list[Todo]]) -> Shard:
        shard = self._session.shard("examine", [Item(entry.locator, _payload(entry), entry.size) for entry in group])
        waiting[shard.number] = group
        return shard

    def _commit(self, name: str, volume: int, event: Completed, entries: list[Todo]) -> None:
        results: list[Result] = []
        problems: list[Problem] = []
        known = {entry.locator: entry for entry in entries}
        for item in event.results:
            found = [msgspec.msgpack.decode(data, type=Result) for data in item.results]
            # Containers before their members, so that a member's container is there when it is kept.
            found.sort(key=lambda result: len(result.entry.locator.steps))
            results += found
            for lost in item.lost:
                problems.append(lost_problem(lost, "content", lost.key))
                if lost.key == item.key:
                    entry = msgspec.msgpack.decode(known[item.key].entry, type=FileEntry)
                    results.append(Result(entry, own=[StageOutcome("content", "failed", lost.reason)]))
            self._progress.bytes += known[item.key].size
        self._case.commit(self._number, self._units[name], volume, results, problems)
        self._progress.entries += len(entries)
        self._progress.problems += len(problems) + sum(len(result.own_problems) for result in results)
        self._show(self._progress)

    # --- the end ----------------------------------------------------------------------------------------------

    def _finish(self) -> Outcome:
        self._progress.phase = "ledger"
        self._show(self._progress)
        keys = {name: key for name, (key, _, _) in self._case.exhibits().items()}
        ledger.finalise(self._case, self._number, {keys[name]: unit for name, unit in self._units.items()})
        totals = ledger.totals(self._case)
        faults = ledger.volume_faults(self._case)
        adds_up = totals["adds_up"] and not faults
        count = self._count
        code = 5 if count("problems WHERE error = 'mismatch'") or not adds_up else 0
        gaps = count("problems WHERE severity = 'gap'")
        code = code or (4 if gaps else 0)
        last = self._case.last_run()
        facts = (last[3] if last else {}) | {"ended": passes.now(), "exit": code, "ledger_faults": faults}
        head = self._case.finish_run(self._number, facts)
        totals["adds_up"] = adds_up
        notes = count("problems WHERE severity = 'note'")
        return Outcome(code, self._number, "", totals, count("findings"), gaps, notes, str(head))

    def _count(self, what: str) -> int:
        return int(self._case.db.execute(f"SELECT count(*) FROM {what}").fetchone()[0])


# --- small things ---------------------------------------------------------------------------------------------


def _payload(todo: Todo) -> bytes:
    """The entry as it was listed, with the content state that only the whole volume could tell."""
    entry = msgspec.msgpack.decode(todo.entry, type=FileEntry)
    if entry.content_state == todo.content_state:
        return todo.entry
    return _pack(msgspec.structs.replace(entry, content_state=todo.content_state))
