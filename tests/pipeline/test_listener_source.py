"""MongoDB as a source: any position can be gone on from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from bson import ObjectId
from support.servers.addresses import MongoAddress

from tradercast.errors import ServiceError, UsageError
from tradercast.pipeline import mongo_source
from tradercast.pipeline.columnar import Columnar, as_list
from tradercast.pipeline.listener_state import Position
from tradercast.pipeline.mongo_connect import collections_of, connected
from tradercast.pipeline.mongo_cursor import Client, pack
from tradercast.pipeline.mongo_source import MongoSource, SourceBatch

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def client(mongodb: MongoAddress) -> AsyncIterator[Client]:
    async with connected(mongodb.uri) as made:
        yield made


async def take(source: MongoSource, position: Position, enough: Any) -> list[SourceBatch]:
    """Batches until `enough(documents, events)`."""
    taken: list[SourceBatch] = []
    async with aclosing(source.batches(position)) as batches:
        async for batch in batches:
            taken.append(batch)
            if enough(*found(taken)):
                return taken
    raise AssertionError


def found(batches: list[SourceBatch]) -> tuple[list[Any], list[Any]]:
    documents = [one["_id"] for batch in batches for one in batch.documents]
    events = [one["fullDocument"]["_id"] for batch in batches for one in batch.events]
    return documents, events


async def test_a_scan_goes_on_behind_any_document_whatever_its_id_is(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_source, "BATCH", 3)
    ids: list[Any] = [*range(5), "a", "b", {"x": 1}, b"\x00", True, None, ObjectId(), *range(7, 10)]
    await client["ids"]["trades"].insert_many([{"_id": one} for one in ids])
    source = MongoSource(client, ["ids.trades"])

    whole = await take(source, Position(), lambda documents, events: len(documents) == len(ids))

    for at, batch in enumerate(whole):
        rest = whole[at + 1 :]
        if batch.position.scan is not None and rest:
            wanted = found(rest)[0]
            count = len(wanted)
            again = await take(source, batch.position, lambda docs, _, n=count: len(docs) >= n)
            assert found(again)[0] == wanted


async def test_a_collection_that_is_gone_in_the_middle_of_its_scan_is_finished(
    client: Client,
) -> None:
    source = MongoSource(client, ["gone.trades"])
    begun = await take(source, Position(), lambda documents, events: True)
    scan = begun[0].position.scan
    assert scan is not None
    position = mongo_source.replace(
        begun[0].position, scan=mongo_source.replace(scan, last_id=pack({"_id": 7}))
    )

    async with aclosing(source.batches(position)) as batches:
        async for batch in batches:
            if batch.position.scan is None:
                break
    assert source.reconnects == 0


async def test_a_collection_that_is_added_is_scanned_and_no_change_of_the_others_is_missed(
    client: Client,
) -> None:
    database = client["added"]
    await database["one"].insert_one({"_id": 1})
    await database["two"].insert_one({"_id": 2})
    first = await take(
        MongoSource(client, ["added.one"]), Position(), lambda documents, events: documents == [1]
    )
    async with aclosing(MongoSource(client, ["added.one"]).batches(first[-1].position)) as batches:
        async for batch in batches:
            if batch.position.token is not None:
                position = batch.position
                break
    await database["one"].insert_one({"_id": 3})

    both = MongoSource(client, ["added.one", "added.two"])
    taken = await take(both, position, lambda documents, events: documents == [2] and 3 in events)

    assert found(taken)[0] == [2]


@pytest.mark.parametrize("names", [[], ["a.b", "c.d"], ["justaname"]])
async def test_collections_of_no_or_several_databases_are_refused(
    client: Client, names: list[str]
) -> None:
    with pytest.raises(UsageError):
        MongoSource(client, names)


def test_the_addresss_database_is_the_default() -> None:
    uri = "mongodb://u:secret@h:1/market?replicaSet=rs0"

    assert collections_of(uri, []) == ("market.trades",)
    assert collections_of(uri, ["fills", "other.fills"]) == ("market.fills", "other.fills")
    with pytest.raises(UsageError) as refused:
        collections_of("mongodb://u:secret@h:1:2/", [])
    assert "secret" not in str(refused.value)


async def test_a_single_server_is_refused_with_the_way_out(client: Client) -> None:
    class Alone:
        admin: Any = None

        async def command(self, *_: object) -> dict[str, object]:
            return {"ok": 1}

    alone = Alone()
    alone.admin = alone

    with pytest.raises(ServiceError, match="no replica set"):
        async for _ in MongoSource(alone, ["a.b"]).batches(Position()):  # type: ignore[arg-type]
            pass


async def test_a_stream_that_never_stops_comes_in_few_batches_and_in_order(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_source, "PAUSE_S", 1.0)
    count = 300
    source = MongoSource(client, ["busy.trades"])
    begun = await take(source, Position(), lambda documents, events: True)

    async def insert() -> None:
        for key in range(count):
            await client["busy"]["trades"].insert_one({"_id": key})

    inserting = asyncio.create_task(insert())
    taken = await take(source, begun[-1].position, lambda _, events: len(events) >= count)
    await inserting

    assert found(taken)[1] == list(range(count))
    assert sum(bool(batch.events) for batch in taken) < count / 4


async def test_many_inserts_of_a_stream_come_by_column_and_whole(client: Client) -> None:
    trades = client["columns"]["trades"]
    source = MongoSource(client, ["columns.trades"], by_column=True)
    begun = await take(source, Position(), lambda documents, events: True)
    keys = [str(key) for key in range(3_000)]
    await trades.insert_many([{"_id": key, "trade_id": key, "price": "1.5"} for key in keys])

    taken = await take(source, begun[-1].position, lambda _, events: len(events) >= len(keys))

    assert found(taken)[1] == keys
    columns = [batch.events.columns for batch in taken if isinstance(batch.events, Columnar)]
    assert columns
    assert [key for one in columns for key in as_list(one["trade_id"])][-1] == keys[-1]
