"""What a volume is that no file-system plugin opened: encrypted, managed, or a file system not read yet.

`recognise` reads a few fixed places, so it is cheap and cannot be led astray; it decodes just enough for one
specific sentence to the examiner.

Sources: libbde's documentation "BitLocker Drive Encryption (BDE) format"; LUKS1 On-Disk Format 1.2.3 and LUKS2
On-Disk Format 1.1.3; libfvde's documentation (CoreStorage); LVM2 format_text/layout.h as documented by libvslvm;
Linux kernel Documentation (md superblocks, XFS, Btrfs, F2FS, swap header); Apple File System Reference (nx_superblock);
the QEMU, VMware, Microsoft, VirtualBox and Parallels documents of their disk images;
OpenZFS on-disk specification 1.3; the Linux LDM documentation ("PRIVHEAD"); Apple Inside Macintosh: Devices (map).
"""

import itertools
import json
import re
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from forensic_kit.bytesource import ByteSource
from forensic_kit.errors import Damaged
from forensic_kit.formats import bootsector
from forensic_kit.formats.layout import Layout, take


class Recognised(msgspec.Struct, frozen=True):
    """What a volume without a file system of ours turned out to be."""

    #: ``BitLocker``, ``LUKS``, ``LVM2``, ``XFS`` ...
    name: str
    #: ``encrypted``, ``volume manager``, ``file system``, ``container`` (an image file in a format not read yet), or
    #: ``no files`` (swap and the like: by nature without files).
    kind: str
    #: What its header says: version, cipher, UUID, label; empty if nothing of use.
    detail: str
    #: For the examiner: what it is, what that means, what to try. Does not name the volume.
    sentence: str


class _Signature(NamedTuple):
    name: str
    kind: str
    #: (offset, bytes): each of them alone is enough. A negative offset counts from the end.
    marks: tuple[tuple[int, bytes], ...]
    detail: Callable[[ByteSource], str] | None = None
    #: Where the usual advice for the kind does not fit.
    advice: str = ""


_ADVICE = {
    "encrypted": "it is encrypted and this version does not unlock it. Unlock it with another tool and examine "
    "the decrypted image beside this one",
    "volume manager": "its volumes are put together by a volume manager that this version does not read. Assemble "
    "them with the system's own tool, read-only, and examine the resulting device",
    "file system": "this version does not read this file system, or what is there is damaged. Its bytes are searched "
    "as unallocated space; list its files with another tool",
    "container": "this version does not read this format. What follows is the container as it lies on disk, searched "
    "as unallocated space; convert it to raw or E01 with another tool and examine that",
    "no files": "it holds no files by nature; its bytes are searched as unallocated space",
}

_HIBERNATED = (
    "the machine was put to sleep onto this swap space, so it holds an image of the machine's memory that this "
    "version does not decode. Its bytes are searched as unallocated space; a memory tool may read it"
)
_TORN = (
    "its first sector says so and no plugin could open what follows, so it is damaged, cut short or locked in "
    "another way. Its bytes are searched as unallocated space; compare with another tool"
)


def recognise(source: ByteSource) -> Recognised | None:
    """What begins at byte 0 of the source, judged by signatures at fixed places; None if nothing known does."""
    for signature in _SIGNATURES:
        if not any(_at(source, offset, mark) for offset, mark in signature.marks):
            continue
        detail = _told(signature.detail, source)
        if signature.name == "BitLocker" and detail.startswith(_DECRYPTED):
            return _bitlocker_decrypted(detail)
        return _recognised(signature.name, signature.kind, detail, signature.advice)
    found = _md_raid(source) or _zfs(source)
    if found:
        return _recognised(*found)
    known = bootsector.file_system(source.read(0, bootsector.SIZE))
    return _recognised(known, "file system", "by its boot sector", _TORN) if known else None


def _recognised(name: str, kind: str, detail: str, advice: str = "") -> Recognised:
    sentence = f"{name}{f' ({detail})' if detail else ''}: {advice or _ADVICE[kind]}."
    return Recognised(name, kind, detail, sentence)


def _at(source: ByteSource, offset: int, mark: bytes) -> bool:
    if offset < 0:
        offset += source.size
    return offset >= 0 and source.read(offset, len(mark)) == mark


def _told(detail: Callable[[ByteSource], str] | None, source: ByteSource) -> str:
    if detail is None:
        return ""
    try:
        return detail(source)
    except Damaged:
        # The signature stands and what follows is torn: the sentence says both.
        return "its header is damaged"


def _text(data: bytes) -> str:
    """A header's fixed text field up to the first NUL, fit for a message."""
    text = data.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", "\N{REPLACEMENT CHARACTER}", text)


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _labelled(name: str, value: str) -> str:
    return f"{name} {value}" if value else ""


# --- BitLocker ------------------------------------------------------------------------------------------------

_FVE_SIGNATURE = b"-FVE-FS-"
# In the boot sector of BitLocker since Windows 7, and with "encrypt on write" (used space only).
_FVE_GUID = uuid.UUID("4967d63b-2e29-4ad8-8399-f6a339e3d001").bytes_le
_FVE_EOW_GUID = uuid.UUID("92a84d3b-dd80-4d0e-9e4e-b1e3284eaed8").bytes_le
_FVE_OFFSETS = ((160, 176), (424, 440))  # where the GUID stands, where three metadata offsets follow
_FVE_BLOCK = Layout(
    "<",
    signature="8s",
    size="H",
    version="H",
    state="H",
    next_state="H",
    encrypted_size="Q",
    _unknown="I",
    header_sectors="I",
    first="Q",
    second="Q",
    third="Q",
    header_offset="Q",
    metadata_size="I",
    metadata_version="I",
    metadata_header_size="I",
    metadata_copy_size="I",
    volume_guid="16s",
    next_nonce="I",
    method="H",
    method_again="H",
)
_FVE_METHODS = {
    0x0000: "no encryption",
    0x8000: "AES-CBC 128-bit with diffuser",
    0x8001: "AES-CBC 256-bit with diffuser",
    0x8002: "AES-CBC 128-bit",
    0x8003: "AES-CBC 256-bit",
    0x8004: "AES-XTS 128-bit",
    0x8005: "AES-XTS 256-bit",
}
_FVE_STATES = {1: "decrypted", 2: "being encrypted", 4: "encrypted", 5: "being decrypted or paused"}
_DECRYPTED = "decrypted, "
_FVE_ENTRIES = 64 + 48  # after the block header and the metadata header
_FVE_LARGEST = 64 << 10  # bytes of metadata looked at
_FVE_ENTRY = Layout("<", size="H", type="H", value_type="H", version="H")
_FVE_MASTER_KEY = (2, 8)  # entry type and value type of a volume master key, one a protector
_FVE_PROTECTION_OFFSET = 8 + 26
_FVE_PROTECTORS = {
    0x0000: "clear key (suspended: opens without a secret)",
    0x0100: "TPM",
    0x0200: "startup key",
    0x0500: "TPM and PIN",
    0x0800: "recovery password",
    0x2000: "password",
}


def _bitlocker(source: ByteSource) -> str:
    boot = take(source.read(0, 512), 0, 512)
    for guid, offsets in _FVE_OFFSETS:
        if boot[guid : guid + 16] in (_FVE_GUID, _FVE_EOW_GUID):
            block = source.read(int.from_bytes(boot[offsets : offsets + 8], "little"), _FVE_LARGEST)
            fields = _FVE_BLOCK.read(block)
            if fields.signature != _FVE_SIGNATURE:
                raise Damaged("the first FVE metadata block has no signature")
            return _joined(
                _FVE_STATES.get(fields.state, f"state {fields.state}"),
                _FVE_METHODS.get(fields.method, f"method {fields.method:#06x}"),
                f"volume {uuid.UUID(bytes_le=fields.volume_guid)}",
                _labelled("protected by", " and by ".join(_bitlocker_protectors(block, 64 + fields.metadata_size))),
            )
    return "Windows Vista form"


def _bitlocker_protectors(block: bytes, end: int) -> Iterator[str]:
    """What opens the volume, in the order of the metadata."""
    offset = _FVE_ENTRIES
    while offset + _FVE_ENTRY.size <= min(end, len(block)):
        entry = _FVE_ENTRY.read(block, offset)
        if entry.size < _FVE_ENTRY.size:  # also the zeros after the last entry
            return
        if (entry.type, entry.value_type) == _FVE_MASTER_KEY:
            code = int.from_bytes(take(block, offset + _FVE_PROTECTION_OFFSET, 2), "little")
            yield _FVE_PROTECTORS.get(code, f"protector {code:#06x}")
        offset += entry.size


def _bitlocker_decrypted(detail: str) -> Recognised:
    return Recognised(
        "BitLocker",
        "volume manager",
        detail,
        f"BitLocker ({detail}): the volume was decrypted and needs no key, but its first sectors still lie where "
        "BitLocker moved them and this version does not put them back. Open it with a BitLocker tool without a key "
        "and examine what that gives.",
    )


# --- LUKS -----------------------------------------------------------------------------------------------------

_LUKS1 = Layout(">", magic="6s", version="H", cipher="32s", mode="32s", hash="32s", payload="I", key_bytes="I")
_LUKS2 = Layout(">", magic="6s", version="H", header_size="Q", sequence="Q", label="48s")
_LUKS2_JSON = 4096
_LUKS_UUID = (168, 40)
_LUKS2_LARGEST = 4 << 20  # LUKS2 On-Disk Format, table 1: the largest header


def _luks(source: ByteSource) -> str:
    head = source.read(0, 512)
    fields = _LUKS1.read(head)
    identity = _labelled("UUID", _text(take(head, *_LUKS_UUID)))
    if fields.version == 1:
        cipher = "-".join(filter(None, (_text(fields.cipher), _text(fields.mode))))
        return _joined("LUKS1", identity, _labelled("cipher", cipher))
    if fields.version == 2:
        label = _labelled("label", _text(_LUKS2.read(head).label))
        return _joined("LUKS2", identity, label, _labelled("cipher", _luks2_cipher(source, head)))
    return f"unknown version {fields.version}"


def _luks2_cipher(source: ByteSource, head: bytes) -> str:
    size = _LUKS2.read(head).header_size
    if not _LUKS2_JSON < size <= _LUKS2_LARGEST:
        raise Damaged(f"LUKS2 header size {size}")
    area = source.read(_LUKS2_JSON, size - _LUKS2_JSON).split(b"\0", 1)[0]
    try:
        segments = json.loads(area)["segments"].values()
        return ", ".join(sorted({_text(str(segment.get("encryption", "none")).encode()) for segment in segments}))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise Damaged("the LUKS2 metadata is not the JSON it should be", offset=_LUKS2_JSON) from error


# --- volume managers ------------------------------------------------------------------------------------------

_LVM_HEADER = Layout("<", id="8s", sector="Q", crc="I", offset="I", type="8s", pv_uuid="32s")


def _lvm(source: ByteSource) -> str:
    for sector in range(4):  # the label stands in one of the first four sectors
        head = source.read(sector * 512, 512)
        if head[:8] == b"LABELONE" and head[24:32] == b"LVM2 001":
            text = _text(_LVM_HEADER.read(head).pv_uuid)
            cuts = (0, 6, 10, 14, 18, 22, 26, 32)
            return "physical volume " + "-".join(text[a:b] for a, b in itertools.pairwise(cuts))
    return ""


_MD_MAGIC = (0xA92B4EFC).to_bytes(4, "little")
_MD = Layout("<", magic="4s", major="I", features="I", _pad="I", uuid="16s", name="32s", _ctime="Q", level="i")


def _md_places(size: int) -> Iterator[tuple[int, str]]:
    """Where the superblock of each version of Linux md stands."""
    yield 0, "1.1"
    yield 4096, "1.2"
    yield (size - 8192) & ~4095, "1.0"
    yield (size & ~0xFFFF) - 0x10000, "0.90"


def _md_raid(source: ByteSource) -> tuple[str, str, str] | None:
    for offset, version in _md_places(source.size):
        if offset < 0 or source.read(offset, 4) != _MD_MAGIC:
            continue
        detail = f"superblock {version}"
        head = source.read(offset, _MD.size)
        if version != "0.90" and len(head) == _MD.size:
            fields = _MD.read(head)
            detail = _joined(
                detail, f"level {fields.level}", f"array {uuid.UUID(bytes=fields.uuid)}", _text(fields.name)
            )
        return "Linux md RAID member", "volume manager", detail
    return None


_ZFS_MAGIC = 0x00BAB10C
_ZFS_LABEL = 256 << 10
_ZFS_RING = 128 << 10  # the uberblocks fill the second half of a label


def _zfs(source: ByteSource) -> tuple[str, str, str] | None:
    marks = {_ZFS_MAGIC.to_bytes(8, "little"), _ZFS_MAGIC.to_bytes(8, "big")}
    for label in (0, _ZFS_LABEL):
        ring = source.read(label + _ZFS_RING, _ZFS_RING)
        if any(ring[offset : offset + 8] in marks for offset in range(0, len(ring), 1024)):
            return "ZFS", "volume manager", "member of a pool"
    return None


# --- file systems and swap ------------------------------------------------------------------------------------


def _uuid_label(uuid_at: int, label_at: int = 0, label_size: int = 0) -> Callable[[ByteSource], str]:
    """A reader of a UUID and a label at fixed offsets."""

    def read(source: ByteSource) -> str:
        identity = uuid.UUID(bytes=take(source.read(uuid_at, 16), 0, 16))
        label = _text(take(source.read(label_at, label_size), 0, label_size)) if label_size else ""
        return _joined(f"UUID {identity}", _labelled("label", label))

    return read


_PAGES = (4096, 8192, 16384, 65536)  # the swap signature ends the first page of the machine that made it


def _swap_marks(*texts: bytes) -> tuple[tuple[int, bytes], ...]:
    return tuple((page - 10, text) for page in _PAGES for text in texts)


_SIGNATURES = (
    # Before the rest: what lies inside a container can begin with any of the others.
    _Signature("QCOW image", "container", ((0, b"QFI\xfb"),)),
    _Signature("VMDK image", "container", ((0, b"KDMV"), (0, b"COWD"), (0, b"# Disk DescriptorFile"))),
    _Signature("VHDX image", "container", ((0, b"vhdxfile"),)),
    _Signature("VHD image", "container", ((0, b"conectix"), (-512, b"conectix"))),
    _Signature("VDI image", "container", ((64, b"\x7f\x10\xda\xbe"),)),
    _Signature("Parallels image", "container", ((0, b"WithoutFreeSpace"), (0, b"WithouFreSpacExt"))),
    _Signature("Apple disk image (UDIF)", "container", ((-512, b"koly\0\0\0\4"),)),
    _Signature("Apple sparse image", "container", ((0, b"sprs\0\0\0\3"),)),
    _Signature("AD1 image", "container", ((0, b"ADSEGMENTEDFILE\0"),)),
    _Signature("AFF image", "container", ((0, b"AFF10\r\n\0"),)),
    _Signature("ZIP file (AFF4 images and phone extractions are such)", "container", ((0, b"PK\x03\x04"),)),
    _Signature("BitLocker", "encrypted", ((3, _FVE_SIGNATURE), (424, _FVE_GUID)), _bitlocker),
    _Signature("LUKS", "encrypted", ((0, b"LUKS\xba\xbe"),), _luks),
    # Volume header: "CS" at 88, then the checksum algorithm 1 as libfvde's documentation has it.
    _Signature("CoreStorage (FileVault 2 where encrypted)", "encrypted", ((88, b"CS\x01\x00\x00\x00"),)),
    _Signature("FileVault disk image", "encrypted", ((0, b"encrcdsa"), (-8, b"cdsaencr"))),
    _Signature("LVM2", "volume manager", tuple((n * 512 + 24, b"LVM2 001") for n in range(4)), _lvm),
    _Signature("Windows dynamic disk (LDM)", "volume manager", ((3072, b"PRIVHEAD"), (-512, b"PRIVHEAD"))),
    _Signature("Windows Storage Spaces", "volume manager", ((0, b"SPACEDB "), (4096, b"SPACEDB "))),
    _Signature("APFS", "file system", ((32, b"NXSB"),), _uuid_label(72)),
    _Signature("ReFS", "file system", ((3, b"ReFS\0\0\0\0"),)),
    _Signature("XFS", "file system", ((0, b"XFSB"),), _uuid_label(32, 108, 12)),
    _Signature("Btrfs", "file system", ((0x10040, b"_BHRfS_M"),), _uuid_label(0x10020, 0x1012B, 256)),
    _Signature("F2FS", "file system", ((1024, b"\x10\x20\xf5\xf2"),)),
    _Signature("VMFS", "file system", ((0x100000, b"\x0d\xd0\x01\xc0"),)),
    _Signature("JFS", "file system", ((0x8000, b"JFS1"),)),
    _Signature("ReiserFS", "file system", tuple((0x10034, mark) for mark in (b"ReIsErFs", b"ReIsEr2Fs", b"ReIsEr3Fs"))),
    _Signature("Squashfs", "file system", ((0, b"hsqs"),)),
    _Signature("EROFS", "file system", ((1024, b"\xe2\xe1\xf5\xe0"),)),
    _Signature("UDF", "file system", tuple((0x8001 + n * 2048, mark) for n in (1, 2) for mark in (b"NSR02", b"NSR03"))),
    _Signature(
        "Linux swap of a hibernated system",
        "file system",
        _swap_marks(b"S1SUSPEND", b"S2SUSPEND", b"ULSUSPEND"),
        advice=_HIBERNATED,
    ),
    _Signature("Linux swap", "no files", _swap_marks(b"SWAPSPACE2", b"SWAP-SPACE"), _uuid_label(1036, 1052, 16)),
    _Signature("Apple partition map", "no files", ((0, b"PM\0\0"),)),
)
