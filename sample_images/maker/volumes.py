"""Items put on file systems by Debian's own tools, deletions included, so that no byte comes from our reader."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from maker.item import Item, at
from maker.tools import clock, run, start

MIB = 1 << 20
MADE = at(0, "08:00:00")
NTFS_CLUSTER = 4096
FAT_CLUSTER = 1024
FAT_SERIAL = "20260302"
EXT4_UUID = "20260302-0900-4000-8000-000000000003"


def ntfs(volume: Path, size: int, start_sector: int, label: str, serial: int, items: list[Item]) -> None:
    """An NTFS volume. Needs root: mkntfs makes no folders, so the driver ntfs-3g is mounted on the file."""
    _blank(volume, size)
    place = ("-p", str(start_sector), "-H", "255", "-S", "63", "-s", "512", "-c", str(NTFS_CLUSTER))
    run(MADE, "mkntfs", "-F", "-Q", "-q", *place, "-L", label, volume)
    run(MADE, "ntfslabel", f"--new-serial={serial:016X}", volume)
    with _mounted(volume) as (root, set_clock):
        for item in items:
            set_clock(item.born)
            target = root / item.path.lstrip("/")
            if item.kind == "directory":
                target.mkdir()
            else:
                target.write_bytes(b"" if item.filled else item.data)
            for name, data in item.streams.items():
                Path(f"{target}:{name}").write_bytes(data)
    # Mounted anew after a deletion, the driver takes the largest free area from its start.
    for group in _changes(items):
        with _mounted(volume) as (root, set_clock):
            for item in group:
                set_clock(item.deleted or item.modified)
                target = root / item.path.lstrip("/")
                if item.deleted:
                    target.unlink()
                else:
                    target.write_bytes(item.data)


def _changes(items: list[Item]) -> list[list[Item]]:
    """What happens after everything was created: first deletions, late fillings, the deletions after those."""
    late = [item for item in items if item.filled]
    first = min((item.modified for item in late), default=0)
    gone = [item for item in items if item.deleted]
    return [
        [item for item in gone if (item.deleted or 0) < first],
        late,
        [item for item in gone if (item.deleted or 0) >= first],
    ]


@contextlib.contextmanager
def _mounted(volume: Path) -> Iterator[tuple[Path, "_SetClock"]]:
    root = volume.with_name("mounted")
    root.mkdir(exist_ok=True)
    stamp = _SetClock(volume.with_name("clock"))
    stamp(MADE)
    settings = {"FAKETIME_TIMESTAMP_FILE": str(stamp.path), "FAKETIME_NO_CACHE": "1"}
    start(settings, "ntfs-3g", "-o", "streams_interface=windows,norecover,noatime", volume, root)
    try:
        yield root, stamp
    finally:
        subprocess.run(["umount", str(root)], check=True)


class _SetClock:
    """Sets the clock of the driver that is running."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, when: int) -> None:
        # The driver may look at any moment: never let it see a half-written file.
        fresh = self.path.with_suffix(".new")
        fresh.write_text(clock(when) + "\n", encoding="ascii")
        fresh.replace(self.path)


def fat(volume: Path, size: int, start_sector: int, label: str, items: list[Item]) -> None:
    """A FAT16 volume, written by mtools without mounting."""
    _blank(volume, size)
    form = ("-F", "16", "-s", str(FAT_CLUSTER // 512), "-i", FAT_SERIAL, "-h", str(start_sector), "--invariant")
    run(MADE, "mkfs.fat", *form, "-n", label, volume)
    source = volume.with_name("fat-source")
    for item in (item for item in items if not item.filled):
        if item.kind == "directory":
            run(item.born, "mmd", "-i", volume, f"::{item.path}")
        else:
            _copy_to_fat(volume, source, item)
    for item in (item for item in items if item.deleted):
        run(item.deleted or 0, "mdel", "-i", volume, f"::{item.path}")
    # A new process of mtools looks for free clusters from the start again.
    for item in (item for item in items if item.filled):
        _copy_to_fat(volume, source, item)


def _copy_to_fat(volume: Path, source: Path, item: Item) -> None:
    source.write_bytes(item.data)
    os.utime(source, (item.modified, item.modified))
    run(item.modified, "mcopy", "-m", "-i", volume, source, f"::{item.path}")


def ext4(volume: Path, size: int, label: str, items: list[Item]) -> None:
    """An ext4 volume, written by debugfs without mounting."""
    _blank(volume, size)
    form = ("-q", "-t", "ext4", "-b", "1024", "-I", "256", "-m", "0", "-U", EXT4_UUID, "-L", label)
    extended = f"hash_seed={EXT4_UUID},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0"
    run(MADE, "mke2fs", *form, "-E", extended, volume)
    source = volume.with_name("ext-source")
    source.mkdir()
    _debugfs(volume, [line for n, item in enumerate(items) for line in _write(item, source / f"{n:03}")])
    for item in (item for item in items if item.deleted):
        inode = _inode(volume, item.path)
        cleared = _cleared(inode) if item.cleared else []
        _debugfs(volume, [_now(item.deleted or 0), f"rm {_quoted(item.path)}", *cleared])


def _write(item: Item, native: Path) -> list[str]:
    """The debugfs commands that create an item."""
    folder, _, name = item.path.rpartition("/")
    lines = [_now(item.born), f"cd {_quoted(folder or '/')}"]
    if item.kind == "directory":
        return [*lines, f"mkdir {_quoted(name)}"]
    if item.kind == "symlink":
        return [*lines, f"symlink {_quoted(name)} {_quoted(item.target)}"]
    if item.kind == "hardlink":
        # debugfs leaves the count of links to the caller.
        return [*lines, f"ln {_quoted(item.target)} {_quoted(name)}", f"sif {_quoted(item.target)} links_count 2"]
    with native.open("wb") as file:
        file.seek(item.hole)
        file.write(item.data)
    native.chmod(0o644)
    return [*lines, f"write {_quoted(str(native))} {_quoted(name)}"]


def _cleared(inode: int) -> list[str]:
    """Size 0 and an extent tree without extents: what ext4_truncate leaves. Source: Linux Documentation, ext4 ifork."""
    fields = {0: 0xF30A, 1: 4, **dict.fromkeys(range(2, 15), 0)}
    return [
        f"sif <{inode}> size 0",
        *(f"sif <{inode}> block[{_BLOCK_NAMES.get(place, place)}] {value}" for place, value in fields.items()),
    ]


_CHATTER = ("debugfs", "Allocated inode", "Setting current time")
# debugfs calls the last three of the fifteen words by their use in ext2.
_BLOCK_NAMES = {12: "IND", 13: "DIND", 14: "TIND"}


def _inode(volume: Path, path: str) -> int:
    said = run(MADE, "debugfs", "-R", f"stat {_quoted(path)}", volume)
    return int(said[said.index("Inode:") + 6 :].split()[0])


def _now(when: int) -> str:
    return "set_current_time " + "".join(letter for letter in clock(when) if letter.isdigit())


def _quoted(name: str) -> str:
    if '"' in name or "\n" in name:
        raise ValueError(f"debugfs cannot be told the name {name!r}")
    return f'"{name}"'


def _debugfs(volume: Path, lines: list[str]) -> None:
    text = "\n".join(lines).encode("utf-8", "surrogateescape") + b"\n"
    said = run(MADE, "debugfs", "-w", "-f", "-", volume, text=text)
    # It goes on after an error and ends with 0: whatever else it says is a complaint.
    wrong = [line for line in said.splitlines() if not line.startswith(_CHATTER)]
    if any(line.strip() for line in wrong):
        raise RuntimeError("debugfs: " + " / ".join(wrong))


def _blank(volume: Path, size: int) -> None:
    with volume.open("wb") as file:
        file.truncate(size)
