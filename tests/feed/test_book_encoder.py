"""Runs of book messages: every block begins with the book before it, however often it is halved."""

import numpy as np
import pytest

from tradercast.book_levels import Keyframe, Levels
from tradercast.book_messages import BookMessages, offsets_of
from tradercast.chunks import MAX_BLOCK, decode_book, extend_chain
from tradercast.chunks.run import encode_hashed_run
from tradercast.errors import EncodeError
from tradercast.feed.book_encoder import BookEncoder
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.records import NO_TIME, Decimals

FEED = FeedId("binance", "btcusdt", "book")
START = BookEncoder(Keyframe.empty())


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
    plain = Book()
    plain.apply(one)
    chain = extend_chain(b"", two)

    blocks = encode_hashed_run(two, START.after(one), FEED, 20, 10**6, chain)

    header, keyframe, messages = decode_book(blocks[0])
    assert len(blocks) == 1
    assert messages.equals(two)
    assert keyframe is not None
    assert keyframe.equals(plain.keyframe())
    assert (header.first_seq, header.running_max_ns) == (20, 10**6)
    assert header.chain == chain
    plain.apply(two)
    assert BookEncoder.behind(blocks[0]).keyframe.equals(plain.keyframe())


def test_a_large_run_is_halved_and_every_half_can_be_read_alone() -> None:
    run = noise(1_001, 65)
    chain = extend_chain(b"x" * 16, run)

    blocks = encode_hashed_run(run, START, FEED, 7, NO_TIME, chain)

    assert len(blocks) == 2
    assert max(map(len, blocks)) <= MAX_BLOCK
    (one, _, left), (two, keyframe, right) = (decode_book(block) for block in blocks)
    assert [(h.first_seq, h.count) for h in (one, two)] == [(7, 501), (508, 500)]
    assert [one.chain, two.chain] == [b"", chain]
    assert BookMessages.concat([left, right]).equals(run)
    assert keyframe is not None
    resumed, whole = Book.from_keyframe(keyframe), Book()
    resumed.apply(right)
    whole.apply(run)
    assert resumed.keyframe().equals(whole.keyframe())
    assert BookEncoder.behind(blocks[-1]).keyframe.equals(whole.keyframe())


def test_a_message_that_fits_no_block_is_named() -> None:
    with pytest.raises(EncodeError, match="record 5 and the book before it take"):
        encode_hashed_run(noise(1, 65_000), START, FEED, 5, NO_TIME, b"x" * 16)
