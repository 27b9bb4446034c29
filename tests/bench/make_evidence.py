"""Build the disk that the benchmark reads: NTFS in an MBR disk, as raw and as E01.

    sudo python tests/bench/make_evidence.py --out bench-evidence --bytes 2400000000
    sudo python tests/bench/make_evidence.py --out quick-evidence --bytes 250000000

Needs root (the NTFS volume is filled through an ntfs-3g mount) and the Debian packages ntfs-3g, fdisk, ewf-tools.
The files come from this machine's own /usr, chosen by ``--seed``, so the same seed gives the same choice on the same
machine only; ``contents.jsonl`` beside the disk says what went in.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SECTOR = 512
PARTITION_START = 2048 * SECTOR
# What the measured disk of 2.4 GB held; other sizes scale it.
FULL_BYTES = 2_400_000_000
FULL_FILES = 38_985
FULL_PHOTOS = 300
VIDEO_SHARE = 0.125  # 300 MB of 2.4 GB
PHOTO_BYTES = (400_000, 1_600_000)
FULL_FREE = 1_650_000_000  # 4 GiB of disk around 2.4 GB of content and its clusters
LARGEST = 16_000_000  # one system library must not be a tenth of a quick disk
LARGER = 500_000
PIECE = 1 << 20
# Where files come from, and the folder they go to. Longest prefix first.
TREES = (
    ("/usr/share/doc", "Users/analyst/Documents"),
    ("/usr/share", "ProgramData"),
    ("/usr/include", "Source/include"),
    ("/usr/lib/python3", "Source/python3"),
    ("/usr/lib", "Program Files"),
)
REFUSED_BY_WINDOWS = set('<>:"\\|?*')


class Wanted(NamedTuple):
    """One file of the disk."""

    path: str  #: on the disk, with ``/`` and without a leading one
    size: int
    origin: Path | None  #: None for content made from the seed
    head: bytes = b""  #: the first bytes of made content, or all of it


def main() -> int:
    """Build it; prints one JSON line of sizes and seconds."""
    args = _arguments()
    needed = ("ntfs-3g", "mkntfs", "sfdisk", "ewfacquire")
    missing = [name for name in needed if _program(name) is None]
    if missing or os.geteuid() != 0:
        print(
            f"Cannot build: missing programs: {', '.join(missing) or 'none'}; root: {os.geteuid() == 0}. "
            "Install ntfs-3g, fdisk and ewf-tools, and run as root.",
            file=sys.stderr,
        )
        return 3
    args.out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    wanted = plan(args.bytes, args.seed)
    if args.plant:
        wanted = sorted([*wanted, *_planted(args.plant)])
    total = sum(item.size for item in wanted)
    _disk(args.out, wanted, args.seed, total + int(FULL_FREE * args.bytes / FULL_BYTES) + 64 * PIECE)
    filled = time.monotonic()
    if args.e01:
        _ewf(args.out)
    acquired = time.monotonic()
    images = sorted(args.out.glob("disk.[dE]*"))
    summary = {
        "files": len(wanted),
        "bytes": total,
        "images": {path.name: path.stat().st_size for path in images},
        "seconds_disk": round(filled - started, 1),
        "seconds_e01": round(acquired - filled, 1),
    }
    print(json.dumps(summary))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Build the disk that the benchmark reads.")
    parser.add_argument("--out", type=Path, default=Path("bench-evidence"), help="folder for disk.dd and disk.E01")
    parser.add_argument("--bytes", type=int, default=FULL_BYTES, help="bytes of file content (default 2.4 GB)")
    parser.add_argument("--seed", type=int, default=20260302, help="chooses the files and makes the random content")
    parser.add_argument(
        "--plant", type=Path, metavar="RULES", help="add files that hold the strings of these YARA rules"
    )
    parser.add_argument("--no-e01", dest="e01", action="store_false", help="raw only")
    return parser.parse_args()


def plan(content_bytes: int, seed: int) -> list[Wanted]:
    """The files of a disk with this much content, in the order in which they are to be written."""
    rng = random.Random(seed)
    scale = content_bytes / FULL_BYTES
    video = Wanted("Users/analyst/Videos/street.mp4", int(content_bytes * VIDEO_SHARE), None, b"\0\0\0\x20ftypisom")
    photos = [
        Wanted(f"Users/analyst/Pictures/IMG_{number:04}.jpg", rng.randint(*PHOTO_BYTES), None, b"\xff\xd8\xff\xe0")
        for number in range(max(1, round(FULL_PHOTOS * scale)))
    ]
    made = [video, *photos]
    count = max(1, round(FULL_FILES * scale) - len(made))
    room = content_bytes - sum(item.size for item in made)
    trees = _from_machine(rng, count - 1, room)
    made += _filler(rng, count - len(trees), room - sum(item.size for item in trees))
    return sorted(trees + made)


def _planted(rules: Path) -> Iterator[Wanted]:
    import planted  # beside this file, which runs as a script: root's Python knows nothing of the project

    for name, data in planted.contents(rules):
        yield Wanted(f"Users/analyst/Planted/{name}", len(data), None, data)


def _from_machine(rng: random.Random, count: int, room: int) -> list[Wanted]:
    """At most ``count`` files of this machine with nearly ``room`` bytes: whole folders, in a seeded order."""
    folders: dict[str, list[Wanted]] = {}
    for item in _candidates():
        folders.setdefault(item.path.rpartition("/")[0], []).append(item)
    names = sorted(folders)
    rng.shuffle(names)
    chosen: list[Wanted] = []
    spare: list[Wanted] = []
    for item in (item for name in names for item in folders[name]):
        fits = len(chosen) < count and item.size <= room
        (chosen if fits else spare).append(item)
        room -= item.size if fits else 0
    # The count is full and bytes are missing: small files give way to larger ones (libraries, mostly).
    chosen.sort(key=lambda item: item.size)
    for place, item in zip(range(len(chosen)), (item for item in spare if item.size >= LARGER), strict=False):
        gain = item.size - chosen[place].size
        if 0 < gain <= room:
            chosen[place] = item
            room -= gain
    return chosen


def _candidates() -> Iterator[Wanted]:
    taken: set[str] = set()
    for root, target in TREES:
        for folder, subfolders, names in os.walk(root):
            subfolders[:] = sorted(name for name in subfolders if f"{folder}/{name}" not in taken)
            for name in sorted(names):
                path = Path(folder, name)
                inside = str(path.relative_to(root))
                if path.is_symlink() or not path.is_file() or REFUSED_BY_WINDOWS & set(inside):
                    continue
                size = path.stat().st_size
                if size <= LARGEST and os.access(path, os.R_OK) and _unicode(inside):
                    yield Wanted(f"{target}/{inside}", size, path)
        taken.add(root)


def _unicode(name: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _filler(rng: random.Random, count: int, room: int) -> list[Wanted]:
    """``count`` made files that together hold ``room`` bytes: what the machine could not give."""
    cuts = sorted(rng.randrange(room + 1) for _ in range(count - 1))
    sizes = [end - start for start, end in zip([0, *cuts], [*cuts, room], strict=True)]
    return [Wanted(f"Users/analyst/Data/set{number:05}.dat", size, None) for number, size in enumerate(sizes)]


def content(item: Wanted, seed: int) -> Iterator[bytes]:
    """The bytes of a file, a piece at a time."""
    left = item.size
    if item.origin is not None:
        with item.origin.open("rb") as source:
            while left and (piece := source.read(min(PIECE, left))):
                left -= len(piece)
                yield piece
        if left:
            raise SystemExit(f"{item.origin} became shorter while it was being copied. Build again.")
        return
    if item.size <= len(item.head):
        yield item.head[: item.size]
        return
    rng = random.Random(f"{seed}:{item.path}")
    first = item.head
    while left:
        # Data sets are half text and half noise; photos and the video are noise behind their header.
        text = b"" if item.head else b"%020d;ledger;station;ok\n" * (PIECE // 88)
        body = first + text
        piece = (body + rng.randbytes(PIECE - len(body)))[:left]
        first = b""
        left -= len(piece)
        yield piece


def _disk(out: Path, wanted: list[Wanted], seed: int, volume_bytes: int) -> None:
    """Write ``disk.dd`` and ``contents.jsonl``."""
    disk = out / "disk.dd"
    volume = out / "volume.part"
    volume_bytes -= volume_bytes % PIECE
    with volume.open("wb") as file:
        file.truncate(volume_bytes)
    _run("mkntfs", "-F", "-Q", "-q", "-p", "2048", "-H", "255", "-S", "63", "-s", "512", "-L", "BENCH", str(volume))
    with _mounted(volume) as mounted, (out / "contents.jsonl").open("w", encoding="utf-8") as listing:
        for item in wanted:
            target = mounted / item.path
            target.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            with target.open("wb") as file:
                for piece in content(item, seed):
                    file.write(piece)
                    digest.update(piece)
            listing.write(json.dumps({"path": item.path, "size": item.size, "sha256": digest.hexdigest()}) + "\n")
    with disk.open("wb") as file:
        file.truncate(PARTITION_START + volume_bytes)
    table = f"label: dos\nlabel-id: 0x{seed & 0xFFFFFFFF:08x}\nstart=2048, type=7\n"
    _run("sfdisk", "-q", "--no-reread", "--no-tell-kernel", str(disk), text=table)
    _copy_stored(volume, disk, PARTITION_START)
    volume.unlink()


@contextlib.contextmanager
def _mounted(volume: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-mount-") as folder:
        _run("ntfs-3g", "-o", "big_writes,noatime,norecover", str(volume), folder)
        try:
            yield Path(folder)
        finally:
            _run("umount", folder)  # waits until the driver has written everything


def _copy_stored(source: Path, target: Path, at: int) -> None:
    """Copy a file into another at an offset, leaving its holes as holes."""
    with source.open("rb") as reader, target.open("r+b") as writer:
        end = 0
        size = source.stat().st_size
        while end < size:
            try:
                start = os.lseek(reader.fileno(), end, os.SEEK_DATA)
            except OSError:  # ENXIO: only a hole is left
                break
            end = os.lseek(reader.fileno(), start, os.SEEK_HOLE)
            reader.seek(start)
            writer.seek(at + start)
            left = end - start
            while left:
                piece = reader.read(min(PIECE, left))
                writer.write(piece)
                left -= len(piece)


def _ewf(out: Path) -> None:
    for old in out.glob("disk.E*"):
        old.unlink()
    # One segment, 32 KiB chunks, fast compression: what was measured.
    facts = ["-C", "BENCH", "-D", "benchmark disk", "-E", "1", "-e", "benchmark", "-N", "made by make_evidence.py"]
    form = ["-f", "encase6", "-c", "deflate:fast", "-b", "64", "-S", "64GiB", "-d", "sha1", "-m", "fixed"]
    _run("ewfacquire", "-u", "-q", *form, "-M", "physical", *facts, "-t", str(out / "disk"), str(out / "disk.dd"))


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def _run(name: str, *arguments: str, text: str = "") -> None:
    done = subprocess.run(
        [_program(name) or name, *arguments], input=text, capture_output=True, text=True, errors="replace"
    )
    if done.returncode:
        raise SystemExit(
            f"{name} failed with exit code {done.returncode}: {done.stderr.strip() or done.stdout.strip()}"
        )


if __name__ == "__main__":
    sys.exit(main())
