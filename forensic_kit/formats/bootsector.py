"""What the first sector of a disk or volume is: a partition table, or a file system's own boot sector.

Both end in 55 AA, so each partition scheme has to ask here before it believes its eyes.

Sources: Microsoft FAT specification (fatgen103) section 3 for the BIOS parameter block; exFAT specification 3.1;
[MS-FSCC] and libbde's documentation for the OEM names; the MBR as all makers of systems use it; ECMA-119 8.4.
"""

import itertools
from typing import NamedTuple

from forensic_kit.bytesource import ByteSource
from forensic_kit.formats.layout import Layout, Values
from forensic_kit.formats.partition_types import EXTENDED, PROTECTIVE

SIZE = 512  #: bytes read of a boot sector; on disks with larger sectors the rest is not used
SIGNATURE = b"\x55\xaa"
GPT_SIGNATURE = b"EFI PART"
_SIGNATURE_OFFSET = 510
_TABLE_OFFSET = 446
_SLOT = Layout("<", status="B", _first_chs="3s", type="B", _last_chs="3s", first_sector="I", sector_count="I")

# OEM name at offset 3 of the boot sectors that say plainly what they are.
_OEM_NAMES = {
    b"NTFS    ": "NTFS",
    b"EXFAT   ": "exFAT",
    b"-FVE-FS-": "BitLocker",
    b"ReFS\0\0\0\0": "ReFS",
}
_PARAMETERS = Layout(
    "<",
    bytes_per_sector="H",
    sectors_per_cluster="B",
    reserved_sectors="H",
    fat_count="B",
    root_entries="H",
    sectors_16="H",
    media="B",
    fat_sectors_16="H",
)
_PARAMETERS_OFFSET = 11
_ISO_DESCRIPTOR = 16 * 2048
_ISO_SECTORS = Layout("<", volume_space_size="I")
_ISO_SECTORS_OFFSET = 80


class Slot(NamedTuple):
    """One of the four entries of a partition table sector."""

    number: int  #: 0 to 3
    status: int  #: 0x80 bootable, 0 not; anything else is no table
    type: int
    first_sector: int  #: relative to what the kind of table says
    sector_count: int

    @property
    def used(self) -> bool:
        """Does it describe something?"""
        return self.type != 0 and self.sector_count != 0

    @property
    def extended(self) -> bool:
        """Does it point to a chain of extended boot records?"""
        return self.type in EXTENDED

    @property
    def end(self) -> int:
        """The sector after its last."""
        return self.first_sector + self.sector_count


def slots(sector: bytes) -> tuple[Slot, ...] | None:
    """The four slots of a sector that ends in 55 AA; None where it does not. Says nothing about their sense."""
    if sector[_SIGNATURE_OFFSET:SIZE] != SIGNATURE:
        return None
    return tuple(_slot(number, _SLOT.read(sector, _TABLE_OFFSET + number * _SLOT.size)) for number in range(4))


def _slot(number: int, fields: Values) -> Slot:
    return Slot(number, fields.status, fields.type, fields.first_sector, fields.sector_count)


def is_empty_table(sector: bytes) -> bool:
    """Are the 64 bytes of the table all zero?"""
    return not any(sector[_TABLE_OFFSET:_SIGNATURE_OFFSET])


def is_plausible(table: tuple[Slot, ...]) -> bool:
    """Could these be four slots of a partition table, judged by the status bytes alone?"""
    return all(slot.status in (0, 0x80) for slot in table)


def is_consistent(table: tuple[Slot, ...]) -> bool:
    """Is it a table beyond doubt: something in use, every slot full or blank, none at sector 0, no overlaps?

    Boot code that happens to stand in these 64 bytes does not pass.
    """
    used = sorted((slot for slot in table if slot.used), key=lambda slot: slot.first_sector)
    blank = all(not any(slot[1:]) for slot in table if not slot.used)
    apart = all(before.end <= after.first_sector for before, after in itertools.pairwise(used))
    return bool(used) and is_plausible(table) and blank and apart and used[0].first_sector > 0


def is_protective(table: tuple[Slot, ...]) -> bool:
    """Does a slot say that the real table is a GPT?"""
    return any(slot.type == PROTECTIVE for slot in table)


def gpt_signature_at(source: ByteSource) -> int | None:
    """Where a GPT header begins, for any usual sector size, the primary or the backup at the end; else None."""
    for sector_size in (512, 4096):
        for offset in (sector_size, source.size - sector_size):
            if offset > 0 and source.read(offset, len(GPT_SIGNATURE)) == GPT_SIGNATURE:
                return offset
    return None


def file_system(sector: bytes) -> str:
    """The name of the file system whose boot sector this is (``NTFS``, ``FAT``, ``BitLocker`` ...); empty if none."""
    if len(sector) < SIZE:
        return ""
    known = _OEM_NAMES.get(sector[3:11])
    if known:
        return known
    return "FAT" if _is_fat(sector) else ""


def _is_fat(sector: bytes) -> bool:
    """The rules of fatgen103 for each field of the parameter block, whatever the OEM name says."""
    block = _PARAMETERS.read(sector, _PARAMETERS_OFFSET)
    return (
        (sector[0] == 0xE9 or (sector[0] == 0xEB and sector[2] == 0x90))
        and block.bytes_per_sector in (512, 1024, 2048, 4096)
        and block.sectors_per_cluster in (1, 2, 4, 8, 16, 32, 64, 128)
        and block.reserved_sectors > 0
        and 0 < block.fat_count <= 4
        and (block.media == 0xF0 or block.media >= 0xF8)
    )


def iso_end(source: ByteSource) -> int:
    """Where the ISO 9660 volume that begins at byte 0 ends; 0 if there is none.

    Images of discs often carry partition tables too ("hybrid"), so that they start from a stick.
    """
    descriptor = source.read(_ISO_DESCRIPTOR, 2048)
    if descriptor[1:6] != b"CD001" or len(descriptor) < 2048:
        return 0
    return int(_ISO_SECTORS.read(descriptor, _ISO_SECTORS_OFFSET).volume_space_size) * 2048
