"""Makes toy images and runs them; the plugins are in `plugins/toy.py`."""

import json
from pathlib import Path
from typing import Any

from forensic_kit import pipeline, profile, registry
from forensic_kit.case import open_case
from forensic_kit.queries import Reader

PLUGINS = Path(__file__).parent / "plugins"
#: Time-outs short enough for tests, memory enough for the libraries.
PROFILE = profile.Profile("toy", "1", budgets=profile.Budgets(seconds=4.0, worker_memory=700 << 20))


def image(path: Path, items: list[dict[str, Any]], tail: int = 0) -> Path:
    """Write an image of items with ``name`` and ``data`` (bytes), and what `plugins/toy.py` takes besides."""
    head, body = b"", b""
    for _ in range(3):  # the list's length shifts the offsets it holds: settled after a few turns
        rows, body = [], b""
        start = 12 + len(head)
        for item in items:
            data = item["data"]
            row = {key: value for key, value in item.items() if key != "data"}
            rows.append(row | {"offset": item.get("offset", start + len(body)), "size": len(data)})
            body += data + bytes(-len(data) % 16)
        head = json.dumps(rows).encode()
    path.write_bytes(b"TOYIMAGE" + len(head).to_bytes(4, "little") + head + body + bytes(tail))
    return path


def job(exhibit: Path, case: Path, **changes: Any) -> pipeline.Job:
    """A run over one exhibit with the toy plugins and nothing that takes long."""
    settings: dict[str, Any] = {
        "profile": PROFILE,
        "registry": registry.load([PLUGINS]),
        "plugin_folders": [PLUGINS],
        "operator": "A. Tester",
        "verify": "none",
        "jobs": 2,
    }
    return pipeline.Job({"X": exhibit}, case, **(settings | changes))


def rows(case: Path) -> dict[str, list[dict[str, Any]]]:
    """Everything a case says that must not depend on how it was made."""
    with open_case(case) as opened:
        reader = Reader(opened)
        summary = reader.summary()
        summary.pop("audit")
        for exhibit in summary["exhibits"]:
            exhibit.pop("paths")
        return {
            "files": list(reader.files()),
            "findings": list(reader.findings()),
            "timeline": list(reader.timeline()),
            "problems": list(reader.problems()),
            "summary": [summary],
        }
