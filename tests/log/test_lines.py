"""Lines: blocks come from many peers at once, checked, and end up in the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
from support.relay import relay
from support.stores import LOOPBACK, connect, key_pair, kill_sidecar, numbered, open_store

from tradercast.log import Core, LogStore, line_fetch, proof
from tradercast.log.line import Taken

SIGNER = key_pair("publisher")
COUNT, SIZE = 600, 20_000
BLOCKS = numbered(COUNT, SIZE)


class Net:
    """A writer of 600 blocks, and more nodes as they are wanted."""

    def __init__(self, stack: AsyncExitStack, directory: Path) -> None:
        self._stack = stack
        self._directory = directory

    async def node(self, name: str) -> LogStore:
        """A listening node."""
        return await self._stack.enter_async_context(open_store(self._directory / name, node=name))

    async def writer(self) -> LogStore:
        """A node that has the log."""
        store = await self.node("writer")
        await (await store.core(signer=SIGNER)).append(BLOCKS, 0)
        return store

    async def seeder(self, source: LogStore, name: str, *ranges: tuple[int, int]) -> LogStore:
        """A node that has some of the log."""
        store = await self.node(name)
        await connect(store, source)
        core = await known(store)
        _ = [step async for step in core.download(ranges)]
        return store


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Net]:
    async with AsyncExitStack() as stack:
        yield Net(stack, tmp_path)


async def known(store: LogStore) -> Core:
    """The log at a node that is connected, as long as it is known there."""
    core = await store.core(key=proof.core_key(bytes(SIGNER.verify_key)))
    async with asyncio.timeout(20):
        while (await core.update(5.0)).length < COUNT:
            await asyncio.sleep(0.02)
    return core


async def take(
    core: Core, start: int, end: int, *, each: Callable[[Taken], None] = lambda _: None
) -> dict[int, bytes]:
    """What comes over lines of a range, checked against the blocks that were written."""
    found: dict[int, bytes] = {}
    async with aclosing(line_fetch.take(core, [(start, end)])) as batches:
        async for taken in batches:
            each(taken)
            assert not found.keys() & set(taken.blocks)
            found |= zip(taken.blocks, taken.values, strict=True)
    assert all(BLOCKS[block] == value for block, value in found.items())
    return found


async def test_all_blocks_come_once_and_are_stored(net: Net) -> None:
    writer, reader = await net.writer(), await net.node("reader")
    await connect(reader, writer)
    core = await known(reader)

    found = await take(core, 0, COUNT)

    assert sorted(found) == list(range(COUNT))
    assert await core.held(0, COUNT) == [(0, COUNT)]
    (peer,) = await reader.swarm.peers()
    assert peer["block_bytes_in"] == COUNT * SIZE
    assert await take(core, 0, COUNT) == {}


async def test_what_was_taken_is_stored_when_the_store_is_closed(net: Net, tmp_path: Path) -> None:
    writer = await net.writer()
    async with open_store(tmp_path / "reader", node="reader") as reader:
        await connect(reader, writer)
        core = await known(reader)
        await take(core, 0, COUNT)

    async with open_store(tmp_path / "reader") as again:
        assert await (await again.core(key=core.key)).held(0, COUNT) == [(0, COUNT)]


async def test_whoever_reads_the_log_next_finds_what_was_taken(net: Net) -> None:
    writer, reader = await net.writer(), await net.node("reader")
    await connect(reader, writer)
    await take(await known(reader), 0, COUNT)

    other = await reader.core(key=proof.core_key(bytes(SIGNER.verify_key)))

    assert [b async for some in other.read([(0, COUNT)], wait=False) for _, b in some] == BLOCKS


async def test_several_peers_share_the_work(net: Net) -> None:
    writer = await net.writer()
    seeder = await net.seeder(writer, "seeder", (0, COUNT))
    reader = await net.node("reader")
    await connect(reader, writer)
    await connect(reader, seeder)
    core = await known(reader)
    peers: set[int] = set()

    found = await take(core, 0, COUNT, each=lambda taken: peers.add(taken.peer))

    assert len(found) == COUNT
    assert len(peers) == 2


async def test_what_a_peer_lacks_comes_from_another_or_not_at_all(net: Net) -> None:
    writer = await net.writer()
    first = await net.seeder(writer, "first", (0, 250))
    second = await net.seeder(writer, "second", (200, 400))
    reader = await net.node("reader")
    await connect(reader, first)
    await connect(reader, second)
    core = await known(reader)

    found = await take(core, 0, COUNT)

    assert set(found) <= set(range(400))
    assert len(found) >= 150  # all that one of them has; where both stop depends on their turns
    rest = [b async for some in core.read([(0, 400)], wait=True) for _, b in some]
    assert rest == BLOCKS[:400]


async def test_a_peer_that_dies_in_the_middle_loses_nothing(net: Net, tmp_path: Path) -> None:
    writer = await net.writer()
    seeder = await net.seeder(writer, "seeder", (0, COUNT))
    reader = await net.node("reader")
    await connect(reader, writer)
    await connect(reader, seeder)
    core = await known(reader)
    killed: list[asyncio.Task[int]] = []

    def kill(_: Taken) -> None:
        if not killed:
            killed.append(asyncio.ensure_future(kill_sidecar(tmp_path / "seeder")))

    found = await take(core, 0, COUNT, each=kill)
    await killed[0]

    got = [b async for some in core.read([(0, COUNT)], wait=True) for _, b in some]
    assert got == BLOCKS
    assert len(found) > 0


async def test_a_silent_peer_is_left_and_the_line_gives_up(net: Net) -> None:
    writer, reader = await net.writer(), await net.node("reader")
    address = writer.swarm.address
    assert address is not None
    with relay(f"{LOOPBACK}:{address.port}", bytes_per_s=2_000_000) as slow:
        host, _, port = slow.address.rpartition(":")
        await reader.swarm.dial(host, int(port), address.public_key)
        core = await known(reader)

        found = await take(core, 0, COUNT, each=lambda _: slow.cut())

        assert 0 < len(found) < COUNT


async def test_who_stops_early_leaves_the_rest_alone(net: Net) -> None:
    writer, reader = await net.writer(), await net.node("reader")
    await connect(reader, writer)
    core = await known(reader)

    async with aclosing(line_fetch.take(core, [(0, COUNT)])) as batches:
        taken = await anext(batches)

    held = await core.held(0, COUNT)
    assert sum(end - start for start, end in held) < COUNT
    assert all(any(a <= block < b for a, b in held) for block in taken.blocks)


async def test_little_is_not_worth_a_line(net: Net) -> None:
    writer, reader = await net.writer(), await net.node("reader")
    await connect(reader, writer)
    core = await known(reader)

    assert await take(core, 0, 50) == {}
    assert await core.held(0, 50) == []
