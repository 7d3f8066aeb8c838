"""A collector in this process, a sink that remembers, and waits that are short."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from support.exchange import FakeExchange

from tradercast.exchanges.bitfinex import Bitfinex
from tradercast.exchanges.bitfinex.session import BitfinexSession
from tradercast.exchanges.book_entries import Entry
from tradercast.exchanges.connector import ExchangeTrade, Instrument
from tradercast.exchanges.stream import Disconnected, StreamOptions
from tradercast.pipeline.collect import Collector

QUICK = StreamOptions(connect_s=2.0, look_s=0.05, first_wait_s=0.05, most_wait_s=0.2)
Row = tuple[int, str, str]


class QuickBitfinex(Bitfinex):
    """Bitfinex for which a second of silence is long."""

    def session(
        self, instruments: Sequence[Instrument], now_s: float, channels: Sequence[str] = ("trades",)
    ) -> BitfinexSession:
        return BitfinexSession(instruments, now_s, silence_s=1.0, channels=channels)


@dataclass
class MemorySink:
    """Remembers what it gets, when it may."""

    before: dict[str, list[int]] = field(default_factory=dict)
    written: dict[str, list[ExchangeTrade]] = field(default_factory=dict)
    may_write: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    books: dict[str, list[Entry]] = field(default_factory=dict)
    book_before: tuple[int, int] | None = None
    largest: int = 0

    async def recent_ids(self, instrument: Instrument) -> Iterable[int]:
        return self.before.get(instrument.symbol, [])

    async def write(self, trades: Mapping[Instrument, Sequence[ExchangeTrade]]) -> None:
        await self.may_write.wait()
        for instrument, some in trades.items():
            self.written.setdefault(instrument.symbol, []).extend(some)
        self.largest = max(self.largest, sum(map(len, trades.values())))
        self.news.set()

    async def last_book(self, instrument: Instrument) -> tuple[int, int] | None:
        return self.book_before

    async def write_books(self, books: Mapping[Instrument, Sequence[Entry]]) -> None:
        for instrument, some in books.items():
            self.books.setdefault(instrument.symbol, []).extend(some)
        self.news.set()

    def rows(self, symbol: str = "btcusd") -> list[Row]:
        """(id, price, size) of all that was written; the size of a sale is negative."""
        return [
            (each.trade_id, each.price, each.size if each.side == 1 else "-" + each.size)
            for each in self.written.get(symbol, [])
        ]

    def ids(self, symbol: str = "btcusd") -> list[int]:
        return [each.trade_id for each in self.written.get(symbol, [])]


@dataclass
class Collecting:
    """A running collector."""

    sink: MemorySink
    collector: Collector
    task: asyncio.Task[None]
    news: list[Any]

    async def until(self, condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
        """Wait until it holds; looks whenever something was written, and now and then."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                if self.task.done():
                    self.task.result()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self.sink.news.wait()
                self.sink.news.clear()

    async def has(self, ids: Sequence[int], symbol: str = "btcusd") -> None:
        """Wait until exactly these were written, in this order."""
        try:
            await self.until(lambda: len(self.sink.ids(symbol)) >= len(ids))
        except TimeoutError:
            raise AssertionError(f"{self.sink.ids(symbol)}, not {ids}") from None
        assert self.sink.ids(symbol) == list(ids)

    async def heard(self, kind: type[Any], times: int = 1) -> Any:
        """Wait for news of this kind; returns the newest."""
        await self.until(lambda: sum(isinstance(each, kind) for each in self.news) >= times)
        return [each for each in self.news if isinstance(each, kind)][-1]

    @property
    def reasons(self) -> list[str]:
        """Why connections ended."""
        return [each.why for each in self.news if isinstance(each, Disconnected)]


@contextlib.asynccontextmanager
async def collecting(
    exchange: FakeExchange,
    *symbols: str,
    sink: MemorySink | None = None,
    options: StreamOptions = QUICK,
    **more: Any,
) -> AsyncIterator[Collecting]:
    """Collect from a made-up exchange until the block ends."""
    if sink is None:
        sink = MemorySink()
        sink.may_write.set()
    connector = QuickBitfinex()
    instruments = [connector.instrument(each) for each in symbols or ("btcusd",)]
    news: list[Any] = []
    more = {"flush_s": 0.02, "rng": random.Random(1)} | more
    async with aiohttp.ClientSession() as http:
        collector = Collector(
            *(http, connector, instruments, sink, exchange.url),
            on_news=news.append,
            options=options,
            book_sink=sink if "book" in more.get("channels", ()) else None,
            **more,
        )
        task = asyncio.create_task(collector.run())
        try:
            yield Collecting(sink, collector, task, news)
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.exception() is not None
