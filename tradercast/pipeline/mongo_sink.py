"""Collected trades into a MongoDB replica set, from where the listener takes them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    PyMongoError,
    WTimeoutError,
)
from pymongo.write_concern import WriteConcern

from tradercast.errors import ServiceError, UsageError
from tradercast.exchanges.connector import ExchangeTrade, Instrument
from tradercast.exchanges.taken import WINDOW
from tradercast.feeds import FeedId
from tradercast.pipeline.documents import to_documents
from tradercast.pipeline.exchange_trades import RecvPrecision, columns
from tradercast.pipeline.mongo_connect import collections_of, connected
from tradercast.pipeline.mongo_cursor import Document

_log = logging.getLogger(__name__)

_DUPLICATE = 11000
_ACKNOWLEDGE_MS = 10_000
_WAIT_S = 0.5
_MOST_WAIT_S = 15.0


@contextlib.asynccontextmanager
async def mongo_sink(
    uri: str, collection: str, exchange: str, precision: RecvPrecision
) -> AsyncIterator[MongoSink]:
    """Connect, and see to the unique index (exchange, symbol, trade_id).

    Parameters
    ----------
    uri : str
        With the name of the database.
    collection, exchange : str
        Where to, and of whom.
    precision : RecvPrecision
        How exactly the times of arrival are kept.

    Raises
    ------
    UsageError
        If `uri` is not the address of a MongoDB with a database; no message holds it.
    ServiceError
        If the database does not answer, or does not let us.
    """
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise UsageError(
            "trades are collected to 'feed' or to an address that begins with mongodb://"
        )
    [name] = collections_of(uri, [collection])
    database, _, collection = name.partition(".")
    concern = WriteConcern(w="majority", j=True, wtimeout=_ACKNOWLEDGE_MS)
    async with connected(uri, "tradercast-collect") as client:
        trades = client[database].get_collection(collection, write_concern=concern)
        try:
            await trades.create_index(
                [("exchange", 1), ("symbol", 1), ("trade_id", 1)], unique=True
            )
        except PyMongoError as error:
            raise ServiceError(
                f"the MongoDB can not be used: {_short(error)}",
                hint="check the address, the user's rights, and that it is a replica set",
            ) from None
        yield MongoSink(trades, exchange, precision)


class MongoSink:
    """Inserts trades in order, acknowledged by a majority's journals.

    A write that may have happened is made again until it is acknowledged; the unique index makes
    that harmless.

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
        collection: AsyncCollection[Document],
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
        wait_s = _WAIT_S
        known_to_be_new = True
        while documents:
            try:
                if not known_to_be_new:
                    documents = await self._without_settled(documents)
                settled = await self._insert(documents)
                known_to_be_new = settled == len(documents)
                documents = documents[settled:]
                wait_s = _WAIT_S
            except _AwayError as error:
                _log.warning("the MongoDB is away, next try in %.1f s: %s", wait_s, error)
                await self._sleep(wait_s)
                known_to_be_new = False
                wait_s = min(wait_s * 2, _MOST_WAIT_S)

    async def _insert(self, documents: Sequence[Document]) -> int:
        """Insert up to the first duplicate; returns how many documents are settled."""
        with _translated():
            try:
                await self._collection.insert_many(documents, ordered=True)
            except BulkWriteError as error:
                details = error.details
                if details.get("writeConcernErrors"):
                    raise _AwayError("a majority did not acknowledge it in time") from None
                first = details["writeErrors"][0]
                if first["code"] != _DUPLICATE:
                    raise ServiceError(
                        f"the MongoDB refuses a document ({_short(first.get('errmsg'))})"
                    ) from None
                self.duplicates += 1
                return int(first["index"]) + 1
        return len(documents)

    async def _without_settled(self, documents: Sequence[Document]) -> list[Document]:
        """Leave out what is there, so that not every duplicate costs a round trip of its own.

        The last one stays: being told that it is a duplicate takes until a majority has it and
        all before it.
        """
        there: set[tuple[str, str]] = set()
        with _translated():
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


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """The driver's errors as: later it may work, or it never will."""
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout, WTimeoutError) as error:
        raise _AwayError(_short(error)) from None
    except BulkWriteError:
        raise
    except PyMongoError as error:
        if error.has_error_label("RetryableWriteError"):
            raise _AwayError(_short(error)) from None
        raise ServiceError(f"the MongoDB refuses to go on ({_short(error)})") from None


class _AwayError(Exception):
    """The write may succeed later, and may have happened."""


def _short(error: object) -> str:
    return " ".join(str(error).split())[:200]
