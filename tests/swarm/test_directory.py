"""Nodes of the directory on loopback: announcing, finding, restarting, nobody there."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeAlias

import pytest
from nacl.signing import SigningKey

from tradercast.errors import NoPeerError, PortInUseError, UsageError
from tradercast.swarm import (
    Announcement,
    KademliaDirectory,
    KademliaLookup,
    Timing,
    topic_of_core,
    topic_of_root,
)

Network: TypeAlias = Callable[[int], AbstractAsyncContextManager[list[KademliaDirectory]]]

TOPIC = topic_of_core(b"\x01" * 32)
OTHER = topic_of_root(b"\x01" * 32)
QUICK = Timing(retry_s=0.05, max_retry_s=0.2)


def offer(port: int = 4000, **fields: object) -> Announcement:
    return Announcement(TOPIC, host="127.0.0.1", port=port, **fields)  # type: ignore[arg-type]


async def test_what_one_node_announces_every_other_node_finds(network: Network) -> None:
    async with network(10) as nodes:
        acks = await nodes[3].announce(offer(held=((5, 10), (20, 30))))

        assert acks >= 8
        for node in nodes:
            [found] = await node.lookup(TOPIC)
            assert found.node_key == nodes[3].node_key
            assert (found.host, found.port) == ("127.0.0.1", 4000)
            assert found.held == ((5, 10), (20, 30))
            assert await node.lookup(OTHER) == []


async def test_a_look_up_returns_every_holder_so_that_their_ranges_add_up(network: Network) -> None:
    async with network(12) as nodes:
        for number, node in enumerate(nodes):
            await node.announce(offer(4000 + number, held=((number * 10, number * 10 + 10),)))

        async with KademliaLookup([nodes[5].address]) as client:
            found = await client.lookup(TOPIC)

        assert sorted(a.port for a in found) == list(range(4000, 4012))


async def test_a_newer_announcement_replaces_the_older_one_everywhere(network: Network) -> None:
    async with network(8) as nodes:
        await nodes[1].announce(offer(held=((0, 5),)))
        await nodes[1].announce(offer(held=((0, 9),), tail=True))

        for node in nodes:
            [found] = await node.lookup(TOPIC)
            assert (found.held, found.tail) == (((0, 9),), True)


async def test_a_withdrawn_announcement_is_not_found_any_more(network: Network) -> None:
    async with network(8) as nodes:
        await nodes[1].announce(offer(full=True))

        await nodes[1].withdraw(TOPIC)

        for node in nodes:
            assert await node.lookup(TOPIC) == []


async def test_a_client_leaves_no_trace_in_the_directory(network: Network) -> None:
    async with network(8) as nodes:
        await nodes[2].announce(offer(full=True))
        ports = {node.address[1] for node in nodes}

        async with KademliaLookup([nodes[0].address]) as client:
            found = await client.lookup(TOPIC)
            assert await client.lookup(OTHER) == []
            assert await client.announce(offer(full=True)) == 0

        assert [a.port for a in found] == [4000]
        for node in nodes:
            assert {port for _, port in node.neighbours} <= ports


async def test_an_announcement_is_renewed_before_it_expires(network: Network) -> None:
    timing = Timing(retry_s=0.05, refresh_s=0.1)
    async with network(3) as nodes:
        owner = KademliaDirectory(
            SigningKey.generate(), bootstrap=[nodes[0].address], timing=timing
        )
        async with owner:
            await owner.announce(offer(full=True))
            [first] = await nodes[2].lookup(TOPIC)
            async with asyncio.timeout(10):
                while (await nodes[2].lookup(TOPIC))[0].number <= first.number:
                    await asyncio.sleep(0.02)
        assert first.expires_s - time.time() > 1700


async def test_what_is_not_renewed_is_forgotten_after_half_an_hour() -> None:
    now = [1_700_000_000.0]
    first = KademliaDirectory(SigningKey.generate(), timing=QUICK, clock=lambda: now[0])
    async with first:
        second = KademliaDirectory(
            SigningKey.generate(),
            bootstrap=[first.address],
            timing=QUICK,
            clock=lambda: now[0],
        )
        async with second:
            assert await second.wait_joined(5)
            assert await second.announce(offer(full=True)) == 1
        now[0] += 1799
        assert [a.port for a in await first.lookup(TOPIC)] == [4000]
        now[0] += 1
        assert await first.lookup(TOPIC) == []


async def test_a_node_whose_clock_is_wrong_is_told(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    async with network(2) as nodes:
        late = KademliaDirectory(
            SigningKey.generate(),
            bootstrap=[nodes[0].address],
            timing=QUICK,
            clock=lambda: time.time() - 7200,
        )
        async with late:
            assert await late.wait_joined(5)
            assert await late.announce(offer(full=True)) == 0
    assert "clock" in caplog.text


async def test_a_node_alone_answers_for_itself(network: Network) -> None:
    async with network(1) as [node]:
        assert await node.announce(offer(full=True)) == 0

        assert [a.port for a in await node.lookup(TOPIC)] == [4000]
        async with KademliaLookup([node.address]) as client:
            assert [a.port for a in await client.lookup(TOPIC)] == [4000]


async def test_what_was_announced_alone_is_told_to_whoever_comes(network: Network) -> None:
    async with network(1) as [first]:
        await first.announce(offer(full=True))
        second = KademliaDirectory(SigningKey.generate(), bootstrap=[first.address], timing=QUICK)
        async with second:
            assert await first.wait_joined(5)
            assert await second.wait_joined(5)
            assert [a.port for a in await second.lookup(TOPIC)] == [4000]


async def test_a_node_joins_when_its_bootstrap_comes_up_later(network: Network) -> None:
    async with network(1) as [placeholder]:
        address = placeholder.address
    node = KademliaDirectory(SigningKey.generate(), bootstrap=[address], timing=QUICK)
    async with node:
        await node.announce(offer(full=True))
        assert not await node.wait_joined(0.3)

        async with KademliaDirectory(SigningKey.generate(), port=address[1], timing=QUICK) as late:
            assert await node.wait_joined(10)
            await asyncio.wait_for(_until_found(late), 10)


async def _until_found(node: KademliaDirectory) -> None:
    while not await node.lookup(TOPIC):
        await asyncio.sleep(0.05)


async def test_a_restarted_node_finds_the_network_without_its_bootstrap(
    network: Network, tmp_path: Path
) -> None:
    state, key = tmp_path / "directory.json", SigningKey.generate()
    async with network(8) as nodes:
        await nodes[4].announce(offer(full=True))
        first = KademliaDirectory(key, bootstrap=[nodes[0].address], state_path=state, timing=QUICK)
        async with first:
            assert await first.wait_joined(5)
        await nodes[0].close()

        async with KademliaDirectory(key, state_path=state, timing=QUICK) as again:
            assert await again.wait_joined(5)
            assert [a.port for a in await again.lookup(TOPIC)] == [4000]
        async with KademliaLookup([], state_path=state) as client:
            assert [a.port for a in await client.lookup(TOPIC)] == [4000]
    assert state.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"[]", b"\x80\x04K\x01.", b"[" * 60_000, b"x" * 70_000])
async def test_a_damaged_state_file_is_ignored(
    network: Network, tmp_path: Path, content: bytes
) -> None:
    state = tmp_path / "directory.json"
    state.write_bytes(content)
    async with network(2) as nodes:
        node = KademliaDirectory(
            SigningKey.generate(), bootstrap=[nodes[1].address], state_path=state, timing=QUICK
        )
        async with node:
            assert await node.wait_joined(5)


async def test_with_nobody_there_a_look_up_fails_soon(network: Network) -> None:
    async with network(3) as nodes:
        gone = [node.address for node in nodes]
    for maker in (
        KademliaLookup(gone),
        KademliaDirectory(SigningKey.generate(), bootstrap=gone, timing=QUICK),
    ):
        async with maker:
            start = time.monotonic()
            with pytest.raises(NoPeerError, match="no node of the directory answers"):
                await maker.lookup(TOPIC)
            assert time.monotonic() - start < 3


async def test_a_client_whose_contacts_have_died_fails_soon_too(network: Network) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with network(12) as nodes:
            client = await stack.enter_async_context(KademliaLookup([nodes[0].address]))
            assert await client.lookup(TOPIC) == []
        start = time.monotonic()
        with pytest.raises(NoPeerError):
            await client.lookup(TOPIC)
        assert time.monotonic() - start < 3


async def test_a_busy_port_is_a_clear_error(network: Network) -> None:
    async with network(1) as [node]:
        second = KademliaDirectory(SigningKey.generate(), port=node.address[1])
        with pytest.raises(PortInUseError, match=str(node.address[1])):
            await second.open()
        await second.close()


async def test_what_is_not_open_says_so() -> None:
    with pytest.raises(UsageError, match="not open"):
        await KademliaLookup([]).lookup(TOPIC)
    with pytest.raises(UsageError, match="not open"):
        await KademliaDirectory(SigningKey.generate()).announce(offer(full=True))


async def test_closing_twice_and_closing_amid_a_look_up_is_clean(network: Network) -> None:
    async with network(8) as nodes:
        looking = asyncio.create_task(nodes[3].lookup(TOPIC))
        await asyncio.sleep(0)
        await nodes[3].close()
        await nodes[3].close()
        with contextlib.suppress(NoPeerError, UsageError):
            await looking
    assert len(asyncio.all_tasks()) == 1


async def test_ipv6_and_ipv4_nodes_meet_at_a_node_that_has_both() -> None:
    async with contextlib.AsyncExitStack() as stack:
        try:
            both = await stack.enter_async_context(
                KademliaDirectory(SigningKey.generate(), host="::", timing=QUICK)
            )
        except UsageError:
            pytest.skip("this machine has no IPv6")
        port = both.address[1]
        for host in ("127.0.0.1", "::1"):
            node = KademliaDirectory(
                SigningKey.generate(), host=host, bootstrap=[(host, port)], timing=QUICK
            )
            await stack.enter_async_context(node)
            assert await node.wait_joined(5)
            assert await node.announce(offer(port, full=True)) >= 1
            async with KademliaLookup([(host, port)]) as client:
                assert [a.port for a in await client.lookup(TOPIC)]
