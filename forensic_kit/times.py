"""Moments as evidence stores them: never the examiner's zone, always the resolution and the raw value."""

import datetime
from typing import Final

import msgspec

from forensic_kit.errors import Damaged

SECOND: Final = 1_000_000_000
_DAY: Final = 86_400 * SECOND
_EPOCH = datetime.datetime(1970, 1, 1)
# Days from the epoch of each clock to 1970-01-01.
_FILETIME_TO_UNIX: Final = 134_774  # 1601-01-01, [MS-DTYP] 2.3.3
_MAC_TO_UNIX: Final = 24_107  # 1904-01-01, Apple TN1150 "HFS Plus Dates"
_COCOA_FROM_UNIX: Final = 11_323  # 2001-01-01, Apple NSDate reference date
_LATEST = 253_402_300_799 * SECOND + SECOND - 1  # 9999-12-31T23:59:59.999999999
_EARLIEST = -62_135_596_800 * SECOND  # 0001-01-01T00:00:00


class Moment(msgspec.Struct, frozen=True):
    """One point in time as a device wrote it down."""

    #: Whole seconds since 1970-01-01T00:00:00 on the clock that ``zone`` names; negative before.
    seconds: int
    #: Nanoseconds after that second, 0 to 999,999,999. Two fields, since nanoseconds alone outgrow 64 bits in 2262.
    fraction: int
    #: The step of the clock in nanoseconds: 100 for FILETIME, 2 s for a FAT write time, one day for a FAT access date.
    resolution_ns: int
    #: ``utc``; ``local`` (the device's own clock, zone unknown); or an offset such as ``+01:00``.
    zone: str
    #: The value as stored, in the notation of the format (decimal number or hex).
    raw: str

    @staticmethod
    def of(ns: int, resolution_ns: int, zone: str, raw: str) -> "Moment":
        """The moment ``ns`` nanoseconds after 1970-01-01T00:00:00."""
        return Moment(*divmod(ns, SECOND), resolution_ns, zone, raw)

    @property
    def ns(self) -> int:
        """Nanoseconds since 1970-01-01T00:00:00 on the clock that ``zone`` names; may need more than 64 bits."""
        return self.seconds * SECOND + self.fraction

    @property
    def iso(self) -> str:
        """ISO 8601 with as many decimals as the clock resolves; ``Z`` only when stored as UTC."""
        try:
            stamp = (_EPOCH + datetime.timedelta(seconds=self.seconds)).isoformat()
        except OverflowError:
            return f"out of range ({self.raw})"
        digits = _decimals(self.resolution_ns)
        if digits:
            stamp += f".{self.fraction:09d}"[: digits + 1]
        suffix = {"utc": "Z", "local": ""}.get(self.zone, self.zone)
        return stamp + suffix

    @property
    def sort_ns(self) -> int:
        """`utc_ns` as a database can keep it: moments outside 1677 to 2262 lie at the ends."""
        return max(-(1 << 63), min(self.utc_ns, (1 << 63) - 1))

    @property
    def utc_ns(self) -> int:
        """Nanoseconds since 1970 in UTC where the zone is known; the local reading as it stands where it is not."""
        if self.zone in ("utc", "local"):
            return self.ns
        sign = -1 if self.zone[0] == "-" else 1
        hours, minutes = self.zone[1:].split(":")
        return self.ns - sign * (int(hours) * 3600 + int(minutes) * 60) * SECOND


def _decimals(resolution_ns: int) -> int:
    """How many decimals of a second a clock of this step needs, 0 to 9."""
    digits = 0
    step = SECOND
    while digits < 9 and resolution_ns % step:
        step //= 10
        digits += 1
    return digits


def _checked(ns: int, resolution_ns: int, zone: str, raw: int | str) -> Moment:
    if not _EARLIEST <= ns <= _LATEST:
        raise Damaged(f"the stored time {raw} lies outside the years 1 to 9999")
    return Moment.of(ns, resolution_ns, zone, str(raw))


def filetime(ticks: int) -> Moment | None:
    """The moment of a Windows FILETIME.

    Args: ticks: 100 ns steps since 1601-01-01T00:00:00Z, 0 to 2**63 - 1.
    Returns: UTC, exact to 100 ns; None for 0, which Windows writes for "never set".
    Raises: Damaged: after the year 9999.
    Source: [MS-DTYP] 2.3.3.
    """
    if ticks == 0:
        return None
    return _checked(ticks * 100 - _FILETIME_TO_UNIX * _DAY, 100, "utc", ticks)


def webkit(microseconds: int) -> Moment | None:
    """The moment of a Chromium time.

    Args: microseconds: since 1601-01-01T00:00:00Z.
    Returns: UTC, exact to 1 us; None for 0, Chromium's null time.
    Raises: Damaged: outside the years 1 to 9999.
    Source: Chromium base/time/time.h, "internal value".
    """
    if microseconds == 0:
        return None
    return _checked(microseconds * 1000 - _FILETIME_TO_UNIX * _DAY, 1000, "utc", microseconds)


def unix(seconds: int, nanoseconds: int = 0, *, resolution_ns: int = SECOND) -> Moment:
    """The moment of a POSIX time.

    Args: seconds: since 1970-01-01T00:00:00Z, may be negative; nanoseconds: 0 to 999,999,999 more.
    Returns: UTC. Zero is a moment like any other: callers for whom it means "never" test for it.
    Raises: Damaged: outside the years 1 to 9999.
    Source: POSIX.1-2017, 4.16 "Seconds Since the Epoch".
    """
    raw = f"{seconds}.{nanoseconds:09d}" if nanoseconds else str(seconds)
    return _checked(seconds * SECOND + nanoseconds, resolution_ns, "utc", raw)


def mac(seconds: int, *, zone: str = "utc") -> Moment | None:
    """The moment of an HFS or HFS+ date: seconds since 1904-01-01; None for 0.

    Source: Apple Technical Note TN1150, "HFS Plus Dates".
    """
    if seconds == 0:
        return None
    return _checked(seconds * SECOND - _MAC_TO_UNIX * _DAY, SECOND, zone, seconds)


def cocoa(seconds: float) -> Moment:
    """The moment of an Apple absolute time: seconds since 2001-01-01T00:00:00Z, stored as a double."""
    return _checked(round(seconds * 1_000_000) * 1000 + _COCOA_FROM_UNIX * _DAY, 1000, "utc", repr(seconds))


def dos(date: int, time: int = 0, *, hundredths: int = 0, resolution_ns: int = 2 * SECOND) -> Moment | None:
    """The moment of an MS-DOS date and time, on the device's own clock.

    Args: date, time: the two 16-bit words; hundredths: 0 to 199, the creation-time refinement of FAT.
    Returns: zone ``local``; None for date 0, which means "never set".
    Raises: Damaged: a month, day, hour or minute that no calendar has.
    Source: Microsoft FAT specification (fatgen103), section 6; [MS-CFB] has none of this.
    """
    if date == 0:
        return None
    try:
        base = datetime.datetime(
            1980 + (date >> 9), date >> 5 & 15, date & 31, time >> 11, time >> 5 & 63, (time & 31) * 2
        )
    except ValueError as error:
        raise Damaged(f"the stored date {date:#06x} and time {time:#06x} are on no calendar") from error
    delta = base - _EPOCH
    ns = (delta.days * 86_400 + delta.seconds) * SECOND + hundredths * 10_000_000
    return _checked(ns, resolution_ns, "local", f"{date:#06x} {time:#06x} {hundredths}")
