"""Messages of books: what goes in comes out, and other bytes are refused."""

from __future__ import annotations

from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import books

from tradercast.book_messages import BookMessages
from tradercast.errors import EncodeError, FormatError, UnknownVersionError
from tradercast.feeds import FeedId
from tradercast.pipeline.book_batches import BookBatch, decode_any, encode_book_batch
from tradercast.pipeline.messages import decode_message

FEED = FeedId("bitfinex", "btcusd", "book")
SMALL = books.messages_of(
    [
        books.row(5, (1, "10", "2", 3), (2, "11", "0.5", 1), snapshot=True, last_id=7),
        books.gap(6, 8, 9, 5),
        books.row(7, checksum=-12),
    ]
)


@given(books.messages())
def test_what_goes_in_comes_out(run: BookMessages) -> None:
    read = decode_any(encode_book_batch(BookBatch(FEED, 7, run)))

    assert isinstance(read, BookBatch)
    assert (read.feed, read.number) == (FEED, 7)
    assert read.records.equals(run)


def test_the_bytes_are_a_function_of_the_records() -> None:
    filled = replace(SMALL, prev_id=SMALL.filled("prev_id"), ts_recv=SMALL.filled("ts_recv"))

    assert encode_book_batch(BookBatch(FEED, 1, SMALL)) == encode_book_batch(
        BookBatch(FEED, 1, filled)
    )


def test_none_at_all_is_refused() -> None:
    with pytest.raises(EncodeError):
        encode_book_batch(BookBatch(FEED, 0, BookMessages.empty()))


def test_a_program_that_knows_trades_only_says_that_it_is_too_old() -> None:
    data = encode_book_batch(BookBatch(FEED, 0, SMALL))

    with pytest.raises(UnknownVersionError):
        decode_message(data)
    with pytest.raises(UnknownVersionError, match="version 3"):
        decode_any(msgpack.packb([3, "a/b/book", 0, 0, [], []]))


@given(st.binary(max_size=300))
def test_random_bytes_are_a_format_error(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode_any(b"\x96\x02" + data)


@given(st.integers(0), st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_read_as_a_message(at: int, bit: int) -> None:
    data = bytearray(encode_book_batch(BookBatch(FEED, 3, SMALL)))
    data[at % len(data)] ^= 1 << bit

    try:
        read = decode_any(bytes(data))
    except FormatError:
        return
    assert isinstance(read, BookBatch)
    assert len(read.records) >= 1
