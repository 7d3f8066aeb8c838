"""Collected trades and books into this node's own signed feeds: the way that needs no server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tradercast.book_messages import BookMessages
from tradercast.errors import SidecarError
from tradercast.exchanges.book_entries import Entry
from tradercast.exchanges.connector import ExchangeTrade, Instrument
from tradercast.exchanges.taken import WINDOW
from tradercast.feed.channel import BOOK, TRADES
from tradercast.feed.writer import FeedWriter
from tradercast.pipeline.exchange_trades import RecvPrecision, book_columns, columns
from tradercast.records import Trades

_log = logging.getLogger(__name__)

OpenWriter = Callable[[Instrument, str], AbstractAsyncContextManager[FeedWriter]]
_Key = tuple[Instrument, str]  # and the channel

_CLEAR_EVERY = 600  # appends of a feed
_TRIES = 5


@dataclass(slots=True)
class _Feed:
    """A feed that is open for writing."""

    writer: FeedWriter
    closing: contextlib.AsyncExitStack
    appends: int = 0


class FeedSink:
    """Appends one message per feed and write.

    Enter it as an asynchronous context manager, then `open` every instrument.

    Parameters
    ----------
    open_writer : callable
        Makes the writer of an instrument's feed of a channel, listed in the catalog already.
    precision : RecvPrecision
        How exactly the times of arrival are kept.
    """

    def __init__(self, open_writer: OpenWriter, precision: RecvPrecision) -> None:
        self._open_writer = open_writer
        self._precision = precision
        self._feeds: dict[_Key, _Feed] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for key in list(self._feeds):
            await self._close(key)

    async def open(
        self, instruments: Iterable[Instrument], channels: Sequence[str] = (TRADES.name,)
    ) -> None:
        """Open the writers, one after the other: they share the catalog."""
        for instrument in instruments:
            for channel in channels:
                await self._open((instrument, channel))

    async def recent_ids(self, instrument: Instrument) -> list[int]:
        """The ids at the feed's end."""
        ids: list[int] = []
        async for _, trades in self._feeds[instrument, TRADES.name].writer.history.last(WINDOW):
            if trades.trade_id is not None:
                values = trades.trade_id.values
                ids += values[values >= 0].tolist()
        return ids

    async def write(self, trades: Mapping[Instrument, Sequence[ExchangeTrade]]) -> None:
        """Append to all feeds at once; raises as `FeedWriter.append`."""
        async with asyncio.TaskGroup() as group:
            for instrument, some in trades.items():
                message = columns(some, self._precision)
                group.create_task(self._append((instrument, TRADES.name), message))

    async def last_book(self, instrument: Instrument) -> tuple[int, int] | None:
        """Time and number of the feed's newest record."""
        return await self._feeds[instrument, BOOK.name].writer.history.last_message()

    async def write_books(self, books: Mapping[Instrument, Sequence[Entry]]) -> None:
        """Append to all feeds at once; raises as `FeedWriter.append`."""
        async with asyncio.TaskGroup() as group:
            for instrument, some in books.items():
                message = book_columns(some, self._precision)
                group.create_task(self._append((instrument, BOOK.name), message))

    async def _append(self, key: _Key, message: Trades | BookMessages) -> None:
        feed = self._feeds[key]
        end_seq = feed.writer.end_seq + len(message)
        for attempt in range(1, _TRIES + 1):
            try:
                await feed.writer.append([message])
                break
            except SidecarError as error:
                if attempt == _TRIES:
                    raise
                _log.warning("%s is opened again: %s", feed.writer.feed, error.message)
            # How far the lost append got, only the logs know.
            feed = await self._reopen(key)
            missing = end_seq - feed.writer.end_seq
            if not missing:
                break
            message = message[len(message) - missing :]
        feed.appends += 1
        if feed.appends % _CLEAR_EVERY == 0:
            await feed.writer.clear_sealed_tail()

    async def _open(self, key: _Key) -> _Feed:
        closing = contextlib.AsyncExitStack()
        writer = await closing.enter_async_context(self._open_writer(*key))
        self._feeds[key] = _Feed(writer, closing)
        return self._feeds[key]

    async def _reopen(self, key: _Key) -> _Feed:
        await self._close(key)
        return await self._open(key)

    async def _close(self, key: _Key) -> None:
        feed = self._feeds.pop(key)
        try:
            await feed.closing.aclose()
        except SidecarError as error:
            _log.debug("%s: %s", feed.writer.feed, error.message)
