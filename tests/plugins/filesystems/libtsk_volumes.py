"""Opens volumes with the plugin libtsk, and makes file systems with the tools of their makers."""

import functools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from forensic_kit import registry
from forensic_kit.api import ByteSource, FileEntry, FileSystem, Memory, Volume
from forensic_kit.bytesource import FileSource
from tests.plugins.filesystems.manifest_rows import listing


@functools.cache
def plugin_class() -> type[FileSystem]:
    """The plugin as the program finds it."""
    return registry.load().get("libtsk", FileSystem)


def refused_or_opened(source: ByteSource | bytes | Path) -> tuple[bool, Any]:
    """Does the plugin open it? With the plugin."""
    if isinstance(source, bytes):
        source = Memory(source)
    elif isinstance(source, Path):
        source = FileSource(source)
    plugin = plugin_class()()
    return plugin.matches(Volume(source, 0, source.size, "none")), plugin


def opened(source: ByteSource | bytes | Path) -> Any:
    """The plugin with the volume open."""
    matches, plugin = refused_or_opened(source)
    assert matches, plugin.refused
    return plugin


def by_name(plugin: FileSystem) -> dict[str, FileEntry]:
    """What is listed, by what an examiner reads: path, stream, part."""
    return {entry.locator.display: entry for entry in listing(plugin)[0]}


def run(*command: object, **options: Any) -> str:
    """What a program prints; the test fails with what it complains about."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def blank(path: Path, size: int) -> Path:
    """An empty disk of this size."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def ext(tool: Any, folder: Path, tree: Path, *options: str, size: int = 16 << 20) -> Path:
    """An ext file system that holds the files of ``tree``."""
    disk = blank(folder / "ext.raw", size)
    run(tool("mke2fs"), "-q", "-F", *options, "-d", tree, disk)
    return disk


@contextmanager
def mounted_ntfs(tool: Any, folder: Path, size: int = 24 << 20) -> Iterator[tuple[Path, Path]]:
    """An NTFS and where it is mounted by ntfs-3g; skips where this machine allows no FUSE."""
    if not Path("/dev/fuse").exists():
        pytest.skip("this machine has no /dev/fuse to mount an NTFS with ntfs-3g")
    disk, point = blank(folder / "ntfs.raw", size), folder / "mounted"
    point.mkdir()
    run(tool("mkntfs"), "-q", "-F", "-f", "-L", "Marke", disk)
    mount(tool, disk, point)
    try:
        yield disk, point
    finally:
        subprocess.run([tool("umount"), point], capture_output=True)


def mount(tool: Any, disk: Path, point: Path) -> None:
    """Mount an NTFS again."""
    options = "streams_interface=windows,compression"
    done = subprocess.run([tool("ntfs-3g"), "-o", options, disk, point], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"ntfs-3g cannot mount here: {done.stderr.strip().splitlines()[-1:]}")
