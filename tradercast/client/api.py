"""The asynchronous Python client; the synchronous one is made from it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tradercast.addresses import parse_address
from tradercast.client.api_books import AsyncBookQueries
from tradercast.client.books import Books
from tradercast.client.candle_results import CandlesResult
from tradercast.client.candles import CandlesRead, whole_intervals
from tradercast.client.feed import OpenFeed, SegmentPlan, origin_of
from tradercast.client.gaps import FeedGaps, feed_gaps
from tradercast.client.missing import OnMissing, check_on_missing, tell_missing
from tradercast.client.node import Node
from tradercast.client.opening import Opener
from tradercast.client.portal import opened_twice
from tradercast.client.replaying import Replays
from tradercast.client.results import TradesResult
from tradercast.client.session import SessionOptions
from tradercast.client.sync import SyncProgress, SyncResult, sync_range
from tradercast.client.verify import VerifiedLog, verify_feed
from tradercast.feed.entries import FeedEntry
from tradercast.feed.reader import Piece, ReadReport
from tradercast.links import Link
from tradercast.market.candles import filled
from tradercast.market.interval import Interval
from tradercast.paths import DataDir
from tradercast.timerange import TimeLike, TimeRange


class AsyncClient(AsyncBookQueries):
    """Market history as columns.

    Use it as a context manager.  It goes online only when something is asked for that is not
    on this machine yet.

    Parameters
    ----------
    data_dir : str or Path, optional
        Where everything is kept (default: as the command line).
    link : str or Link, optional
        The publisher to ask; otherwise all that are known.
    bootstrap, peers : sequence of str
        ``HOST:PORT`` of directory nodes to ask and of nodes to connect to, beside those that
        are known of the publisher.

    Examples
    --------
    >>> with tradercast.connect() as client:  # doctest: +SKIP
    ...     trades = client.trades("btcusd", "2024-01-01", "2024-02-01")
    ...     frame = trades.to_polars()
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        link: str | Link | None = None,
        bootstrap: Sequence[str] = (),
        peers: Sequence[str] = (),
    ) -> None:
        self._node = Node(DataDir.locate(data_dir))
        self._opener = Opener(
            self._node,
            Link.parse(link) if isinstance(link, str) else link,
            SessionOptions(
                bootstrap=tuple(parse_address(text) for text in bootstrap),
                peers=tuple(parse_address(text) for text in peers),
            ),
        )
        self._books = Books(self._opener)
        self._replays = Replays(self._node, self._opener, self._books)
        self._stack: contextlib.AsyncExitStack | None = None

    async def __aenter__(self) -> Self:
        if self._stack is not None:
            raise opened_twice()
        self._stack = contextlib.AsyncExitStack()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._node)
            await stack.enter_async_context(self._opener)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._stack is not None
        await self._stack.aclose()

    async def feeds(self, *, sync: bool = False) -> list[FeedEntry]:
        """The feeds of the publishers that are known here.

        Parameters
        ----------
        sync : bool
            Ask peers for news first.

        Raises
        ------
        NoPeerError
            If peers are to be asked and none is found.
        """
        publishers = await self._opener.publishers(remote=sync)
        return [entry for publisher in publishers for entry in publisher.catalog.feeds()]

    async def sync(
        self,
        symbol: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        *,
        exchange: str | None = None,
        channel: str = "trades",
        on_progress: Callable[[SyncProgress], None] = lambda progress: None,
    ) -> SyncResult:
        """Fetch a range from the swarm into the local store.

        Parameters
        ----------
        symbol : str
            ``btcusd``, ``BTC/USD``, ``bitfinex/btcusd/trades`` or a link.
        start, end : int, str, datetime or date, optional
            Half-open range of ``ts_event``; int is ns UTC, a time without a zone is UTC.
        exchange, channel : str
            When the symbol alone is ambiguous.
        on_progress : callable
            Told again and again how far it is.

        Raises
        ------
        NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError
        """
        wanted = TimeRange.parse(start, end)
        feed = await self._opener.remote(symbol, exchange, channel)
        plans = await feed.plan(wanted)
        result = await sync_range(self._node, feed, plans, on_progress=on_progress)
        self._check()
        return result

    async def trades(
        self,
        symbol: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        *,
        exchange: str | None = None,
        sync: bool = True,
        on_missing: OnMissing = "raise",
    ) -> TradesResult:
        """The trades of a range, in memory.

        Parameters
        ----------
        symbol, start, end, exchange
            As of `sync`.
        sync : bool
            Fetch what is not here; otherwise only what is here is read.
        on_missing : {"raise", "warn", "ignore"}
            What to do about records that exist but nobody has.  A gap that the exchange
            itself left is never an error: it is in `TradesResult.gaps`.

        Raises
        ------
        MissingDataError
            With the missing time ranges.
        NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError
        """
        wanted = TimeRange.parse(start, end)
        check_on_missing(on_missing)
        feed, plans = await self._opener.planned(symbol, wanted, exchange, sync=sync)
        report = ReadReport()
        pieces = [piece async for piece in feed.load(plans, report)]
        await self._settle(feed, plans, report, on_missing)
        joined = Piece.joined(pieces)
        return TradesResult(
            joined.trades,
            joined.numbers,
            gaps=report.gaps,
            origin=await origin_of(self._node, feed, wanted),
        )

    async def iter_trades(
        self,
        symbol: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        *,
        exchange: str | None = None,
        sync: bool = True,
        on_missing: OnMissing = "raise",
    ) -> AsyncIterator[TradesResult]:
        """The same trades in batches and constant memory, for ranges larger than memory.

        What is missing is raised at the end, behind everything that is there.
        """
        wanted = TimeRange.parse(start, end)
        check_on_missing(on_missing)
        feed, plans = await self._opener.planned(symbol, wanted, exchange, sync=sync)
        report, origin = ReadReport(), await origin_of(self._node, feed, wanted)
        seen = 0
        async for piece in feed.read(plans, report):
            gaps, seen = report.gaps[seen:], len(report.gaps)
            yield TradesResult(piece.trades, piece.seq, gaps=gaps, origin=origin)
        await self._settle(feed, plans, report, on_missing)

    async def candles(
        self,
        symbol: str,
        interval: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        *,
        exchange: str | None = None,
        fill: bool = False,
        sync: bool = True,
        on_missing: OnMissing = "raise",
    ) -> CandlesResult:
        """The candles that begin in a range; the newest may still grow.

        They come from the publisher's feed of minute candles, if it has one and the interval is
        of whole minutes, and from trades where that ends.

        Parameters
        ----------
        symbol, exchange
            As of `sync`.
        interval : str
            ``1s 1m 3m 5m 15m 30m 1h 2h 3h 4h 6h 8h 12h 1d 3d 1w 1M``; all begin in UTC, weeks on
            Mondays.
        start, end : optional
            Half-open range of the candles' beginnings; the last is read to its own end.
        fill : bool
            Put a candle without volume where there was no trade between the first and the last.
        sync, on_missing
            As of `trades`.

        Raises
        ------
        UsageError
            If there is no such interval.
        MissingDataError, NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError
        """
        step = Interval.parse(interval)
        wanted = whole_intervals(TimeRange.parse(start, end), step)
        check_on_missing(on_missing)
        report = ReadReport()
        read = CandlesRead(self._opener, symbol, exchange, wanted, report, sync=sync)
        candles, feed, plans = await read.run(step)
        await self._settle(feed, plans, report, on_missing)
        origin = await origin_of(self._node, feed, wanted)
        candles = filled(candles, step) if fill else candles
        return CandlesResult(candles, interval, gaps=report.gaps, origin=origin)

    async def gaps(
        self,
        symbol: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        *,
        exchange: str | None = None,
        channel: str = "trades",
    ) -> FeedGaps:
        """Holes that the source reported, and what is not on this machine."""
        feed = await self._opener.local(symbol, exchange, channel)
        return await feed_gaps(feed, TimeRange.parse(start, end))

    async def verify(
        self, symbol: str, *, exchange: str | None = None, channel: str = "trades"
    ) -> list[VerifiedLog]:
        """Check every held block of a feed against the publisher's signature.

        Raises
        ------
        VerificationError
            At the first that does not match.
        """
        feed = await self._opener.local(symbol, exchange, channel)
        logs = [log async for log in verify_feed(self._node, feed)]
        self._check()
        return logs

    async def _settle(
        self, feed: OpenFeed, plans: list[SegmentPlan], report: ReadReport, on_missing: OnMissing
    ) -> None:
        self._check()
        if report.records:
            self._opener.keep(feed)
        tell_missing(feed.feed, plans[0].plan.time_range, report, on_missing)
