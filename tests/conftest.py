"""What tests share: the corpus of real evidence, and nothing else that a test could do for itself."""

import gzip
import json
import lzma
import os
import shutil
import tarfile
import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


class Corpus:
    """Real images and artefacts made by others, with a manifest of what is true of them."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self._cache = cache

    @cached_property
    def contents(self) -> dict[str, Any]:
        """The whole manifest."""
        found: dict[str, Any] = json.loads((self.folder / "MANIFEST.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def entries(self) -> dict[str, dict[str, Any]]:
        """The manifest's rows by path."""
        return {row["path"]: row for row in self.contents["files"]}

    def path(self, name: str) -> Path:
        """A file as it is stored."""
        return self.folder / name

    def manifest(self, name: str) -> dict[str, Any]:
        """What is true of a file."""
        return self.entries[name]

    def unpacked(self, name: str) -> Path:
        """The file inside a .gz or .xz, or the folder of a .zip's or .tgz's files; the file itself if not packed."""
        packed = self.path(name)
        packing = self.manifest(name).get("packing")
        if packing is None:
            return packed
        target = self._cache / name
        inner = target / self.manifest(name).get("unpacked", {}).get("name", "")
        if target.exists():
            return inner
        target.mkdir(parents=True)
        if packing in ("gzip", "xz"):
            opener = gzip.open if packing == "gzip" else lzma.open
            with opener(packed) as source, inner.open("wb") as out:
                while piece := source.read(1 << 20):
                    # Most images are nearly empty: holes keep the cache small.
                    out.seek(len(piece), os.SEEK_CUR) if not piece.strip(b"\0") else out.write(piece)
                out.truncate()
        elif packing == "zip":
            with zipfile.ZipFile(packed) as archive:
                archive.extractall(target)
        else:
            with tarfile.open(packed) as archive:
                archive.extractall(target, filter="data")
        return inner


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The corpus; a test that asks for it skips where there is none."""
    folder = Path(os.environ.get("FORENSIC_KIT_CORPUS", ROOT.parent / "shared" / "corpus"))
    if not (folder / "MANIFEST.json").is_file():
        pytest.skip(f"no test corpus at {folder} (set FORENSIC_KIT_CORPUS)")
    return Corpus(folder, tmp_path_factory.mktemp("corpus"))


@pytest.fixture
def tool():
    """The path of a program of another project that a test compares with; skips where it is not installed."""

    def find(name: str) -> str:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if found is None:
            pytest.skip(f"the program {name} is not installed")
        return found

    return find
