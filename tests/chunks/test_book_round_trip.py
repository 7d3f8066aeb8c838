"""Chunks of book messages: every message comes back exactly, and has one encoding only."""

import dataclasses
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.books import ASK, BID, LAST, gap, messages, messages_of, row, rows_of

from tradercast.book_levels import Keyframe, Levels
from tradercast.book_messages import OPTIONAL, BookMessages
from tradercast.chunks import (
    TailInfo,
    decode_book,
    decode_header,
    decode_trades,
    encode_book,
    open_book,
)
from tradercast.errors import EncodeError, FormatError
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.records import ABSENT, Decimals

FEED = FeedId("bitfinex", "btcusd", "book")
ROWS = [
    row(1_000, (BID, "9.5", "2"), (ASK, "10", "1"), snapshot=True, last_id=7),
    row(2_000, (BID, "9.5", "0"), (BID, "9.4", "1"), first_id=8, last_id=9, prev_id=7),
    row(3_000, (ASK, "10.25", "3"), first_id=10, last_id=12, prev_id=9, checksum=-77),
]


def encoded(run: BookMessages, **more: Any) -> bytes:
    return encode_book(run, **({"feed": FEED, "first_seq": 0, "running_max_ns": LAST} | more))


def book_after(run: BookMessages) -> Keyframe:
    book = Book()
    book.apply(run)
    return book.keyframe()


@given(messages())
def test_every_message_comes_back_exactly(run: BookMessages) -> None:
    header, keyframe, decoded = decode_book(encoded(run))

    assert rows_of(decoded) == rows_of(run)
    assert decoded.equals(run)
    assert keyframe is None
    assert (header.count, header.first_seq, header.end_seq) == (len(run), 0, len(run))
    assert (header.min_ns, header.max_ns) == run.span()


@given(messages(), messages())
def test_the_book_before_comes_with_the_messages(one: BookMessages, two: BookMessages) -> None:
    before = book_after(one)

    header, keyframe, decoded = decode_book(encoded(two, keyframe=before, first_seq=len(one)))

    assert keyframe is not None
    assert keyframe.equals(before)
    assert decoded.equals(two)
    assert header.key is not None
    assert header.key.bids + header.key.asks == len(before.levels)
    resumed = Book.from_keyframe(keyframe)
    resumed.apply(decoded)
    assert resumed.keyframe().equals(book_after(BookMessages.concat([one, two])))


@given(messages(), st.integers(0, 12))
def test_the_same_records_built_in_another_way_give_the_same_bytes(
    run: BookMessages, zeros: int
) -> None:
    padded = [f"{p}{'' if '.' in p else '.'}{'0' * zeros}" for p in run.levels.price.to_strings()]
    half = len(run) // 2
    levels = Levels(
        run.levels.side, Decimals.from_strings(padded), run.levels.size, run.levels.counts()
    )
    other = BookMessages(
        run.ts_event,
        run.is_snapshot,
        run.offsets,
        levels,
        **{name: run.filled(name) for name in OPTIONAL},
        notes=run.notes,
    )

    assert encoded(other) == encoded(run)
    assert encoded(BookMessages.concat([run[:half], run[half:]])) == encoded(run)


def test_the_header_says_what_it_was_told() -> None:
    tail = TailInfo(open_seq=5, open_block=2, open_min_ns=-7, open_max_ns=9)
    run = messages_of([*ROWS, gap(5_000, 13, 14, 3_000)])

    block = encoded(run, first_seq=40, running_max_ns=5_000, chain=b"c" * 16, tail=tail, message=12)

    chunk = open_book(block)
    header = chunk.header
    assert header.feed == FEED
    assert (header.first_seq, header.count, header.notes) == (40, 4, 1)
    assert (header.min_ns, header.max_ns, header.running_max_ns) == (1_000, 5_000, 5_000)
    assert (header.chain, header.tail, header.message) == (b"c" * 16, tail, 12)
    assert (header.price_exponent, header.size_exponent) == (-2, 0)
    assert (header.has_recv, header.key, chunk.level_count) == (False, None, 5)


def test_numbers_that_follow_from_the_message_before_cost_next_to_nothing() -> None:
    rng = np.random.default_rng(4)
    count = 20_000
    last = rng.integers(1, 900, count).cumsum()
    plain = BookMessages(
        np.arange(count) * 1_000_000,
        np.zeros(count, np.bool_),
        np.zeros(count + 1, np.int64),
        Levels.empty(),
        last_id=last,
    )
    prev = np.concatenate(([ABSENT], last[:-1]))
    full = dataclasses.replace(plain, first_id=np.concatenate(([3], last[:-1] + 1)), prev_id=prev)

    block = encoded(full)

    assert decode_book(block)[2].equals(full)
    assert len(block) < len(encoded(plain)) + 400


@pytest.mark.parametrize(
    ("run", "more", "what"),
    [
        (BookMessages.empty(), {}, "1 to 65536 records, not 0"),
        (messages_of([row(-(2**63))]), {}, "record 100 has no ts_event"),
        (messages_of(ROWS), {"feed": FeedId("a", "b", "trades")}, "no feed of book"),
        (messages_of(ROWS), {"running_max_ns": 1}, "running maximum"),
        (messages_of(ROWS), {"chain": b"x"}, "16 bytes"),
        (messages_of(ROWS), {"first_seq": -1}, "first seq"),
    ],
)
def test_what_no_chunk_can_hold_is_refused(run: BookMessages, more: dict, what: str) -> None:
    with pytest.raises(EncodeError, match=re.escape(what)):
        encoded(run, **({"first_seq": 100} | more))


def test_a_number_that_can_not_be_stored_is_named_by_its_record() -> None:
    run = messages_of(ROWS)
    price = Decimals(run.levels.price.mantissa, -2, {3: Decimal("NaN")})
    broken = dataclasses.replace(run, levels=dataclasses.replace(run.levels, price=price))

    with pytest.raises(EncodeError, match="record 101 has NaN as px"):
        encoded(broken, first_seq=100, keyframe=None)


def test_too_many_levels_are_refused() -> None:
    side = np.ones(2**18 + 1, np.uint8)
    ones = Decimals.from_ints(np.arange(1, 2**18 + 2))
    levels = Levels(side, ones, ones)
    run = BookMessages(
        np.zeros(1, np.int64), np.ones(1, np.bool_), np.array([0, len(side)]), levels
    )

    with pytest.raises(EncodeError, match="records 0 to 0 have 262145 levels"):
        encoded(run)
    with pytest.raises(EncodeError, match="a book of 262145 levels"):
        encoded(messages_of(ROWS), keyframe=Keyframe(levels, valid=True))


def test_a_keyframe_that_is_no_book_is_refused() -> None:
    run = messages_of(ROWS)
    levels = messages_of([row(1, (ASK, "2", "1"), (BID, "1", "1"))]).levels
    gone = messages_of([row(1, (ASK, "2", "0"))]).levels

    with pytest.raises(EncodeError, match="not before its asks"):
        encoded(run, keyframe=Keyframe(levels, valid=True))
    with pytest.raises(EncodeError, match="has no size"):
        encoded(run, keyframe=Keyframe(gone, valid=True))


def test_a_book_is_no_trades() -> None:
    with pytest.raises(FormatError, match="not trades"):
        decode_trades(encoded(messages_of(ROWS)))
    assert decode_header(encoded(messages_of(ROWS))).feed == FEED
