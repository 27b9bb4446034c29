"""Expected values: [MS-DTYP] 2.3.3, the FAT specification, POSIX, and GNU date for the calendar."""

import msgspec
import pytest

from forensic_kit.errors import Damaged
from forensic_kit.times import Moment, cocoa, dos, filetime, mac, unix, webkit


def test_a_filetime_is_utc_to_100_ns():
    # `date -u -d @1262304000.1234567`: 2010-01-01; ticks = (1262304000 + 11644473600) * 10**7 + 1234567
    assert filetime(129067776001234567).iso == "2010-01-01T00:00:00.1234567Z"


def test_a_filetime_of_zero_is_never():
    assert filetime(0) is None


def test_a_filetime_after_the_year_9999_is_damaged():
    with pytest.raises(Damaged, match="years 1 to 9999"):
        filetime(2**63 - 1)


def test_a_webkit_time_counts_microseconds_from_1601():
    # 2013-08-18T01:36:47 as log2timeline's Chrome test has it: 13021263407000000 us
    assert webkit(13021263407000000).iso == "2013-08-18T01:36:47.000000Z"


def test_a_posix_time_may_be_before_1970():
    assert unix(-1).iso == "1969-12-31T23:59:59Z"


def test_nanoseconds_are_printed_only_where_the_clock_has_them():
    assert unix(0, 5, resolution_ns=1).iso == "1970-01-01T00:00:00.000000005Z"
    assert unix(0, 5).iso == "1970-01-01T00:00:00Z"


def test_an_hfs_date_counts_from_1904():
    # TN1150: 2082844800 seconds from 1904-01-01 to 1970-01-01
    assert mac(2082844800).iso == "1970-01-01T00:00:00Z"
    assert mac(0) is None


def test_a_cocoa_time_counts_from_2001():
    assert cocoa(0.5).iso == "2001-01-01T00:00:00.500000Z"


def test_a_dos_time_is_local_and_carries_no_zone():
    # FAT specification: day 1-31, month << 5, year from 1980 << 9; seconds / 2
    moment = dos((2004 - 1980) << 9 | 2 << 5 | 29, 13 << 11 | 45 << 5 | 29)
    assert (moment.iso, moment.zone) == ("2004-02-29T13:45:58", "local")


def test_a_dos_date_on_no_calendar_is_damaged():
    with pytest.raises(Damaged, match="no calendar"):
        dos((2003 - 1980) << 9 | 2 << 5 | 29)


def test_the_creation_refinement_of_fat_adds_hundredths():
    assert dos(1 << 5 | 1, 0, hundredths=199, resolution_ns=10_000_000).iso == "1980-01-01T00:00:01.99"


def test_an_offset_is_taken_into_account_when_sorting():
    assert Moment.of(3_600_000_000_000, 1, "+01:00", "").utc_ns == 0
    assert Moment.of(0, 1, "-00:30", "").utc_ns == 1_800_000_000_000


def test_a_time_near_the_year_9999_travels_and_sorts_like_any_other():
    moment = webkit(265046688000000000)  # 9999-12-31T00:00:00, as Chromium writes for "never expires"
    assert moment.iso == "9999-12-31T00:00:00.000000Z"
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(moment), type=Moment) == moment
    assert moment.sort_ns == 2**63 - 1
