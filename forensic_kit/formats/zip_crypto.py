"""The traditional encryption of zip archives: APPNOTE.TXT 6.3.10, section 6.1. Slow, in plain Python."""

import zlib
from typing import Final

#: Bytes in front of the member's own: 11 random ones and one that tells most wrong passwords apart.
HEADER: Final = 12


def _table() -> list[int]:
    # zlib.crc32 complements before and after; 6.1.5 wants the bare table step.
    return [zlib.crc32(bytes([value]), 0xFFFFFFFF) ^ 0xFFFFFFFF for value in range(256)]


_CRC: Final = _table()


class Keys:
    """The three keys of one member while it is decrypted from its start."""

    def __init__(self, password: bytes) -> None:
        self._keys = (0x12345678, 0x23456789, 0x34567890)  # 6.1.5
        for byte in password:
            self._keys = self._next(self._keys, byte)

    @staticmethod
    def _next(keys: tuple[int, int, int], byte: int) -> tuple[int, int, int]:
        key0 = _CRC[(keys[0] ^ byte) & 0xFF] ^ keys[0] >> 8
        key1 = ((keys[1] + (key0 & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        return key0, key1, _CRC[(keys[2] ^ key1 >> 24) & 0xFF] ^ keys[2] >> 8

    def decrypt(self, data: bytes) -> bytes:
        """The next bytes in clear."""
        out = bytearray(len(data))
        key0, key1, key2 = self._keys
        crc = _CRC
        for index, byte in enumerate(data):
            step = key2 | 2
            byte ^= (step * (step ^ 1) >> 8) & 0xFF
            out[index] = byte
            key0 = crc[(key0 ^ byte) & 0xFF] ^ key0 >> 8
            key1 = ((key1 + (key0 & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
            key2 = crc[(key2 ^ key1 >> 24) & 0xFF] ^ key2 >> 8
        self._keys = (key0, key1, key2)
        return bytes(out)


def fits(password: bytes, header: bytes, check: int) -> bool:
    """Does the last byte of the decrypted header say this may be the password? Wrong ones pass 1 time in 256."""
    return len(header) == HEADER and Keys(password).decrypt(header)[-1] == check
