"""Times as users and programs write them."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from tradercast.errors import UsageError
from tradercast.timerange import TimeRange, format_time_ns, parse_time_ns

NOON = 1_706_702_400_000_000_000  # 2024-01-31T12:00:00Z


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-31T12:00",
        "2024-01-31T12:00:00Z",
        " 2024-01-31 12:00:00.000000000 ",
        "2024-01-31T13:00:00+01:00",
        "1706702400000000000",
        NOON,
        dt.datetime(2024, 1, 31, 12),
        dt.datetime(2024, 1, 31, 12, tzinfo=dt.UTC),
        np.int64(NOON),
        np.datetime64("2024-01-31T12", "h"),
        np.datetime64(NOON, "ns"),
        pd.Timestamp("2024-01-31T12:00"),
        pd.Timestamp("2024-01-31T21:00+09:00"),
    ],
)
def test_ways_to_write_one_instant(value):
    assert parse_time_ns(value) == NOON


def test_a_date_is_its_midnight_and_nanoseconds_are_kept():
    assert (
        parse_time_ns("2024-01-31")
        == parse_time_ns(dt.date(2024, 1, 31))
        == NOON - (12 * 3_600 * 10**9)
    )
    assert parse_time_ns("2024-01-31T12:00:00.000000001Z") == NOON + 1
    for before in (NOON - 1, -1):
        assert parse_time_ns(pd.Timestamp(before, tz="UTC")) == before
        assert parse_time_ns(np.datetime64(before, "ns")) == before
    assert format_time_ns(NOON + 1) == "2024-01-31T12:00:00.000000001Z"


@pytest.mark.parametrize(
    "value",
    [
        *("", "yesterday", "1706702400", "17067024000000000000", "2024-13-01"),
        *("2024-01-31T12:00:00.0000000001", "2024-01-31T12:00:00.Z", "2024-01-31T12:00:00,5"),
        *(True, np.True_, 1.5, np.float64(1.5), None),
        *(pd.NaT, np.datetime64("NaT"), np.datetime64("NaT", "ns")),
    ],
)
def test_what_is_no_time_is_refused(value):
    with pytest.raises(UsageError, match="is not a time"):
        parse_time_ns(value)


@pytest.mark.parametrize(
    "value",
    [2**63, "9999999999999999999", "2500-01-01", np.datetime64("2500-01-01"), np.uint64(2**63)],
)
def test_what_int64_can_not_hold_is_refused(value):
    with pytest.raises(UsageError, match="outside the years 1678 to 2262"):
        parse_time_ns(value)


def test_a_range_is_half_open_and_may_be_open_on_both_sides():
    day = TimeRange.parse("2024-01-31", "2024-02-01")
    assert day.overlaps(day.end_ns - 1, day.end_ns + 5)
    assert not day.overlaps(day.end_ns, day.end_ns + 5)
    assert not day.overlaps(day.start_ns - 5, day.start_ns - 1)
    assert str(day) == "[2024-01-31T00:00:00Z, 2024-02-01T00:00:00Z)"
    assert str(TimeRange.parse()) == "[start, end)"
    with pytest.raises(UsageError, match="before it starts"):
        TimeRange.parse("2024-02-01", "2024-01-31")
