"""A decoder written from docs/FORMAT.md alone reads the same messages and makes the same book."""

import second_book_decoder
from hypothesis import given
from hypothesis import strategies as st
from support.books import LAST, levels_of, messages, rows_of

from tradercast.book_messages import BookMessages
from tradercast.chunks import encode_book, extend_chain
from tradercast.feeds import FeedId
from tradercast.market.book import Book

FEED = FeedId("bitfinex", "btcusd", "book")


@given(messages(), messages(), st.integers(0, 2**61))
def test_it_reads_any_chunk(before: BookMessages, run: BookMessages, seq: int) -> None:
    book = Book()
    book.apply(before)
    keyframe = book.keyframe()
    block = encode_book(
        run, feed=FEED, first_seq=seq, running_max_ns=LAST, keyframe=keyframe, chain=b"c" * 16
    )

    second = second_book_decoder.chunk(block)

    assert second["rows"] == rows_of(run)
    assert second["keyframe"] == (keyframe.valid, levels_of(keyframe.levels))
    assert second["keyframe"] == second_book_decoder.book(rows_of(before))
    assert (second["feed"], second["seq"], second["n"]) == (str(FEED), seq, len(run))
    assert second["t"] == [*run.span(), LAST]


@given(messages())
def test_it_reads_a_tail_block(run: BookMessages) -> None:
    second = second_book_decoder.chunk(
        encode_book(run, feed=FEED, first_seq=0, running_max_ns=LAST, message=7)
    )

    assert second["rows"] == rows_of(run)
    assert (second["keyframe"], second["msg"]) == (None, 7)


@given(messages(), st.sampled_from([b"", b"0123456789abcdef"]))
def test_it_computes_the_same_chain_hash(run: BookMessages, before: bytes) -> None:
    assert extend_chain(before, run) == second_book_decoder.chain(before, rows_of(run))
