"""Writing content out of evidence: names no file system trips over, and a manifest that leads back."""

import hashlib
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from forensic_kit.content import Hasher, writing
from forensic_kit.errors import CaseError, ForensicError
from forensic_kit.model import FileEntry, Locator

_LONGEST: Final = 100  # bytes of one component: leaves room for suffixes below every file system's 255
_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{device}{number}" for device in ("com", "lpt") for number in range(10)}
)


def safe_component(text: str) -> str:
    """One path component that every file system takes and no shell or console misreads."""
    out = "".join(
        char if (char.isalnum() and unicodedata.category(char)[0] in "LN") or char in " ._-()+,=@" else "_"
        for char in unicodedata.normalize("NFC", text)
    )
    out = out.strip(" .").lstrip("-=+@") or "_"
    if out.split(".")[0].lower() in _RESERVED:
        out = "_" + out
    while len(out.encode()) > _LONGEST:
        stem, dot, extension = out.rpartition(".")
        out = (stem[:-1] + dot + extension) if stem and len(extension) < 16 else out[:-1]
    return out


def safe_path(locator: Locator) -> Path:
    """Exhibit, volume and path as folders and a file, relative."""
    parts = [locator.exhibit, f"v{locator.volume}", *locator.display.replace("!", "/").split("/")]
    return Path(*(safe_component(part) for part in parts if part))


class Extraction:
    """Writes contents below a folder and keeps a manifest, one JSON line each."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._taken: set[str] = set()
        self.count = self.failed = 0
        out.mkdir(parents=True, exist_ok=True)
        manifest = out / "manifest.jsonl"
        if manifest.exists():
            raise CaseError(f"{out}: something was extracted here already. Name a new folder with --out.")
        self._manifest = manifest.open("w", encoding="utf-8")

    def __enter__(self) -> "Extraction":
        return self

    def __exit__(self, *_: object) -> None:
        self._manifest.close()

    def write(self, entry: FileEntry, pieces: Iterator[bytes]) -> dict[str, Any]:
        """Write one content; its line of the manifest. What cannot be read is in the manifest with the reason."""
        path = self._free(safe_path(entry.locator))
        hasher = Hasher()
        size, error = 0, ""
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing(self._out), path.open("xb") as file:
            try:
                for piece in pieces:
                    hasher.update(piece)
                    size += len(piece)
                    file.write(piece)
            except ForensicError as failure:
                error = failure.message
        row: dict[str, Any] = {
            "locator": str(entry.locator),
            "original": entry.locator.display,
            "written": path.relative_to(self._out).as_posix(),
            "size": size,
            "allocated": entry.allocated,
            "content_state": entry.content_state,
            "md5": hasher.digests.md5,
            "sha1": hasher.digests.sha1,
            "sha256": hasher.digests.sha256,
            "error": error,
        }
        self._manifest.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.count += 1
        self.failed += bool(error)
        return row

    def _free(self, relative: Path) -> Path:
        """A path nobody has yet, on a file system of any case habit, and no folder another name needs as file."""
        candidate, number = relative, 0
        while str(candidate).casefold() in self._taken or (self._out / candidate).exists() or self._blocked(candidate):
            number += 1
            tail = hashlib.sha256(f"{relative}{number}".encode()).hexdigest()[:4] if number > 9 else str(number)
            parts = list(relative.parts)
            parts[-1] = f"{relative.stem}~{tail}{relative.suffix}"
            if self._blocked(Path(*parts)):
                parts[:-1] = [f"{part}~d" for part in parts[:-1]]
            candidate = Path(*parts)
        self._taken.add(str(candidate).casefold())
        return self._out / candidate

    def _blocked(self, relative: Path) -> bool:
        """Is one of its folders a file already (a member inside an extracted archive)?"""
        return any((self._out / parent).is_file() for parent in relative.parents)
