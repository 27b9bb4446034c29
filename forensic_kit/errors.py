"""Every way this program can fail, each with a sentence for the user and an exit code.

A message says what happened, to what, and what to try. Exit codes are those of docs/reference/exit-codes.md.
"""


class ForensicError(Exception):
    """Something could not be done. The message is written for the examiner."""

    exit_code = 3

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        #: Where in the thing being read, in bytes from its start; None where there is no such place.
        self.offset = offset


class Misuse(ForensicError):
    """The command line, a profile, a list or another input of the examiner's own is wrong."""

    exit_code = 2


class Damaged(ForensicError):
    """Evidence bytes break the rules of the format they claim to be in."""


class Unsupported(ForensicError):
    """The format is known and this variant of it is not read yet."""


class NotThisFormat(ForensicError):
    """An artefact parser was shown a file whose name fits and whose bytes are something else."""


class Locked(ForensicError):
    """Encrypted, and no credential given opens it."""


class LimitReached(ForensicError):
    """A stated limit (time, size, count, depth) cut the work short."""


class TimedOut(LimitReached):
    """A stated time limit cut the work short."""


class EvidenceLost(ForensicError):
    """The storage that holds the evidence cannot be read any more: the run stops, no entry is to blame."""


class CaseFull(ForensicError):
    """The disk that holds the case is full or refuses writes: the run stops, no entry is to blame."""


class CaseError(ForensicError):
    """The case folder cannot be used as it is."""


class PluginError(ForensicError):
    """A plugin broke its contract."""
