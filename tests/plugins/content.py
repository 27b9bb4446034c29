"""A content that is not in any evidence: what the engine gives a plugin, made from bytes in a test."""

import hashlib
import tempfile
from functools import cached_property
from pathlib import Path

from forensic_kit.api import Content, FileEntry, Locator, Name


class LooseContent:
    """The whole of ``data`` as the content of a file called ``name``.

    Args: companions: the other files of the same folder, by name. type: its MIME type; libmagic is asked if None.
    """

    base = 0
    margin = 0
    whole = True

    def __init__(
        self,
        data: bytes,
        name: str = "content",
        companions: dict[str, bytes] | None = None,
        *,
        type: str | None = None,  # the name of the contract
    ) -> None:
        self.data = data
        self.size = len(data)
        self.entry = FileEntry(Locator("X", "1", path=Name(name)), "file", len(data))
        self._companions = companions or {}
        self._opened: list[LooseContent] = []  # their copies live as long as this content
        self._type = type
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._copies = 0

    @classmethod
    def of(cls, path: Path) -> "LooseContent":
        """A file of the corpus, without companions."""
        return cls(path.read_bytes(), path.name)

    @cached_property
    def type(self) -> str:
        if self._type is not None:
            return self._type
        import pylibmagic  # noqa: F401 - puts its library where python-magic looks
        import magic  # isort: skip

        return str(magic.from_buffer(self.data, mime=True))

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def companion(self, name: str) -> Content | None:
        data = self._companions.get(name)
        if data is None:
            return None
        self._opened.append(LooseContent(data, name, self._companions))
        return self._opened[-1]

    def on_disk(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="loose-")
        self._copies += 1
        path = Path(self._folder.name) / f"copy{self._copies}"
        path.write_bytes(self.data)
        return path
