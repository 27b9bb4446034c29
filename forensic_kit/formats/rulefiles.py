"""Files of YARA rules: which there are at a path, what they include, and what can be told without a compiler."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from forensic_kit.errors import Misuse

#: Variables that public rule sets expect to be defined when they are compiled (LOKI and THOR define them).
EXTERNALS: Final = ("filename", "filepath", "extension", "filetype", "owner")
_SUFFIXES: Final = (".yar", ".yara", ".rule")
_COMPILED: Final = b"YARA"  # libyara, arena.c: the first bytes of a file of compiled rules
_MENTIONS = re.compile(rf"\b(?:{'|'.join(EXTERNALS)})\b".encode())
_INCLUDE = re.compile(rb'\binclude\s+"([^"\n]+)"')
# Strings and comments are matched first, so that a `rule` inside them is not taken for one.
_RULE = re.compile(rb'"(?:[^"\\\n]|\\.)*"|/\*.*?\*/|//[^\n]*|(?<![\w$#@!])rule\s+([A-Za-z_]\w*)\s*[:{]', re.DOTALL)


@dataclass
class Source:
    """What the examiner named: the rule files of a path, or one file of compiled rules."""

    name: str
    root: Path
    #: Files by namespace, which is their path in ``root``, in order.
    files: dict[str, Path]
    is_compiled: bool = False
    #: SHA-256 of each of them and of what they include, by path in ``root``.
    hashes: dict[str, str] = field(default_factory=dict)
    #: Namespaces of the files that may use an external variable: they name one, or include something.
    mentions: set[str] = field(default_factory=set)
    #: Names of the rules of each namespace, as far as reading alone tells.
    declared: dict[str, list[str]] = field(default_factory=dict)
    #: Paths in ``root`` of the files that others include.
    included: set[str] = field(default_factory=set)


def sources(path: Path) -> Iterator[Source]:
    """The sources at a path: one for all its rule files, one for each file of compiled rules.

    Raises: Misuse: there is none, or one cannot be read.
    """
    if path.is_dir():
        found = sorted(item for item in path.rglob("*") if item.suffix.lower() in (*_SUFFIXES, ".yarc"))
        root = path
    elif path.is_file():
        found, root = [path], path.parent
    else:
        raise Misuse(f"{path}: no such file or folder of rules. Check the path.")
    if not found:
        raise Misuse(f"{path}: the folder holds no rule file ({', '.join(_SUFFIXES)}, .yarc).")
    plain = Source(path.resolve().name, root, {})
    for item in found:
        namespace = item.relative_to(root).as_posix()
        data = _read(item)
        if data[:4] == _COMPILED:
            digest = hashlib.sha256(data).hexdigest()
            yield Source(item.name, root, {namespace: item}, is_compiled=True, hashes={namespace: digest})
        else:
            _add(plain, namespace, item, data)
    if plain.files:
        yield plain


def included(root: Path, by: Path, name: str) -> Path | None:
    """The file that an include statement in ``by`` names; None if there is none inside ``root``."""
    target = (by.parent / name).resolve()
    return target if target.is_relative_to(root.resolve()) and target.is_file() else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misuse(f"{path}: the rule file cannot be read: {error.strerror}. Check your rights to it.") from error


def _add(source: Source, namespace: str, path: Path, data: bytes) -> None:
    source.files[namespace] = path
    source.hashes[namespace] = hashlib.sha256(data).hexdigest()
    source.declared[namespace] = [match[1].decode() for match in _RULE.finditer(data) if match[1]]
    if _MENTIONS.search(data) or _INCLUDE.search(data):
        source.mentions.add(namespace)
    waiting = [(path, data)]
    while waiting:
        by, text = waiting.pop()
        for match in _INCLUDE.finditer(text):
            target = included(source.root, by, match[1].decode("utf-8", "replace"))
            if target is None:
                continue  # the compiler will say so, with the line
            name = target.relative_to(source.root.resolve()).as_posix()
            if name not in source.included:
                source.included.add(name)
                inside = _read(target)
                source.hashes[name] = hashlib.sha256(inside).hexdigest()
                waiting.append((target, inside))
