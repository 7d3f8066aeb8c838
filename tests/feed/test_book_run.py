"""Runs of book messages: every block begins with the book before it, however often it is halved."""

import numpy as np
import pytest

from tradercast.book_levels import Levels
from tradercast.book_messages import BookMessages, offsets_of
from tradercast.chunks import MAX_BLOCK, decode_book, extend_chain
from tradercast.errors import EncodeError
from tradercast.feed.book_run import encode_book_run
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.records import Decimals

FEED = FeedId("binance", "btcusdt", "book")


def noise(messages: int, each: int) -> BookMessages:
    """Levels that do not compress: about 20 bytes each, on 1,000 prices or so."""
    rng = np.random.default_rng(messages)
    count = messages * each
    prices = rng.integers(2**61, 2**62, 1_000)
    levels = Levels(
        rng.integers(1, 3, count).astype(np.uint8),
        Decimals.from_ints(rng.choice(prices, count)),
        Decimals.from_ints(rng.integers(2**61, 2**62, count)),
        rng.integers(2**61, 2**62, count),
    )
    snapshots = np.zeros(messages, np.bool_)
    snapshots[0] = True
    return BookMessages(
        np.arange(messages) * 1_000,
        snapshots,
        offsets_of(np.full(messages, each)),
        levels,
        last_id=np.arange(messages),
    )


def test_a_small_run_is_one_block_with_the_book_before() -> None:
    one, two = noise(20, 5), noise(20, 5)[5:]
    book, plain = Book(), Book()
    encode_book_run(one, book, feed=FEED, first_seq=0)
    plain.apply(one)

    blocks = encode_book_run(two, book, feed=FEED, first_seq=20, running_max_ns=10**6)

    header, keyframe, messages = decode_book(blocks[0])
    assert len(blocks) == 1
    assert messages.equals(two)
    assert keyframe is not None
    assert keyframe.equals(plain.keyframe())
    assert (header.first_seq, header.running_max_ns) == (20, 10**6)
    assert header.chain == extend_chain(b"", two)
    plain.apply(two)
    assert book.keyframe().equals(plain.keyframe())


def test_a_large_run_is_halved_and_every_half_can_be_read_alone() -> None:
    run = noise(1_001, 65)
    book = Book()

    blocks = encode_book_run(run, book, feed=FEED, first_seq=7, chain=b"x" * 16)

    assert len(blocks) == 2
    assert max(map(len, blocks)) <= MAX_BLOCK
    (one, _, left), (two, keyframe, right) = (decode_book(block) for block in blocks)
    assert [(h.first_seq, h.count) for h in (one, two)] == [(7, 501), (508, 500)]
    assert [one.chain, two.chain] == [b"", extend_chain(b"x" * 16, run)]
    assert BookMessages.concat([left, right]).equals(run)
    assert keyframe is not None
    resumed, whole = Book.from_keyframe(keyframe), Book()
    resumed.apply(right)
    whole.apply(run)
    assert resumed.keyframe().equals(whole.keyframe())
    assert book.keyframe().equals(whole.keyframe())


def test_a_message_that_fits_no_block_is_named() -> None:
    with pytest.raises(EncodeError, match="record 5 and the book before it take"):
        encode_book_run(noise(1, 65_000), Book(), feed=FEED, first_seq=5)


def test_no_messages_are_no_blocks() -> None:
    assert encode_book_run(BookMessages.empty(), Book(), feed=FEED, first_seq=0) == []
