"""The floor: what inflating an E01's chunks and three digests of them must cost, with two processes.

Chunks of nothing but zeros, which free space is made of, are left out; what is left is file content and a few
percent of file-system metadata.
"""

import hashlib
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

from forensic_kit.bytesource import FileSource
from forensic_kit.formats import ewf
from forensic_kit.formats.ewf_table import PAGE, largest_stored, read_table
from tests.bench.measure import Cost

PROCESSES = 2
_CHUNK = 32 << 10  # what make_evidence.py asks ewfacquire for
_BLOCK = 512  # chunks that one process takes at a time
_SMALLEST = 164  # stored bytes; 32 KiB of zeros take 163 at zlib's fast level
Block = list[tuple[int, int, bool]]  # (offset, length, compressed) in the file


def floor(image: Path) -> tuple[Cost, int]:
    """What it took, and the bytes inflated and hashed. ``image``: one E01 segment as make_evidence.py makes it."""
    blocks = [(image, block) for block in _blocks(image)]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        pool.map(_warm, range(PROCESSES), 1)
        started = time.monotonic()
        done = pool.starmap(_work, blocks, 1)
        wall = time.monotonic() - started
    return Cost(wall, sum(cpu for cpu, _ in done)), sum(size for _, size in done)


def _blocks(image: Path) -> Iterator[Block]:
    source = FileSource(image)
    sectors = None
    block: Block = []
    for section in ewf.walk(source).sections:
        sectors = section if section.type == "sectors" else sectors
        if section.type != "table":
            continue
        table = read_table(source, section, sectors)
        for index in range(table.count):
            if index % PAGE == 0:
                page = table.page(index // PAGE)
            place = table.place(page, index, largest_stored(_CHUNK))
            if place.length >= _SMALLEST:
                block.append((place.offset, place.length, place.compressed))
            if len(block) == _BLOCK:
                yield block
                block = []
    yield block


def _warm(_: int) -> None:
    import deflate

    deflate.zlib_decompress(deflate.zlib_compress(b"warm"), 4)
    time.sleep(0.2)  # long enough for the other process to get its turn as well


def _work(image: Path, block: Block) -> tuple[float, int]:
    """(CPU seconds, bytes) of reading, inflating and hashing some chunks."""
    import deflate

    started = time.process_time()
    digests = (hashlib.md5(usedforsecurity=False), hashlib.sha1(usedforsecurity=False), hashlib.sha256())
    size = 0
    descriptor = os.open(image, os.O_RDONLY)
    for offset, length, compressed in block:
        stored = os.pread(descriptor, length, offset)
        content = deflate.zlib_decompress(stored, _CHUNK) if compressed else stored[:-4]
        for digest in digests:
            digest.update(content)
        size += len(content)
    os.close(descriptor)
    return time.process_time() - started, size
