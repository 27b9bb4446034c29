"""What the tests of the volume schemes share: asking them like the engine does, and mmls as a second opinion."""

import re
import subprocess
from pathlib import Path

from forensic_kit import registry
from forensic_kit.api import ByteSource, ForensicError, Memory, Problem, Volume, VolumeScheme


def schemes() -> list[VolumeScheme]:
    """One of each, in the order in which they are asked."""
    return [kind() for kind in registry.load().of(VolumeScheme) if kind.name in ("apm", "bsd", "gpt", "mbr")]


def scheme(name: str) -> VolumeScheme:
    return registry.load().get(name, VolumeScheme)()


def matching(source: ByteSource, sector_size: int = 512) -> str:
    """The name of the first scheme that knows the source; empty if none does."""
    return next((plugin.name for plugin in schemes() if plugin.matches(source, sector_size)), "")


def read(name: str, source: ByteSource, sector_size: int = 512):
    """(volumes, tables, problems) as the scheme yields them."""
    found = list(scheme(name).volumes((source,), (), sector_size))
    return (
        [item for item in found if isinstance(item, Volume) and item.role == "volume"],
        [item for item in found if isinstance(item, Volume) and item.role == "table"],
        [item for item in found if isinstance(item, Problem)],
    )


def sectors(volumes, sector_size: int = 512) -> list[tuple[int, int]]:
    """(start, length) in sectors."""
    return [(volume.start // sector_size, volume.size // sector_size) for volume in volumes]


def mmls(program: str, image: Path, *options: str) -> list[tuple[int, int]]:
    """(start, length) in sectors of the partitions that mmls lists, ascending."""
    text = subprocess.run([program, *options, str(image)], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^\d+:\s+\d+(?::\d+)?\s+(\d+)\s+\d+\s+(\d+)\s", text, re.MULTILINE)
    return sorted((int(start), int(length)) for start, length in rows)


def image(tmp_path: Path, size: int) -> Path:
    """An empty sparse file to partition."""
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(size)
    return path


def run(program: str, *arguments: str, text: str = "") -> str:
    """Run a tool of another project, giving it ``text`` to read."""
    done = subprocess.run([program, *arguments], input=text, capture_output=True, text=True, check=True)
    return done.stdout


def patched(source: ByteSource, *changes: tuple[int, bytes]) -> Memory:
    """A copy in memory with some bytes replaced."""
    data = bytearray(source.read(0, source.size))
    for offset, new in changes:
        data[offset : offset + len(new)] = new
    return Memory(bytes(data))


def ewf(path: Path) -> ByteSource:
    """The medium in an EWF image as libewf reads it (no code of ours)."""
    import pyewf

    handle = pyewf.handle()
    handle.open(pyewf.glob(str(path)))
    return Memory(handle.read(handle.get_media_size()))


def survives(name: str, source: ByteSource, sector_size: int) -> None:
    """Whatever the bytes, the scheme answers or raises an error meant for people; it yields no endless list."""
    plugin = scheme(name)
    try:
        plugin.matches(source, sector_size)
        count = 0
        for item in plugin.volumes((source,), (), sector_size):
            assert isinstance(item, (Volume, Problem))
            if isinstance(item, Volume):
                assert item.start is not None
                assert 0 <= item.start < 1 << 63
                assert 0 <= item.source.size <= source.size
            count += 1
        assert count < 20_000
    except ForensicError:
        pass
