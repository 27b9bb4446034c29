"""Times and events in equal steps, ready to be drawn: every rendering draws the same bars from the same numbers."""

import datetime
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final

Row = dict[str, Any]
_EPOCH: Final = datetime.date(1970, 1, 1)
#: Longest spans, in days, that are drawn by day and by month; longer ones are drawn by year.
_BY_DAY: Final = 92
_BY_MONTH: Final = 180 * 30
#: Part of all counts that may lie before, and after, the span drawn in detail.
_OUTSIDE: Final = 0.02
#: The detail is worth drawing where all of it is this many times longer.
_WORTH: Final = 4


def charts(days: Iterable[tuple[int, int, int]]) -> list[Row]:
    """Up to two charts: all there is, and the span that holds most where that is much shorter, because one wrong
    clock must not flatten the rest.

    Args: days: (days since 1970, times of files, events), ascending.
    Returns: ``[{"unit", "slots": [{"label", "files", "events"}], "outside": {"files", "events"}}]``; the slots follow
    each other without gaps, ``outside`` counts what the chart does not hold.
    """
    points = list(days)
    if not points:
        return []
    inner = _middle(points)
    found = [_chart(points, points)]
    if (inner[-1][0] - inner[0][0] + 1) * _WORTH <= points[-1][0] - points[0][0] + 1:
        found.append(_chart(inner, points))
    return found


def _middle(points: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    total = sum(files + events for _, files, events in points)
    sums = [0]
    for _, files, events in points:
        sums.append(sums[-1] + files + events)
    return [
        point
        for point, (before, upto) in zip(points, pairwise(sums), strict=True)
        if upto > total * _OUTSIDE and before < total * (1 - _OUTSIDE)
    ]


def _chart(inner: list[tuple[int, int, int]], points: list[tuple[int, int, int]]) -> Row:
    span = inner[-1][0] - inner[0][0]
    unit = "day" if span <= _BY_DAY else "month" if span <= _BY_MONTH else "year"
    first, last = _slot(inner[0][0], unit), _slot(inner[-1][0], unit)
    files, events = [0] * (last - first + 1), [0] * (last - first + 1)
    outside = {"files": 0, "events": 0}
    for day, in_files, in_events in points:
        slot = _slot(day, unit)
        if first <= slot <= last:
            files[slot - first] += in_files
            events[slot - first] += in_events
        else:
            outside["files"] += in_files
            outside["events"] += in_events
    slots = [
        {"label": _label(first + index, unit), "files": files[index], "events": events[index]}
        for index in range(len(files))
    ]
    return {"unit": unit, "slots": slots, "outside": outside}


def _slot(day: int, unit: str) -> int:
    """Days, months or years counted from somewhere."""
    if unit == "day":
        return day
    date = _EPOCH + datetime.timedelta(days=day)
    return date.year if unit == "year" else date.year * 12 + date.month - 1


def _label(slot: int, unit: str) -> str:
    if unit == "day":
        return (_EPOCH + datetime.timedelta(days=slot)).isoformat()
    return f"{slot:04d}" if unit == "year" else f"{slot // 12:04d}-{slot % 12 + 1:02d}"
