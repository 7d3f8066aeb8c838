"""One cut run of records as blocks: halved as often as 1 MiB demands."""

from __future__ import annotations

from typing import Any, Protocol, Self

from tradercast.chunks.block import MAX_BLOCK
from tradercast.chunks.chain import extend_chain
from tradercast.chunks.trades import encode_any_size
from tradercast.errors import EncodeError
from tradercast.feeds import FeedId
from tradercast.records import NO_TIME, Trades
from tradercast.runs import Records


class ChunkEncoder(Protocol):
    """Makes archive blocks of the records at one place of a segment."""

    def encode(
        self, records: Any, *, feed: FeedId, first_seq: int, running_max_ns: int, chain: bytes
    ) -> bytes:
        """A block of any size of records that begin here."""

    def after(self, records: Any) -> Self:
        """The encoder behind these records, which begin here."""


class TradesEncoder:
    """Of trades: a block of them depends on nothing before it."""

    def encode(
        self, records: Trades, *, feed: FeedId, first_seq: int, running_max_ns: int, chain: bytes
    ) -> bytes:
        """A block of any size."""
        return encode_any_size(
            records, feed=feed, first_seq=first_seq, running_max_ns=running_max_ns, chain=chain
        )

    def after(self, records: Trades) -> TradesEncoder:
        """The same."""
        return self


def encode_run(
    trades: Trades,
    *,
    feed: FeedId,
    first_seq: int,
    running_max_ns: int = NO_TIME,
    chain: bytes = b"",
) -> list[bytes]:
    """The archive blocks of the trades between two cuts.

    The last block carries the chain hash after the run; its header therefore holds all that the
    next run needs (`chain`, `running_max_ns`, `end_seq`).

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
    after = extend_chain(chain, trades)
    return encode_hashed_run(trades, TradesEncoder(), feed, first_seq, running_max_ns, after)


def encode_hashed_run(
    records: Records,
    encoder: ChunkEncoder,
    feed: FeedId,
    first_seq: int,
    before_ns: int,
    chain: bytes,
) -> list[bytes]:
    """The archive blocks of the records between two cuts, which are halved as the format says.

    Parameters
    ----------
    records : Records
        Those of the run; at least one.
    encoder : ChunkEncoder
        That of the place where they begin.
    feed, first_seq
        As of `encode_run`.
    before_ns : int
        The largest time of the segment before them; `NO_TIME` at its beginning.
    chain : bytes
        The chain hash *after* them.

    Raises
    ------
    EncodeError
        If a record can not be held exactly, or does not fit into a block; names it.
    """
    highest = max(before_ns, records.span()[1])
    block = encoder.encode(
        records, feed=feed, first_seq=first_seq, running_max_ns=highest, chain=chain
    )
    if len(block) <= MAX_BLOCK:
        return [block]
    if len(records) == 1:
        raise EncodeError(
            f"record {first_seq} and the book before it take {len(block)} bytes, over {MAX_BLOCK}"
        )
    half = (len(records) + 1) // 2
    left, right = records[:half], records[half:]
    middle = max(before_ns, left.span()[1])
    return [
        *encode_hashed_run(left, encoder, feed, first_seq, before_ns, b""),
        *encode_hashed_run(right, encoder.after(left), feed, first_seq + half, middle, chain),
    ]
