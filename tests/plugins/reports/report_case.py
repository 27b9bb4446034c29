"""Makes a case with known content through the real `Case`, for the tests of facts and reports.

What is put in is written out here, so that tests can say what must come out: two exhibits, two passes, three types
of findings, gaps and notes, and names that try to break a page.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from forensic_kit import case, ledger
from forensic_kit.case import Case, Result
from forensic_kit.model import (
    Digests,
    Event,
    FileEntry,
    Finding,
    Locator,
    Name,
    Problem,
    StageOutcome,
    Step,
    finding_id,
)
from forensic_kit.times import Moment

OPERATOR = "A. Examiner"
#: Names as somebody with bad intentions would choose them.
HOSTILE = (
    "<script>alert(1)</script>.txt",
    '"onmouseover="alert(2)".jpg',
    "'><img src=x onerror=alert(3)>.png",
    "javascript:alert(4)",
    "invoice\u202efdp.exe",
    "bell\x07 escape\x1b[31m null\x00 tab\t line\n.log",
    "</script><script>alert(5)</script>\u2028\u2029.js",
    '{{ 7*7 }}{% raw %}#eval("1")$x$ *b* _i_ `code` @ref <lbl> \\u{41}.typ',
    "\u4e2d\u6587\u6587\u4ef6 \U0001f4c1 \u0641\u0627\u0631\u0633\u06cc.doc",
)
_SECOND = 1_000_000_000
_START = 1_709_251_200  # 2024-03-01T00:00:00Z
_KINDS = (
    ("text/plain", "txt"),
    ("image/jpeg", "jpg"),
    ("application/pdf", "pdf"),
    ("application/zip", "zip"),
    ("application/x-dosexec", "exe"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
)
_SECTORS = 2048
_DONE = [StageOutcome("content", "done"), StageOutcome("type", "done")]
_UNITS = "u" * 32
_PLUGINS = {
    "artefacts/windows.recycle_bin": "cc" * 32,
    "identifiers/libmagic": "bb" * 32,
    "scanners/keywords": "aa" * 32,
    "scanners/yara": "dd" * 32,
}
TERMS = tuple((f"t{number:03d}", f"term {number}", "word", "names.txt") for number in range(1, 41))
RULES = (
    ("loaders.yar:Loader_A", "Loader_A", "rule", "loaders.yar:3"),
    ("loaders.yar:Never_Met", "Never_Met", "rule", "loaders.yar:20"),
)


def utc(seconds: int) -> Moment:
    """A moment in UTC, exact to 100 ns."""
    return Moment.of(seconds * _SECOND + 1_234_500, 100, "utc", str(seconds))


def digests(text: str) -> Digests:
    """Digests of some text."""
    data = text.encode()
    return Digests(
        hashlib.md5(data, usedforsecurity=False).hexdigest(),
        hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        hashlib.sha256(data).hexdigest(),
    )


def make(folder: Path, entries: int = 2000, *, events: int = 3) -> Path:
    """A case with about this many entries on its first exhibit; every 20th holds a keyword, every 50th an event."""
    made = case.create(folder, OPERATOR)
    made.close()
    with case.open_case(folder, writable=True) as opened:
        volumes = _exhibits(opened)
        run = opened.start_run(_plan(["keywords names"]), _facts("2026-05-04T09:00:00Z"))
        opened.add_plan(run, "11" * 32, _plan_facts("keywords", "terms", "names", "11" * 32), TERMS)
        _verify(opened, run, "before")
        with opened.transaction() as db:
            for problem in _PROBLEMS:
                case.add_problem(db, problem, run)
        _first_pass(opened, run, volumes, entries, events)
        _verify(opened, run, "after")
        ledger.finalise(opened, run, {1: _UNITS, 2: _UNITS})
        opened.finish_run(run, _facts("2026-05-04T09:00:00Z", "2026-05-04T11:30:00Z", 4))
        _second_pass(opened, volumes)
    return folder


def _exhibits(opened: Case) -> dict[str, int]:
    first = {
        "name": "ABC/1",
        "paths": ["/lab/store/ABC-1.E01", "/lab/store/ABC-1.E02"],
        "format": "E01",
        "size": 512_110_190_592,
        "sector_size": 512,
        "stored_digests": {"md5": "0123456789abcdef0123456789abcdef"},
        "facts": [
            ["examiner_name", "B. Imager <b>"],
            ["acquiry_date", "2026-04-30T10:11:12"],
            ["notes", HOSTILE[0]],
            ["device", HOSTILE[7]],
            ["model", HOSTILE[8]],
            ["serial", HOSTILE[4]],
        ],
        "volumes": [],
        "problems": [],
    }
    second = first | {
        "name": "XYZ-2", "paths": ["/lab/store/usb.dd"], "format": "raw", "size": 8_004_304_896,
        "stored_digests": {}, "facts": [],
    }  # fmt: skip
    opened.add_evidence("ABC/1", first["paths"], first, [_outside(first)])
    opened.add_evidence(
        "ABC/1",
        first["paths"],
        first,
        [
            _volume("1", 1 << 20, 104_857_600, "FAT32", label="EFI"),
            _volume("2", 105_906_176, 511_000_000_000, "NTFS", label="</style><script>alert(6)</script>"),
            _volume("3", 511_105_906_176, 1_004_284_416, "", encryption="BitLocker, locked"),
        ],
    )
    opened.add_evidence("XYZ-2", second["paths"], second, [_volume("1", 0, second["size"], "exFAT", label="STICK")])
    keys = {}
    for name, (key, _, _) in opened.exhibits().items():
        keys |= {f"{name}/v{number}": row for row, number, _ in opened.volumes(key)}
    return keys


def _outside(disk: dict) -> dict:
    """What `pipeline` keeps for the space outside volumes."""
    return {"number": "0", "start": 0, "size": disk["size"], "scheme": "outside"}


def _volume(number: str, start: int, size: int, filesystem: str, *, label: str = "", encryption: str = "") -> dict:
    return {
        "number": number, "start": start, "size": size, "scheme": "gpt", "type": "Basic data", "label": label,
        "filesystem": filesystem, "serial": "1a2b-3c4d", "block_size": 4096,
        "zone": "local" if "FAT" in filesystem else "utc", "encryption": encryption,
    }  # fmt: skip


def _plan(plans: list[str]) -> dict:
    return {
        "exhibits": {"ABC/1": "/lab/store/ABC-1.E01", "XYZ-2": "/lab/store/usb.dd"},
        "profile": f"standard 1 {'ee' * 32}",
        "tool": "0.1.0",
        "plugins": _PLUGINS,
        "plans": {name: str(index) * 64 for index, name in enumerate(plans, 1)},
        "options": {"keywords": {"lists": ["names.txt"]}},
        "verify": "both",
    }


def _plan_facts(plugin: str, stage: str, name: str, digest: str) -> dict:
    return {
        "plugin": plugin, "stage": stage, "name": name, "digest": digest, "files": {f"{name}.txt": "ab" * 32},
        "engine": {"hyperscan": "5.4.2", "folding": "ASCII and Latin-1"}, "settings": {}, "per_entry": False,
        "timeout": 300, "compiled": "/lab/cases/cache/x.hs", "margin": 65536, "items": [], "problems": [],
    }  # fmt: skip


def _facts(started: str, ended: str = "", exit_code: int | None = None) -> dict:
    return {
        "operator": OPERATOR, "reason": "R v Example: find the named persons", "arguments": ["run", "ABC-1.E01"],
        "started": started, "ended": ended, "exit": exit_code, "tool": "forensic-kit 0.1.0", "python": "3.11.2",
        "system": "Linux x86_64", "libraries": {"pytsk3": "20260520", "hyperscan": "0.7.21", "typst": "0.15.2"},
        "profile": {"name": "standard", "version": "1", "areas": {"slack": True}}, "accepted_mismatch": "",
    }  # fmt: skip


def _verify(opened: Case, run: int, moment: str) -> None:
    for key, stored in ((1, "0123456789abcdef0123456789abcdef"), (2, None)):
        own = {"md5": "0123456789abcdef0123456789abcdef", "sha1": f"{key}a" * 20, "sha256": f"{key}b" * 32}
        compared = []
        if stored:
            compared.append(
                {"algorithm": "md5", "stored": stored, "computed": own["md5"], "origin": "stored in the E01 image",
                 "equal": True}
            )  # fmt: skip
        if moment == "after":
            compared += [
                {"algorithm": name, "stored": value, "computed": value, "origin": "computed before processing",
                 "equal": True}
                for name, value in own.items()
            ]  # fmt: skip
        result = "verified" if compared else "not verifiable"
        opened.add_verification(
            key, run, moment, {**own, "size": 512_110_190_592, "unreadable": "", "compared": compared, "result": result}
        )


_PROBLEMS = (
    Problem(
        "gap",
        "volume 3 is encrypted with BitLocker and no credential given opens it. Give one with --credentials.",
        "Locked", None, "open", "bitlocker", "ABC/1/v3",
    ),
    Problem("note", "volumes 1 and 2 overlap", "overlap", 1 << 20, "open", "gpt", "ABC/1/v2"),
)  # fmt: skip


def _first_pass(opened: Case, run: int, volumes: dict[str, int], count: int, events: int) -> None:
    for name in ("ABC/1/v0", "ABC/1/v3"):
        opened.finish_listing(volumes[name], [], run)
    volume = volumes["ABC/1/v2"]
    for start in range(0, count, 5000):
        group = list(_entries(start, min(start + 5000, count)))
        opened.add_listing(volume, group, ())
        opened.commit(run, _UNITS, volume, [_result(start + i, entry, events) for i, entry in enumerate(group)], ())
    opened.set_account(volume, {"size": 100, "files": 60, "system": 5, "unallocated": 35})
    opened.finish_listing(volume, [], run)
    space = [_cell(index) for index in range(4)]
    opened.add_listing(volume, space, ())
    opened.commit(run, _UNITS, volume, [_space_result(entry) for entry in space], ())
    stick = volumes["XYZ-2/v1"]
    folder = FileEntry(Locator("XYZ-2", "1", "5", path=Name("DCIM")), "directory", 0)
    copy = FileEntry(Locator("XYZ-2", "1", "6", path=Name("DCIM/copy.txt")), "file", 1020, modified=utc(_START))
    opened.add_listing(stick, [folder, copy], ())
    opened.pass_over(stick, run, ("directory",), [StageOutcome("content", "empty")])
    # The same content as entry 20 of the first exhibit, so its finding has a second place.
    opened.commit(run, _UNITS, stick, [Result(copy, "", digests("content 20"), "", "text/plain", own=_DONE)], ())
    opened.finish_listing(stick, [], run)
    opened.finish_listing(volumes["ABC/1/v1"], [], run)


def _entries(start: int, stop: int) -> Iterator[FileEntry]:
    for number in range(start, stop):
        _mime, extension = _KINDS[number % len(_KINDS)]
        name = f"Users/ann/Documents/folder {number % 17}/file {number:06d}.{extension}"
        if number < len(HOSTILE):
            name = f"Users/ann/Downloads/{HOSTILE[number]}"
        elif number == 60:
            # A name that is no valid UTF-8 and so long that no column holds it.
            name = "Users/ann/" + "very-long-name-" * 14 + ".txt"
        deleted = number % 10 == 3
        state = "unallocated" if deleted else "allocated"
        yield FileEntry(
            Locator("ABC/1", "2", str(64 + number), path=Name(name)),
            "file",
            number * number % 3_000_017 if number % 11 else number % 7 << 22,
            state,
            state,
            "overwritten" if number % 100 == 3 else state,
            modified=utc(_START + number * 7919 % 40_000_000),
            accessed=utc(_START + number * 7919 % 40_000_000 + 86_400),
            born=utc(_START - number * 3571 % 80_000_000),
            runs=((number * 4096, 4096),) if number % 11 else None,
        )


def _result(number: int, entry: FileEntry, events: int) -> Result:
    mime, _ = _KINDS[number % len(_KINDS)]
    if number % 97 == 5:
        failed = [StageOutcome("content", "failed", "bad sectors"), StageOutcome("type", "skipped", "not read")]
        message = "parts could not be read and count as zeros: 4096 bytes at 8192"
        problem = Problem("gap", message, "unreadable", 8192, "content")
        return Result(entry, own=failed, own_problems=[problem])
    # Every 40th has the content of the one before it.
    text = f"content {number - 1 if number % 40 == 39 else number}"
    shared: list[Finding] = []
    if number % 20 == 0:
        shared.append(_keyword(text, number))
    if number % 50 == 0:
        shared.append(_yara(text))
    own = [_recycled(entry, number, events)] if number % 50 == 7 else []
    notes = [Problem("note", "12 bytes follow the path", "trailing", 24, "parse", "windows.recycle_bin")] if own else []
    return Result(
        entry, "", digests(text), "", mime, "jpg" if number % 31 == 2 else "",
        own=_DONE, shared=[StageOutcome("terms", "done"), StageOutcome("yara", "done")],
        own_findings=own, shared_findings=shared, own_problems=notes,
    )  # fmt: skip


def _finding(subject: str, plugin: str, type_: str, where: str, offset: int | None, record: dict, **more) -> Finding:
    id_ = finding_id(subject, plugin, type_, where, offset, record)
    return Finding(id_, type_, plugin, "1.0", where, offset, record, **more)


def _keyword(text: str, number: int) -> Finding:
    term = TERMS[number // 20 % 30]  # ten terms are never met
    context = f"before <b onclick=alert(7)> {term[1]} \u202e after\x00" if number % 60 == 0 else f"meet {term[1]} at 8"
    record = {
        "list": "names", "term_id": term[0], "term": term[1], "kind": "word", "encoding": "utf-8",
        "length": len(term[1]), "matched": term[1].encode().hex(), "context": context,
    }  # fmt: skip
    return _finding(text, "keywords", "keyword.hit", "content", 512 + number, record)


def _yara(text: str) -> Finding:
    strings = [{"id": f"$s{i}", "offset": 64 * i, "length": 4, "data": "4d5a9000"} for i in range(15)]
    meta = {"author": "</td></tr><script>alert(8)</script>", "date": "2026-01-01"}
    record = {"rule": "Loader_A", "namespace": "loaders.yar", "tags": ["exe"], "meta": meta, "strings": strings}
    return _finding(text, "yara", "yara.match", "content", None, record)


def _recycled(entry: FileEntry, number: int, events: int) -> Finding:
    moments = [utc(_START + number * 86_400 // 25 + extra * 60) for extra in range(events)]
    record = {
        "original_path": f"C:\\Users\\ann\\{HOSTILE[number // 50 % len(HOSTILE)]}",
        "original_path_raw": "",
        "size": number,
        "format_version": 2,
        "deleted": {"time": moments[0].iso, "zone": "utc", "resolution_ns": 100, "raw": moments[0].raw},
    }
    seen = tuple(Event("deleted", moment) for moment in moments)
    type_ = "windows.recycle_bin.deleted"
    return _finding(str(entry.locator), "windows.recycle_bin", type_, "record", None, record, events=seen)


def _cell(index: int) -> FileEntry:
    step = Step("unallocated", start=index * (64 << 20), length=64 << 20)
    locator = Locator("ABC/1", "2", steps=(step,))
    runs = ((index * (64 << 20), 64 << 20),)
    return FileEntry(locator, "unallocated", 64 << 20, "unallocated", "unallocated", "unallocated", runs=runs)


def _space_result(entry: FileEntry) -> Result:
    start = entry.locator.steps[0].start
    record = {"list": "names", "term_id": "t001", "term": "term 1", "encoding": "utf-16le", "context": "lost term 1"}
    found = _finding(str(entry.locator), "keywords", "keyword.hit", "unallocated", 4096, record, whole=False)
    outcome = [StageOutcome("content", "done"), StageOutcome("terms", "partial", "windowed")]
    return Result(entry, own=outcome, own_findings=[found] if start == 0 else [])


def _second_pass(opened: Case, volumes: dict[str, int]) -> None:
    """Rules that came late: one of two is met."""
    run = opened.start_run(_plan(["keywords names", "yara loaders"]), _facts("2026-05-05T08:00:00Z"))
    facts = _plan_facts("yara", "yara", "loaders", "22" * 32) | {"files": {"loaders.yar": "cd" * 32}}
    opened.add_plan(run, "22" * 32, facts, RULES)
    ledger.finalise(opened, run, {})
    opened.finish_run(run, _facts("2026-05-05T08:00:00Z", "2026-05-05T08:20:00Z", 4))
