"""What the imager wrote about the acquisition: the header, header2 and xheader sections of EWF-E01 and EWF-S01.

Source: Joachim Metz, "Expert Witness Compression Format specification" (libyal/libewf), "Header2 section",
"Header section", "Xheader" and "Volume section".
"""

import re
import uuid
from typing import Final

from forensic_kit.errors import Damaged
from forensic_kit.formats.ewf import Geometry, inflate
from forensic_kit.model import Fact
from forensic_kit.times import unix

#: Bytes of header text that are looked at; EnCase itself gives up at 1 MiB.
MOST: Final = 2 << 20
_LONGEST: Final = 1 << 16

#: Identifiers of the main category, in the order in which the facts are given ("Header2 values").
_NAMES: Final = {
    "c": "case number",
    "n": "evidence number",
    "a": "description",
    "e": "examiner",
    "t": "notes",
    "m": "acquired",
    "u": "system date",
    "av": "software version",
    "ov": "operating system",
    "md": "model",
    "sn": "serial number",
    "l": "device label",
    "pid": "process identifier",
    "ext": "extents",
    "r": "compression asked for",
    "p": "password",
}
_XML_NAMES: Final = {
    "case_number": "c",
    "evidence_number": "n",
    "description": "a",
    "examiner_name": "e",
    "notes": "t",
    "acquiry_date": "m",
    "system_date": "u",
    "acquiry_software_version": "av",
    "acquiry_operating_system": "ov",
    "model": "md",
    "serial_number": "sn",
    "device_label": "l",
}
_COMPRESSION: Final = {"b": "best", "f": "fast", "n": "none"}
_MEDIA_TYPES: Final = {0: "removable", 1: "fixed", 3: "optical disc", 14: "logical files", 16: "memory"}
_LEVELS: Final = {0: "none", 1: "good", 2: "best"}
_MEDIA_FLAGS: Final = ((4, "Fastbloc"), (8, "Tableau"))


def header_values(data: bytes) -> dict[str, str]:
    """Values of a header or header2 section by identifier; empty ones are left out. Raises Damaged.

    Args: data: what follows the section descriptor.
    """
    lines = re.split(r"\r\n|\r|\n", _text(inflate(data, MOST)))
    try:
        start = lines.index("main")
    except ValueError as error:
        raise Damaged("the header has no main category") from error
    names, values = (line.split("\t") for line in [*lines[start + 1 : start + 3], "", ""][:2])
    return {name: value[:_LONGEST] for name, value in zip(names, values, strict=False) if value and name in _NAMES}


def xheader_values(data: bytes) -> dict[str, str]:
    """Values of an xheader section (EWF-X, XML) by the identifiers of the other headers. Raises Damaged."""
    text = inflate(data, MOST).decode("utf-8", "replace")
    found = {}
    for tag, name in _XML_NAMES.items():
        match = re.search(f"<{tag}>([^<]*)</{tag}>", text)
        if match and match[1].strip():
            found[name] = _unescape(match[1].strip()[:_LONGEST])
    return found


def _text(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").replace("\0", "")
    try:
        return data.decode("utf-8").replace("\0", "")
    except UnicodeDecodeError:  # the code page of the imaging machine, which is not recorded
        return data.decode("cp1252", "replace").replace("\0", "")


def _unescape(text: str) -> str:
    for entity, char in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&")):
        text = text.replace(entity, char)
    return text


def facts(values: dict[str, str], geometry: Geometry, segment_count: int) -> tuple[Fact, ...]:
    """What the imager wrote down, under neutral names.

    Args: values: by identifier, as the functions above give them.
    """
    found = [Fact(label, text) for name, label in _NAMES.items() if (text := _value(name, values.get(name, "")))]
    found += _geometry_facts(geometry)
    found.append(Fact("segments", str(segment_count)))
    return tuple(found)


def _value(name: str, text: str) -> str:
    if name in ("m", "u"):
        return _date(text)
    if name == "r":
        return _COMPRESSION.get(text, text)
    if name == "p":  # a hash by an unknown algorithm; it protects nothing
        return "set" if text.strip("0") else ""
    return text


def _date(text: str) -> str:
    """A stored date as ISO 8601: ``Z`` for a POSIX time, no zone for the imaging machine's local time."""
    if re.fullmatch(r"\d{1,12}", text):
        return unix(int(text)).iso if int(text) else ""
    numbers = re.fullmatch(r"(\d{4}) (\d{1,2}) (\d{1,2}) (\d{1,2}) (\d{1,2}) (\d{1,2})", text)
    if numbers:
        year, month, day, hour, minute, second = (int(number) for number in numbers.groups())
        return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"
    return text


def _geometry_facts(geometry: Geometry) -> list[Fact]:
    found = [
        Fact("chunk size", str(geometry.chunk_size)),
        Fact("bytes per sector", str(geometry.bytes_per_sector)),
        Fact("sectors", str(geometry.sector_count)),
    ]
    if geometry.media_type < 0:
        return found
    found.append(Fact("media type", _MEDIA_TYPES.get(geometry.media_type, f"unknown ({geometry.media_type})")))
    found.append(Fact("media", "physical" if geometry.media_flags & 2 else "logical"))
    found += [Fact("write blocker", name) for flag, name in _MEDIA_FLAGS if geometry.media_flags & flag]
    found.append(
        Fact("compression", _LEVELS.get(geometry.compression_level, f"unknown ({geometry.compression_level})"))
    )
    if geometry.error_granularity:
        found.append(Fact("error granularity in sectors", str(geometry.error_granularity)))
    if any(geometry.set_identifier):
        found.append(Fact("set identifier", str(uuid.UUID(bytes_le=geometry.set_identifier))))
    return found
