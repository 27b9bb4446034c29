"""Windows shell links (.lnk), also as they stand inside jump lists.

Source: [MS-SHLLINK] 7.0; the section of each structure stands beside it.
"""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from forensic_kit.errors import Damaged
from forensic_kit.formats.layout import Layout, Values, take, text16
from forensic_kit.formats.property_store import Property, properties
from forensic_kit.formats.shell_item import Item, items
from forensic_kit.times import Moment, filetime

SIGNATURE: Final = bytes.fromhex("4c0000000114020000000000c000000000000046")  # HeaderSize and LinkCLSID

# 2.1
_HEADER = Layout(
    "<",
    header_size="I",  # 0
    class_id="16s",  # 4
    flags="I",  # 20
    attributes="I",  # 24
    created="Q",  # 28
    accessed="Q",  # 36
    modified="Q",  # 44
    file_size="I",  # 52
    icon_index="i",  # 56
    show_command="I",  # 60
    hotkey="H",  # 64
    _reserved="10s",  # 66
)
# 2.3
_LINK_INFO = Layout(
    "<",
    size="I",  # 0
    header_size="I",  # 4
    flags="I",  # 8
    volume_id="I",  # 12
    local_base_path="I",  # 16
    network="I",  # 20
    suffix="I",  # 24
)
_LINK_INFO_UNICODE = Layout("<", local_base_path="I", suffix="I")  # 28, header of 36 bytes and more
_VOLUME_ID = Layout("<", size="I", drive_type="I", serial="I", label="I")  # 2.3.1
_NETWORK = Layout("<", size="I", flags="I", net_name="I", device_name="I", provider="I")  # 2.3.2
_TRACKER = Layout(  # 2.5.10, after size and signature
    "<", length="I", version="I", machine="16s", volume="16s", file="16s", birth_volume="16s", birth_file="16s"
)
_BLOCK = Layout("<", size="I", signature="I")  # 2.5
#: 2.1.1, from bit 0.
FLAGS: Final = (
    "HasTargetIDList", "HasLinkInfo", "HasName", "HasRelativePath", "HasWorkingDir", "HasArguments",
    "HasIconLocation", "IsUnicode", "ForceNoLinkInfo", "HasExpString", "RunInSeparateProcess", "Unused1",
    "HasDarwinID", "RunAsUser", "HasExpIcon", "NoPidlAlias", "Unused2", "RunWithShimLayer", "ForceNoLinkTrack",
    "EnableTargetMetadata", "DisableLinkPathTracking", "DisableKnownFolderTracking", "DisableKnownFolderAlias",
    "AllowLinkToLink", "UnaliasOnSave", "PreferEnvironmentPath", "KeepLocalIDListForUNCTarget",
)  # fmt: skip
#: 2.5, by signature.
BLOCKS: Final = {
    0xA0000001: "environment", 0xA0000002: "console", 0xA0000003: "tracker", 0xA0000004: "console_code_page",
    0xA0000005: "special_folder", 0xA0000006: "darwin", 0xA0000007: "icon_environment", 0xA0000008: "shim",
    0xA0000009: "property_store", 0xA000000B: "known_folder", 0xA000000C: "vista_id_list",
}  # fmt: skip
#: 2.4, in the order of the bytes; the flag that announces each is its bit.
_STRINGS: Final = ((2, "name"), (3, "relative_path"), (4, "working_dir"), (5, "arguments"), (6, "icon_location"))
# Windows reads no more of a string other than the arguments, whatever its count says, and goes on right there: links
# made to deceive state more and hide their arguments in the difference (LnkParse3, padded_cli_arguments).
_WINDOWS_READS: Final = 260
# 100 ns steps from 1582-10-15, where version 1 UUIDs start (RFC 4122, 4.1.4), to 1601-01-01.
_UUID_TO_FILETIME: Final = 5_748_192_000_000_000


@dataclass
class ShellLink:
    """What could be read; everything after the header is empty where absent or damaged."""

    header: Values
    created: Moment | None = None
    accessed: Moment | None = None
    modified: Moment | None = None
    items: list[Item] = field(default_factory=list)
    #: Of LinkInfo: ``drive_type serial label local_path net_name device_name provider network_path``.
    info: dict[str, str | int] = field(default_factory=dict)
    #: By the names of `_STRINGS`, and of extra blocks: ``environment icon_environment darwin shim``.
    strings: dict[str, str] = field(default_factory=dict)
    #: Names of the extra blocks in order, hex signatures for unknown ones.
    blocks: list[str] = field(default_factory=list)
    tracker: Values | None = None
    known_folder: str = ""
    special_folder: int | None = None
    properties: list[Property] = field(default_factory=list)
    appended: int = 0  #: bytes after the end of the link
    appended_sha256: str = ""
    #: How many texts were read as Windows-1252, which is a guess.
    guessed: int = 0
    #: (part, what is wrong with it), in the order of the bytes.
    damage: list[tuple[str, Damaged]] = field(default_factory=list)

    def attempt(self, part: str, read: Callable[[], None]) -> bool:
        """Read one part; damage to it is kept beside what the other parts say. True if it was whole."""
        try:
            read()
        except Damaged as error:
            self.damage.append((part, error))
            return False
        return True

    def ansi(self, data: bytes) -> str:
        """Text up to NUL in the code page of the machine, which a link does not name."""
        text = data.split(b"\0", 1)[0]
        self.guessed += not text.isascii()
        return text.decode("cp1252", "replace")


def read(data: bytes) -> ShellLink:
    """A link. Raises Damaged only where not even the header is whole."""
    link = ShellLink(_HEADER.read(data))
    for name in ("created", "accessed", "modified"):
        link.attempt(f"{name} time", lambda name=name: setattr(link, name, filetime(link.header[name])))  # type: ignore[misc]
    position = _HEADER.size
    if link.header.flags & 1:
        position = _id_list(link, data, position)
    if link.header.flags & 2 and position >= 0:
        position = _link_info(link, data, position)
    for bit, name in _STRINGS:
        if link.header.flags >> bit & 1 and position >= 0:
            position = _string(link, data, position, name)
    if position >= 0:
        _extra_data(link, data, position)
    return link


def uuid_time(identifier: uuid.UUID) -> Moment | None:
    """When a version 1 UUID was made; None for other versions. Raises Damaged: out of range."""
    if identifier.version != 1 or identifier.time <= _UUID_TO_FILETIME:
        return None
    moment = filetime(identifier.time - _UUID_TO_FILETIME)
    return moment and Moment.of(moment.ns, moment.resolution_ns, moment.zone, f"{identifier.time:#x}")


# Each part gives the offset after it, or -1 where its length is lost and with it the place of all that follows.


def _id_list(link: ShellLink, data: bytes, position: int) -> int:
    """2.2"""
    size = int.from_bytes(data[position : position + 2], "little")
    end = position + 2 + size

    def read_items() -> None:
        for item in items(data, position + 2, size):
            link.items.append(item)
        if end > len(data):
            raise Damaged(f"the ID list of {size} bytes runs past the end", offset=position)

    link.attempt("ID list", read_items)
    return end if end <= len(data) else -1


def _link_info(link: ShellLink, data: bytes, position: int) -> int:
    """2.3"""
    size = int.from_bytes(data[position : position + 4], "little")
    end = position + size
    if size < _LINK_INFO.size or end > len(data):
        link.damage.append(("LinkInfo", Damaged(f"its size of {size} bytes cannot be right", offset=position)))
        return -1
    info = data[position:end]
    head = _LINK_INFO.read(info)
    unicode = _LINK_INFO_UNICODE.read(info, 28) if head.header_size >= 36 and size >= 36 else None
    suffix = [""]

    def read_suffix() -> None:
        suffix[0] = _text_at(link, info, head.suffix, unicode.suffix if unicode else 0)

    def read_local() -> None:
        base = _text_at(link, info, head.local_base_path, unicode.local_base_path if unicode else 0)
        link.info["local_path"] = base + suffix[0]
        _volume_id(link, info, head.volume_id)

    def read_network() -> None:
        _network(link, info, head.network)
        share = str(link.info["net_name"])
        link.info["network_path"] = f"{share}\\{suffix[0]}" if suffix[0] else share

    link.attempt("LinkInfo path suffix", read_suffix)
    if head.flags & 1:
        link.attempt("LinkInfo volume", read_local)
    if head.flags & 2:
        link.attempt("LinkInfo network share", read_network)
    return end


def _text_at(link: ShellLink, info: bytes, ansi: int, unicode: int) -> str:
    """Text at an offset in a structure, the Unicode one where there is one; offset 0 means none."""
    if unicode:
        if unicode >= len(info):
            raise Damaged(f"a text lies at {unicode}, past the end of its structure")
        return text16(info[unicode:])
    if ansi == 0:
        return ""
    if ansi >= len(info):
        raise Damaged(f"a text lies at {ansi}, past the end of its structure")
    return link.ansi(info[ansi:])


def _volume_id(link: ShellLink, info: bytes, offset: int) -> None:
    head = _VOLUME_ID.read(info, offset)
    link.info.update(drive_type=head.drive_type, serial=head.serial)
    volume = take(info, offset, head.size)
    wide = int.from_bytes(volume[16:20], "little") if head.label == 0x14 else 0
    link.info["label"] = _text_at(link, volume, head.label, wide)


def _network(link: ShellLink, info: bytes, offset: int) -> None:
    head = _NETWORK.read(info, offset)
    share = take(info, offset, head.size)
    wide = [0, 0]
    if head.net_name > 0x14 and len(share) >= 0x1C:  # 2.3.2: then offsets of Unicode names follow
        wide = [int.from_bytes(share[at : at + 4], "little") for at in (0x14, 0x18)]
    link.info["net_name"] = _text_at(link, share, head.net_name, wide[0])
    if head.flags & 1:
        link.info["device_name"] = _text_at(link, share, head.device_name, wide[1])
    if head.flags & 2:
        link.info["provider"] = head.provider


def _string(link: ShellLink, data: bytes, position: int, name: str) -> int:
    """2.4: a count of characters, no NUL."""
    width = 2 if link.header.flags & 0x80 else 1
    count = int.from_bytes(data[position : position + 2], "little")
    if count > _WINDOWS_READS and name != "arguments":
        what = f"it counts {count} characters, of which {_WINDOWS_READS} were read, as Windows does"
        link.damage.append((f"StringData {name}", Damaged(what, offset=position)))
        count = _WINDOWS_READS
    start, end = position + 2, position + 2 + count * width
    text = data[start:end]
    # No NUL ends these strings; one inside would hide what follows it.
    link.strings[name] = text[: len(text) & ~1].decode("utf-16-le", "replace") if width == 2 else _whole(link, text)
    if end > len(data) or start > len(data):
        link.damage.append((f"StringData {name}", Damaged(f"{count} characters do not fit", offset=position)))
        return -1
    return end


def _whole(link: ShellLink, text: bytes) -> str:
    link.guessed += not text.isascii()
    return text.decode("cp1252", "replace")


def _extra_data(link: ShellLink, data: bytes, position: int) -> None:
    """2.5: blocks until one of less than 4 bytes."""
    while position + 4 <= len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        if size < 4:
            position += 4
            break
        if size < _BLOCK.size or position + size > len(data):
            link.damage.append(("ExtraData", Damaged(f"a block of {size} bytes does not fit", offset=position)))
            return
        signature = _BLOCK.read(data, position).signature
        name = BLOCKS.get(signature, f"{signature:#010x}")
        link.blocks.append(name)
        body = data[position + _BLOCK.size : position + size]
        if name in _READERS:
            link.attempt(f"ExtraData {name}", lambda read=_READERS[name], body=body: read(link, body))  # type: ignore[misc]
        position += size
    if position < len(data):
        link.appended = len(data) - position
        link.appended_sha256 = hashlib.sha256(data[position:]).hexdigest()


def _wide(name: str) -> Callable[[ShellLink, bytes], None]:
    """Blocks with 260 ANSI and 260 Unicode characters: 2.5.4, 2.5.3, 2.5.5."""

    def read_text(link: ShellLink, body: bytes) -> None:
        ansi, wide = take(body, 0, 260), text16(body[260:780])
        link.strings[name] = wide or link.ansi(ansi)

    return read_text


def _shim(link: ShellLink, body: bytes) -> None:
    link.strings["shim"] = text16(body)


def _tracker(link: ShellLink, body: bytes) -> None:
    link.tracker = _TRACKER.read(body)


def _known_folder(link: ShellLink, body: bytes) -> None:
    link.known_folder = str(uuid.UUID(bytes_le=take(body, 0, 16)))


def _special_folder(link: ShellLink, body: bytes) -> None:
    link.special_folder = int.from_bytes(take(body, 0, 4), "little")


def _property_store(link: ShellLink, body: bytes) -> None:
    for one in properties(body):
        link.properties.append(one)


_READERS: Final = {
    "environment": _wide("environment"),
    "icon_environment": _wide("icon_environment"),
    "darwin": _wide("darwin"),
    "shim": _shim,
    "tracker": _tracker,
    "known_folder": _known_folder,
    "special_folder": _special_folder,
    "property_store": _property_store,
}
