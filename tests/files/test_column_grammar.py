"""The --columns grammar: what it accepts, what it means, what it says when it is wrong."""

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.errors import UsageError
from tradercast.pipeline.files.columns import (
    ColumnSpec,
    IdRule,
    NumberRule,
    SideRule,
    Source,
    TimeRule,
    parse_candle_columns,
    parse_columns,
)


def test_the_issues_own_example():
    spec = parse_columns("ts_event=timestamp_ms:ms,price=price,size=quantity")

    assert spec["ts_event"] == (Source("timestamp_ms"), TimeRule("ms"))
    assert spec["price"] == (Source("price"), NumberRule())
    assert spec["size"] == (Source("quantity"), NumberRule())
    assert "side" not in spec


def test_equity_ticks_without_a_header():
    spec = parse_columns("ts_event=#1:ms@America/New_York, price=#2*0.0001, size=#3")

    assert spec["ts_event"] == (Source(position=1), TimeRule("ms", "America/New_York"))
    assert spec["price"] == (Source(position=2), NumberRule(Decimal("0.0001")))


def test_a_day_may_be_given():
    for text in ("20131007", "2013-10-07"):
        spec = parse_columns(f"ts_event=#1:ms@America/New_York/{text},price=#2,size=#3")
        assert spec.time("ts_event").day == dt.date(2013, 10, 7)
        assert spec.time("ts_event").zone == "America/New_York"


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ("", SideRule()),
        (":maker", SideRule("maker")),
        (":buyer_maker", SideRule("buyer_maker")),
        (":sign", SideRule("sign")),
        (":Kauf/Verkauf", SideRule("words", "Kauf", "Verkauf")),
    ],
)
def test_sides(how, rule):
    spec = parse_columns(f"ts_event=t:s,price=p,size=s,side=x{how}")

    assert spec["side"] == (Source("x"), rule)


def test_names_may_have_spaces():
    spec = parse_columns("ts_event=Trade Time:iso,price=Last Price,size=Size (BTC)")

    assert spec["price"][0] == Source("Last Price")
    assert spec["size"][0] == Source("Size (BTC)")


@pytest.mark.parametrize(
    ("text", "part", "why"),
    [
        ("ts_event=t:ms,price", "'price'", "no '='"),
        ("ts_event=t:ms,cost=p,size=s", "'cost=p'", "not one of ts_event"),
        ("ts_event=t:ms,price=p,price=q,size=s", "'price=q'", "twice"),
        ("ts_event=t:minutes,price=p,size=s", "'ts_event=t:minutes'", "unit 'minutes'"),
        ("ts_event=t:ms@,price=p,size=s", "'ts_event=t:ms@'", "time zone"),
        ("ts_event=t:ms@../etc,price=p,size=s", "'ts_event=t:ms@../etc'", "time zone"),
        ("ts_event=t:ms@UTC/20131399,price=p,size=s", "20131399", "not a day"),
        ("ts_event=t:iso@UTC/20131007,price=p,size=s", "iso@UTC", "its own day"),
        ("ts_event=t*2:ms,price=p,size=s", "'ts_event=t*2:ms'", "factor"),
        ("ts_event=t:ms,price=p*zero,size=s", "'price=p*zero'", "'zero' is not a factor"),
        ("ts_event=t:ms,price=p*0,size=s", "'price=p*0'", "not a factor"),
        ("ts_event=t:ms,price=p*-1,size=s", "'price=p*-1'", "not a factor"),
        ("ts_event=t:ms,price=p:ms,size=s", "'price=p:ms'", "':abs'"),
        ("ts_event=t:ms,price=#0,size=s", "'price=#0'", "'#0'"),
        ("ts_event=t:ms,price=#x,size=s", "'price=#x'", "position"),
        ("ts_event=t:ms,price=,size=s", "'price='", "names no column"),
        ("ts_event=t:ms,price=p,size=s,side=x:buy", "'side=x:buy'", "BUYWORD/SELLWORD"),
        ("ts_event=t:ms,price=p,size=s,trade_id=i:int", "'trade_id=i:int'", "nothing may follow"),
        ("price=p,size=s", "'price=p,size=s'", "does not map ts_event"),
        ("", "''", "no '='"),
        ("ts_event=t:ms," + "x" * 5000, "--columns", "longer than"),
    ],
)
def test_what_is_wrong_is_named(text, part, why):
    with pytest.raises(UsageError) as caught:
        parse_columns(text)

    assert part in caught.value.message
    assert why in caught.value.message


def test_what_the_manual_shows_is_read():
    manual = (Path(__file__).parents[2] / "docs" / "FILES.md").read_text("utf-8")
    shown = re.findall(r"--columns '([^']+)'", manual)

    candles = [text for text in shown if "ts_close" in text]
    assert [str(parse_candle_columns(text)) for text in candles] == candles
    shown = [text for text in shown if text not in candles]
    assert (len(shown), len(candles)) == (3, 1)
    for text in shown:
        assert str(parse_columns(text))


names = st.text("abcXYZ_ 09()", min_size=1, max_size=12).filter(lambda t: t.strip() == t)
sources = names.map(lambda n: Source(name=n)) | st.integers(1, 1000).map(
    lambda n: Source(position=n)
)
zones = st.sampled_from(["UTC", "America/New_York", "America/Argentina/Buenos_Aires"])
times = (
    st.builds(TimeRule, st.sampled_from(["s", "ms", "us", "ns", "iso"]))
    | st.builds(TimeRule, st.sampled_from(["s", "ms", "us", "ns", "iso"]), zones)
    | st.builds(TimeRule, st.sampled_from(["s", "ms"]), zones, st.dates())
)
factors = st.decimals("1e-12", "1e6", allow_nan=False, places=12).filter(lambda d: d > 0)
numbers = st.builds(NumberRule, factors, st.booleans())
side_rules = st.sampled_from(
    [SideRule(), SideRule("maker"), SideRule("buyer_maker"), SideRule("sign")]
) | st.just(SideRule("words", "A", "Z"))


@given(
    st.fixed_dictionaries(
        {
            "ts_event": st.tuples(sources, times),
            "price": st.tuples(sources, numbers),
            "size": st.tuples(sources, numbers),
        },
        optional={
            "ts_recv": st.tuples(sources, times),
            "trade_id": st.tuples(sources, st.just(IdRule())),
            "side": st.tuples(sources, side_rules),
        },
    )
)
def test_every_mapping_reads_back_from_its_text(items):
    spec = parse_columns(str(ColumnSpec(items)))

    assert dict(spec.items) == items


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        spec = parse_columns(text)
    except UsageError:
        return
    assert {"ts_event", "price", "size"} <= set(spec.items)
