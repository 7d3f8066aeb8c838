"""The pool of peers: whom it dials, and that it leaves connections alone."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from support.stores import key_pair, open_store

from tradercast.client.peers import PeerPool
from tradercast.swarm.discovery import StaticPeers

TOPIC = b"\x05" * 20


class Asked(StaticPeers):
    """Counts how often it is asked."""

    times = 0

    async def lookup(self, topic, *, timeout_s=5.0):
        self.times += 1
        return await super().lookup(topic, timeout_s=timeout_s)


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def address_of(store):
    return store.swarm.address.host, store.swarm.address.port


@pytest.fixture
async def stores(tmp_path):
    async with (
        open_store(tmp_path / "reader", node="reader") as reader,
        open_store(tmp_path / "first", node="first") as first,
        open_store(tmp_path / "second", node="second") as second,
    ):
        yield reader, first, second


async def test_all_peers_named_by_hand_are_dialled_once_and_stay(stores):
    reader, first, second = stores
    hours = itertools.count(0, 3600)  # as if an hour passed between any two looks at the clock
    named = Asked([address_of(first), address_of(second)])
    pool = PeerPool(
        reader.swarm,
        [named],
        own_key=bytes(key_pair("reader").verify_key),
        clock=lambda: next(hours),
    )
    closed = reader.events("peer.close")

    pool.want(TOPIC)
    await until(lambda: pool.connected == 2)
    before = {peer["peer"] for peer in await reader.swarm.peers()}
    await until(lambda: named.times == 4)
    after = {peer["peer"] for peer in await reader.swarm.peers()}
    await pool.close()

    assert len(before) == 2
    assert after == before
    closed.close()
    assert [event async for event in closed] == []


async def test_a_peer_that_was_lost_is_dialled_again_soon(stores):
    reader, first, _ = stores
    pool = PeerPool(
        reader.swarm,
        [StaticPeers([address_of(first)])],
        own_key=bytes(key_pair("reader").verify_key),
    )
    pool.want(TOPIC)
    await until(lambda: pool.connected == 1)
    [before] = await reader.swarm.peers()

    async with reader.events("peer.close") as closed:
        await first.swarm.drop(public_key=bytes(key_pair("reader").verify_key))
        event = await anext(closed)
    pool.lost(event.data["peer"])
    assert pool.connected == 0
    await until(lambda: pool.connected == 1)
    [after] = await reader.swarm.peers()
    await pool.close()

    assert after["peer"] != before["peer"]
    assert after["public_key"] == before["public_key"]
