"""MongoDB as a source: what is there, then what happens, without a hole between.

The scan is by ``_id`` and can go on from any document.  The change stream begins at the time
that all copies had agreed on before the scan began.  Where the stream's history is lost, the
whole of every collection is scanned again: ids are made by clients, and what was inserted
meanwhile may lie anywhere among them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from tradercast.errors import ServiceError, UsageError
from tradercast.pipeline import mongo_cursor as mongo
from tradercast.pipeline.columnar import Columnar
from tradercast.pipeline.listener_state import Position, Scan
from tradercast.pipeline.mongo_cursor import Client, Document

log = logging.getLogger(__name__)

BATCH = 16_384  # memory for four of them is little
AWAIT_S = 1.0
PAUSE_S = 0.1  # a transaction costs everybody downstream; a trade waits half of this for it
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0
# History lost, a stream that can not go on, a token that the server does not take.
LOST = frozenset((286, 280, 260, 136))
# No rights, no replica set: waiting mends none of these.
HOPELESS = frozenset((13, 18, 8000, 40573, 40324))
_FIRST_WITH_PRE_IMAGES = 17  # wire version of MongoDB 6.0
_EVENT = ("operationType", "ns", "fullDocument", "fullDocumentBeforeChange", "updateDescription")
# An insert's document has its key; to make an object of it twice is a quarter of the decoding.
_KEY = {"$cond": [{"$eq": ["$operationType", "insert"]}, "$$REMOVE", "$documentKey"]}
_PROJECTION: Document = {**dict.fromkeys((*_EVENT, "clusterTime"), 1), "documentKey": _KEY}


@dataclass(frozen=True, slots=True)
class SourceBatch:
    """What was found at one go.

    Attributes
    ----------
    position : Position
        Behind it.
    documents : sequence of dict
        Found by a scan of `collection`.
    events : sequence of dict
        Of the change stream.
    collection : str
    repeats_anywhere : bool
        It may have been taken before.
    """

    position: Position
    documents: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Mapping[str, Any]] = ()
    collection: str = ""
    repeats_anywhere: bool = False

    @property
    def rows(self) -> int:
        """Documents and changes."""
        return len(self.documents) + len(self.events)

    def joined(self, following: SourceBatch) -> SourceBatch | None:
        """Both as one, if they are of a change stream, of one kind, and together not many."""
        if self.documents or following.documents or self.rows + following.rows > BATCH:
            return None
        if not following.events:
            return replace(self, position=following.position)
        if not self.events:
            return following
        if self.repeats_anywhere != following.repeats_anywhere:
            return None
        if isinstance(self.events, Columnar) or isinstance(following.events, Columnar):
            return None  # those are many
        return replace(following, events=[*self.events, *following.events])


class MongoSource:
    """Reads the collections of one database.

    Parameters
    ----------
    client : AsyncMongoClient
    collections : sequence of str
        ``database.collection``, all of one database.
    by_column : bool
        Documents are of the form that `documents` reads: many inserts are read by column.

    Raises
    ------
    UsageError
        If there are none, or of several databases.
    """

    def __init__(
        self, client: Client, collections: Sequence[str], *, by_column: bool = False
    ) -> None:
        names = [collection.partition(".") for collection in collections]
        if len({database for database, _, _ in names}) != 1 or not all(n[2] for n in names):
            raise UsageError(
                "a listener reads collections of one database",
                hint="write --collections database.collection,database.other",
            )
        self._client = client
        self._database = names[0][0]
        self._collections = tuple(sorted(set(collections)))
        self._by_column = by_column
        self.reconnects = 0
        self.rescans = 0
        self.trouble: str | None = None

    async def batches(self, position: Position) -> AsyncGenerator[SourceBatch, None]:
        """Everything behind `position`, for ever; what fails is tried again.

        Raises
        ------
        ServiceError
            If MongoDB refuses for good: no rights, no replica set.
        """
        wait_s = FIRST_WAIT_S
        while True:
            try:
                # closed at once, and before the client is: what is under way ends in order
                async with aclosing(self._batches(position)) as batches:
                    async for batch in batches:
                        position = batch.position
                        wait_s = FIRST_WAIT_S
                        self.trouble = None
                        yield batch
            except (PyMongoError, OSError) as error:
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    # the driver tells of a command that was cancelled as of a lost connection
                    raise asyncio.CancelledError from error
                _raise_if_hopeless(error)
                self.reconnects += 1
                self.trouble = str(error)[:200]
                log.warning("MongoDB: %s; next try in %.1f s", error, wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _batches(self, position: Position) -> AsyncGenerator[SourceBatch, None]:
        if position.collections != self._collections:
            position = await self._with_collections(position)
            yield SourceBatch(position)
        while True:
            while position.scan is not None:
                async with aclosing(self._scan(position, position.scan)) as batches:
                    async for batch in batches:
                        position = batch.position
                        yield batch
            try:
                async with aclosing(self._changes(position)) as batches:
                    async for batch in batches:
                        position = batch.position
                        yield batch
            except OperationFailure as error:
                if error.code not in LOST:
                    raise
                position = await self._after_loss(position, error)
                yield SourceBatch(position)

    async def _with_collections(self, position: Position) -> Position:
        """Begin, or take in collections that were not listened to before."""
        new = tuple(name for name in self._collections if name not in position.collections)
        kept = replace(position, collections=self._collections)
        if position.scan is not None:
            known = [name for name in position.scan.remaining if name in self._collections]
            first = position.scan.remaining[0]
            last_id = position.scan.last_id if first in known else None
            remaining = (*known, *new)
            scan = replace(position.scan, remaining=remaining, last_id=last_id)
            return replace(kept, scan=scan if remaining else None)
        if not new:
            return kept
        # The stream goes on where it was, but by time: a token is of one set of collections.
        since = position.at if position.collections else await self._agreed()
        return replace(kept, scan=Scan(since, new), token=None, at=since)

    async def _after_loss(self, position: Position, error: OperationFailure) -> Position:
        self.rescans += 1
        log.error(
            "MongoDB's history since %s is lost (%s): all of %s is read again; updates and "
            "deletes of that time are not seen",
            position.at,
            error.code,
            ", ".join(self._collections),
        )
        since = await self._agreed()
        scan = Scan(since, self._collections, rescan=True)
        return replace(position, scan=scan, token=None, at=since)

    async def _agreed(self) -> tuple[int, int]:
        """The last time that a majority of the replica set had when asked."""
        said = await mongo.hello(self._client)
        try:
            return mongo.cluster_time(said["lastWrite"]["majorityOpTime"]["ts"])
        except (KeyError, TypeError):
            raise ServiceError(
                "MongoDB is no replica set, so it has no change streams",
                hint="start mongod with --replSet and run rs.initiate() once",
            ) from None

    async def _scan(self, position: Position, scan: Scan) -> AsyncGenerator[SourceBatch, None]:
        collection = scan.remaining[0]
        name = collection.split(".", 1)[1]
        command: Document = {
            "find": name,
            "sort": {"_id": 1},
            "hint": {"_id": 1},
            "batchSize": BATCH,
            # Not before the copy that answers has all that the stream will not tell.
            "readConcern": {"level": "majority", "afterClusterTime": mongo.timestamp(scan.since)},
        }
        last = None if scan.last_id is None else mongo.unpack(scan.last_id)
        if last is not None:
            # Unlike {$gt: …}, a bound of the index goes on to ids of other types.
            command["min"] = last
        replies = mongo.batches(self._client, self._database, command, batch_size=BATCH)
        async with aclosing(replies):
            async for reply in replies:
                documents = reply.documents
                if last is not None and documents and documents[0]["_id"] == last["_id"]:
                    documents = documents[1:]
                last = None
                if documents:
                    scan = replace(scan, last_id=_packed_id(documents[-1], scan.last_id))
                if reply.last:
                    position = await self._scanned(position, scan)
                else:
                    position = replace(position, scan=scan)
                yield SourceBatch(
                    position,
                    documents=documents,
                    collection=collection,
                    repeats_anywhere=scan.rescan,
                )

    async def _scanned(self, position: Position, scan: Scan) -> Position:
        """The position when the first of the remaining collections is finished."""
        if len(scan.remaining) > 1:
            scan = replace(scan, remaining=scan.remaining[1:], last_id=None)
            return replace(position, scan=scan)
        said = await mongo.hello(self._client)
        end = mongo.cluster_time(said["operationTime"])
        return replace(position, scan=None, repeats_until=max(end, position.repeats_until))

    async def _changes(self, position: Position) -> AsyncGenerator[SourceBatch, None]:
        """The change stream, until it ends as it does when a collection is dropped."""
        command = await self._watch(position)
        replies = mongo.batches(
            self._client,
            self._database,
            command,
            batch_size=BATCH,
            await_s=AWAIT_S,
            pause_s=PAUSE_S,
            by_column=self._by_column,
        )
        async with aclosing(replies):
            async for reply in replies:
                events = reply.documents
                token = reply.token
                if events:
                    position = replace(position, at=mongo.cluster_time(events[-1]["clusterTime"]))
                    if token is None or events[-1]["operationType"] == "invalidate":
                        token = events[-1]["_id"]
                if token is not None:
                    position = replace(position, token=mongo.pack(token))
                repeats = bool(events) and (
                    mongo.cluster_time(events[0]["clusterTime"]) <= position.repeats_until
                )
                yield SourceBatch(position, events=events, repeats_anywhere=repeats)

    async def _watch(self, position: Position) -> Document:
        said = await mongo.hello(self._client)
        stream: Document = {"fullDocument": "updateLookup"}
        if said.get("maxWireVersion", 0) >= _FIRST_WITH_PRE_IMAGES:
            stream["fullDocumentBeforeChange"] = "whenAvailable"
        if position.token is not None:
            # Unlike resumeAfter, it goes on behind the end that a drop puts to a stream.
            stream["startAfter"] = mongo.unpack(position.token)
        else:
            stream["startAtOperationTime"] = mongo.timestamp(position.at)
        pipeline: list[Mapping[str, Any]] = [{"$changeStream": stream}]
        names = [name.split(".", 1)[1] for name in self._collections]
        target: str | int = names[0]
        if len(names) > 1:
            target = 1  # the whole database
            wanted = [{"ns.coll": {"$in": names}}, {"operationType": "invalidate"}]
            pipeline.append({"$match": {"$or": wanted}})
        if not self._by_column:  # mongod has less work with whole events, and we as much
            pipeline.append({"$project": _PROJECTION})
        return {"aggregate": target, "pipeline": pipeline, "cursor": {"batchSize": BATCH}}


def _packed_id(document: Mapping[str, Any], before: bytes | None) -> bytes | None:
    try:
        return mongo.pack({"_id": document["_id"]})
    except (UnicodeEncodeError, ValueError):  # an id of broken text: rather read some twice
        return before


def _raise_if_hopeless(error: Exception) -> None:
    if isinstance(error, ConfigurationError):
        raise ServiceError(f"MongoDB can not be used: {error}") from None
    if isinstance(error, OperationFailure) and error.code in HOPELESS:
        raise ServiceError(
            f"MongoDB refuses: {error.details and error.details.get('errmsg')}",
            hint="the user needs the right to find and changeStream on a replica set",
        ) from None
