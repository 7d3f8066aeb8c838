"""Messages between listener and feeder: exact there and back, hostile bytes refused."""

from __future__ import annotations

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.errors import EncodeError, FormatError, UnknownVersionError
from tradercast.feeds import FeedId
from tradercast.pipeline.messages import Correction, Message, decode_message, encode_message
from tradercast.records import NO_TIME, Decimals, Ids, Kind, Notes, Trades

FEED = FeedId("bitfinex", "btcusd", "trades")


def trades(prices: list[str], ids: list[str | None] | None = None) -> Trades:
    count = len(prices)
    return Trades(
        np.arange(count, dtype=np.int64) * 1_000_000,
        Decimals.from_strings(prices),
        Decimals.from_strings(["0.5"] * count),
        np.ones(count, np.uint8),
        np.full(count, NO_TIME, np.int64),
        None if ids is None else Ids.from_strings(ids),
    )


decimals = st.decimals(
    allow_nan=False, allow_infinity=False, places=8, min_value=0, max_value=10**9
)


@given(
    st.lists(st.tuples(decimals, st.one_of(st.none(), st.integers(0, 2**62).map(str)))).filter(bool)
)
def test_what_goes_in_comes_out(rows: list[tuple[object, str | None]]) -> None:
    given_trades = trades([str(price) for price, _ in rows], [i for _, i in rows])

    read = decode_message(encode_message(Message(FEED, 7, given_trades)))

    assert (read.feed, read.number, read.repeats_anywhere) == (FEED, 7, False)
    assert read.trades.equals(given_trades)


def test_corrections_and_the_rescan_flag_are_kept() -> None:
    fixes = (Correction(1, Kind.BUST, "17", 5), Correction(2, Kind.AMEND, "a-b", 6))
    message = Message(FEED, 0, trades(["1", "2", "3"]), fixes, repeats_anywhere=True)

    read = decode_message(encode_message(message))

    assert read.corrections == fixes
    assert read.repeats_anywhere


def test_the_bytes_are_a_function_of_the_records() -> None:
    one = Message(FEED, 1, trades(["1.50", "2"]))
    other = Message(FEED, 1, trades(["1.5", "2.000"]))

    assert encode_message(one) == encode_message(other)


@pytest.mark.parametrize(
    "message",
    [
        Message(FEED, 0, Trades.empty()),
        Message(FEED, 0, trades(["1"], ["a\nb"])),
    ],
    ids=["empty", "line break in an id"],
)
def test_what_can_not_be_told_apart_is_refused(message: Message) -> None:
    with pytest.raises(EncodeError):
        encode_message(message)


def test_notes_are_not_carried_silently() -> None:
    plain = trades(["1"])
    noted = Trades(
        plain.ts_event,
        plain.price,
        plain.size,
        plain.side,
        notes=Notes.of([(0, Kind.GAP, 1, 2, 0)]),
    )

    with pytest.raises(EncodeError, match="beside"):
        encode_message(Message(FEED, 0, noted))


@given(st.binary(max_size=300))
def test_random_bytes_are_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode_message(data)


@given(st.integers(0), st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_read_as_a_message(at: int, bit: int) -> None:
    data = bytearray(encode_message(Message(FEED, 3, trades(["1.25", "7"], ["1", None]))))
    data[at % len(data)] ^= 1 << bit

    try:
        read = decode_message(bytes(data))
    except FormatError:
        return
    assert len(read.trades) >= 1


def test_a_newer_version_says_so() -> None:
    with pytest.raises(UnknownVersionError, match="version 2"):
        decode_message(msgpack.packb([2, "a/b", 0, 0, [], []]))
