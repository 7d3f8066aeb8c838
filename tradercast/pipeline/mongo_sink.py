"""Collected trades into a MongoDB replica set, from where the listener takes them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from pymongo.errors import PyMongoError

from tradercast.errors import ServiceError, UsageError
from tradercast.exchanges.connector import ExchangeTrade, Instrument
from tradercast.exchanges.taken import WINDOW
from tradercast.feeds import FeedId
from tradercast.pipeline.documents import to_documents
from tradercast.pipeline.exchange_trades import RecvPrecision, columns
from tradercast.pipeline.mongo_books import MongoBookSink
from tradercast.pipeline.mongo_connect import collections_of, connected
from tradercast.pipeline.mongo_cursor import Document
from tradercast.pipeline.mongo_writes import CONCERN, Collection, insert_in_order, short


@dataclass(frozen=True, slots=True)
class MongoCollections:
    """Where the channels go.

    Attributes
    ----------
    trades, book : str
    """

    trades: str = "trades"
    book: str = "book"


@contextlib.asynccontextmanager
async def mongo_sinks(
    uri: str,
    into: MongoCollections,
    exchange: str,
    precision: RecvPrecision,
    channels: Sequence[str],
) -> AsyncIterator[tuple[MongoSink, MongoBookSink]]:
    """Connect, and see to the unique index of trades (exchange, symbol, trade_id).

    Parameters
    ----------
    uri : str
        With the name of the database.
    into : MongoCollections
        Where to.
    exchange : str
        Of whom.
    precision : RecvPrecision
        How exactly the times of arrival are kept.
    channels : sequence of str
        What is collected.

    Raises
    ------
    UsageError
        If `uri` is not the address of a MongoDB with a database; no message holds it.
    ServiceError
        If the database does not answer, or does not let us.
    """
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise UsageError("it is collected to 'feed' or to an address that begins with mongodb://")
    names = collections_of(uri, [into.trades, into.book])
    if len({*names}) < len(names):
        raise UsageError("trades and books can not go into one collection")
    async with connected(uri, "tradercast-collect") as client:
        trades, books = (
            client[database].get_collection(name, write_concern=CONCERN)
            for database, _, name in (each.partition(".") for each in names)
        )
        try:
            if "trades" in channels:
                key = [("exchange", 1), ("symbol", 1), ("trade_id", 1)]
                await trades.create_index(key, unique=True)
        except PyMongoError as error:
            raise ServiceError(
                f"the MongoDB can not be used: {short(error)}",
                hint="check the address, the user's rights, and that it is a replica set",
            ) from None
        yield (
            MongoSink(trades, exchange, precision),
            MongoBookSink(books, exchange, precision),
        )


class MongoSink:
    """Inserts trades in order, acknowledged by a majority's journals.

    Parameters
    ----------
    collection : AsyncCollection
        With the write concern.
    exchange : str
    precision : RecvPrecision
    sleep : callable
        Waits between two tries.
    """

    def __init__(
        self,
        collection: Collection,
        exchange: str,
        precision: RecvPrecision,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._collection = collection
        self._exchange = exchange
        self._precision = precision
        self._sleep = sleep
        self.duplicates = 0

    async def recent_ids(self, instrument: Instrument) -> list[int]:
        """The ids of the symbol's newest documents."""
        cursor = self._collection.find(
            {"exchange": self._exchange, "symbol": instrument.symbol},
            {"_id": 0, "trade_id": 1},
            sort=[("_id", -1)],
            limit=WINDOW,
        )
        texts = [document.get("trade_id") async for document in cursor]
        return [int(text) for text in reversed(texts) if type(text) is str and text.isdecimal()]

    async def write(self, trades: Mapping[Instrument, Sequence[ExchangeTrade]]) -> None:
        """Insert; goes on trying as long as the database is away.

        Raises
        ------
        ServiceError
            If the database refuses the documents for another reason.
        """
        documents: list[Document] = []
        for instrument, some in trades.items():
            feed = FeedId(self._exchange, instrument.symbol)
            run = columns(some, self._precision)
            documents += to_documents(feed, run, native_symbol=instrument.native)
        self.duplicates += await insert_in_order(
            self._collection, documents, self._unsettled, self._sleep
        )

    async def _unsettled(self, documents: Sequence[Document]) -> list[Document]:
        """Leave out what is there, so that not every duplicate costs a round trip of its own."""
        there: set[tuple[str, str]] = set()
        for symbol in {document["symbol"] for document in documents}:
            ids = [each["trade_id"] for each in documents if each["symbol"] == symbol]
            cursor = self._collection.find(
                {"exchange": self._exchange, "symbol": symbol, "trade_id": {"$in": ids}},
                {"_id": 0, "trade_id": 1},
            )
            there |= {(symbol, found["trade_id"]) async for found in cursor}
        last = documents[-1]
        return [
            each
            for each in documents
            if each is last or (each["symbol"], each["trade_id"]) not in there
        ]
