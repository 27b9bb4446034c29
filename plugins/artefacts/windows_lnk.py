"""Windows shortcuts (.lnk): what they point to, where it was, and on which machine they were made."""

import uuid
from collections.abc import Iterator
from typing import Annotated

from forensic_kit.api import Artefact, At, Content, Damaged, Moment, Problem, Record, note, when

# [MS-SHLLINK] 2.1.2
_ATTRIBUTES = (
    "READONLY", "HIDDEN", "SYSTEM", "VOLUME_LABEL", "DIRECTORY", "ARCHIVE", "DEVICE", "NORMAL", "TEMPORARY",
    "SPARSE_FILE", "REPARSE_POINT", "COMPRESSED", "OFFLINE", "NOT_CONTENT_INDEXED", "ENCRYPTED",
)  # fmt: skip
_DRIVE_TYPES = ("unknown", "no root directory", "removable", "fixed", "remote", "CD-ROM", "RAM disk")  # 2.3.1
_SHOW = {1: "normal", 3: "maximised", 7: "minimised"}  # 2.1: others mean normal
_KEYS = {0x90: "NUM LOCK", 0x91: "SCROLL LOCK"}  # 2.1.3
# Longest shortcut looked at, bytes: Windows writes a few kilobytes.
_LONGEST = 64 << 20


class Shortcut(Record, tag="windows.lnk.shortcut"):
    """The link itself. Times, size and attributes are the target's, as they were when the link was last written."""

    #: From the target's item list, ``<...>`` for items that have no name of their own.
    target_path: str
    local_path: str  #: from LinkInfo: path with drive letter; empty if none
    network_path: str  #: from LinkInfo: share and path; empty if none
    device_name: str  #: drive letter the share was mapped to
    drive_type: str  #: of the volume the target was on; empty if not stored
    volume_serial: str  #: eight hex digits; empty if not stored
    volume_label: str
    description: str
    relative_path: str
    working_dir: str
    arguments: str
    icon_location: str
    icon_index: int
    environment_path: str  #: the target with environment variables
    icon_environment_path: str
    darwin_id: str  #: of a Windows Installer application
    known_folder: str  #: GUID
    special_folder: int | None
    file_size: int  #: bytes, the lower 32 bits
    attributes: tuple[str, ...]
    link_flags: tuple[str, ...]
    show: str
    hotkey: str
    extra_blocks: tuple[str, ...]  #: in order; unknown ones by signature
    unresolved_items: int  #: items of the target's list whose shape is not known
    appended_size: int  #: bytes behind the link
    appended_sha256: str
    target_created: Annotated[Moment | None, when("link target created")] = None
    target_modified: Annotated[Moment | None, when("link target modified")] = None
    target_accessed: Annotated[Moment | None, when("link target accessed")] = None


class TargetItem(Record, tag="windows.lnk.item"):
    """One folder or file of the target's path, with the metadata the Shell saw."""

    path: str  #: up to and with this item
    name: str
    short_name: str
    file_size: int
    attributes: tuple[str, ...]
    mft_entry: int | None  #: on NTFS
    mft_sequence: int | None
    item_created: Annotated[Moment | None, when("link path item created")] = None
    item_modified: Annotated[Moment | None, when("link path item modified")] = None
    item_accessed: Annotated[Moment | None, when("link path item accessed")] = None


class Tracker(Record, tag="windows.lnk.tracker"):
    """Where the target last was, for the Distributed Link Tracking service."""

    machine_id: str  #: NetBIOS name
    volume_droid: str
    file_droid: str
    birth_volume_droid: str
    birth_file_droid: str
    mac_address: str  #: of a network card of the machine that made ``file_droid``; empty if it holds none
    birth_mac_address: str
    file_droid_made: Annotated[Moment | None, when("link target object identifier made")] = None
    birth_file_droid_made: Annotated[Moment | None, when("link target birth object identifier made")] = None


class LinkProperty(Record, tag="windows.lnk.property"):
    """One property of the link's property store."""

    format_id: str  #: GUID of the property set
    property_id: str  #: number, or name
    value_type: str
    value: str  #: text, number or time; hex where the type is not decoded


class Lnk(Artefact, api=1):
    """Reads [MS-SHLLINK] files by their signature, whatever they are called."""

    name, version = "windows.lnk", "1.0"
    signatures = ((0, bytes.fromhex("4c0000000114020000000000c000000000000046")),)
    source = "[MS-SHLLINK] 7.0; [MS-PROPSTORE] 7.0; libyal/libfwsi, Windows Shell Item format specification"
    limits = (
        "Shell items of other shapes than folder, volume, file, network and control panel are counted, not read.",
        "Text in an ANSI code page is read as Windows-1252, since links do not name theirs; a note says how many.",
        "Console, code page and second ID list blocks are named, not read; property types beyond text, numbers, "
        "GUIDs and times are given in hex, cut after 64 bytes.",
        "An object identifier's time is when the identifier was made (often at boot), not when the file was.",
    )

    def parse(self, content: Content) -> Iterator[Record | At | Problem]:
        from forensic_kit.formats import shell_item, shell_link

        link = shell_link.read(bytes(content.data[:_LONGEST]))
        yield _shortcut(link, shell_item.path(link.items))
        for number, item in enumerate(link.items):
            if item.kind == "file":
                yield At(item.offset, _target_item(item, shell_item.path(link.items[: number + 1])))
        for one in link.properties:
            yield LinkProperty(one.format_id, one.id, one.type, one.value)
        if link.tracker:
            record, problems = _tracker(link.tracker)
            yield record
            yield from problems
        yield from _problems(link)
        if content.size > _LONGEST:
            yield note(
                f"only the first {_LONGEST} bytes of {content.size} were looked at", error="limit", offset=_LONGEST
            )


def _shortcut(link, path: str) -> Shortcut:
    from forensic_kit.formats.shell_link import FLAGS

    head, info, strings = link.header, link.info, link.strings
    drive = info.get("drive_type")
    return Shortcut(
        target_path=path,
        local_path=info.get("local_path", ""),
        network_path=info.get("network_path", ""),
        device_name=info.get("device_name", ""),
        drive_type="" if drive is None else _DRIVE_TYPES[drive] if drive < len(_DRIVE_TYPES) else str(drive),
        volume_serial=f"{info['serial']:08x}" if "serial" in info else "",
        volume_label=info.get("label", ""),
        description=strings.get("name", ""),
        relative_path=strings.get("relative_path", ""),
        working_dir=strings.get("working_dir", ""),
        arguments=strings.get("arguments", ""),
        icon_location=strings.get("icon_location", ""),
        icon_index=head.icon_index,
        environment_path=strings.get("environment", ""),
        icon_environment_path=strings.get("icon_environment", ""),
        darwin_id=strings.get("darwin", ""),
        known_folder=link.known_folder,
        special_folder=link.special_folder,
        file_size=head.file_size,
        attributes=_named(head.attributes, _ATTRIBUTES),
        link_flags=_named(head.flags, FLAGS),
        show=_SHOW.get(head.show_command, "normal"),
        hotkey=_hotkey(head.hotkey),
        extra_blocks=tuple(link.blocks),
        unresolved_items=sum(item.kind == "unknown" for item in link.items),
        appended_size=link.appended,
        appended_sha256=link.appended_sha256,
        target_created=link.created,
        target_modified=link.modified,
        target_accessed=link.accessed,
    )


def _target_item(item, path: str) -> TargetItem:
    return TargetItem(
        path=path,
        name=item.name,
        short_name=item.short_name,
        file_size=item.size,
        attributes=_named(item.attributes, _ATTRIBUTES),
        mft_entry=item.mft_entry,
        mft_sequence=item.mft_sequence,
        item_created=item.created,
        item_modified=item.modified,
        item_accessed=item.accessed,
    )


def _tracker(block) -> tuple[Tracker, list[Problem]]:
    from forensic_kit.formats.shell_link import uuid_time

    names = ("volume", "file", "birth_volume", "birth_file")
    droids = {name: uuid.UUID(bytes_le=block[name]) for name in names}
    times: dict[str, Moment | None] = {}
    problems = []
    for name in ("file", "birth_file"):
        try:
            times[f"{name}_droid_made"] = uuid_time(droids[name])
        except Damaged as error:
            problems.append(note(f"the {name} droid: {error.message}", error="time"))
    return (
        Tracker(
            machine_id=block.machine.split(b"\0", 1)[0].decode("cp1252", "replace"),
            mac_address=_mac(droids["file"]),
            birth_mac_address=_mac(droids["birth_file"]),
            **{f"{name}_droid": str(droid) for name, droid in droids.items()},
            **times,
        ),
        problems,
    )


def _problems(link) -> Iterator[Problem]:
    for part, error in link.damage:
        yield note(f"{part} is damaged: {error.message}; the rest was kept", error="damaged-part", offset=error.offset)
    guessed = link.guessed + sum(item.guessed for item in link.items)
    if guessed:
        yield note(f"{guessed} texts of an unnamed ANSI code page were read as Windows-1252", error="code-page")
    if bad := sum(item.bad_date for item in link.items):
        yield note(f"{bad} items of the target's path have a date that is on no calendar, left empty", error="time")


def _named(bits: int, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the bits that are set; ``bit N`` for those without one."""
    return tuple(names[bit] if bit < len(names) else f"bit {bit}" for bit in range(32) if bits >> bit & 1)


def _mac(droid: uuid.UUID) -> str:
    """The network address in a version 1 UUID; empty for other versions."""
    return droid.node.to_bytes(6, "big").hex(":") if droid.version == 1 else ""


def _hotkey(value: int) -> str:
    """2.1.3: key in the low byte, modifiers in the high one; empty if none."""
    key, modifiers = value & 0xFF, value >> 8
    if not key:
        return ""
    if 0x30 <= key <= 0x5A:
        name = chr(key)
    elif 0x70 <= key <= 0x87:
        name = f"F{key - 0x6F}"
    else:
        name = _KEYS.get(key, f"{key:#04x}")
    held = [text for bit, text in enumerate(("SHIFT", "CTRL", "ALT")) if modifiers >> bit & 1]
    return "+".join([*held, name])
