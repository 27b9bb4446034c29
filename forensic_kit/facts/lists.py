"""Long lists as files of bounded size, so that neither writing nor reading one needs memory for the whole."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

#: A file ends at whichever comes first.
ROWS: Final = 5_000
BYTES: Final = 8 << 20
_encode = msgspec.json.Encoder(order="sorted").encode


def write_list(folder: Path, name: str, rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Write rows to ``facts/NAME-0001.json`` and on, each a JSON array with one row a line.

    Returns: ``{"rows", "shards": [{"file", "rows", "bytes", "sha256"}]}``; no file for an empty list.
    """
    shards: list[dict[str, Any]] = []
    shard = None
    for row in rows:
        line = _encode(row)
        if shard is None or shard.is_full(len(line)):
            if shard is not None:
                shards.append(shard.close())
            shard = _Shard(folder, f"facts/{name}-{len(shards) + 1:04d}.json")
        shard.add(line)
    if shard is not None:
        shards.append(shard.close())
    return {"rows": sum(item["rows"] for item in shards), "shards": shards}


class _Shard:
    """One file of a list."""

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._file = (folder / name).open("wb")
        self._hash = hashlib.sha256()
        self._rows = 0
        self._bytes = 0

    def is_full(self, more: int) -> bool:
        return self._rows >= ROWS or self._bytes + more > BYTES

    def add(self, line: bytes) -> None:
        self._write((b",\n" if self._rows else b"[\n") + line)
        self._rows += 1

    def close(self) -> dict[str, Any]:
        self._write(b"\n]\n")
        self._file.close()
        return {"file": self._name, "rows": self._rows, "bytes": self._bytes, "sha256": self._hash.hexdigest()}

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self._bytes += len(data)
