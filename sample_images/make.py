"""Make the exercise disk: ``sample_images/exercise.dd``, ``.dd.sha256``, ``.E01``, ``.truth.json``,
``.keywords.txt``.

    sudo python sample_images/make.py [--out FOLDER]

Only for whoever changes the disk: it needs root (one NTFS volume is mounted through ntfs-3g while it is filled) and
Debian's ntfs-3g dosfstools mtools e2fsprogs gdisk ewf-tools faketime. The same versions of them write the same bytes.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from maker import camera, disk, server, texts, tools, truth, volumes, workstation

MIB = 1 << 20
SIZE = 31 * MIB
# Free clusters far from where the drivers allocate; tests hold them against blkstat.
NTFS_UNALLOCATED = 10 * MIB
EXT4_UNALLOCATED = 7 * MIB
GAP = 21 * MIB + MIB // 2


def main() -> int:
    """Build everything into a folder."""
    parser = argparse.ArgumentParser(description="Make the exercise disk.")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    out: Path = parser.parse_args().out
    absent = tools.missing()
    if absent or os.geteuid() != 0:
        print(
            f"Needs root and these programs: {', '.join(absent) or 'all are here'}. "
            f"Try: apt-get install {tools.PACKAGES}",
            file=sys.stderr,
        )
        return 3
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="exercise-") as folder:
        # ewfacquire writes the path of its source nowhere, but a fixed name costs nothing.
        raw = Path(folder, "exercise.dd")
        parts, areas = build(Path(folder), raw)
        disk.acquire(raw, Path(folder, "exercise.E01"))
        facts = describe(raw, Path(folder, "exercise.E01"), parts, areas)
        for name in ("exercise.dd", "exercise.E01"):
            (out / name).write_bytes(Path(folder, name).read_bytes())
    _write(out / "exercise.truth.json", json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    _write(out / "exercise.keywords.txt", "".join(f"{term}\n" for term in texts.TERMS))
    raw_sum = facts["image"]["raw"]["sha256"]
    _write(out / "exercise.dd.sha256", f"{raw_sum}  exercise.dd\n")
    print(json.dumps({"raw": raw_sum, "e01": facts["image"]["e01"]["sha256"], "hits": len(facts["hits"])}))
    return 0


def build(folder: Path, raw: Path) -> tuple[list[truth.Part], list[truth.Area]]:
    """The raw disk, its partitions and what was planted beside the files."""
    serials = f"{workstation.NTFS_SERIAL:016x}", volumes.FAT_SERIAL, volumes.EXT4_UUID
    parts = [
        truth.Part("1", 1 * MIB, 12 * MIB, "ntfs", workstation.NTFS_LABEL, serials[0], workstation.workstation()),
        truth.Part("2", 13 * MIB, 8 * MIB, "fat16", "CAMERA", serials[1], camera.camera()),
        truth.Part("3", 22 * MIB, 8 * MIB, "ext4", "SERVER", serials[2], server.server()),
    ]
    places = [folder / f"part{part.number}" for part in parts]
    first, second, third = parts
    volumes.ntfs(places[0], first.size, first.start // disk.SECTOR, first.label, workstation.NTFS_SERIAL, first.items)
    volumes.fat(places[1], second.size, second.start // disk.SECTOR, second.label, second.items)
    volumes.ext4(places[2], third.size, third.label, third.items)
    codes = ("0700", "0700", "8300")
    rows = [
        (place, part.start // disk.SECTOR, code, part.label.title())
        for place, part, code in zip(places, parts, codes, strict=True)
    ]
    disk.join(raw, SIZE, rows)
    return parts, [*_slack(raw, first, volumes.NTFS_CLUSTER), *_slack(raw, second, volumes.FAT_CLUSTER), *_free(raw)]


def _slack(raw: Path, part: truth.Part, cluster: int) -> list[truth.Area]:
    """Write the slack texts of a volume right behind the contents they belong to."""
    areas = []
    for item in (item for item in part.items if item.slack):
        start = truth.whole(raw.read_bytes(), part, item.data)
        if start is None:
            raise truth.Untrue(f"{item.path} is not in the image")
        end = start + len(item.data)
        room = -len(item.data) % cluster
        disk.plant(raw, end, item.slack, room)
        areas.append(truth.Area("slack", end, item.slack, part.number, item.path))
    return areas


def _free(raw: Path) -> list[truth.Area]:
    """Write what lies in unallocated clusters and between the partitions."""
    areas = [
        truth.Area("unallocated", 1 * MIB + NTFS_UNALLOCATED, f"old draft: {texts.MEETING} on friday".encode(), "1"),
        truth.Area("unallocated", 22 * MIB + EXT4_UNALLOCATED, f"{texts.CAKE} (old)".encode("utf-16-le"), "3"),
        truth.Area("gap", GAP, f"between partitions: {texts.MEETING}".encode("utf-16-le")),
    ]
    for area in areas:
        disk.plant(raw, area.start, area.data, volumes.NTFS_CLUSTER)
    return areas


def describe(raw: Path, ewf: Path, parts: list[truth.Part], areas: list[truth.Area]) -> dict[str, Any]:
    """The content of ``exercise.truth.json``."""
    image = raw.read_bytes()
    readable = truth.settled(image)
    return {
        "about": "What is true of exercise.dd and exercise.E01. Written by make.py; see SOURCES.md for the fields.",
        "image": {
            "raw": {"name": raw.name, **_digests(image)},
            "e01": {"name": ewf.name, **_digests(ewf.read_bytes()), "acquisition": disk.FACTS},
            "sector_size": disk.SECTOR,
        },
        "made_with": tools.versions(),
        "volumes": [
            {
                "number": part.number,
                "start": part.start,
                "size": part.size,
                "filesystem": part.filesystem,
                "label": part.label,
                "serial": part.serial,
                "files": truth.files(part, readable),
            }
            for part in parts
        ],
        "terms": list(texts.TERMS),
        "hits": truth.hits(parts, areas, image),
    }


def _digests(data: bytes) -> dict[str, object]:
    kinds = ("md5", "sha1", "sha256")
    return {"size": len(data), **{kind: hashlib.new(kind, data).hexdigest() for kind in kinds}}


def _write(path: Path, text: str) -> None:
    # A name with surrogate escapes would be refused here: truth rows never hold one.
    path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
