"""The volumes joined to a GPT disk, what lies beside all files, and the acquisition."""

import struct
import zlib
from pathlib import Path

from maker.item import at
from maker.tools import run

SECTOR = 512
ACQUIRED = at(7, "09:00:00")
FACTS = {
    "case_number": "FK-2026-0001",
    "description": "Riverbend Bakery exercise disk",
    "evidence_number": "EX/1",
    "examiner_name": "A. Trainer",
    "notes": "Invented story, made by sample_images/make.py",
}
_DISK_GUID = "20260302-0900-4000-8000-0000000000d0"
_SET_ID = bytes.fromhex("20260302090040008000000000000e01")


def join(disk: Path, size: int, parts: list[tuple[Path, int, str, str]]) -> None:
    """A GPT disk. Args: parts: file, first sector, sgdisk type code, name."""
    with disk.open("wb") as file:
        file.truncate(size)
    table: list[str] = ["-U", _DISK_GUID, "-a", "1"]
    for number, (path, start, code, name) in enumerate(parts, 1):
        end = start + path.stat().st_size // SECTOR - 1
        guid = f"{_DISK_GUID[:-1]}{number}"
        table += ["-n", f"{number}:{start}:{end}", "-t", f"{number}:{code}"]
        table += ["-c", f"{number}:{name}", "-u", f"{number}:{guid}"]
    run(ACQUIRED, "sgdisk", "-o", disk)
    run(ACQUIRED, "sgdisk", *table, disk)
    with disk.open("r+b") as file:
        for path, start, _, _ in parts:
            file.seek(start * SECTOR)
            file.write(path.read_bytes())


def plant(path: Path, offset: int, data: bytes, room: int) -> None:
    """Write ``data`` at ``offset``, where ``room`` bytes have to be zero until now."""
    with path.open("r+b") as file:
        file.seek(offset)
        before = file.read(room)
        if len(before) != room or before.strip(b"\0") or len(data) > room:
            raise ValueError(f"{path.name}: the {room} bytes at {offset} are not free for {len(data)} bytes")
        file.seek(offset)
        file.write(data)


def acquire(disk: Path, target: Path) -> None:
    """``target`` (.E01) from ``disk`` with ewfacquire, MD5 and SHA-1 stored."""
    facts = (
        ("-C", "case_number"),
        ("-D", "description"),
        ("-E", "evidence_number"),
        ("-e", "examiner_name"),
        ("-N", "notes"),
    )
    said = [part for flag, name in facts for part in (flag, FACTS[name])]
    form = ["-f", "encase6", "-c", "deflate:best", "-b", "64", "-d", "sha1", "-m", "fixed", "-M", "physical"]
    run(ACQUIRED, "ewfacquire", "-u", "-q", *form, *said, "-t", target.with_suffix(""), disk)
    target.write_bytes(_fixed_set_id(target.read_bytes()))


def _fixed_set_id(image: bytes) -> bytes:
    """The same E01 with our own set identifier in place of the random one, checksums made again.

    Source: libyal documentation "Expert Witness Compression Format", 3.1 (section descriptor) and 3.5 (volume).
    """
    fixed = bytearray(image)
    offset = 13  # after the file header
    while True:
        kind, following, size = struct.unpack_from("<16sQQ", fixed, offset)
        if kind.rstrip(b"\0") in (b"volume", b"data"):
            start = offset + 76
            fixed[start + 64 : start + 80] = _SET_ID
            checksum = zlib.adler32(fixed[start : start + 1048])
            struct.pack_into("<I", fixed, start + 1048, checksum)
        if following in (0, offset) or size == 0:
            return bytes(fixed)
        offset = following
