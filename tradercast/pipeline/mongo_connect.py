"""The address of a MongoDB, read and connected to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from tradercast.errors import UsageError
from tradercast.pipeline.mongo_cursor import Client, Document

DEFAULT_COLLECTION = "trades"
_SELECT_MS = 10_000
_CLOSE_S = 1.0
_SOCKET_MS = 20_000
_HEARTBEAT_MS = 2_000  # so long a server that once refused stays unasked; by default 10 s


def collections_of(uri: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """``database.collection`` of every collection to read.

    Parameters
    ----------
    uri : str
        May name a database.
    wanted : sequence of str
        ``database.collection``, or ``collection`` of the address's database; by default its
        ``trades``.

    Raises
    ------
    UsageError
        If the address can not be read, or no database is named.  No message holds the address.
    """
    try:
        database = None if "+srv" in uri[:12] else parse_uri(uri, warn=False)["database"]
        if "+srv" in uri[:12]:
            database = uri.partition("://")[2].partition("/")[2].partition("?")[0] or None
    except (PyMongoError, ValueError):
        raise UsageError(
            "the address of the MongoDB can not be read",
            hint="write mongodb://HOST:PORT/DATABASE?replicaSet=NAME",
        ) from None
    names = []
    for name in wanted or (DEFAULT_COLLECTION,):
        if "." not in name and database is None:
            raise UsageError(
                f"it is not clear which database the collection {name} is in",
                hint="name it in the address: mongodb://HOST:PORT/DATABASE",
            )
        names.append(name if "." in name else f"{database}.{name}")
    return tuple(names)


@asynccontextmanager
async def connected(uri: str, appname: str = "tradercast-listener") -> AsyncIterator[Client]:
    """A client that gives up a connection that says nothing for 20 s."""
    client: Client = AsyncMongoClient[Document](
        uri,
        appname=appname,
        serverSelectionTimeoutMS=_SELECT_MS,
        connectTimeoutMS=_SELECT_MS,
        socketTimeoutMS=_SOCKET_MS,
        heartbeatFrequencyMS=_HEARTBEAT_MS,
    )
    try:
        yield client
    finally:
        # It says good-bye to the server, which may be frozen.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(client.close(), _CLOSE_S)
