"""Text and numbers of source files become exact times, decimals and sides."""

import datetime as dt
from decimal import Context, Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.decimals import Decimals
from tradercast.errors import InputError
from tradercast.pipeline.files import values
from tradercast.pipeline.files.columns import NumberRule, SideRule, TimeRule
from tradercast.pipeline.files.iso import parse_iso
from tradercast.pipeline.files.zones import day_in_name, local_to_utc
from tradercast.records import NO_TIME
from tradercast.timerange import format_time_ns, parse_time_ns

NS_TIMES = st.integers(parse_time_ns("1679-01-01"), parse_time_ns("2261-12-31"))


def texts(*items):
    return np.array([item.encode() for item in items], np.bytes_)


@given(st.lists(NS_TIMES, min_size=1, max_size=20))
def test_iso_times_of_every_length_of_fraction(times):
    shown = [format_time_ns(time) for time in times]

    assert parse_iso(texts(*shown), None).tolist() == times


@given(
    st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)),
    st.integers(-23 * 60, 23 * 60),
    st.sampled_from("T "),
)
def test_iso_times_with_an_offset(time, minutes, between):
    aware = time.replace(tzinfo=dt.timezone(dt.timedelta(minutes=minutes)))
    text = aware.isoformat(sep=between)

    assert parse_iso(texts(text), None).tolist() == [parse_time_ns(aware)]


def test_iso_spellings_that_only_the_standard_library_reads():
    shown = texts("20230905T160001", "2023-09-05", "2023-09-05T16:00:01.5+0200", "2023-09-05T16")

    times = parse_iso(shown, None)

    assert [format_time_ns(time) for time in times.tolist()] == [
        "2023-09-05T16:00:01Z",
        "2023-09-05T00:00:00Z",
        "2023-09-05T14:00:01.500000000Z",
        "2023-09-05T16:00:00Z",
    ]


def test_iso_without_an_offset_is_local_in_the_zone_given():
    shown = texts("2013-10-07 09:30:00", "2013-10-07 09:30:00Z", "2013-12-02", "2013-12-02T09")

    times = parse_iso(shown, ZoneInfo("America/New_York"))

    assert [format_time_ns(time) for time in times.tolist()] == [
        "2013-10-07T13:30:00Z",
        "2013-10-07T09:30:00Z",
        "2013-12-02T05:00:00Z",
        "2013-12-02T14:00:00Z",
    ]


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2023-02-29T00:00:00", "2023-13-01T00:00:00Z", "2023-01-01T24:00:00Z",
     "2023-01-01T00:00:60Z", "2023-01-01T00:00:00.Z", "2023-01-01T00:00:00.1234567890Z",
     "2023-01-01T00:00:00X", "2023-01-01T00:00:00+24:00", "1600-01-01T00:00:00Z",
     "2300-01-01T00:00:00Z", "2023-01-01T00:00:00ZZ", "2023-0a-01T00:00:00Z"],
)  # fmt: skip
def test_what_is_no_iso_time_is_refused(text):
    with pytest.raises(InputError):
        parse_iso(texts("2023-01-01T00:00:00Z", text), None)


@given(
    st.lists(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2037, 1, 1)), min_size=1),
    st.sampled_from(["America/New_York", "Europe/London", "Asia/Tokyo", "Australia/Lord_Howe"]),
)
def test_local_times_agree_with_the_standard_library(local, zone_name):
    zone = ZoneInfo(zone_name)
    as_if_utc = np.array([parse_time_ns(time) for time in local], np.int64)

    times = local_to_utc(as_if_utc, zone)

    assert times.tolist() == [parse_time_ns(time.replace(tzinfo=zone)) for time in local]


@given(st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=1, max_size=20))
def test_ns_counts(times):
    shown = texts(*map(str, times))

    assert values.times_from_text(shown, TimeRule("ns")).tolist() == times


@given(
    st.decimals(-(10**9), 10**9, places=9, allow_nan=False),
    st.sampled_from([("s", 9), ("ms", 6), ("us", 3)]),
)
def test_counts_of_a_unit_may_have_decimals_to_the_nanosecond(count, unit):
    name, power = unit
    exact = count.scaleb(power)
    text = texts(format(count, "f"))

    if exact == int(exact):
        assert values.times_from_text(text, TimeRule(name)).tolist() == [int(exact)]
    else:
        with pytest.raises(InputError):
            values.times_from_text(text, TimeRule(name))


def test_a_time_outside_int64_is_refused():
    with pytest.raises(InputError):
        values.times_from_text(texts("1642204800000000000"), TimeRule("s"))


def test_an_absent_receive_time():
    times = values.optional_times(texts("5", "", "7"), TimeRule("us"))

    assert times.tolist() == [5_000, NO_TIME, 7_000]


EXACT = Context(prec=100)
NUMBERS = st.decimals("-1e12", "1e12", allow_nan=False, places=8)
FACTORS = st.sampled_from([Decimal("0.0001"), Decimal(100), Decimal("0.25"), Decimal("123456789")])


@given(st.lists(NUMBERS, min_size=1, max_size=20), FACTORS)
def test_a_factor_is_exact(items, factor):
    column = Decimals.from_decimals(items)

    result = values.numbers(column, NumberRule(factor), allow_negative=True)

    assert result.to_decimals() == [EXACT.multiply(item, factor) for item in items]


def test_a_factor_on_numbers_too_wide_for_int64():
    column = Decimals.from_strings(["123456789012345678901234567890.5", "3"])

    result = values.numbers(column, NumberRule(Decimal("0.5"), absolute=True), allow_negative=False)

    assert result.to_strings() == ["61728394506172839450617283945.25", "1.5"]


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_bitfinex_amounts_carry_the_side_in_their_sign(items):
    column = Decimals.from_decimals(items)

    sizes = values.numbers(column, NumberRule(absolute=True), allow_negative=False)
    sides = values.sides_from_text(texts(*(format(i, "f") for i in items)), SideRule("sign"))

    assert sizes.to_decimals() == [abs(item) for item in items]
    assert sides.tolist() == [1 if item > 0 else 2 if item < 0 else 0 for item in items]


def test_side_words():
    def sides(rule, *items):
        return values.sides_from_text(texts(*items), rule).tolist()

    assert sides(SideRule(), "buy", "SELL", "", "ANY", "B", "s", "unknown") == [1, 2, 0, 0, 1, 2, 0]
    assert sides(SideRule("maker"), "buy", "sell", "") == [2, 1, 0]
    assert sides(SideRule("buyer_maker"), "True", "false", "1", "0") == [2, 1, 2, 1]
    assert sides(SideRule("words", "P", "X"), "X", "P", "") == [2, 1, 0]
    with pytest.raises(InputError):
        sides(SideRule(), "buy", "perhaps")
    with pytest.raises(InputError):
        sides(SideRule("words", "P", "X"), "p")


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("us_equity_spy_20131007_trade.zip", dt.date(2013, 10, 7)),
        ("BTCUSDT-trades-2024-01-31.zip", dt.date(2024, 1, 31)),
        ("x_2024_01_31.csv", dt.date(2024, 1, 31)),
        ("20240101_to_20240131.csv", None),
        ("120240131.csv", None),
        ("20241399.csv", None),
        ("trades.csv", None),
    ],
)
def test_the_day_in_a_files_name(name, day):
    assert day_in_name(name) == day
