"""Catalog, checkpoints and notes over real logs: two connected nodes, each with its sidecar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from tradercast.feed.catalog_log import CatalogWriter, load_catalog
from tradercast.feed.checkpoint_store import CheckpointStore
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feed.delegation import Delegation
from tradercast.feed.entries import PublisherInfo
from tradercast.feed.gossip import decode_note, encode_note
from tradercast.feed.identity import Identity
from tradercast.feed.incident_files import IncidentFiles, check_incident
from tradercast.feed.incidents import Incident
from tradercast.feed.witness import Witness
from tradercast.feeds import FeedId
from tradercast.log import LogStore, SidecarOptions
from tradercast.paths import DataDir

NOW = 1_700_000_000 * 10**9
BTC, ETH = FeedId("bitfinex", "btcusd"), FeedId("bitfinex", "ethusd")


@dataclass
class Node:
    data: DataDir
    store: LogStore
    witness: Witness
    seed: bytes


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes that are connected."""
    async with AsyncExitStack() as stack:
        made = []
        for number in (1, 2):
            data = DataDir(tmp_path / str(number)).ensure()
            store = await LogStore.open(data.root, SidecarOptions(linger_ms=100))
            await stack.enter_async_context(store)
            witness = Witness(
                CheckpointStore(data.checkpoints), IncidentFiles(data.incidents), lambda: NOW
            )
            made.append(Node(data, store, witness, bytes([number]) * 32))
        first, second = made
        address = await first.store.swarm.start(first.seed, listen=("127.0.0.1", 0))
        await second.store.swarm.start(second.seed)
        assert address.host is not None
        assert address.port is not None
        await second.store.swarm.dial(address.host, address.port, address.public_key)
        yield first, second


async def test_a_reader_gets_the_catalog_and_both_keep_what_was_signed(
    nodes: tuple[Node, Node], tmp_path: Path
) -> None:
    publisher, reader = nodes
    identity = Identity.load_or_create(publisher.data.identity)
    log = await publisher.store.core(signer=identity.catalog_signer())
    assert log.key == identity.catalog_key
    writer = CatalogWriter(log, publisher.witness)
    await writer.put(PublisherInfo("Bitfinex", "CC0-1.0"))
    await writer.put_segment(BTC, "main", *identity.segment_keys(BTC, "main"))

    copy = await reader.store.core(key=identity.catalog_key)
    assert (await copy.update(10)).length == 2
    catalog = await load_catalog(copy)

    assert catalog.publisher.name == "Bitfinex"
    entry = catalog.get(catalog.resolve("BTC/USD"))
    assert entry is not None
    assert entry.segments[0].tail_key == identity.segment_keys(BTC, "main")[0]
    reader.witness.own(LogCheckpoint(copy.key, await copy.checkpoint()))
    kept = [CheckpointStore(node.data.checkpoints).get(log.key) for node in nodes]
    assert kept[0] == kept[1]
    assert kept[0] is not None
    assert kept[0].length == 2


async def test_two_writers_of_one_identity_who_are_connected_do_not_conflict(
    nodes: tuple[Node, Node],
) -> None:
    identity = Identity.load_or_create(nodes[0].data.identity)
    logs = [await node.store.core(signer=identity.catalog_signer()) for node in nodes]
    writers = [CatalogWriter(log, node.witness) for log, node in zip(logs, nodes, strict=True)]

    for number in range(20):
        feed = FeedId("bitfinex", f"coin{number}usd")
        keys = identity.segment_keys(feed, "main")
        await asyncio.gather(*(writer.put_segment(feed, "main", *keys) for writer in writers))

    catalogs = [await writer.refresh() for writer in writers]
    assert [catalog.length for catalog in catalogs] == [20, 20]
    assert catalogs[0].feeds() == catalogs[1].feeds()
    states = [await log.checkpoint() for log in logs]
    assert states[0].tree_hash == states[1].tree_hash
    assert IncidentFiles(nodes[0].data.incidents).all() == []


async def test_a_writer_takes_in_what_a_sibling_appended(nodes: tuple[Node, Node]) -> None:
    identity = Identity.load_or_create(nodes[0].data.identity)
    logs = [await node.store.core(signer=identity.catalog_signer()) for node in nodes]
    first, second = (
        CatalogWriter(log, node.witness) for log, node in zip(logs, nodes, strict=True)
    )
    for turn in range(5):
        writer, name = ((first, "a"), (second, "b"))[turn % 2]
        feed = FeedId("bitfinex", f"{name}{turn}")
        await writer.put_segment(feed, "main", *identity.segment_keys(feed, "main"))
    assert (await first.refresh()).length == (await second.refresh()).length == 5


async def test_peers_tell_each_other_the_delegation_and_checkpoints(
    nodes: tuple[Node, Node],
) -> None:
    publisher, reader = nodes
    identity = Identity.load_or_create(publisher.data.identity)
    delegation = identity.delegation(NOW)
    log = await publisher.store.core(signer=identity.catalog_signer())
    await CatalogWriter(log, publisher.witness).put(PublisherInfo("Bitfinex"))
    checkpoint = LogCheckpoint(log.key, await log.checkpoint())
    notes = [encode_note(delegation), encode_note(checkpoint)]

    async with reader.store.events("topic.note") as events:
        await publisher.store.topics.join(identity.root, notes)
        heard = [decode_note(n.data) for n in await reader.store.topics.join(identity.root, [])]
        while len(heard) < 2:
            event = await asyncio.wait_for(anext(events), 10)
            heard.append(decode_note(event.data["data"]))

    assert {type(note) for note in heard} == {Delegation, LogCheckpoint}
    for note in heard:
        if isinstance(note, LogCheckpoint):
            reader.witness.heard(note)
    assert reader.witness.known_length(log.key) == 1
    assert delegation in heard


async def test_evidence_of_the_sidecar_becomes_a_file_that_proves_itself(
    nodes: tuple[Node, Node], tmp_path: Path
) -> None:
    # One key, two histories: what a stolen key or a lost end looks like.
    signer = SigningKey(b"\x09" * 32)
    first, second = nodes
    peers = await second.store.swarm.peers()
    await second.store.swarm.drop(peers[0]["peer"])
    async with first.store.events("core.incident") as events:
        for node, text in ((first, b"one"), (second, b"two")):
            core = await node.store.core(signer=signer)
            await core.append([text] * 3, 0)
        address = await first.store.swarm.start(first.seed, listen=("127.0.0.1", 0))
        assert address.host is not None
        assert address.port is not None
        await second.store.swarm.dial(address.host, address.port, address.public_key)
        event = await asyncio.wait_for(anext(events), 20)

    path = IncidentFiles(first.data.incidents).write(Incident.of_evidence(event.data))

    assert "signed two histories" in check_incident(path)
