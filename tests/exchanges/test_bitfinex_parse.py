"""Bitfinex's frames: every digit is kept, and what is none of its messages is refused."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.errors import ExchangeError
from tradercast.exchanges.bitfinex.parse import (
    ChannelMessage,
    EventMessage,
    TradeMessage,
    parse,
)
from tradercast.exchanges.connector import ExchangeTrade
from tradercast.records import Side

AT = 1_700_000_000_123_456_789


def test_an_execution() -> None:
    found = parse(b'[17470,"te",[401597395,1574694478808,0.005,7245.3],12]', AT)

    trade = ExchangeTrade(
        401597395, 1_574_694_478_808_000_000, AT, Side.BUY, price="7245.3", size="0.005"
    )
    assert found == TradeMessage(17470, 12, "te", (trade,))


def test_a_negative_amount_is_a_sale() -> None:
    found = parse(b'[17470,"tu",[401597395,1574694478808,-0.30,7245]]', AT)

    assert isinstance(found, TradeMessage)
    assert (found.kind, found.number) == ("tu", None)
    assert (found.trades[0].side, found.trades[0].size) == (Side.SELL, "0.30")
    assert found.trades[0].price == "7245"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("2.516e-05", "0.00002516"),
        ("1E+5", "100000"),
        ("48578.504080520001234567", "48578.504080520001234567"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("0.1000000000000000055511151231", "0.1000000000000000055511151231"),
    ],
)
def test_numbers_keep_their_digits(number: str, text: str) -> None:
    found = parse(f'[1,"te",[2,3,{number},{number}]]'.encode(), AT)

    assert isinstance(found, TradeMessage)
    assert (found.trades[0].price, found.trades[0].size) == (text, text)


def test_a_snapshot_is_told_from_the_oldest_on() -> None:
    found = parse(b"[5,[[9,3000,1,10],[8,3000,-2,10],[7,2000,3,9.5]],4]", AT)

    assert isinstance(found, TradeMessage)
    assert (found.kind, found.number) == ("snapshot", 4)
    assert [trade.trade_id for trade in found.trades] == [7, 8, 9]
    assert [trade.ts_event for trade in found.trades] == [2 * 10**9, 3 * 10**9, 3 * 10**9]


def test_fields_that_are_appended_later_do_not_matter() -> None:
    found = parse(b'[17470,"te",[1,1574694478808,0.005,7245.3,"x",null],7,1574694478999,[1]]', AT)

    assert isinstance(found, TradeMessage)
    assert (found.number, found.trades[0].trade_id) == (7, 1)


def test_heartbeats_and_other_messages_of_a_channel() -> None:
    assert parse(b'[5,"hb",9]', AT) == ChannelMessage(5, 9)
    assert parse(b'[5,"hb"]', AT) == ChannelMessage(5, None)
    assert parse(b'[5,"cs",-123,10]', AT) == ChannelMessage(5, 10)
    assert parse(b"[5,[]]", AT) == TradeMessage(5, None, "snapshot", ())
    assert parse(b"[5,[0.07,60157.3],11]", AT, channels={6}) == ChannelMessage(5, 11)


def test_events() -> None:
    info = b'{"event":"info","version":2,"serverId":"x","platform":{"status":0}}'
    assert parse(info, AT) == EventMessage("info", version=2, operative=False)
    assert parse(b'{"event":"info","code":20051,"msg":"Stopping"}', AT) == EventMessage(
        "info", code=20051, text="Stopping"
    )
    subscribed = b'{"event":"subscribed","channel":"trades","chanId":17,"symbol":"tBTCUSD"}'
    assert parse(subscribed, AT) == EventMessage(
        "subscribed", channel=17, kind="trades", symbol="tBTCUSD"
    )


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff\xfe\x00",
        b"hello",
        b"null",
        b"7",
        b'"te"',
        b"[]",
        b"[5]",
        b'["5","hb"]',
        b"{}",
        b'{"event":7}',
        b'[5,"te"]',
        b'[5,"te",[1,2,3]]',
        b'[5,"te",{"id":1}]',
        b'[5,"te",[1,1574694478808,"0.005",7245.3]]',
        b'[5,"te",[1,1574694478808,0.005,null]]',
        b'[5,"te",[1,1574694478808,0.005,NaN]]',
        b'[5,"te",[1,1574694478808,Infinity,1]]',
        b'[5,"te",[1,1574694478808,0,7245.3]]',
        b'[5,"te",[1,1574694478808,-0.000,7245.3]]',
        b'[5,"te",[1,1574694478808,1e999999999,7245.3]]',
        b'[5,"te",[1,1574694478808,1e-100,7245.3]]',
        b'[5,"te",[-1,1574694478808,0.005,7245.3]]',
        b'[5,"te",[1.5,1574694478808,0.005,7245.3]]',
        b'[5,"te",[99999999999999999999,1574694478808,0.005,7245.3]]',
        b'[5,"te",[1,0,0.005,7245.3]]',
        b'[5,"te",[1,99999999999999999,0.005,7245.3]]',
        b'[5,"te",[1,1574694478808,' + b"9" * 10_000 + b",1]]",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[5,[" + b"[]," * 20_000 + b"[]]]",
    ],
    ids=lambda frame: frame[:40].decode("latin-1"),
)
def test_what_is_no_message_is_refused(frame: bytes) -> None:
    with pytest.raises(ExchangeError) as refused:
        parse(frame, AT)

    assert len(refused.value.message) < 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text("te\n\x00é", max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.just("event"), inner),
    max_leaves=12,
)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_frame_is_read_or_refused(frame: bytes) -> None:
    with contextlib.suppress(ExchangeError):
        parse(frame, AT)


DIGITS = st.decimals(min_value="0.00000001", max_value=10**12, places=8)


@given(
    st.integers(0, 2**63 - 1),
    st.integers(1, 9 * 10**12),
    DIGITS,
    DIGITS,
    st.sampled_from([Side.BUY, Side.SELL]),
)
def test_a_trade_comes_back_as_it_was_written(
    number: int, ms: int, size: object, price: object, side: Side
) -> None:
    sign = "-" if side is Side.SELL else ""
    frame = f'[1,"te",[{number},{ms},{sign}{size:f},{price:f}],3]'.encode()

    found = parse(frame, AT)

    expected = ExchangeTrade(number, ms * 10**6, AT, side, f"{price:f}", f"{size:f}")
    assert found == TradeMessage(1, 3, "te", (expected,))
