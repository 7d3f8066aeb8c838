"""From an exchange's WebSockets to a sink: each record once, in order, in bounded memory."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import aiohttp

from tradercast.errors import IncompleteError
from tradercast.exchanges.book_entries import Continuity, Entry
from tradercast.exchanges.book_entries import Hole as BookHole
from tradercast.exchanges.connector import (
    BookUpdate,
    Connector,
    ExchangeTrade,
    Instrument,
    Refused,
    Subscribed,
    Update,
)
from tradercast.exchanges.stream import Disconnected, News, Stream, StreamOptions
from tradercast.exchanges.taken import Taken
from tradercast.pipeline.flushing import FlushBuffer
from tradercast.records import NO_TIME
from tradercast.timerange import NS_PER_DAY

_log = logging.getLogger(__name__)

_LAST_FLUSH_S = 5.0
_CANCEL_S = 1.0


class Sink(Protocol):
    """Where collected trades go."""

    async def recent_ids(self, instrument: Instrument) -> Iterable[int]:
        """The ids of the newest trades that are there, in the order of writing."""
        ...

    async def write(self, trades: Mapping[Instrument, Sequence[ExchangeTrade]]) -> None:
        """Write trades of some symbols, in order; they are durable when this returns."""
        ...


class BookSink(Protocol):
    """Where collected books go."""

    async def last_book(self, instrument: Instrument) -> tuple[int, int] | None:
        """Time (ns UTC) and number of the newest record of the symbol's book, if there is one."""
        ...

    async def write_books(self, books: Mapping[Instrument, Sequence[Entry]]) -> None:
        """Write book messages and holes of some symbols, in order, durably."""
        ...


@dataclass(frozen=True, slots=True)
class Hole:
    """Between the last trade that was taken and the first new one there may be others.

    Attributes
    ----------
    symbol : str
    first : ExchangeTrade
        The first one after the possible hole.
    """

    symbol: str
    first: ExchangeTrade


@dataclass(frozen=True, slots=True)
class BookGap:
    """Messages of a book are missing, or can not be trusted; they are a gap record.

    Attributes
    ----------
    symbol : str
    hole : Hole
    """

    symbol: str
    hole: BookHole


@dataclass(slots=True)
class BookCounters:
    """What happened to one symbol's book.

    Attributes
    ----------
    taken, written : int
        Messages and gaps; those of them that are durable in the sink.
    gaps : int
    written_ns : int
        When some last became durable (ns UTC).
    """

    taken: int = 0
    written: int = 0
    gaps: int = 0
    written_ns: int = 0


@dataclass(slots=True)
class Counters:
    """What happened to one symbol's trades.

    Attributes
    ----------
    taken, written : int
        Trades that were new; those of them that are durable in the sink.
    repeated : int
        Announcements of trades that were taken before.
    differing : int
        Announcements that say something else of a trade than the one before; they change nothing.
    holes : int
        Connections whose first trades did not reach back to the last ones taken.
    disconnects : int
        How often its connection ended, or could not be made.
    future : int
        Trades that were left out because their time is more than a day ahead of ours.
    refused : int
        How often the exchange refused the symbol.
    written_ns : int
        When trades last became durable (ns UTC).
    """

    taken: int = 0
    written: int = 0
    repeated: int = 0
    differing: int = 0
    holes: int = 0
    disconnects: int = 0
    future: int = 0
    refused: int = 0
    written_ns: int = 0


class Collector:
    """Collects trades and books of some symbols until it is stopped.

    Parameters
    ----------
    http : aiohttp.ClientSession
    connector : Connector
    instruments : sequence of Instrument
        As many as wanted; they are spread over connections.
    sink : Sink
    url : str
        Where the exchange answers.
    on_news : callable
        Is told of everything but records: connections, refusals, maintenance, holes.
    channels : sequence of str
        What of each symbol: ``trades``, ``book``.
    book_sink : BookSink, optional
        Needed for books.
    rng : random.Random
        For the waits between connections.
    options : StreamOptions
    flush_s, flush_trades, most_trades : float, int, int
        Write at least so often, as soon as a symbol has so many, and read no more while so many
        wait in all.
    clock_ns : callable
        The time now (ns UTC), for counts.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        connector: Connector,
        instruments: Sequence[Instrument],
        sink: Sink,
        url: str,
        *,
        on_news: Callable[[News | Hole | BookGap], None] = lambda news: None,
        channels: Sequence[str] = ("trades",),
        book_sink: BookSink | None = None,
        rng: random.Random | None = None,
        options: StreamOptions | None = None,
        flush_s: float = 0.1,
        flush_trades: int = 1_000,
        most_trades: int = 50_000,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._clock_ns = clock_ns
        self._http = http
        self._connector = connector
        self._instruments = {each.symbol: each for each in instruments}
        self._sink = sink
        self._book_sink = book_sink
        self._url = url
        self._on_news = on_news
        self._rng = rng or random.Random()  # noqa: S311
        self._options = options
        self._taken: dict[str, Taken] = {}
        self.counters = {symbol: Counters() for symbol in self._instruments}
        self._away: dict[str, str] = {}  # symbols without a connection, and why
        self._channels = tuple(channels)
        with_books = book_sink is not None and "book" in self._channels
        self.book_counters = {symbol: BookCounters() for symbol in self._instruments if with_books}
        self._continuity: dict[str, Continuity] = {}
        self._buffer = FlushBuffer(self._write, flush_s, flush_trades, most_trades)
        self._books = FlushBuffer(self._write_books, flush_s, flush_trades, most_trades)

    @property
    def trouble(self) -> str | None:
        """What is wrong at this moment, in one sentence."""
        for symbol, why in self._away.items():
            return f"{len(self._away)} symbols have no connection, such as {symbol}: {why}"
        return None

    @property
    def lost(self) -> dict[str, int]:
        """Records by symbol that were taken and are not durable: lost, if this has ended."""
        left = {name: each.taken - each.written for name, each in self.counters.items()}
        for name, each in self.book_counters.items():
            left[name] += each.taken - each.written
        return {name: count for name, count in left.items() if count}

    async def run(self) -> None:
        """Collect until cancelled; what was read by then is written before this ends.

        Raises
        ------
        IncompleteError
            If it was cancelled, and trades that were read could not be written in time.
        UnknownSymbolError
            If the exchange refuses all symbols of a connection.
        TradercastError
            If the sink fails for good.
        """
        for symbol, instrument in self._instruments.items():
            if "trades" in self._channels:
                self._taken[symbol] = Taken(await self._sink.recent_ids(instrument))
            if self._book_sink is not None:
                last = await self._book_sink.last_book(instrument)
                self._continuity[symbol] = Continuity(*(last or ()))
        flushing = [asyncio.create_task(each.run()) for each in (self._buffer, self._books)]
        streams = [asyncio.create_task(stream.run()) for stream in self._streams()]
        try:
            await asyncio.wait([*flushing, *streams], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._stop(streams, flushing)
        for task in (*flushing, *streams):
            if not task.cancelled():
                task.result()

    def _streams(self) -> list[Stream]:
        instruments = list(self._instruments.values())
        most = self._connector.max_channels // len(self._channels)
        return [
            Stream(
                self._http,
                self._connector,
                instruments[at : at + most],
                self._url,
                self._hear,
                self._rng,
                self._options,
                self._channels,
            )
            for at in range(0, len(instruments), most)
        ]

    async def _stop(
        self, streams: Sequence[asyncio.Task[None]], flushing: Sequence[asyncio.Task[None]]
    ) -> None:
        for task in streams:
            task.cancel()
        await asyncio.wait(streams)
        self._buffer.close()
        self._books.close()
        # A write that is cancelled may be half done, so it gets some time.
        _, late = await asyncio.wait(flushing, timeout=_LAST_FLUSH_S)
        if late:
            for task in late:
                task.cancel()
            await asyncio.wait(late, timeout=_CANCEL_S)
            if self.lost:
                each = ", ".join(f"{count} of {symbol}" for symbol, count in self.lost.items())
                raise IncompleteError(
                    f"records could not be written in time and are lost: {each:.300}",
                    hint="start again soon: the exchange tells its newest trades once more",
                )

    async def _hear(self, news: News) -> None:
        if isinstance(news, BookUpdate):
            await self._hear_book(news)
            return
        if not isinstance(news, Update):
            self._note(news)
            self._on_news(news)
            return
        counters = self.counters[news.symbol]
        found = self._taken[news.symbol].news(news)
        fresh = self._believable(found.trades, counters, news)
        counters.taken += len(fresh)
        counters.repeated += len(news.trades) - len(found.trades)
        counters.differing += len(found.differing)
        for trade in found.differing:
            _log.warning("%s: trade %d came again with other values", news.symbol, trade.trade_id)
        if found.hole:
            counters.holes += 1
            first = found.trades[0]
            _log.warning(
                "%s: trades before %d may be missing: the exchange sent only the newest %d",
                *(news.symbol, first.trade_id, len(news.trades)),
            )
            self._on_news(Hole(news.symbol, first))
        await self._buffer.add(news.symbol, fresh)

    async def _hear_book(self, news: BookUpdate) -> None:
        entries = self._continuity[news.symbol].following(news.entries)
        counters = self.book_counters[news.symbol]
        counters.taken += len(entries)
        for entry in entries:
            if isinstance(entry, BookHole):
                counters.gaps += 1
                _log.warning("%s: the book has a gap from message %d", news.symbol, entry.first)
                self._on_news(BookGap(news.symbol, entry))
        await self._books.add(news.symbol, entries)

    def _believable(
        self, trades: Sequence[ExchangeTrade], counters: Counters, news: Update
    ) -> list[ExchangeTrade]:
        """Without those of the future; what a snapshot tells was not received when it happened."""
        kept = [each for each in trades if each.ts_event <= each.ts_recv + NS_PER_DAY]
        counters.future += len(trades) - len(kept)
        if len(kept) < len(trades):
            _log.warning("%s: trades with a time far ahead of ours are left out", news.symbol)
        return [replace(each, ts_recv=NO_TIME) for each in kept] if news.snapshot else kept

    def _note(self, news: News) -> None:
        if isinstance(news, Disconnected):
            for symbol in news.symbols:
                self._away[symbol] = news.why
                self.counters[symbol].disconnects += 1
        elif isinstance(news, Subscribed | Refused):
            self._away.pop(news.symbol, None)
            self.counters[news.symbol].refused += isinstance(news, Refused)

    async def _write(self, waiting: Mapping[str, Sequence[ExchangeTrade]]) -> None:
        await self._sink.write({self._instruments[name]: waiting[name] for name in waiting})
        for name, trades in waiting.items():
            self.counters[name].written += len(trades)
            self.counters[name].written_ns = self._clock_ns()

    async def _write_books(self, waiting: Mapping[str, Sequence[Entry]]) -> None:
        assert self._book_sink is not None
        await self._book_sink.write_books(
            {self._instruments[name]: waiting[name] for name in waiting}
        )
        for name, entries in waiting.items():
            self.book_counters[name].written += len(entries)
            self.book_counters[name].written_ns = self._clock_ns()
