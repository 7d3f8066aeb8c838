"""Replays that are asked for by symbols and channels."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from tradercast.book_messages import BookMessages
from tradercast.client.books import Books
from tradercast.client.feed import OpenFeed, SegmentPlan
from tradercast.client.missing import OnMissing, check_on_missing
from tradercast.client.node import Node
from tradercast.client.opening import Opener
from tradercast.client.pace import check_speed, paced
from tradercast.client.replay import Replay, ReplayFeed
from tradercast.errors import IncompleteError, UnknownSymbolError, UsageError
from tradercast.feed.channel import BOOK, CANDLES, TRADES
from tradercast.market.replay_events import ReplayEvent, events_of
from tradercast.market.replay_merge import ReplayBatch
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS, TimeRange

TIE_ORDER = (TRADES.name, BOOK.name, CANDLES.name)


class Replays:
    """Opens the feeds of replays.

    Parameters
    ----------
    node : Node
    opener : Opener
    books : Books
        Give the book where a replay begins.
    """

    def __init__(self, node: Node, opener: Opener, books: Books) -> None:
        self._node = node
        self._opener = opener
        self._books = books

    async def batches(
        self,
        symbols: str | Sequence[str],
        wanted: TimeRange,
        channels: str | Sequence[str],
        *,
        exchange: str | None,
        sync: bool,
        on_missing: OnMissing,
        speed: float | None,
        in_order: bool,
    ) -> AsyncGenerator[ReplayBatch, None]:
        """See `AsyncClient.replay`."""
        check_on_missing(on_missing)
        check_speed(speed)
        follow = sync and wanted.end_ns == MAX_TIME_NS
        feeds: dict[str, ReplayFeed] = {}
        for symbol, channel in _named(symbols, channels):
            feed, plans = await self._open(symbol, channel, wanted, exchange, sync, follow)
            if str(feed.feed) not in feeds:
                self._opener.keep(feed)
                opening = await self._opening(feed, wanted.start_ns, sync, follow)
                feeds[str(feed.feed)] = ReplayFeed(feed, plans, opening)
        made = Replay(
            self._node, list(feeds.values()), on_missing, follow=follow, in_order=in_order
        ).batches()
        if speed is not None:
            made = paced(made, speed)
        async with contextlib.aclosing(made):
            async for batch in made:
                yield batch

    async def _open(
        self,
        symbol: str,
        channel: str,
        wanted: TimeRange,
        exchange: str | None,
        sync: bool,
        follow: bool,
    ) -> tuple[OpenFeed, list[SegmentPlan]]:
        if not follow:
            return await self._opener.planned(symbol, wanted, exchange, sync=sync, channel=channel)
        feed = await self._opener.remote(symbol, exchange, channel)
        return feed, await feed.plan(wanted)

    async def _opening(
        self, feed: OpenFeed, start_ns: int, sync: bool, follow: bool
    ) -> BookMessages | None:
        """The book before the first record, if it is the exchange's."""
        if feed.feed.channel != BOOK.name or start_ns == MIN_TIME_NS:
            return None
        with contextlib.suppress(IncompleteError, UnknownSymbolError):
            found = await self._books.at(str(feed.feed), start_ns - 1, exchange=None, sync=sync)
            if found.valid or (follow and found.book.valid):  # nothing newer may be known yet
                return found.book.snapshot(start_ns)
        return None


async def each_event(batches: AsyncIterator[ReplayBatch]) -> AsyncIterator[ReplayEvent]:
    """The records of batches, one by one."""
    async for batch in batches:
        for event in events_of(batch):
            yield event


def _named(symbols: str | Sequence[str], channels: str | Sequence[str]) -> list[tuple[str, str]]:
    """Each symbol with each channel, in the order in which records of one time come."""
    symbols = [symbols] if isinstance(symbols, str) else list(symbols)
    channels = [channels] if isinstance(channels, str) else list(channels)
    if not symbols or not channels:
        raise UsageError("nothing is to be replayed", hint="name a symbol and a channel")
    if unknown := [channel for channel in channels if channel not in TIE_ORDER]:
        raise UsageError(
            f"the channel {unknown[0]!r} can not be replayed",
            hint=f"there are: {', '.join(TIE_ORDER)}",
        )
    ordered = sorted(dict.fromkeys(channels), key=TIE_ORDER.index)
    pairs = [(symbol, channel) for channel in ordered for symbol in symbols]
    full = [(symbol, symbol.rpartition("/")[2]) for symbol in symbols]
    named = {symbol: channel for symbol, channel in full if channel in TIE_ORDER}
    pairs = [(symbol, named.get(symbol, channel)) for symbol, channel in pairs]
    return sorted(dict.fromkeys(pairs), key=lambda pair: TIE_ORDER.index(pair[1]))
