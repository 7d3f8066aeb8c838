"""A new reader begins with the catalog that a peer tells of, and keeps its log all the same."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.feeds import market
from support.markets import BTCUSD, Publisher, publish, publisher_of

import tradercast
from tradercast.client.node import Node
from tradercast.client.resolve import Target, resolve
from tradercast.client.session import SessionOptions, session
from tradercast.errors import UnknownSymbolError
from tradercast.feeds import FeedId
from tradercast.links import Link
from tradercast.paths import DataDir

LATE = market(300, seed=9)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    with publisher_of(
        tmp_path_factory.mktemp("served"), {("bitfinex", "btcusd"): BTCUSD}
    ) as publisher:
        yield publisher


@contextmanager
def at_a_standstill(publisher: Publisher) -> Iterator[None]:
    """The serving program does nothing; its sidecar answers, and tells what it told before."""
    publisher.serving.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        publisher.serving.signal(signal.SIGCONT)


async def test_the_feed_is_found_before_the_log_and_the_log_is_kept(
    served: Publisher, tmp_path: Path
) -> None:
    link = Link.parse(served.link)
    async with Node(DataDir(tmp_path)) as node, session(node, [link], SessionOptions()):
        publisher, feed = await resolve(node, Target("btcusd", link), remote=True)
        at_first = await publisher.core.info()
        told = node.copy_of(publisher.core.key)

    async with Node(DataDir(tmp_path)) as node:
        offline, again = await resolve(node, Target("btcusd", link), remote=False)

    assert feed == again == FeedId("bitfinex", "btcusd")
    assert publisher.news is not None  # the log was on its way
    assert told is not None
    assert at_first.contiguous_length < len(told.blocks) == offline.catalog.length
    assert offline.catalog.get(feed) == publisher.catalog.get(feed)


async def test_a_feed_that_is_newer_than_what_is_told_is_found_in_the_log(
    served: Publisher, tmp_path: Path
) -> None:
    name = "bitfinex/lateusd"
    with at_a_standstill(served):
        publish(served.machine, tmp_path / "late.csv", LATE, symbol="lateusd")
        link = served.link.partition("?")[0]  # its directory stands still too
        async with tradercast.aio.connect(
            tmp_path / "data", link=link, peers=[served.serving.peer]
        ) as client:
            result = await client.trades(name)
            with pytest.raises(UnknownSymbolError):
                await client.trades("bitfinex/neverusd")

    assert result.trades.equals(LATE)
