"""Segments in memory: real blocks in lists, read by the real reader without a sidecar."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, cast

import numpy as np

from tradercast.chunks import TailInfo, encode_run, encode_trades
from tradercast.chunks.run import TradesEncoder
from tradercast.feed.archive_blocks import ArchiveEnd, Sealed
from tradercast.feed.plan import merge_ranges
from tradercast.feed.reader import SegmentReader
from tradercast.feeds import FeedId
from tradercast.log import Core
from tradercast.log.answers import CoreInfo
from tradercast.records import Decimals, Kind, Notes, Trades

FEED = FeedId("bitfinex", "btcusd")


class ListLog:
    """A log in memory that notes which blocks were asked for; `None` is a block not held."""

    def __init__(self, blocks: Sequence[bytes | None]) -> None:
        self.blocks = list(blocks)
        self.asked: list[int] = []

    async def info(self) -> CoreInfo:
        return CoreInfo(len(self.blocks), 0, len(self.blocks), 0, 0, 0)

    async def held(self, start: int, end: int) -> list[tuple[int, int]]:
        blocks = range(start, min(end, len(self.blocks)))
        return merge_ranges((b, b + 1) for b in blocks if self.blocks[b] is not None)

    async def read(
        self, ranges: Iterable[tuple[int, int]], wait: bool = True, stall_s: float = 1.0
    ) -> AsyncIterator[list[tuple[int, bytes | None]]]:
        wanted = [block for start, end in ranges for block in range(start, end)]
        self.asked += wanted
        for at in range(0, len(wanted), 3):
            yield [(block, self.blocks[block]) for block in wanted[at : at + 3]]

    async def get(self, index: int, wait: bool = False, stall_s: float = 1.0) -> bytes | None:
        self.asked.append(index)
        return self.blocks[index]


def trades_at(times: list[int], notes: Sequence[tuple[int, Kind, int, int, int]] = ()) -> Trades:
    """Records at these times; price and size tell them apart."""
    count = len(times)
    return Trades(
        np.array(times, np.int64),
        Decimals.from_ints(np.arange(count) + 100, -2),
        Decimals.from_ints(np.arange(count) * 10 + 1, -1),
        (np.arange(count) % 3).astype(np.uint8),
        notes=Notes.of(list(notes)),
    )


def archive_blocks(trades: Trades, edges: Sequence[int]) -> list[bytes]:
    """An archive whose chunks end at these records."""
    end = ArchiveEnd(FEED, TradesEncoder())
    blocks: list[bytes] = []
    start = 0
    for stop in edges:
        before = -(2**63) if end.running_max_ns is None else end.running_max_ns
        run = encode_run(
            trades[start:stop],
            feed=FEED,
            first_seq=start,
            running_max_ns=before,
            chain=end.chain,
        )
        blocks += end.add(Sealed(run, end.encoder))
        start = stop
    return blocks


def tail_blocks(trades: Trades, edges: Sequence[int], sealed: int) -> list[bytes]:
    """A tail whose blocks end at these records; those before `sealed` are in the archive."""
    blocks: list[bytes] = []
    start, open_block = 0, None
    for stop in edges:
        if open_block is None and stop > sealed:
            open_block = len(blocks)
        open_seq = min(sealed, start) if open_block is None else sealed
        rest = trades[open_seq:stop]
        low, high = rest.span()
        block = encode_trades(
            trades[start:stop],
            feed=FEED,
            first_seq=start,
            running_max_ns=trades[:stop].span()[1],
            tail=TailInfo(open_seq, open_block or 0, low, high),
        )
        blocks.append(block)
        start = stop
    return blocks


def segment(
    trades: Trades, chunks: Sequence[int], messages: Sequence[int] = ()
) -> tuple[SegmentReader, ListLog, ListLog]:
    """A reader of a segment: chunks and tail messages that end at these records."""
    sealed = chunks[-1] if chunks else 0
    archive = ListLog(archive_blocks(trades, chunks))
    tail = ListLog(tail_blocks(trades, messages, sealed))
    reader = SegmentReader(cast(Core, archive), cast(Core, tail), remote=False)
    return reader, archive, tail


def edges(count: int, sizes: Iterable[int]) -> list[int]:
    """Where runs of these sizes end within `count` records; what is left over is the last."""
    ends = [end for end in np.cumsum(list(sizes)).tolist() if end < count]
    return [*ends, count] if count else []


def columns(trades: Trades) -> dict[str, Any]:
    """Plain values, to be compared and shown by pytest."""
    return {
        "ts": trades.ts_event.tolist(),
        "price": trades.price.to_strings(),
        "size": trades.size.to_strings(),
        "side": trades.side.tolist(),
    }
