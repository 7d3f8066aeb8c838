"""Can a listener read this MongoDB, and go on where it was after a pause?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError

from tradercast.cli.checks.check import Check
from tradercast.cli.text import duration, size
from tradercast.pipeline.mongo_connect import collections_of
from tradercast.private import without_secrets

WANTED_S = 24 * 3600.0
_YOUNG_S = 60.0
_PATIENCE_MS = 5_000
_NOT_ALLOWED = 13
_REPLICA_SET = "start mongod with --replSet rs0, and run rs.initiate() once in mongosh"

Client = MongoClient[dict[str, Any]]


def mongodb(
    uri: str, collections: Sequence[str] = (), books: Sequence[str] = ()
) -> Iterator[Check]:
    """What a listener needs of a MongoDB, one check after the other; nothing is changed.

    Parameters
    ----------
    uri : str
        Its address; in no check.
    collections : sequence of str
        What will be listened to; ``trades`` of the address's database by default.
    books : sequence of str
        The collections of books; nobody minds deletes there.

    Raises
    ------
    UsageError
        If the address can not be read, or names no database.
    """
    names = collections_of(uri, collections)
    more = collections_of(uri, books) if books else ()
    try:
        with Client(uri, serverSelectionTimeoutMS=_PATIENCE_MS, appname="tradercast-doctor") as on:
            first = _replica_set(on)
            yield first
            if first.ok:
                for name in names:
                    yield _rights(on, name)
                    yield _images(on, name)
                for name in more:
                    yield _rights(on, name)
                yield _oplog(on)
    except (ConfigurationError, InvalidURI):
        yield Check("mongodb", False, "the address has options that make no sense", "mend it")
    except PyMongoError as error:
        hint = "check the address, the user and the password, and that mongod runs"
        yield Check("mongodb", False, f"does not answer: {_short(error)}", hint)


def _replica_set(on: Client) -> Check:
    hello = on.admin.command("hello")
    if "setName" not in hello:
        text = "is not a replica set, so that nothing can be watched"
        return Check("mongodb", False, text, _REPLICA_SET)
    version = str(on.admin.command("buildInfo")["version"])
    members = hello.get("hosts", [])
    details = {"set": hello["setName"], "members": members, "version": version}
    text = f"MongoDB {version}, replica set {hello['setName']} of {len(members)}"
    return Check("mongodb", True, text, details=details)


def _rights(on: Client, name: str) -> Check:
    """Whether this user may read and watch a collection: it is tried."""
    database, _, collection = name.partition(".")
    target = on[database]
    label = f"mongodb {name}"
    hint = f'run in mongosh: db.grantRolesToUser("USER", [{{role: "read", db: "{database}"}}])'
    try:
        target.command({"find": collection, "limit": 1, "singleBatch": True})
        watch: dict[str, Any] = {"aggregate": collection, "pipeline": [{"$changeStream": {}}]}
        cursor = target.command({**watch, "cursor": {"batchSize": 0}})["cursor"]["id"]
        target.command({"killCursors": collection, "cursors": [cursor]})
        documents = target[collection].estimated_document_count()
    except OperationFailure as error:
        allowed = error.code != _NOT_ALLOWED
        text = _short(error) if allowed else "this user may not read and watch it"
        return Check(label, False, text, hint)
    text = f"may be read and watched; about {documents:,} documents"
    return Check(label, True, text, details={"documents": documents})


def _images(on: Client, name: str) -> Check:
    """Whether a delete says which trade it was."""
    database, _, collection = name.partition(".")
    label = f"mongodb deletes of {name}"
    command = f'{{collMod: "{collection}", changeStreamPreAndPostImages: {{enabled: true}}}}'
    hint = f"if trades are deleted, run in mongosh: db.runCommand({command})"
    try:
        found = list(on[database].list_collections(filter={"name": collection}))
    except OperationFailure as error:
        return Check(label, None, f"can not be seen: {_short(error)}", hint)
    if not found:
        return Check(label, None, "the collection is not there yet", hint)
    if found[0]["options"].get("changeStreamPreAndPostImages", {}).get("enabled"):
        return Check(label, True, "say which trade they were")
    return Check(label, None, "do not say which trade they were", hint)


def _oplog(on: Client) -> Check:
    """For how long a listener may be away."""
    label = "mongodb oplog"
    oplog = on["local"]["oplog.rs"]
    try:
        first = oplog.find_one(sort=[("$natural", 1)], projection={"ts": 1})
        last = oplog.find_one(sort=[("$natural", -1)], projection={"ts": 1})
        stats = on["local"].command("collStats", "oplog.rs")
    except OperationFailure:
        return Check(
            label,
            None,
            "this user may not look at it",
            "to have it checked: grant the role clusterMonitor, and read on the database local",
        )
    seconds = float(last["ts"].time - first["ts"].time) if first and last else 0.0
    used, most = int(stats["size"]), int(stats["maxSize"])
    window = seconds * max(1.0, most / max(used, 1))
    details = {"seconds": seconds, "bytes": used, "max_bytes": most, "window_seconds": window}
    if seconds < _YOUNG_S:
        return Check(label, None, f"{size(most)}, too young to say more", details=details)
    text = f"{size(most)} are enough for about {duration(window)}"
    hint = "have room for a day: db.adminCommand({replSetResizeOplog: 1, size: MEGABYTES})"
    return Check(label, window >= WANTED_S, text, hint, details)


def _short(error: PyMongoError) -> str:
    return without_secrets(" ".join(str(error).split()))[:200]
