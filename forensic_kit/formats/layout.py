"""Binary layouts as tables: one field per line, in the order of the bytes, read with a bounds check."""

import struct
from typing import Any

from forensic_kit.errors import Damaged


class Layout:
    """A fixed structure.

    Args: order: ``<`` little-endian or ``>`` big-endian. fields: name=struct code, in byte order; a name that
    starts with ``_`` is skipped over (reserved bytes).

    Example: ``Layout("<", version="Q", size="Q", deleted="Q").read(data, 16).size``
    """

    def __init__(self, order: str, /, **fields: str) -> None:
        self._struct = struct.Struct(order + "".join(fields.values()))
        self._names = tuple(fields)
        #: Length in bytes.
        self.size = self._struct.size

    def read(self, data: "bytes | memoryview", offset: int = 0) -> "Values":
        """The fields at ``offset``. Raises Damaged when the data ends before the structure does."""
        try:
            values = self._struct.unpack_from(data, offset)
        except struct.error as error:
            raise Damaged(
                f"cut short: a structure of {self.size} bytes was expected at {offset}, the data ends at {len(data)}",
                offset=offset,
            ) from error
        return Values(zip(self._names, values, strict=True))


class Values(dict[str, Any]):
    """The fields of a structure, as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def take(data: "bytes | memoryview", offset: int, length: int) -> bytes:
    """``length`` bytes at ``offset``. Raises Damaged when they are not all there."""
    if offset < 0 or length < 0 or offset + length > len(data):
        raise Damaged(
            f"cut short: {length} bytes were expected at {offset}, the data ends at {len(data)}", offset=offset
        )
    return bytes(data[offset : offset + length])


def text16(data: bytes) -> str:
    """UTF-16LE up to the first NUL; what does not decode becomes U+FFFD."""
    return data[: len(data) & ~1].decode("utf-16-le", "replace").split("\0", 1)[0]
