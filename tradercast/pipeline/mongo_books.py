"""Collected books into a MongoDB replica set: a document a message, in the order of messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from bson.max_key import MaxKey
from bson.min_key import MinKey
from pymongo.errors import PyMongoError

from tradercast.errors import ServiceError
from tradercast.exchanges.book_entries import Entry
from tradercast.exchanges.connector import Instrument
from tradercast.feeds import FeedId
from tradercast.ids import ABSENT
from tradercast.pipeline.book_documents import to_book_documents
from tradercast.pipeline.exchange_trades import RecvPrecision
from tradercast.pipeline.mongo_cursor import Document
from tradercast.pipeline.mongo_writes import Collection, insert_in_order, short


class MongoBookSink:
    """Inserts book messages in order, acknowledged by a majority's journals.

    Each gets a number, and says which one was before it.  The first of a start is the time in µs:
    greater than all before, whatever became of these.

    Parameters
    ----------
    collection : AsyncCollection
        With the write concern.
    exchange : str
    precision : RecvPrecision
    sleep : callable
        Waits between two tries.
    clock_ns : callable
        The time now (ns UTC).
    """

    def __init__(
        self,
        collection: Collection,
        exchange: str,
        precision: RecvPrecision,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._collection = collection
        self._exchange = exchange
        self._precision = precision
        self._sleep = sleep
        self._clock_ns = clock_ns
        self._last: dict[str, int | None] = {}
        self._next: dict[str, int] = {}
        self.duplicates = 0

    async def last_book(self, instrument: Instrument) -> tuple[int, int] | None:
        """Time and number at the exchange of the symbol's newest document.

        Raises
        ------
        ServiceError
            If the database does not answer, or its newest document is none of a collector's.
        """
        symbol = instrument.symbol
        names = {"exchange": self._exchange, "symbol": symbol}
        bounds = {"$gt": {**names, "number": MinKey()}, "$lt": {**names, "number": MaxKey()}}
        try:
            found = await self._collection.find_one({"_id": bounds}, sort=[("_id", -1)])
        except PyMongoError as error:
            raise ServiceError(f"the MongoDB can not be used: {short(error)}") from None
        now = self._clock_ns() // 1_000
        if found is None:
            self._last[symbol], self._next[symbol] = None, now
            return None
        number, last_id = found["_id"]["number"], found.get("last_id", ABSENT)
        ts_event: Any = found.get("ts_event")
        if not all(isinstance(each, int) for each in (number, ts_event, last_id)):
            raise ServiceError(
                f"the newest document of the book of {symbol} is none that was collected",
                hint="delete it, or collect into another collection with --book-collection",
            )
        self._last[symbol], self._next[symbol] = int(number), max(int(number) + 1, now)
        return int(ts_event), int(last_id)

    async def write_books(self, books: Mapping[Instrument, Sequence[Entry]]) -> None:
        """Insert; goes on trying as long as the database is away.

        Raises
        ------
        ServiceError
            If the database refuses the documents, or another collector writes the same book.
        """
        documents: list[Document] = []
        for instrument, entries in books.items():
            symbol = instrument.symbol
            documents += to_book_documents(
                FeedId(self._exchange, symbol, "book"),
                entries,
                self._precision,
                first=self._next[symbol],
                after=self._last[symbol],
                native_symbol=instrument.native,
            )
            self._last[symbol] = self._next[symbol] + len(entries) - 1
            self._next[symbol] += len(entries)
        self.duplicates += await insert_in_order(
            self._collection, documents, self._unsettled, self._sleep
        )

    async def _unsettled(self, documents: Sequence[Document]) -> list[Document]:
        """Leave out what is there, if it is ours."""
        wanted = {_key(each): each for each in documents}
        cursor = self._collection.find({"_id": {"$in": [each["_id"] for each in documents]}})
        there = set()
        async for found in cursor:
            key = _key(found)
            if found != wanted[key]:
                raise ServiceError(
                    f"another collector writes the book of {found['_id']['symbol']}",
                    hint="let one collect it, or each into a collection of its own",
                )
            there.add(key)
        last = documents[-1]
        return [each for each in documents if each is last or _key(each) not in there]


def _key(document: Document) -> tuple[Any, Any]:
    return document["_id"]["symbol"], document["_id"]["number"]
