"""Serialised property stores, as in links, jump lists and shell items.

Source: [MS-PROPSTORE] 2.2 (storage), 2.3 (value); [MS-OLEPS] 2.15 (types).
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from forensic_kit.errors import Damaged
from forensic_kit.formats.layout import Layout, take, text16
from forensic_kit.times import filetime

_STORAGE = Layout("<", size="I", version="4s", format_id="16s")  # 2.2
_VALUE = Layout("<", size="I", id="I", _reserved="B")  # 2.3.2, and 2.3.1 where ``id`` is the length of a name
_TYPE = Layout("<", type="H", _padding="H")  # [MS-OLEPS] 2.15
_VERSION: Final = b"1SPS"
_NAMED: Final = "d5cdd505-2e9c-101b-9397-08002b2cf9ae"
# A value of a type that is not decoded is shown in hex up to here.
_SHOWN: Final = 64
TYPES: Final = {
    0x0000: "VT_EMPTY", 0x0002: "VT_I2", 0x0003: "VT_I4", 0x000B: "VT_BOOL", 0x0013: "VT_UI4", 0x0014: "VT_I8",
    0x0015: "VT_UI8", 0x001E: "VT_LPSTR", 0x001F: "VT_LPWSTR", 0x0040: "VT_FILETIME", 0x0042: "VT_STREAM",
    0x0048: "VT_CLSID", 0x101F: "VT_VECTOR VT_LPWSTR", 0x1011: "VT_VECTOR VT_UI1",
}  # fmt: skip
_INTEGERS: Final = {0x02: (2, True), 0x03: (4, True), 0x13: (4, False), 0x14: (8, True), 0x15: (8, False)}


@dataclass(frozen=True, slots=True)
class Property:
    """One property: which, of what type, and its value as text (hex where the type is not decoded)."""

    format_id: str  #: GUID in lower case
    id: str  #: number, or name in a store of named ones
    type: str
    value: str


def properties(data: bytes) -> Iterator[Property]:
    """All properties of the store, in order. Raises Damaged after those before the damage."""
    position = 0
    while position + 4 <= len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        if size == 0:
            return
        storage = _STORAGE.read(data, position)
        if storage.version != _VERSION or size < _STORAGE.size or position + size > len(data):
            raise Damaged("a property storage has no valid header", offset=position)
        identifier = str(uuid.UUID(bytes_le=storage.format_id))
        yield from _values(data[: position + size], position + _STORAGE.size, identifier)
        position += size


def _values(data: bytes, position: int, format_id: str) -> Iterator[Property]:
    while position + 4 <= len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        if size == 0:
            return
        value = _VALUE.read(data, position)
        if size < _VALUE.size + _TYPE.size or position + size > len(data):
            raise Damaged(f"a property value of {size} bytes does not fit", offset=position)
        at = position + _VALUE.size
        name = str(value.id)
        if format_id == _NAMED:
            name = text16(take(data[: position + size], at, value.id))
            at += value.id
        kind = _TYPE.read(data, at).type
        body = data[at + _TYPE.size : position + size]
        yield Property(format_id, name, TYPES.get(kind, f"{kind:#06x}"), _text(kind, body))
        position += size


def _text(kind: int, body: bytes) -> str:
    if kind in _INTEGERS:
        width, signed = _INTEGERS[kind]
        return str(int.from_bytes(take(body, 0, width), "little", signed=signed))
    if kind == 0x1F:
        characters = int.from_bytes(take(body, 0, 4), "little")
        return text16(body[4 : 4 + 2 * characters])
    if kind == 0x0B:
        return "true" if take(body, 0, 2) != b"\0\0" else "false"
    if kind == 0x48:
        return str(uuid.UUID(bytes_le=take(body, 0, 16)))
    if kind == 0x40:
        return _time(int.from_bytes(take(body, 0, 8), "little"))
    return body[:_SHOWN].hex()


def _time(ticks: int) -> str:
    try:
        moment = filetime(ticks)
    except Damaged:
        return f"out of range ({ticks})"
    return moment.iso if moment else ""
