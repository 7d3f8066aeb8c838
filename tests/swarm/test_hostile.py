"""A directory in which some nodes lie, some are dead, and some send whatever they like."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import msgpack
import pytest
from kademlia.node import Node
from nacl.signing import SigningKey

from tradercast.swarm import (
    Announcement,
    KademliaDirectory,
    KademliaLookup,
    Timing,
    topic_of_core,
    wire,
)
from tradercast.swarm.limits import SourceLimit
from tradercast.swarm.node import DirectoryServer
from tradercast.swarm.protocol import DirectoryProtocol
from tradercast.swarm.storage import AnnouncementStorage

Blob: TypeAlias = Callable[..., bytes]
Network: TypeAlias = Callable[[int], AbstractAsyncContextManager[list[KademliaDirectory]]]
Address: TypeAlias = tuple[str, int]


class LyingProtocol(DirectoryProtocol):
    """Invents contacts next to every target, swallows stores, answers with rubbish."""

    rng = random.Random(3)

    def __init__(self, *args: Any, rubbish: list[bytes], **options: Any) -> None:
        super().__init__(*args, **options)
        self.rubbish = rubbish

    def rpc_store(self, *_: object) -> object:
        return True

    def rpc_find_node(self, sender: Address, node_id: bytes, target: bytes) -> object:
        near = [target[:18] + os.urandom(2) for _ in range(10)]
        fakes = [[node, "127.0.0.1", self.rng.randrange(1, 1024)] for node in near]
        odd = [
            None,
            [],
            [1, 2, 3],
            [near[0], "8.8.8.8\0", 5],
            [near[0], "::", 5],
            [b"", "1.1.1.1", 1],
        ]
        return self.rng.choice(
            [[bytes(8), fakes], [bytes(8), fakes + odd], [b"", []], [], None, [[bytes(8)] * 60] * 9]
        )

    def rpc_find_value(self, *_: object) -> object:
        return self.rng.choice(
            [
                [64, self.rubbish],
                [2**60, []],
                [-1, [1, None, "x"]],
                [None, None],
                None,
                {},
                "x" * 800,
            ]
        )


class LyingServer(DirectoryServer):
    rubbish: list[bytes]

    def _create_protocol(self) -> DirectoryProtocol:
        return LyingProtocol(
            self.node, self.storage, self.ksize, node_key=self._node_key, rubbish=self.rubbish
        )


@contextlib.asynccontextmanager
async def liars(count: int, bootstrap: Address, rubbish: list[bytes]) -> Any:
    async with contextlib.AsyncExitStack() as stack:
        servers = []
        for _ in range(count):
            server = LyingServer(SigningKey.generate(), AnnouncementStorage())
            server.rubbish = rubbish
            await server.listen(0)
            stack.push_async_callback(server.aclose)
            assert await server.bootstrap([bootstrap]) == 1
            servers.append(server)
        yield servers


async def test_with_liars_and_dead_nodes_look_ups_find_the_newest(
    network: Network, signed: Blob, topic: bytes
) -> None:
    key = SigningKey.generate()
    now = time.time()
    topics = [topic_of_core(bytes([i + 1]) * 32) for i in range(4)]
    rubbish = [
        b"EVIL" * 10,
        signed(key, now, topic=bytes(20)),
        signed(key, now, topic=topics[0], expires_in=0),
        bytes(64) + signed(key, now, topic=topics[0])[64:],
    ]
    took = []
    async with network(16) as nodes, liars(4, nodes[0].address, rubbish) as evil:
        owner = nodes[1]
        for version in (1, 2):
            offers = [
                Announcement(t, host="127.0.0.1", port=4000, held=((0, version),)) for t in topics
            ]
            acks = [await owner.announce(offer) for offer in offers]
            assert min(acks) >= 10
            if version == 1:
                # The liars keep what was true once and tell it for ever.
                rubbish += owner._storage.all_values(topics[0])
        assert all(server.protocol.router.nodes() for server in evil)
        for node in nodes[10:]:
            await node.close()

        client = KademliaLookup([nodes[5].address])
        async with client:
            for reader in (*nodes[2:6], client):
                for each in topics:
                    start = time.monotonic()
                    [found] = await reader.lookup(each)
                    took.append(time.monotonic() - start)
                    assert found.held == ((0, 2),)
                    assert found.node_key == owner.node_key
    assert max(took) < 4.0


async def test_where_only_liars_answer_nothing_is_found_and_nothing_raised(topic: bytes) -> None:
    rubbish = [b"EVIL" * 10]
    async with (
        KademliaDirectory(SigningKey.generate()) as seed,
        liars(3, seed.address, rubbish) as evil,
        KademliaLookup([evil[0].address, evil[1].address]) as client,
    ):
        for _ in range(10):
            assert await client.lookup(topic, timeout_s=1.0) == []


class Raw(asyncio.DatagramProtocol):
    """A socket that says anything and hears everything."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[bytes, Address]] = asyncio.Queue()
        self.closed = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.put_nowait((data, addr))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    async def ask(self, target: Address, method: str, *arguments: object) -> object:
        message_id = os.urandom(20)
        self.transport.sendto(wire.encode_request(message_id, method, list(arguments)), target)
        return await self.answer(message_id)

    async def answer(self, message_id: bytes) -> object:
        async with asyncio.timeout(5):
            while True:
                data, _ = await self.heard.get()
                message = wire.parse_datagram(data)
                if isinstance(message, wire.Reply) and message.message_id == message_id:
                    return wire.open_reply(message)


@contextlib.asynccontextmanager
async def raw_socket() -> Any:
    loop = asyncio.get_running_loop()
    transport, raw = await loop.create_datagram_endpoint(Raw, local_addr=("127.0.0.1", 0))
    try:
        yield raw
    finally:
        transport.close()
        await raw.closed.wait()


def _mutants(rng: random.Random, count: int) -> list[bytes]:
    ids = [b"", os.urandom(20), b"short", os.urandom(64)]
    odd: list[object] = [None, True, -1, 2**63, "x", "\0" * 99, [], [[[]]], b"", os.urandom(700)]
    methods = [
        "ping",
        "find_node",
        "find_value",
        "store",
        "stun",
        "",
        "answer",
        "__class__",
        "x" * 99,
    ]
    made = []
    for _ in range(count):
        arguments = [rng.choice([*ids, *odd]) for _ in range(rng.randrange(6))]
        data = bytearray(wire.encode_request(os.urandom(20), rng.choice(methods), arguments))
        for _ in range(rng.choice([0, 0, 1, 5])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        made.append(bytes(data[: rng.choice([len(data), rng.randrange(len(data))])]))
    return made


async def test_a_node_survives_whatever_is_sent_to_it(network: Network, topic: bytes) -> None:
    rng = random.Random(11)
    async with network(2) as [node, other], raw_socket() as raw:
        await other.announce(Announcement(topic, host="127.0.0.1", port=4000, full=True))
        known = node.neighbours
        for number, data in enumerate(_mutants(rng, 3_000)):
            raw.transport.sendto(data, node.address)
            if number % 20 == 0:
                raw.transport.sendto(os.urandom(rng.randrange(1500)), node.address)
                # A round trip through the node, so that nothing is dropped by a full queue.
                await node.lookup(topic)
        assert node.neighbours == known
        assert [a.port for a in await node.lookup(topic)] == [4000]
        assert [a.port for a in await other.lookup(topic)] == [4000]


async def test_no_reply_is_over_1100_bytes_or_three_times_its_request(
    network: Network, signed: Blob, topic: bytes
) -> None:
    async with network(12) as nodes, raw_socket() as raw:
        for number in range(20):
            blob = signed(SigningKey.generate(), time.time(), port=5000 + number)
            assert nodes[0]._storage.put(blob)
        for method in ("ping", "find_node", "find_value"):
            message_id = os.urandom(20)
            request = wire.encode_request(message_id, method, [b"", topic])
            raw.transport.sendto(request, nodes[0].address)
            reply, _ = await asyncio.wait_for(raw.heard.get(), 5)
            assert len(reply) <= min(1100, 3 * len(request))

        # The same question without its padding is not worth a large answer.
        bare = b"\x00" + os.urandom(20) + msgpack.packb(["find_value", [b"", topic]])
        raw.transport.sendto(bare, nodes[0].address)
        assert await raw.ask(nodes[0].address, "ping", b"") == []
        assert raw.heard.empty()


async def test_one_source_can_not_draw_more_than_its_share(network: Network) -> None:
    async with network(1) as [node], raw_socket() as raw, raw_socket() as other:
        node._running().protocol._limit = SourceLimit(rate=0, burst=20_000)
        for _ in range(200):
            request = wire.encode_request(os.urandom(20), "ping", [b""])
            raw.transport.sendto(request, node.address)

        drawn = 0
        for _ in range(20_000 // 400):
            reply, _ = await asyncio.wait_for(raw.heard.get(), 5)
            drawn += len(reply)
        assert await other.ask(node.address, "ping", b"") == [], "others have their own share"
        while not raw.heard.empty():
            drawn += len(raw.heard.get_nowait()[0])
        assert drawn < 20_000


async def test_a_store_needs_the_token_given_to_the_same_address(
    network: Network, signed: Blob, topic: bytes
) -> None:
    blob = signed(SigningKey.generate(), time.time())
    async with network(2) as [node, _], raw_socket() as raw:
        assert await raw.ask(node.address, "store", b"", bytes(8), blob) is False
        answer = await raw.ask(node.address, "find_node", b"", topic)
        assert isinstance(answer, list)
        assert await raw.ask(node.address, "store", b"", answer[0], blob) is True
        assert await raw.ask(node.address, "find_value", b"", topic) == [1, [blob]]
        forged = bytes(64) + blob[64:]
        assert await raw.ask(node.address, "store", b"", answer[0], forged) is False


async def test_who_names_itself_but_can_not_prove_it_is_not_listed(network: Network) -> None:
    async with network(3) as nodes, raw_socket() as raw:
        node = nodes[0]
        before = sorted(node.neighbours)
        claimed = os.urandom(20)
        assert await raw.ask(node.address, "ping", claimed) == []

        # It is asked to prove its name, and answers with a signature by another key.
        data, _ = await asyncio.wait_for(raw.heard.get(), 5)
        question = wire.parse_datagram(data)
        assert isinstance(question, wire.Request)
        assert question.method == "ping"
        reply = bytearray(wire.encode_reply(question.message_id, [], SigningKey.generate()))
        reply[30] ^= 1
        raw.transport.sendto(bytes(reply), node.address)

        assert await raw.ask(node.address, "ping", b"") == []
        assert sorted(node.neighbours) == before


async def test_who_proves_its_name_is_listed_under_the_proven_one(network: Network) -> None:
    key = SigningKey.generate()
    async with network(1) as [node], raw_socket() as raw:
        assert await raw.ask(node.address, "ping", os.urandom(20)) == []
        data, _ = await asyncio.wait_for(raw.heard.get(), 5)
        question = wire.parse_datagram(data)
        raw.transport.sendto(wire.encode_reply(question.message_id, [], key), node.address)

        assert await raw.ask(node.address, "ping", b"") == []
        [listed] = node._running().protocol.router.nodes()
        assert listed.id == wire.node_id_of(bytes(key.verify_key))
        assert (listed.ip, listed.port) == raw.transport.get_extra_info("sockname")


async def test_a_node_that_moved_is_found_at_its_new_address() -> None:
    key = SigningKey.generate()
    timing = Timing(retry_s=0.05)
    async with KademliaDirectory(SigningKey.generate(), timing=timing) as seed:
        for _ in range(2):
            async with KademliaDirectory(key, bootstrap=[seed.address], timing=timing) as mover:
                assert await mover.wait_joined(5)
                while seed.neighbours != [mover.address]:
                    await asyncio.sleep(0.01)


async def test_an_answer_from_elsewhere_is_none(network: Network) -> None:
    async with network(1) as [node], raw_socket() as raw, raw_socket() as third:
        protocol = node._running().protocol
        asked = asyncio.create_task(
            protocol.ask(raw.transport.get_extra_info("sockname"), "ping", b"")
        )
        data, _ = await asyncio.wait_for(raw.heard.get(), 5)
        question = wire.parse_datagram(data)
        reply = wire.encode_reply(question.message_id, [], SigningKey.generate())
        third.transport.sendto(reply, node.address)
        assert await asked is None


async def test_a_lost_question_is_asked_again_once(network: Network) -> None:
    key = SigningKey.generate()
    async with network(1) as [node], raw_socket() as raw:
        protocol = node._running().protocol
        asked = asyncio.create_task(
            protocol.ask(raw.transport.get_extra_info("sockname"), "ping", b"")
        )
        first, _ = await asyncio.wait_for(raw.heard.get(), 5)
        second, _ = await asyncio.wait_for(raw.heard.get(), 5)
        assert first == second
        question = wire.parse_datagram(second)
        raw.transport.sendto(wire.encode_reply(question.message_id, [], key), node.address)
        answer = await asked
        assert answer is not None
        assert answer.node_id == wire.node_id_of(bytes(key.verify_key))


async def test_the_dead_are_left_alone_for_a_while(network: Network) -> None:
    async with network(1) as [node], raw_socket() as raw:
        protocol = node._running().protocol
        mute = Node(os.urandom(20), *raw.transport.get_extra_info("sockname"))
        times = [time.monotonic()]
        assert await protocol.call_ping(mute) == (False, None)
        heard = raw.heard.qsize()
        times.append(time.monotonic())
        assert await protocol.call_ping(mute) == (False, None)
        times.append(time.monotonic())
        assert times[2] - times[1] < (times[1] - times[0]) / 2
        assert raw.heard.qsize() == heard == 2


@pytest.mark.parametrize("told", ["10.0.0.1", "127.0.0.1"])
def test_contacts_of_a_nearer_scope_than_the_teller_are_dropped(told: str) -> None:
    contacts: list[object] = [[bytes(20), told, 9], [bytes([1]) * 20, "8.8.4.4", 9]]
    assert [n.ip for n in DirectoryProtocol._usable(contacts, "8.8.8.8")] == ["8.8.4.4"]
