"""The part of the asynchronous client that gives books."""

from __future__ import annotations

from tradercast.client.api_streams import AsyncStreams
from tradercast.client.bbo import BboResult, read_bbo
from tradercast.client.book import BookAt
from tradercast.client.book_snapshots import BookSnapshots, Steps
from tradercast.client.books import Books, traded_between
from tradercast.client.missing import OnMissing, check_on_missing, tell_missing
from tradercast.feed.reader import ReadReport
from tradercast.feeds import FeedId
from tradercast.market.bbo import Bbo
from tradercast.timerange import TimeLike, TimeRange, parse_time_ns


class AsyncBookQueries(AsyncStreams):
    """Books at a time and at fixed steps, and their best prices."""

    _books: Books

    async def book_at(
        self,
        symbol: str,
        time: TimeLike | None = None,
        *,
        exchange: str | None = None,
        sync: bool = True,
    ) -> BookAt:
        """The order book at a time, after every message up to it.

        Parameters
        ----------
        symbol, exchange
            As of `sync`.
        time : optional
            Int is ns UTC, a time without a zone is UTC; by default the newest book.
        sync : bool
            Fetch what is not here: at most one chunk and two index blocks, and the tail if the
            time is that recent.

        Returns
        -------
        BookAt
            Check its `valid`: where messages are missing it is no book of the exchange.

        Raises
        ------
        IncompleteError
            If nobody has the part that is needed.
        NoPeerError, UnknownSymbolError, AmbiguousSymbolError
        """
        time_ns = None if time is None else parse_time_ns(time)
        found = await self._books.at(symbol, time_ns, exchange=exchange, sync=sync)
        self._check()
        return found

    async def book_snapshots(
        self,
        symbol: str,
        start: TimeLike,
        end: TimeLike,
        *,
        every: str | int = "1s",
        depth: int = 15,
        flow: bool = False,
        exchange: str | None = None,
        sync: bool = True,
        on_missing: OnMissing = "raise",
    ) -> BookSnapshots:
        """The order book at fixed steps, as columns: the best levels of both sides.

        Parameters
        ----------
        symbol, start, end, exchange, sync, on_missing
            As of `trades`; the book at each step is that of `book_at`.
        every : str or int
            ``100ms``, ``1s``, ``5m``, ``1h`` …, or ns.  The first step is at `start`.
        depth : int
            Levels of each side.
        flow : bool
            Also the order flow since the step before, see `BookSnapshots`; reads the trades of
            the symbol, too.

        Raises
        ------
        MissingDataError, NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError
        """
        steps = Steps.parse(start, end, every, depth)
        check_on_missing(on_missing)
        feed, taken, report = await self._books.steps(
            symbol, steps, exchange=exchange, sync=sync, with_flow=flow
        )
        self._check()
        tell_missing(feed, steps.time_range, report, on_missing, stacklevel=3)
        traded = None
        if flow:
            trades = str(FeedId(feed.exchange, feed.symbol))
            opened, plans = await self._opener.planned(trades, steps.time_range, None, sync=sync)
            report = ReadReport()
            traded = await traded_between(opened, plans, steps.times, report)
            self._opener.keep(opened)
            tell_missing(opened.feed, steps.time_range, report, on_missing, stacklevel=3)
        return BookSnapshots(feed, steps.times, depth, taken, traded)

    async def bbo(
        self,
        symbol: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        *,
        exchange: str | None = None,
        sync: bool = True,
        on_missing: OnMissing = "raise",
    ) -> BboResult:
        """The best bid and ask at each change of one of them, from the feed of books.

        The first row is that of the first message of the range.

        Parameters
        ----------
        symbol, start, end, exchange, sync, on_missing
            As of `trades`.

        Raises
        ------
        MissingDataError, NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError
        """
        wanted = TimeRange.parse(start, end)
        check_on_missing(on_missing)
        feed, _ = await self._opener.planned(symbol, wanted, exchange, sync=sync, channel="book")
        report = ReadReport()
        rows = Bbo.concat([part async for part in read_bbo(feed, wanted, report)])
        self._check()
        self._opener.keep(feed)
        tell_missing(feed.feed, wanted, report, on_missing, stacklevel=3)
        return BboResult(feed.feed, rows)

    def _check(self) -> None:
        if self._node.fork is not None:
            raise self._node.fork
