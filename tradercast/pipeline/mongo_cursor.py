"""Commands to MongoDB and the batches that their cursors give.

A whole reply is decoded at once, which is several times as fast as the driver's cursors are in
asyncio; and every reply says how far a change stream has come.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import bson
from bson import Timestamp
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.json_util import RELAXED_JSON_OPTIONS, JSONOptions, dumps
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError

from tradercast.pipeline.listener_state import ClusterTime

Document = dict[str, Any]
Client = AsyncMongoClient[Document]

# A document that Python has no date or no text for is rejected alone, and stops nothing.
CODEC: CodecOptions[Document] = CodecOptions(
    document_class=dict,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    unicode_decode_error_handler="surrogateescape",
)
_JSON: JSONOptions = RELAXED_JSON_OPTIONS
_CALL_MS = 20_000
_KILL_S = 1.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A cursor's batch.

    Attributes
    ----------
    documents : list of dict
    token : dict or None
        Of a change stream: where it goes on behind this batch.
    last : bool
        The cursor is at its end.
    """

    documents: list[Document]
    token: Document | None
    last: bool


@asynccontextmanager
async def session(client: Client) -> AsyncIterator[AsyncClientSession]:
    """A session: a cursor's commands are all in one."""
    async with client.start_session(causal_consistency=False) as opened:
        yield opened


async def batches(
    client: Client,
    database: str,
    command: Mapping[str, Any],
    *,
    batch_size: int,
    await_s: float | None = None,
) -> AsyncIterator[Reply]:
    """Run ``find`` or ``aggregate`` and give its batches until the cursor ends.

    Parameters
    ----------
    client : AsyncMongoClient
        Connected to a replica set.
    database : str
        Where the command runs.
    command : mapping
        With its name first.
    batch_size : int
        Documents a batch at most.
    await_s : float, optional
        Of a change stream: how long the server waits for something to happen.
    """
    target = client[database]
    async with session(client) as own:
        reply: Any = await target.command(dict(command), session=own, codec_options=CODEC)
        cursor = reply["cursor"]
        identity = cursor["id"]
        collection = cursor["ns"].split(".", 1)[1]
        try:
            while True:
                found = cursor.get("firstBatch", cursor.get("nextBatch", []))
                identity = cursor["id"]
                yield Reply(found, cursor.get("postBatchResumeToken"), not identity)
                if not identity:
                    return
                more: Document = {"getMore": identity, "collection": collection}
                more["batchSize"] = batch_size
                if await_s is not None:
                    more["maxTimeMS"] = int(await_s * 1_000)
                reply = await target.command(more, session=own, codec_options=CODEC)
                cursor = reply["cursor"]
        finally:
            if identity:
                kill: Document = {"killCursors": collection, "cursors": [identity]}
                with contextlib.suppress(PyMongoError, TimeoutError):
                    await asyncio.wait_for(target.command(kill, session=own), _KILL_S)


async def hello(client: Client) -> Document:
    """What the primary says of itself."""
    reply: Document = await client.admin.command({"hello": 1, "maxTimeMS": _CALL_MS})
    return reply


def cluster_time(value: Timestamp) -> ClusterTime:
    """A time of the oplog as numbers."""
    return value.time, value.inc


def timestamp(value: ClusterTime) -> Timestamp:
    """A time of the oplog as the driver sends it."""
    return Timestamp(*value)


def pack(value: Mapping[str, Any]) -> bytes:
    """A document as bytes."""
    return bson.encode(value)


def unpack(data: bytes) -> Document:
    """What `pack` made of a document."""
    return bson.decode(data, CODEC)


def to_json(document: Mapping[str, Any]) -> str:
    """A document as MongoDB's extended JSON."""
    return dumps(document, json_options=_JSON)
