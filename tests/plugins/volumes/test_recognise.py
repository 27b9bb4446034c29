"""signatures.recognise: what no file-system plugin opens gets one specific sentence."""

import random
import struct

import pytest

from forensic_kit.api import Memory
from forensic_kit.bytesource import SPARSE, FileSource, Runs
from forensic_kit.formats.signatures import recognise
from tests.plugins.volumes.volume_reading import image, run

# dissect.fve's and bdeinfo's names for the methods and protectors in the manifest, and ours.
_METHODS = {"AES-CBC 256-bit with Diffuser": "AES-CBC 256-bit with diffuser",
            "AES-CBC 128-bit with Diffuser": "AES-CBC 128-bit with diffuser"}  # fmt: skip


def of(corpus, name):
    found = recognise(FileSource(corpus.unpacked(name)))
    assert found is not None
    return found


def test_bitlocker_volumes_give_method_and_identifier_of_the_manifest(corpus):
    compared = 0
    for name, row in corpus.entries.items():
        expected = row["expected"] if row["format"] == "BitLocker volume" else {}
        if "volume_identifier" not in expected:
            continue
        found = of(corpus, name)
        assert (found.name, found.kind) == ("BitLocker", "encrypted")
        method = expected["encryption_method"]
        assert _METHODS.get(method, method) in found.detail
        assert expected["volume_identifier"] in found.detail
        for protector in expected["key_protectors"]:
            assert protector.lower() in found.detail
        compared += 1
    assert compared >= 7


def test_suspended_bitlocker_says_that_it_opens_without_a_secret(corpus):
    """The corpus: "has a clear key"."""
    assert "clear key" in of(corpus, "images/bitlocker/suspended.bin.gz").sentence


def test_decrypted_bitlocker_is_not_called_encrypted(corpus):
    """The corpus: "volume that was BitLocker and has been decrypted: must open with no key"."""
    found = of(corpus, "images/bitlocker/decrypted.bin.gz")
    assert (found.name, found.kind) == ("BitLocker", "volume manager")
    assert "decrypted and needs no key" in found.sentence


def test_luks_volumes_give_version_uuid_and_cipher_of_the_manifest(corpus):
    names = [name for name, row in corpus.entries.items() if row["format"] == "LUKS volume"]
    assert len(names) == 4
    for name in names:
        expected, found = corpus.manifest(name)["expected"], of(corpus, name)
        assert (found.name, found.kind) == ("LUKS", "encrypted")
        version, uuid, cipher = expected["luks_version"], expected["uuid"], expected["cipher"]
        assert found.detail == f"LUKS{version}, UUID {uuid}, cipher {cipher}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("images/xfs/xfs.bin.gz", "XFS"),
        ("images/xfs/xfs_bigtime.bin.gz", "XFS"),
        ("images/btrfs/compress-zstd.raw.xz", "Btrfs"),
        ("images/raw/dfvfs_apfs.raw", "APFS"),
    ],
)
def test_file_systems_without_a_plugin_are_named(corpus, name, expected):
    found = of(corpus, name)
    assert (found.name, found.kind) == (expected, "file system")
    assert "UUID" in found.detail


def test_file_systems_with_a_plugin_and_unknown_bytes_are_not_claimed(corpus):
    for name in ("images/ext/tiny.ext4", "images/raw/dfvfs_hfsplus.raw", "images/raw/dfvfs_iso9660.raw"):
        assert recognise(FileSource(corpus.path(name))) is None
    assert recognise(Memory(b"")) is None
    assert recognise(Memory(bytes(1 << 20))) is None
    assert recognise(Memory(random.Random(8).randbytes(1 << 20))) is None


def test_a_damaged_file_system_is_named_by_its_boot_sector(corpus):
    found = recognise(Memory(corpus.path("images/ntfs/testfs1.ntfs").read_bytes()[:512]))
    assert (found.name, found.detail) == ("NTFS", "by its boot sector")


def test_swap_made_by_mkswap_holds_no_files(tmp_path, tool):
    path = image(tmp_path, 1 << 20)
    uuid = "0a0b0c0d-1111-2222-3333-444444444444"
    run(tool("mkswap"), "-L", "pages", "-U", uuid, str(path))
    found = recognise(FileSource(path))
    assert (found.name, found.kind, found.detail) == ("Linux swap", "no files", f"UUID {uuid}, label pages")


def test_a_hibernated_swap_is_not_passed_over():
    found = recognise(Memory(bytes(4086) + b"S1SUSPEND\0" + bytes(4096)))
    assert found.kind == "file system"
    assert "memory" in found.sentence


def md(version):
    name = b"lab:0".ljust(32, b"\0")
    return struct.pack("<4sIII16s32sQi", (0xA92B4EFC).to_bytes(4, "little"), 1, 0, 0, bytes(range(16)), name, 0, 5)


@pytest.mark.parametrize(("offset", "version"), [(0, "1.1"), (4096, "1.2"), ((1 << 20) - 8192, "1.0")])
def test_raid_members_are_recognised_by_each_place_of_the_superblock(offset, version):
    data = bytearray(1 << 20)
    packed = md(version)
    data[offset : offset + len(packed)] = packed
    found = recognise(Memory(bytes(data)))
    assert (found.name, found.kind) == ("Linux md RAID member", "volume manager")
    assert found.detail == f"superblock {version}, level 5, array 00010203-0405-0607-0809-0a0b0c0d0e0f, lab:0"


@pytest.mark.parametrize(
    ("offset", "mark", "name"),
    [
        (512 + 24, b"LVM2 001", "LVM2"),
        (88, b"CS\x01\x00\x00\x00", "CoreStorage (FileVault 2 where encrypted)"),
        (3, b"ReFS\0\0\0\0", "ReFS"),
        (1024, b"\x10\x20\xf5\xf2", "F2FS"),
        (0x100000, b"\x0d\xd0\x01\xc0", "VMFS"),
        (3072, b"PRIVHEAD", "Windows dynamic disk (LDM)"),
        (4096, b"SPACEDB ", "Windows Storage Spaces"),
        (0x20400, (0x00BAB10C).to_bytes(8, "little"), "ZFS"),
        (0x20400, (0x00BAB10C).to_bytes(8, "big"), "ZFS"),
        (-8, b"cdsaencr", "FileVault disk image"),
    ],
)
def test_marks_at_their_documented_places_are_enough(offset, mark, name):
    data = bytearray(2 << 20)
    offset %= len(data)
    data[offset : offset + len(mark)] = mark
    assert recognise(Memory(bytes(data))).name == name


def test_text_out_of_evidence_is_fit_for_a_message(tmp_path):
    head = bytearray(4096)
    head[:8] = b"LUKS\xba\xbe\x00\x01"
    head[8:20] = b"aes\x1b[31m\nxts"
    assert "\x1b" not in recognise(Memory(bytes(head))).sentence
    assert "\n" not in recognise(Memory(bytes(head))).sentence


def test_headers_that_stop_short_or_lie_are_called_damaged():
    assert recognise(Memory(b"LUKS\xba\xbe\x00\x02")).detail == "its header is damaged"
    luks2 = struct.pack(">6sHQ", b"LUKS\xba\xbe", 2, 2**63).ljust(4096, b"\0")
    on_a_large_disk = Runs(Memory(luks2), [(0, 4096), (SPARSE, 1 << 46)])  # nobody may read all of it
    assert recognise(on_a_large_disk).detail == "its header is damaged"
    nested = struct.pack(">6sHQ", b"LUKS\xba\xbe", 2, 1 << 20).ljust(4096, b"\0") + b"[" * (1 << 20)
    assert recognise(Memory(nested)).detail == "its header is damaged"


def test_torn_and_flipped_headers_never_break_it(corpus):
    rng = random.Random(9)
    for name in ("images/luks/luks2_aes-xts-plain64.bin.gz", "images/luks/luks1_aes-ecb.bin.gz"):
        data = FileSource(corpus.unpacked(name)).read(0, 40_000)
        for cut in (*range(0, 600, 7), 4096, 5000):
            recognise(Memory(data[:cut]))
        for _ in range(200):
            torn = bytearray(data)
            for _ in range(5):
                torn[rng.randrange(6, 6000)] = rng.randrange(256)
            recognise(Memory(bytes(torn)))


def test_torn_bitlocker_metadata_never_breaks_it(corpus):
    disk = FileSource(corpus.unpacked("images/bitlocker/aes-xts_128.bin.gz"))
    boot, place = bytearray(disk.read(0, 512)), 35586048  # the first metadata block, by the boot sector
    block = disk.read(place, 4096)
    boot[176:184] = (512).to_bytes(8, "little")
    rng = random.Random(10)
    for cut in (0, 60, 100, 112, 120, 140, 600):
        recognise(Memory(bytes(boot) + block[:cut]))
    for _ in range(300):
        torn = bytearray(block)
        for _ in range(4):
            torn[rng.randrange(700)] = rng.randrange(256)
        assert recognise(Memory(bytes(boot) + bytes(torn))).name == "BitLocker"
