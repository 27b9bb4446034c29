"""Sentences that every rendering prints, each true of the facts beside it and claiming no more.

They state what was done and found. They never say what it means, that a rule or law was kept to, or that something
is not there: what was searched for and not met is "no match was found in the data searched".
"""

from collections.abc import Iterator
from typing import Any, Final

Row = dict[str, Any]
NO_MATCH: Final = "No match was found in the data searched."
#: Origin of a value that says only that nothing changed during a pass, not that the image is as it was acquired.
OWN: Final = "computed before processing"


def statements(facts: Row) -> list[Row]:
    """``[{"id", "tone", "text"}]``; tone is ``fine``, ``warning`` or ``plain``, for layout only."""
    return [{"id": id_, "tone": tone, "text": text} for id_, tone, text in _all(facts)]


def _all(facts: Row) -> Iterator[tuple[str, str, str]]:
    yield from _passes(facts["runs"])
    for exhibit in facts["exhibits"]:
        yield from _digests(exhibit)
    yield from _ledger(facts["ledger"], facts["exhibits"])
    yield from _problems(facts["problems"])
    yield from _findings(facts["findings"], facts["terms"])
    yield (
        "review",
        "plain",
        "The results were produced by software. This case file records no review of them by a person.",
    )
    yield (
        "match",
        "plain",
        "A match of a term or rule says that the data holds the pattern searched for. "
        "It does not by itself say who put the data there, or whether it was opened, run or known about.",
    )
    yield (
        "times",
        "plain",
        "Times are shown as the evidence stores them and were not adjusted. The clock of the device is not "
        "recorded in this case. A time without a zone is the reading of a clock whose zone is not known.",
    )


def _passes(runs: list[Row]) -> Iterator[tuple[str, str, str]]:
    if not runs:
        yield "passes", "warning", "No pass was run over this case: nothing was examined."
    for run in runs:
        if run["status"] != "finished":
            yield (
                "passes",
                "warning",
                f"Pass {run['run']} is not finished: counts and lists hold what was committed so far.",
            )
        if run["accepted_mismatch"]:
            yield (
                "accepted-mismatch",
                "warning",
                f"In pass {run['run']} a digest that differs was accepted. Reason given: {run['accepted_mismatch']}",
            )


def _digests(exhibit: Row) -> Iterator[tuple[str, str, str]]:
    name, checks = exhibit["name"], exhibit["verifications"]
    if not checks:
        yield f"digests:{name}", "warning", f"The digests of exhibit {name} were not recomputed."
        return
    compared = [item for check in checks for item in check["compared"]]
    unequal = sum(not item["equal"] for item in compared)
    if unequal:
        yield (
            f"digests:{name}",
            "warning",
            f"Exhibit {name}: {unequal} of {len(compared)} comparisons of digests differ.",
        )
    elif compared:
        values = {check["sha256"] for check in checks}
        moments = " and ".join(dict.fromkeys(f"{check['moment']} processing" for check in checks))
        same = "the same value each time" if len(values) == 1 and len(checks) > 1 else "the value listed"
        earlier = any(item["origin"] != OWN for item in compared)
        limit = "" if earlier else " No digest recorded earlier was there to compare with: see the exhibit."
        yield (
            f"digests:{name}",
            "fine" if earlier else "warning",
            f"Exhibit {name}: the SHA-256 was computed {moments} and gave {same}. "
            f"All {len(compared)} comparisons of digests are equal.{limit}",
        )
    else:
        yield (
            f"digests:{name}",
            "warning",
            f"Exhibit {name}: digests were computed and there is none to compare them with: not verifiable.",
        )


def _ledger(ledger: Row, exhibits: list[Row]) -> Iterator[tuple[str, str, str]]:
    if ledger["adds_up"]:
        yield (
            "ledger",
            "fine",
            f"The ledger adds up: {_entries(ledger['entries'])} were listed and each has an outcome.",
        )
    else:
        yield (
            "ledger",
            "warning",
            "The ledger does not add up: some entries or bytes have no outcome. See the ledger.",
        )
    unlisted = [
        f"{exhibit['name']}/v{volume['number']}"
        for exhibit in exhibits
        for volume in exhibit["volumes"]
        if not volume["listed"]
    ]
    if unlisted:
        yield "unlisted", "warning", f"The listing of these volumes is not complete: {', '.join(unlisted)}."


def _problems(problems: Row) -> Iterator[tuple[str, str, str]]:
    if problems["gaps"]:
        yield (
            "gaps",
            "warning",
            f"Part of the evidence could not be examined: {_number(problems['gaps'], 'gap', 'gaps')} recorded, "
            "listed with the reason of each.",
        )
    else:
        yield "gaps", "fine", "No gap was recorded. What the profile left out is counted in the ledger."
    if problems["notes"]:
        yield (
            "notes",
            "plain",
            f"{_number(problems['notes'], 'routine limit or guess was', 'routine limits or guesses were')} noted.",
        )


def _findings(findings: Row, terms: list[Row]) -> Iterator[tuple[str, str, str]]:
    if findings["findings"]:
        yield (
            "findings",
            "plain",
            f"{_number(findings['findings'], 'finding is', 'findings are')} listed, "
            f"in {_number(findings['places'], 'place', 'places')}.",
        )
    else:
        yield "findings", "plain", NO_MATCH
    for plan in terms:
        if plan["not_hit"]:
            yield (
                f"no-match:{plan['digest'][:16]}",
                "plain",
                f"{plan['name']}: no match was found in the data searched for {plan['not_hit']:,} of "
                f"{_number(plan['items'], 'item', 'items')}.",
            )


def _entries(count: int) -> str:
    return _number(count, "entry", "entries")


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"
