"""The YARA scanner: what it plans, and that its matches are those of the rules. See yara/witness.md."""

import contextlib
import hashlib
import mmap
import random
import subprocess
from pathlib import Path

import pytest

from forensic_kit.api import At, ForensicError, Misuse, PluginError, TimedOut
from tests.plugins.scanners.scanned import Piece, plans, prepared, scan, windows

EMPTY = [
    argument for name in ("filename", "filepath", "extension", "filetype", "owner") for argument in ("-d", f"{name}=")
]


def write(folder: Path, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def planned(tmp_path, files, **options):
    return plans("yara", tmp_path, rules=str(write(tmp_path / "rules", files)), **options)


def scanner_of(tmp_path, rule, **options):
    (plan,) = planned(tmp_path, {"r.yar": rule}, **options)
    return prepared(plan)


def rules_of(hits):
    return sorted((getattr(hit, "record", hit).namespace, getattr(hit, "record", hit).rule) for hit in hits)


TWO = 'rule two : a b { meta: n = 5 who = "me" ok = true strings: $x = "xy" $z = { 00 ?? 01 } condition: any of them }'


def test_a_match_says_rule_namespace_tags_meta_and_every_string(tmp_path):
    ((hit,), problems) = scan(scanner_of(tmp_path, TWO), Piece(b"..xy\x00\xff\x01xy"))
    assert problems == []
    assert hit.offset == 2
    record = hit.record
    assert (record.rule, record.namespace, record.tags, record.meta) == (
        "two",
        "r.yar",
        ("a", "b"),
        {"n": 5, "who": "me", "ok": True},
    )
    assert [(s.id, s.offset, s.length, s.data) for s in record.strings] == [
        ("$x", 2, 2, "7879"),
        ("$z", 4, 3, "00ff01"),
        ("$x", 7, 2, "7879"),
    ]
    assert record.string_count == 3


def test_a_rule_without_strings_has_no_place(tmp_path):
    ((record,), _) = scan(scanner_of(tmp_path, "rule r { condition: filesize == 3 }"), Piece(b"abc"))
    assert (record.rule, record.strings, record.string_count) == ("r", (), 0)


def test_stored_strings_and_their_bytes_are_bounded_and_counted(tmp_path):
    scanner = scanner_of(tmp_path, "rule r { strings: $a = /ab+/ condition: $a }", strings=2, string_bytes=3)
    ((hit,), _) = scan(scanner, Piece(b"abbbb abbbb abbbb"))
    assert [(s.offset, s.length, s.data) for s in hit.record.strings] == [(0, 5, "616262"), (6, 5, "616262")]
    assert hit.record.string_count == 3


def test_more_places_than_yara_keeps_are_noted(tmp_path):
    scanner = scanner_of(tmp_path, 'rule r { strings: $a = "aa" condition: $a }')
    ((hit,), (problem,)) = scan(scanner, Piece(b"a" * 1_000_100))
    assert hit.record.string_count == 1_000_000
    assert problem.severity == "note"
    assert "r.yar: rule r: $a stands in more places" in problem.message


def test_the_same_rule_name_in_two_files_is_two_rules(tmp_path):
    rule = 'rule same { strings: $a = "x" condition: $a }'
    (plan,) = planned(tmp_path, {"a.yar": rule, "deep/a.yar": rule, "b.rule": rule, "c.yara": rule, "n.txt": "no"})
    names = ["a.yar", "b.rule", "c.yara", "deep/a.yar"]
    assert [item.id for item in plan.items] == [f"{name}:same" for name in names]
    assert (plan.items[0].text, plan.items[0].kind, plan.items[0].source) == ("same", "rule", "a.yar")
    assert rules_of(scan(prepared(plan), Piece(b"x"))[0]) == [(name, "same") for name in names]
    assert plan.files == {name: hashlib.sha256(rule.encode()).hexdigest() for name in names}


def test_private_rules_are_not_listed_and_comments_declare_nothing(tmp_path):
    text = "// rule no {\n/* rule no { */ private rule p { condition: true }\nglobal rule g { condition: p }\n"
    text += 'rule s { strings: $a = "rule no {" condition: not $a }'
    (plan,) = planned(tmp_path, {"r.yar": text})
    assert [item.text for item in plan.items] == ["g", "s"]


# --- rules that use names -------------------------------------------------------------------------------------

BY_NAME = {
    "name.yar": 'rule by_name { condition: filename == "Ann.DOC" }',
    "path.yar": 'rule by_path { condition: filepath contains "\\\\Users\\\\" or filepath contains "/Users/" }',
    "ext.yar": 'rule by_ext { condition: extension == ".doc" }',
    "type.yar": 'rule by_type { condition: filetype == "OLE" }',
    "owner.yar": 'rule by_owner { condition: owner == "ann" }',
    "none.yar": 'rule by_bytes { strings: $a = "filename" condition: $a }',
}


def test_rules_that_use_names_are_a_plan_of_their_own(tmp_path):
    shared, named = planned(tmp_path, BY_NAME)
    assert ([item.text for item in shared.items], shared.per_entry) == (["by_bytes"], False)
    assert (sorted(item.text for item in named.items), named.per_entry) == (
        ["by_ext", "by_name", "by_owner", "by_path", "by_type"],
        True,
    )


def test_external_variables_are_filled_from_the_entry(tmp_path):
    named = prepared(planned(tmp_path, BY_NAME)[1])
    ole = bytes.fromhex("D0CF11E0A1B11AE1")
    content = Piece(ole, "Users/Ann/Ann.DOC", attributes={"owner": "ann"})
    assert [rule for _, rule in rules_of(scan(named, content)[0])] == [
        "by_ext",
        "by_name",
        "by_owner",
        "by_path",
        "by_type",
    ]
    dos = Piece(b"", "C/Users/Ann/x", attributes={"dos": 32})
    assert [rule for _, rule in rules_of(scan(named, dos)[0])] == ["by_path"]
    back = prepared(planned(tmp_path / "dos", {"p.yar": 'rule p { condition: filepath == "\\\\C\\\\x" }'})[0])
    assert len(scan(back, Piece(b"", "C/x", attributes={"dos": 32}))[0]) == 1
    assert len(scan(back, Piece(b"", "C/x"))[0]) == 0
    slack = Piece(b"abc", "Users/Ann.DOC", kind="slack")
    assert rules_of(scan(named, slack)[0]) == []


def test_empty_external_variables_make_one_shared_plan(tmp_path):
    (plan,) = planned(tmp_path, BY_NAME, externals="empty")
    assert (plan.per_entry, len(plan.items)) == (False, 6)
    assert rules_of(scan(prepared(plan), Piece(b"filename", "Users/Ann.DOC"))[0]) == [("none.yar", "by_bytes")]


# --- what cannot be used --------------------------------------------------------------------------------------


def test_a_rule_that_does_not_compile_stops_with_file_line_and_reason(tmp_path):
    files = {"ok.yar": "rule a { condition: true }", "sub/bad.yar": "rule b {\n condition: nothing }"}
    with pytest.raises(Misuse, match=r'sub/bad\.yar:2: undefined identifier "nothing"'):
        planned(tmp_path, files)


def test_lenient_leaves_it_out_and_says_so(tmp_path):
    files = {"ok.yar": "rule a { condition: true }", "bad.yar": 'import "cuckoo"\nrule b { condition: true }'}
    (plan,) = planned(tmp_path, files, strict=False)
    assert [item.id for item in plan.items] == ["ok.yar:a"]
    assert [(problem.severity, problem.message) for problem in plan.problems] == [
        ("note", 'left out, does not compile: bad.yar:1: unknown module "cuckoo"')
    ]


def test_an_include_inside_the_folder_is_followed_and_hashed(tmp_path):
    files = {
        "a.yar": 'include "lib/b.inc"\nrule a { condition: b }',
        "lib/b.inc": 'include "c.inc"\nrule b { condition: c }',
    }
    files["lib/c.inc"] = "private rule c { condition: true }"
    (plan,) = planned(tmp_path, files)
    assert [item.id for item in plan.items] == ["a.yar:b", "a.yar:a"]
    assert sorted(plan.files) == ["a.yar", "lib/b.inc", "lib/c.inc"]
    files["lib/c.inc"] = "private rule c { condition: false }"
    assert planned(tmp_path, files)[0].digest != plan.digest


@pytest.mark.parametrize("target", ["../secret.yar", "/etc/hostname", "gone.yar"])
def test_an_include_that_leads_out_of_the_folder_is_refused(tmp_path, target):
    (tmp_path / "secret.yar").write_text("rule secret { condition: true }")
    with pytest.raises(Misuse, match=r"a\.yar:1: include .* names no file inside the folder of rules"):
        planned(tmp_path, {"a.yar": f'include "{target}"\nrule a {{ condition: true }}'})


def test_a_file_that_includes_itself_is_refused(tmp_path):
    with pytest.raises(Misuse, match=r"do not compile"):
        planned(tmp_path, {"a.yar": 'include "a.yar"\nrule a { condition: true }'})


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({"n.txt": "x"}, {}, "holds no rule file"),
        ({"a.yar": "rule a { condition: true }"}, {"timeout": 0}, "yara.timeout is 0"),
        ({"a.yar": "rule a { condition: true }"}, {"externals": "some"}, "yara.externals is 'some'"),
        ({"a.yarc": b"YARA" + bytes(100)}, {}, "incompatible with this version"),
        ({"a.yar": "rule a { condition: }"}, {"strict": False}, "none of its 1 rule files compiles"),
    ],
)
def test_wrong_use_is_refused_with_a_sentence(tmp_path, files, options, message):
    with pytest.raises(Misuse, match=message):
        planned(tmp_path, files, **options)


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Misuse, match="no such file or folder of rules"):
        plans("yara", tmp_path, rules=str(tmp_path / "gone"))
    assert plans("yara", tmp_path) == []


# --- compiled once --------------------------------------------------------------------------------------------


def test_compiled_rules_are_taken_as_they_are(tmp_path, tool):
    import yara

    yara.compile(
        source='rule c { strings: $a = "x" condition: $a and filename == "n" }', externals={"filename": ""}
    ).save(str(tmp_path / "set.yarc"))
    (plan,) = plans("yara", tmp_path, rules=str(tmp_path / "set.yarc"))
    assert ([item.id for item in plan.items], plan.per_entry) == (["set.yarc:c"], True)
    scanner = prepared(plan)
    assert len(scan(scanner, Piece(b"x", "n"))[0]) == 1
    assert len(scan(scanner, Piece(b"x", "m"))[0]) == 0


def test_a_second_plan_of_the_same_files_compiles_nothing(tmp_path, monkeypatch):
    first = planned(tmp_path, BY_NAME)
    import yara

    monkeypatch.setattr(yara, "compile", None)
    assert planned(tmp_path, BY_NAME) == first


def test_one_changed_byte_or_option_is_another_plan(tmp_path):
    text = 'rule r { strings: $a = "x" condition: $a }'
    digests = {planned(tmp_path, {"r.yar": text})[0].digest}
    digests.add(planned(tmp_path, {"r.yar": text + " "})[0].digest)
    digests.add(planned(tmp_path, {"r.yar": text}, strings=5)[0].digest)
    digests.add(planned(tmp_path, {"r.yar": text}, externals="empty")[0].digest)
    assert len(digests) == 4


def test_a_worker_refuses_compiled_rules_that_are_not_those_planned(tmp_path):
    (plan,) = planned(tmp_path, {"r.yar": "rule a { condition: true }"})
    import yara

    yara.compile(source="rule b { condition: true }").save(plan.compiled)
    with pytest.raises(PluginError, match="not those that were planned"):
        prepared(plan)
    Path(plan.compiled).unlink()
    with pytest.raises(PluginError, match="cannot be loaded"):
        prepared(plan)


# --- scanning -------------------------------------------------------------------------------------------------


def test_a_string_counts_in_the_window_it_starts_in(tmp_path):
    scanner = scanner_of(tmp_path, 'rule r { strings: $a = "needle" condition: $a }')
    data = bytearray(1000)
    for at in (0, 95, 99, 100, 250, 994):
        data[at : at + 6] = b"needle"[: 1000 - at]
    whole = [s.offset for hit in scan(scanner, Piece(bytes(data)))[0] for s in hit.record.strings]
    cut = [s.offset for hit in scan(scanner, *windows(bytes(data), 100, 20))[0] for s in hit.record.strings]
    # 95 and 99 are overwritten by what was planted behind them.
    assert whole == cut == [0, 100, 250, 994]


def test_a_rule_whose_strings_all_lie_in_the_margin_belongs_to_the_next_window(tmp_path):
    scanner = scanner_of(tmp_path, 'rule r { strings: $a = "needle" condition: $a }')
    first, second = windows(b"." * 100 + b"needle" + b"." * 94, 100, 50)
    assert scan(scanner, first)[0] == []
    ((hit,), _) = scan(scanner, second)
    assert hit.offset == 100


def test_a_mapped_file_is_scanned_without_a_copy(tmp_path):
    scanner = scanner_of(tmp_path, 'rule r { strings: $a = "needle" condition: $a }')
    path = tmp_path / "big"
    with path.open("wb") as file:
        file.truncate(200 << 20)
        file.seek(150 << 20)
        file.write(b"needle")

    def private():
        return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("RssAnon"))

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        before = private()
        content = Piece(b"")
        content.data, content.size = mapped, len(mapped)
        ((hit,), _) = scan(scanner, content)
        assert private() - before < 50 << 10  # kB
    assert hit.offset == 150 << 20


def test_a_rule_that_takes_too_long_is_stopped(tmp_path):
    loop = "rule r { condition: for all i in (0..1000000000) : ( uint8(i % 7) != 1 ) }"
    scanner = scanner_of(tmp_path, loop, timeout=1)
    with pytest.raises(TimedOut, match="took longer than their limit"):
        scan(scanner, Piece(b"0123456789"))


def test_any_bytes_are_scanned(tmp_path):
    rule = 'import "pe" import "elf" import "dotnet" rule r { condition: pe.number_of_sections > 1 or elf.type == 2 }'
    scanner = scanner_of(tmp_path, rule)
    random_ = random.Random(3)
    for magic in (b"", b"MZ", b"\x7fELF\2\1\1"):
        for size in (0, 1, 64, 5000):
            head = magic + bytes(58) + b"\x40\0\0\0PE\0\0" if magic == b"MZ" else magic
            with contextlib.suppress(ForensicError):
                scan(scanner, Piece((head + random_.randbytes(size))[:size]))


# --- against the program yara ---------------------------------------------------------------------------------


def test_the_selftest_cases_of_yara_hold(tmp_path, corpus):
    cases = corpus.contents["yara_selftest"]["cases"]
    assert len(cases) == 42
    for number, case in enumerate(cases):
        folder = write(tmp_path / str(number), {"r.yar": case["rule"]})
        (plan,) = plans("yara", tmp_path, rules=str(folder / "r.yar"))
        data = (
            corpus.path(f"rules/yara-selftest/{case['data_file']}").read_bytes()
            if "data_file" in case
            else case["data_latin1"].encode("latin-1")
        )
        assert bool(scan(prepared(plan), Piece(data))[0]) == case["match"], case["rule"]


@pytest.fixture(scope="module")
def signature_base(tmp_path_factory, corpus):
    folder = tmp_path_factory.mktemp("signature-base")
    subprocess.run(["tar", "-xf", corpus.path("rules/signature-base-yara.tar.xz"), "-C", folder], check=True)
    return folder / "yara"


def test_the_scan_of_the_corpus_gives_the_matches_of_the_manifest(tmp_path, corpus, signature_base):
    (recorded,) = corpus.contents["yara_scans"]
    expected = sorted((row["path"], row["rule_file_key"], row["rule"]) for row in recorded["matches"])
    assert len(expected) == 18
    (plan,) = plans("yara", tmp_path, rules=str(signature_base), externals="empty")
    scanner = prepared(plan)
    matched = {path for path, _, _ in expected}
    small = sorted(name for name, row in corpus.entries.items() if row["size"] < 300_000 and name not in matched)
    found = []
    for name in (*sorted(matched), *random.Random(18).sample(small, 100)):
        for namespace, rule in rules_of(scan(scanner, Piece(corpus.path(name).read_bytes(), name))[0]):
            found.append((name, namespace.replace("/", "_").replace(".", "_"), rule))
    assert sorted(found) == expected


def test_rule_files_of_signature_base_are_sorted_as_the_manifest_says(tmp_path, corpus, signature_base):
    stated = corpus.manifest("rules/signature-base-yara.tar.xz")["expected"]
    shared, named = plans("yara", tmp_path, rules=str(signature_base))
    assert len(shared.files) == stated["rule_files"]
    by_name = {item.source for item in named.items}
    assert by_name == {name.removeprefix("yara/") for name in stated["files_that_need_external_variables"]}
    assert shared.problems == named.problems == ()


def test_the_program_yara_finds_the_same(tmp_path, tool):
    program = tool("yara")
    rules = write(
        tmp_path / "rules", {"r.yar": TWO + "\nrule n { strings: $a = /x[a-z]{1,3}/ wide ascii condition: #a > 2 }"}
    )
    (plan,) = plans("yara", tmp_path, rules=str(rules))
    scanner = prepared(plan)
    random_ = random.Random(11)
    path = tmp_path / "data"
    for _ in range(20):
        data = bytes(random_.choices(b"xyz\0\xff\x01", k=200))
        path.write_bytes(data)
        # -s prints each string as offset:identifier: bytes.
        out = subprocess.run([program, "-s", *EMPTY, rules / "r.yar", path], capture_output=True, check=True).stdout
        expected: dict[str, list[tuple[int, str]]] = {}
        rule = ""
        for line in out.decode("latin-1").split("\n"):
            if line.startswith("0x"):
                offset, name, _ = line.split(":", 2)
                expected[rule].append((int(offset, 16), name))
            elif line:
                rule = line.split(" ")[0]
                expected[rule] = []
        hits, _ = scan(scanner, Piece(data))
        ours = {hit.record.rule: [(s.offset, s.id) for s in hit.record.strings] for hit in hits if isinstance(hit, At)}
        assert ours == {rule: sorted(rows)[:64] for rule, rows in expected.items()}
