"""Commands to MongoDB and the batches that their cursors give.

A whole reply is decoded at once, which is several times as fast as the driver's cursors are in
asyncio; and every reply says how far a change stream has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import bson
from bson import Timestamp
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.json_util import RELAXED_JSON_OPTIONS, JSONOptions, dumps
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import PyMongoError

from tradercast.errors import FormatError
from tradercast.pipeline.listener_state import ClusterTime
from tradercast.pipeline.raw_inserts import elements, read_inserts

Document = dict[str, Any]
Client = AsyncMongoClient[Document]

# A document that Python has no date or no text for is rejected alone, and stops nothing.
CODEC: CodecOptions[Document] = CodecOptions(
    document_class=dict,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    unicode_decode_error_handler="surrogateescape",
)
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
_TEXT, _INT64 = 0x02, 0x12
_BATCHES = ("firstBatch", "nextBatch")
_NOTHING = bson.encode({})
_I32, _I64 = struct.Struct("<i"), struct.Struct("<q")
_JSON: JSONOptions = RELAXED_JSON_OPTIONS
_CALL_MS = 20_000
MUCH_BYTES = 256 << 10
_KILL_S = 1.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A cursor's batch.

    Attributes
    ----------
    documents : sequence of dict
        `Inserts` where that was asked for and possible.
    token : dict or None
        Of a change stream: where it goes on behind this batch.
    last : bool
        The cursor is at its end.
    """

    documents: Sequence[Mapping[str, Any]]
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
    pause_s: float = 0.0,
    by_column: bool = False,
) -> AsyncGenerator[Reply, None]:
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
    pause_s : float
        The server is asked no sooner after it was asked before, unless much came: of a stream
        that never stops, a few batches a second are less work for everybody than many tiny ones.
    by_column : bool
        Read many inserts by column, which is several times as fast as decoding each.
    """
    target = client[database]
    now = asyncio.get_running_loop().time
    asked = 0.0
    async with session(client) as own:

        async def ask(what: Mapping[str, Any], at: float = 0.0) -> bytes:
            nonlocal asked
            await asyncio.sleep(at - now())
            asked = now()
            reply = await target.command(dict(what), session=own, codec_options=_RAW)
            return bytes(reply["cursor"].raw)

        cursor = await ask(command)
        identity, name = cursor_of(cursor)
        following: asyncio.Task[bytes] | None = None
        more: Document = {"getMore": identity, "collection": name.split(".", 1)[1]}
        more["batchSize"] = batch_size
        if await_s is not None:
            more["maxTimeMS"] = int(await_s * 1_000)
        try:
            while True:
                if identity:
                    # The server makes the next batch ready while this one is decoded and used.
                    at = asked + pause_s if len(cursor) < MUCH_BYTES else 0.0
                    following = asyncio.create_task(ask(more, at))
                if len(cursor) < MUCH_BYTES:  # a thread's turn would take longer
                    yield reply_of(cursor, not identity)
                else:
                    yield await asyncio.to_thread(reply_of, cursor, not identity, by_column)
                if following is None:
                    return
                await asyncio.wait([following])  # whoever is cancelled here does not cancel that
                cursor, following = following.result(), None
                identity, _ = cursor_of(cursor)
        finally:
            if following is not None:
                following.cancel()
                await asyncio.wait([following])
            if identity:
                kill: Document = {"killCursors": more["collection"], "cursors": [identity]}
                with contextlib.suppress(PyMongoError, TimeoutError):
                    await asyncio.wait_for(target.command(kill, session=own), _KILL_S)


def reply_of(cursor: bytes, last: bool, by_column: bool = False) -> Reply:
    """Decode a cursor's batch."""
    if by_column and len(cursor) >= MUCH_BYTES:
        [(start, end)] = [
            (start, end) for name, _, start, end in elements(cursor, 0) if name in _BATCHES
        ]
        inserts = read_inserts(cursor, start, CODEC)
        if inserts is not None:
            rest = cursor[4:start] + _NOTHING + cursor[end:]
            found = bson.decode(_I32.pack(len(rest) + 4) + rest, CODEC)
            return Reply(inserts, found.get("postBatchResumeToken"), last)
    found = bson.decode(cursor, CODEC)
    documents: list[Document] = found.get("firstBatch") or found.get("nextBatch") or []
    return Reply(documents, found.get("postBatchResumeToken"), last)


def cursor_of(raw: bytes) -> tuple[int, str]:
    """The ``id`` and ``ns`` of a cursor in a reply, without decoding its documents.

    Raises
    ------
    FormatError
        If it has none.
    """
    identity = None
    with contextlib.suppress(KeyError):  # a type that no cursor has
        for name, kind, start, end in elements(raw, 0):
            if name == "id" and kind == _INT64:
                identity = int(_I64.unpack_from(raw, start)[0])
            elif name == "ns" and kind == _TEXT and identity is not None:
                return identity, raw[start + 4 : end - 1].decode()
    raise FormatError("a reply of MongoDB names no cursor")


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
