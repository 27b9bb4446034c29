"""Contents that YARA rules match: the strings of each rule file as the bytes they stand for.

An ordinary disk gives no match at all, and two lists that are both empty agree about nothing.
"""

import re
import struct
from collections.abc import Iterator
from pathlib import Path

_STRINGS = re.compile(r'\$\w*\s*=\s*(?:"((?:[^"\\\n]|\\.)*)"|\{([^{}]*)\})')
_COMMENTS = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_ESCAPES = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|([ntr"\\]))')
_PLAIN = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b'"': b'"', b"\\": b"\\"}
_HEX = re.compile(r"([0-9A-Fa-f?]{2})|\[(\d*)[^\]]*\]|([|)])")
#: What "is it a program?" in a condition looks at: MZ, the offset of the PE header, PE.
_PROGRAM = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64) + b"PE\0\0".ljust(256, b"\0")


def contents(rules: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) for each rule file: its strings, the same behind a program's header, the same as UTF-16."""
    for path in sorted(item for item in rules.rglob("*") if item.suffix in (".yar", ".yara") and item.is_file()):
        name = re.sub(r"[^\w.-]", "_", str(path.relative_to(rules)))
        lines = b"\n".join(_strings(path.read_text(encoding="utf-8", errors="replace")))
        wide = b"".join(bytes((byte, 0)) for byte in b"\n" + lines)
        yield f"{name}.bin", lines
        yield f"{name}.exe", _PROGRAM + lines
        yield f"{name}.wide", wide


def _strings(source: str) -> Iterator[bytes]:
    for text, code in _STRINGS.findall(source):
        yield _hex(code) if code else _ESCAPES.sub(_unescaped, text.encode())
    yield b""


def _unescaped(match: "re.Match[bytes]") -> bytes:
    return bytes.fromhex(match[1].decode()) if match[1] else _PLAIN[match[2]]


def _hex(code: str) -> bytes:
    """The shortest bytes that a hex string matches: zero for what it leaves open, the first of alternatives."""
    found = bytearray()
    skipping = False
    for byte, jump, mark in _HEX.findall(_COMMENTS.sub("", code)):
        if mark:
            skipping = mark == "|"
        elif not skipping:
            found += bytes.fromhex(byte.replace("?", "0")) if byte else bytes(min(int(jump or 0), 4096))
    return bytes(found)
