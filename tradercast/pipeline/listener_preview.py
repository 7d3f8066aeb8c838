"""What a listener would make of a collection, without writing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import PyMongoError

from tradercast.errors import ServiceError
from tradercast.pipeline import mongo_cursor as mongo
from tradercast.pipeline.book_documents import read_book_documents
from tradercast.pipeline.documents import Rejected, read_documents
from tradercast.pipeline.mapping import Document, FieldMap
from tradercast.pipeline.mongo_cursor import Client

SAMPLE = 1_000


@dataclass
class Preview:
    """A look at a collection's first and last documents by ``_id``.

    Attributes
    ----------
    collection : str
    estimated : int
        How many documents it is said to have.
    looked_at : int
    feeds : Counter of str
        Of the documents that are records.
    first, last : mapping or None
        The first and the last record, as they would be written.
    rejected : Counter of str
        By reason.
    examples : dict of str to str
        Per reason the id of a document, and what is wrong with it.
    """

    collection: str
    estimated: int = 0
    looked_at: int = 0
    feeds: Counter[str] = field(default_factory=Counter)
    first: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    rejected: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def _reject(self, rejected: Sequence[Rejected], documents: Sequence[Document]) -> None:
        for one in rejected:
            self.rejected[one.reason] += 1
            identity = documents[one.row].get("_id")
            self.examples.setdefault(one.reason, f"_id {identity!s:.60}: {one.detail}")

    def take_books(self, documents: Sequence[Document]) -> None:
        """Count messages of books, in the order of their ids."""
        self.looked_at += len(documents)
        runs, rejected = read_book_documents(documents)
        self._reject(rejected, documents)
        for run in runs:
            self.feeds[str(run.feed)] += len(run.number)
            for name, at in (("first", 0), ("last", len(run.number) - 1)):
                if name == "last" or self.first is None:
                    record = {
                        "feed": str(run.feed),
                        "ts_event": int(run.messages.ts_event[at]),
                        "number": int(run.number[at]),
                        "is_snapshot": bool(run.messages.is_snapshot[at]),
                        "levels": int(run.messages.lengths()[at]),
                    }
                    setattr(self, name, record)

    def take(self, documents: Sequence[Document], fields: FieldMap) -> None:
        """Count documents, in the order of their ids."""
        self.looked_at += len(documents)
        mapped = fields.read(documents, self.collection)
        rows = [at for at, one in enumerate(mapped) if one is not None]
        read = read_documents([mapped[at] or {} for at in rows])
        self._reject(read.rejected, [documents[row] for row in rows])
        for feed, _, trades in read.by_feed():
            self.feeds[str(feed)] += len(trades)
        if not len(read.trades):
            return
        for name, at in (("first", 0), ("last", len(read.trades) - 1)):
            if name == "last" or self.first is None:
                trade = read.trades[at : at + 1]
                record = {
                    "feed": str(read.feeds[int(read.feed[at])]),
                    "ts_event": int(trade.ts_event[0]),
                    "trade_id": trade.trade_id.to_strings()[0] if trade.trade_id else None,
                    "side": ("unknown", "buy", "sell")[int(trade.side[0])],
                    "price": trade.price.to_strings()[0],
                    "size": trade.size.to_strings()[0],
                }
                setattr(self, name, record)


async def preview(
    client: Client, collection: str, fields: FieldMap, books: Collection[str] = ()
) -> Preview:
    """Look at the first and the last 1,000 documents of ``database.collection``.

    Parameters
    ----------
    client : AsyncMongoClient
        Of the server.
    collection : str
        Its full name.
    fields : FieldMap
        How documents of trades are read.
    books : collection of str
        The collections that hold messages of books.

    Raises
    ------
    ServiceError
        If MongoDB does not answer, or does not let us.
    """
    database, name = collection.split(".", 1)
    try:
        counted: Any = await client[database].command({"count": name})
        found = [await _documents(client, database, name, order) for order in (1, -1)]
    except PyMongoError as error:
        raise ServiceError(f"{collection} can not be read: {str(error).split(',', 1)[0]}") from None
    look = Preview(collection, int(counted["n"]))
    is_book = collection in books
    look.take_books(found[0]) if is_book else look.take(found[0], fields)
    seen = {repr(document.get("_id")) for document in found[0]}
    later = [one for one in reversed(found[1]) if repr(one.get("_id")) not in seen]
    look.take_books(later) if is_book else look.take(later, fields)
    return look


async def _documents(client: Client, database: str, name: str, order: int) -> list[Document]:
    command = {"find": name, "sort": {"_id": order}, "limit": SAMPLE, "batchSize": SAMPLE}
    documents: list[Document] = []
    async for reply in mongo.batches(client, database, command, batch_size=SAMPLE):
        documents += reply.documents
    return documents
