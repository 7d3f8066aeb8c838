"""The whole chain under many records: a snapshot that is cut off, and memory that stays flat."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest
from support.chain import Chain
from support.commands import wait_until
from support.listening import NOW, SYMBOLS, document, ids_of, inserting
from support.usage import watching

import tradercast
from tradercast.feeds import FeedId

LONG = [pytest.mark.slow, pytest.mark.timeout(7_200)]
pytestmark = [pytest.mark.timeout(300), pytest.mark.faults]

CALL = 5_000  # documents in one insert
AHEAD = 250_000  # documents that may be under way
MEMORY_MB = 300
GROWN_MB = 60  # from a quarter of the time to the end


@pytest.mark.parametrize("count", [30_000, pytest.param(2_000_000, marks=LONG)])
def test_a_snapshot_under_inserts_that_is_killed_in_the_middle(chain: Chain, count: int) -> None:
    there: set[str] = set()
    with chain.mongodb.client(w=1) as client:
        for at in range(0, count, 10_000):
            documents = [document(chain.name, key) for key in range(at, at + 10_000)]
            client[chain.name]["trades"].insert_many(documents, ordered=False)
            there |= {one["trade_id"] for one in documents}
    chain.feeder.start()
    with inserting(chain.mongodb.uri, chain.name, first=10_000_000) as inserter:
        for _ in range(2):
            before = len(chain.topic.values)
            chain.listener.start()
            while len(chain.topic.values) <= before:
                chain.topic.poll(0.05)
            chain.listener.kill()
        chain.listener.start()
        time.sleep(1)
        acked = there | inserter.finish()

    messages = chain.check(acked)
    repeated = sum(len(ids_of(message)) for message in messages) - len(acked)
    assert repeated < len(acked)  # it did not begin anew


@pytest.mark.parametrize("count", [60_000, pytest.param(20_000_000, marks=LONG)])
def test_no_service_takes_more_memory_the_more_there_is(
    chain: Chain, count: int, record_property: pytest.RecordProperty
) -> None:
    chain.listener.start()
    chain.feeder.start()
    feeds = [FeedId(chain.name, symbol) for symbol in SYMBOLS]

    def durable() -> int:
        return sum(max(0, chain.feeder.running.metric("records", feed)) for feed in feeds)

    sidecar = chain.feeder.node.sidecar()
    assert sidecar is not None
    pids = {
        "listener": chain.listener.pid,
        "feeder": chain.feeder.running.pid,
        "sidecar": sidecar.pid,
    }
    began = time.monotonic()
    with watching(pids) as used, chain.mongodb.client(w=1, journal=False) as client:
        for at in range(0, count, CALL):
            client[chain.name]["trades"].insert_many(
                [trade(chain.name, key) for key in range(at, at + CALL)]
            )
            if at % AHEAD == 0:
                wait_until(lambda at=at: durable() >= at - AHEAD, 600)
        wait_until(lambda: durable() >= count, 600)
    took_s = time.monotonic() - began

    for name, usage in used.items():
        record_property(f"{name}_mb", round(max(usage.rss)))
        print(f"{name}: {max(usage.rss):.0f} MB at most, {usage.grown:+.0f} MB since a quarter")
    print(f"{count / took_s:,.0f} trades/s, inserting included")
    ids = asyncio.run(ids_read(chain.folder / "stranger", chain.feeder.running.link, feeds))
    for number, found in enumerate(ids):
        assert np.array_equal(found, np.arange(number, count, len(feeds)))
    assert {
        name: max(usage.rss) for name, usage in used.items() if max(usage.rss) > MEMORY_MB
    } == {}
    if count > AHEAD:  # before that it is their start that is seen
        assert {name: usage.grown for name, usage in used.items() if usage.grown > GROWN_MB} == {}


def trade(exchange: str, key: int) -> dict[str, object]:
    """A document that takes little time to make."""
    return {
        "_id": key,
        "exchange": exchange,
        "symbol": SYMBOLS[key % len(SYMBOLS)],
        "trade_id": str(key),
        "ts_event": NOW + key * 1_000_000,
        "price": f"{67_000 + key % 999}.{key % 10}",
        "size": f"0.{key * 7919 % 99_999_999:08d}",
        "side": "buy" if key % 7 % 2 else "sell",
    }


async def ids_read(data_dir: Path, link: str, feeds: list[FeedId]) -> list[np.ndarray]:
    """The ids of each feed as a stranger reads them: millions, so in batches and as numbers."""
    found = []
    async with tradercast.aio.connect(data_dir, link=link) as client:
        for feed in feeds:
            await client.sync(str(feed))
            batches = client.iter_trades(str(feed))
            found.append(np.concatenate([batch.trades.trade_id.values async for batch in batches]))
    return found
