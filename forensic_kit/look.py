"""What is found out about one entry while it is examined; becomes its `Result`."""

import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import msgspec

from forensic_kit.bytesource import ByteSource
from forensic_kit.case import Result
from forensic_kit.content import fault_text
from forensic_kit.errors import ForensicError, LimitReached, TimedOut
from forensic_kit.model import FileEntry, Outcome, Problem, Stage, StageOutcome, badness
from forensic_kit.registry import guarded


@dataclass
class Look:
    """What is found out about one entry; becomes its Result."""

    entry: FileEntry
    container: str
    own: dict[str, StageOutcome] = field(default_factory=dict)
    shared: dict[str, StageOutcome] = field(default_factory=dict)
    is_shared: bool = False
    result: Result = field(init=False)

    def __post_init__(self) -> None:
        self.result = Result(self.entry, self.container, own_findings=[], shared_findings=[])
        self.result.own_problems, self.result.shared_problems = [], []

    def outcome(self, stage: Stage, outcome: Outcome, reason: str = "", *, shared: bool = False) -> None:
        """Note how a stage went; of several within a stage the worst stays."""
        outcomes = self.shared if shared else self.own
        before = outcomes.get(stage)
        now = StageOutcome(stage, outcome, reason)
        outcomes[stage] = max(before, now, key=badness) if before else now

    def problem(self, problem: Problem, stage: str, plugin: str = "", *, shared: bool = False) -> None:
        """Note a problem, stamped with where it arose."""
        stamped = msgspec.structs.replace(problem, stage=problem.stage or stage, plugin=problem.plugin or plugin)
        (self.result.shared_problems if shared else self.result.own_problems).append(stamped)

    def failure(self, stage: Stage, error: ForensicError, plugin: str = "", *, shared: bool = False) -> None:
        """A plugin or the reading of a content ended with an error: partial, since what came before is kept."""
        self.outcome(stage, "partial", reason(error), shared=shared)
        severity: typing.Literal["gap", "note"] = "note" if isinstance(error, LimitReached) else "gap"
        self.problem(problem_of(error, severity), stage, plugin, shared=shared)

    def finish(self) -> Result:
        """The result as it is sent."""
        self.result.entry = self.entry
        self.result.own = sorted(self.own.values())
        self.result.shared = sorted(self.shared.values()) if self.is_shared else None
        return self.result


def reason(error: ForensicError) -> str:
    """A short stable phrase, for counting: problems carry the sentence."""
    if isinstance(error, TimedOut):
        return "time-out"
    if isinstance(error, LimitReached):
        return "limit"
    return type(error).__name__


def problem_of(error: ForensicError, severity: typing.Literal["gap", "note"] = "gap") -> Problem:
    """The problem that an error is."""
    return Problem(severity, error.message, type(error).__name__, error.offset)


def until_error(pieces: Iterator[bytes], look: Look) -> Iterator[bytes]:
    """Pieces until they end or fail; a failure is noted and what came before is kept."""
    while True:
        piece = guarded(partial(next, pieces, None), what="reading the content")
        if piece is None:
            return
        if isinstance(piece, ForensicError):
            look.failure("content", piece)
            return
        yield piece


def note_faults(look: Look, source: ByteSource | None) -> None:
    """What could not be read since the last entry makes this one partial."""
    faults = source.faults.drain() if source else []
    if not faults:
        return
    gone = all(fault.gone for fault in faults)
    look.outcome("content", "partial", "incomplete" if gone else "bad sectors")
    if gone:
        problem = Problem(
            "note", f"parts are not there any more and count as zeros: {fault_text(faults)}", "incomplete"
        )
    else:
        problem = Problem("gap", f"parts could not be read and count as zeros: {fault_text(faults)}", "unreadable")
    look.problem(msgspec.structs.replace(problem, offset=faults[0].offset), "content")
