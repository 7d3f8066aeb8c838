"""Two stores over an encrypted connection: what one writes the other fetches, whatever dies."""

from __future__ import annotations

import asyncio
import itertools
import socket
from pathlib import Path

import pytest
from support.stores import (
    LOOPBACK,
    blocks_of,
    connect,
    connected_stores,
    key_pair,
    kill_sidecar,
    numbered,
    open_store,
)

from tradercast.errors import (
    EXIT_NO_PEER,
    NoPeerError,
    PortInUseError,
    SidecarError,
    StalledError,
    UsageError,
)
from tradercast.log import AppendResult, Core, LogStore, Progress, note

SIGNER = key_pair("publisher")
OTHER = bytes(key_pair("somebody else").verify_key)


async def until_peer(core: Core) -> None:
    """Wait until a connected peer says it has the log."""
    async with asyncio.timeout(20):
        while (await core.info()).peers == 0:
            await asyncio.sleep(0.02)


async def test_a_reader_learns_the_length_and_fetches_a_range(tmp_path: Path) -> None:
    async with connected_stores(tmp_path) as (writing, reading):
        written = await writing.core(signer=SIGNER)
        await written.append(numbered(50), 0)
        core = await reading.core(key=written.key)

        await until_peer(core)
        info = await core.update(5.0)
        assert (info.length, info.peers, info.remote_length) == (50, 1, 50)
        assert info.contiguous_length == 0
        assert not core.writable

        assert await blocks_of(core, 10, 20, wait=True) == numbered(10, start=10)
        assert await core.held(0, 50) == [(10, 20)]
        assert await core.get(9) is None
        assert await core.get(9, wait=True) == numbered(1, start=9)[0]


async def test_a_download_tells_its_progress_and_its_end(tmp_path: Path) -> None:
    async with connected_stores(tmp_path) as (writing, reading):
        written = await writing.core(signer=SIGNER)
        await written.append(numbered(500, size=10_000), 0)
        core = await reading.core(key=written.key)

        progress = [step async for step in core.download([(0, 100), (200, 500)])]
        again = [step async for step in core.download([(0, 100)])]

        assert progress[-1] == Progress(400, 4_000_000)
        assert all(a.blocks <= b.blocks for a, b in itertools.pairwise(progress))
        assert again == [Progress(0, 0)]
        assert await core.held(0, 500) == [(0, 100), (200, 500)]


async def test_what_nobody_sends_stalls(tmp_path: Path) -> None:
    async with connected_stores(tmp_path) as (writing, reading):
        written = await writing.core(signer=SIGNER)
        await written.append(numbered(5), 0)
        await written.clear(2, 4)
        core = await reading.core(key=written.key)

        with pytest.raises(StalledError):
            _ = [step async for step in core.download([(0, 5)], stall_s=0.5)]
        with pytest.raises(StalledError):
            await core.get(100, wait=True, stall_s=0.5)
        assert await core.held(0, 5) == [(0, 2), (4, 5)]


async def test_new_blocks_are_told_to_a_reader(tmp_path: Path) -> None:
    async with connected_stores(tmp_path) as (writing, reading):
        written = await writing.core(signer=SIGNER)
        core = await reading.core(key=written.key)
        await until_peer(core)
        async with reading.events("core.append") as events:
            await written.append(numbered(3), 0)
            async with asyncio.timeout(10):
                async for event in events:
                    if event.data["key"] == core.key and event.data["length"] == 3:
                        break
        assert await blocks_of(core, 0, 3, wait=True) == numbered(3)


@pytest.mark.parametrize("side", ["first", "second"])
async def test_a_download_goes_on_when_a_sidecar_is_killed(tmp_path: Path, side: str) -> None:
    blocks = numbered(120, size=1 << 20)
    async with connected_stores(tmp_path) as (writing, reading):
        written = await writing.core(signer=SIGNER)
        await written.append(blocks, 0)
        core = await reading.core(key=written.key)
        kills = 0
        async for step in core.download([(0, 120)], stall_s=30.0):
            if step.blocks > 10 and not kills:
                kills += 1
                await kill_sidecar(tmp_path / side)
                if side == "first":  # the dialler does not look for it again: discovery's task
                    await written.info()
                    await connect(reading, writing)
        assert kills == 1
        assert await core.held(0, 120) == [(0, 120)]
        assert await blocks_of(core, 0, 120) == blocks


async def test_the_swarm_is_as_it_was_after_a_restart(tmp_path: Path) -> None:
    async with connected_stores(tmp_path) as (writing, reading):
        written = await writing.core(signer=SIGNER)
        core = await reading.core(key=written.key)
        address = writing.swarm.address
        assert address is not None
        await kill_sidecar(tmp_path / "second")
        await kill_sidecar(tmp_path / "first")
        await written.append(numbered(2), 0)
        await connect(reading, writing)

        assert writing.swarm.address == address
        assert (await core.update(5.0)).length == 2
        (peer,) = await reading.swarm.peers()
        assert (peer["public_key"], peer["port"]) == (address.public_key, address.port)


async def test_notes_reach_those_who_know_the_root_also_after_a_restart(tmp_path: Path) -> None:
    root = bytes(range(32))
    async with (
        connected_stores(tmp_path) as (one, other),
        other.events("topic.note") as events,
    ):
        await one.topics.join(root, [b"hello"])
        found = {found.data for found in await other.topics.join(root)}
        async with asyncio.timeout(10):
            while b"hello" not in found:
                event = await anext(events)
                found.add(note(event.data).data)

        await one.topics.set(root, [b"news"])
        async with asyncio.timeout(10):
            while b"news" not in found:
                event = await anext(events)
                found.add(note(event.data).data)

        await kill_sidecar(tmp_path / "second")
        found.clear()
        async with asyncio.timeout(20):
            while b"news" not in found:
                event = await anext(events)
                if event.topic == "topic.note":
                    received = note(event.data)
                    assert received.root == root
                    assert received.public_key == bytes(key_pair("first").verify_key)
                    found.add(received.data)
        await other.topics.leave(root)
        with pytest.raises(SidecarError, match="joined"):
            await other.topics.set(root, [])


async def test_a_busy_port_a_wrong_key_and_nobody_there(tmp_path: Path) -> None:
    async with connected_stores(tmp_path) as (first, second), open_store(tmp_path / "3") as third:
        address = first.swarm.address
        assert address is not None
        assert address.host == LOOPBACK
        assert address.port is not None
        seed = bytes(key_pair("third"))
        with pytest.raises(PortInUseError) as busy:
            await third.swarm.start(seed, listen=(LOOPBACK, address.port))
        assert "--listen" in (busy.value.hint or "")

        with pytest.raises(UsageError):
            await third.swarm.start(seed, listen=("no-address", 80))

        await third.swarm.start(seed)
        with pytest.raises(NoPeerError) as wrong:
            await third.swarm.dial(LOOPBACK, address.port, OTHER)
        assert wrong.value.exit_code == EXIT_NO_PEER
        with socket.socket() as free:
            free.bind((LOOPBACK, 0))
            with pytest.raises(NoPeerError):
                await third.swarm.dial(LOOPBACK, free.getsockname()[1], timeout_s=2.0)
        dialled = await third.swarm.dial(LOOPBACK, address.port)
        assert dialled.public_key == address.public_key
        assert len(await second.swarm.peers()) == 1


async def test_a_dropped_peer_is_gone_and_a_stopped_swarm_listens_no_more(
    tmp_path: Path,
) -> None:
    async with connected_stores(tmp_path) as (first, second):
        (peer,) = await second.swarm.peers()
        assert await second.swarm.drop(peer["peer"])
        assert not await second.swarm.drop(public_key=OTHER)
        assert await second.swarm.peers() == []
        address = first.swarm.address
        assert address is not None
        await first.swarm.stop()
        with pytest.raises(NoPeerError):
            await second.swarm.dial(LOOPBACK, address.port or 0, timeout_s=2.0)


async def test_only_allowed_keys_may_connect(tmp_path: Path) -> None:
    async with open_store(tmp_path / "1") as first, open_store(tmp_path / "2") as second:
        await first.swarm.start(bytes(key_pair("a")), listen=(LOOPBACK, 0), allow=[OTHER])
        await second.swarm.start(bytes(key_pair("b")))
        address = first.swarm.address
        assert address is not None
        try:
            await second.swarm.dial(LOOPBACK, address.port or 0, timeout_s=3.0)
        except NoPeerError:
            return
        async with asyncio.timeout(10):
            while await second.swarm.peers():
                await asyncio.sleep(0.02)


async def test_two_writers_of_one_log_do_not_overwrite_each_other(tmp_path: Path) -> None:
    async with connected_stores(tmp_path) as (one, other):
        first, second = await one.core(signer=SIGNER), await other.core(signer=SIGNER)

        async def write(core: Core) -> None:
            at = 0
            while at < 100:
                result = await core.append(numbered(1, start=at), at)
                if result.appended:
                    at += 1
                else:  # the other was first: take what it wrote, and compare
                    block = await core.get(at, wait=True)
                    assert block == numbered(1, start=at)[0]
                    at += 1

        await asyncio.gather(write(first), write(second))
        a, b = await first.checkpoint(), await second.checkpoint()
        assert (a.length, a.tree_hash) == (b.length, b.tree_hash)
        assert await one_after(first) == await one_after(second) == AppendResult(100, False)


async def one_after(core: Core) -> AppendResult:
    return await core.append(numbered(1), 99)


async def test_bytes_are_counted_at_the_socket(tmp_path: Path) -> None:
    async with connected_stores(tmp_path) as (writing, reading):
        written = await writing.core(signer=SIGNER)
        await written.append(numbered(10, size=100_000), 0)
        core = await reading.core(key=written.key)
        _ = [step async for step in core.download([(0, 5)])]

        served, received = await count(writing), await count(reading)

        assert served["blocks_out"] == received["blocks_in"] == 5
        assert 500_000 < served["bytes_out"] < 520_000


async def count(store: LogStore) -> dict[str, int]:
    (peer,) = await store.swarm.peers()
    return peer
