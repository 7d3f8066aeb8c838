"""One cut run of records as blocks: halved as often as 1 MiB demands."""

from __future__ import annotations

from tradercast.chunks.block import MAX_BLOCK
from tradercast.chunks.chain import extend_chain
from tradercast.chunks.trades import encode_any_size
from tradercast.feeds import FeedId
from tradercast.records import NO_TIME, Trades


def encode_run(
    trades: Trades,
    *,
    feed: FeedId,
    first_seq: int,
    running_max_ns: int = NO_TIME,
    chain: bytes = b"",
) -> list[bytes]:
    """The archive blocks of the records between two cuts.

    A run whose block would be over 1 MiB is halved by count (the first half takes the odd
    record), and each half again.  The last block carries the chain hash after the run; its
    header therefore holds all that the next run needs (`chain`, `running_max_ns`, `end_seq`).

    Parameters
    ----------
    trades : Trades
        At most 65,536 records; none gives no block.
    feed : FeedId
        A feed of the channel ``trades``.
    first_seq : int
        The number of the first record.
    running_max_ns : int
        The largest time of the segment before this run; `NO_TIME` at its beginning.
    chain : bytes
        The chain hash before this run; empty at the segment's beginning.

    Raises
    ------
    EncodeError
        If a record can not be held exactly; names it.
    """
    if not len(trades):
        return []
    return encode_hashed_run(trades, feed, first_seq, running_max_ns, extend_chain(chain, trades))


def encode_hashed_run(
    trades: Trades, feed: FeedId, first_seq: int, before_ns: int, chain: bytes
) -> list[bytes]:
    """`encode_run` when the chain hash *after* the run is known; `before_ns` is as there."""
    highest = max(before_ns, trades.span()[1])
    block = encode_any_size(
        trades, feed=feed, first_seq=first_seq, running_max_ns=highest, chain=chain
    )
    if len(block) <= MAX_BLOCK:
        return [block]
    half = (len(trades) + 1) // 2
    left, right = trades[:half], trades[half:]
    middle = max(before_ns, left.span()[1])
    return [
        *encode_hashed_run(left, feed, first_seq, before_ns, b""),
        *encode_hashed_run(right, feed, first_seq + half, middle, chain),
    ]
