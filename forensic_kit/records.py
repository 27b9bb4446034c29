"""Records as they are kept: JSON values, and the events their fields mark."""

import typing
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from forensic_kit import api
from forensic_kit.model import Event
from forensic_kit.times import Moment


def plain(value: Any) -> Any:
    """A record as JSON values; a Moment as its reading, zone, resolution and raw value."""
    if isinstance(value, Moment):
        return {"time": value.iso, "zone": value.zone, "resolution_ns": value.resolution_ns, "raw": value.raw}
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str):
        # A lone surrogate in one name must not fail a whole commit.
        return value if value.isascii() else value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


@cache
def _event_fields(record: type[api.Record]) -> tuple[tuple[str, str], ...]:
    hints = typing.get_type_hints(record, include_extras=True)
    return tuple(
        (name, mark.meaning)
        for name, hint in hints.items()
        for mark in getattr(hint, "__metadata__", ())
        if isinstance(mark, api.When)
    )


def events_of(record: api.Record) -> Iterator[Event]:
    """The fields that a record marks as moments of something."""
    for name, meaning in _event_fields(type(record)):
        value = getattr(record, name)
        for moment in value if isinstance(value, tuple) else (value,):
            if isinstance(moment, Moment):
                yield Event(meaning, moment)
