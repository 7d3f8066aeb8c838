"""The directory over process borders: a network that is another program, and its death."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from nacl.signing import SigningKey

from tradercast.errors import NoPeerError
from tradercast.swarm import Announcement, KademliaDirectory, KademliaLookup, topic_of_core

TOPIC = topic_of_core(b"\x07" * 32)


def _support() -> ModuleType:
    path = Path(__file__).parents[1] / "support" / "directories.py"
    spec = importlib.util.spec_from_file_location("support_directories", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


async def test_a_publisher_is_found_through_a_node_that_is_not_the_publisher() -> None:
    with _support().directories(8) as network:
        assert len(network.addresses) == 8
        publisher = KademliaDirectory(SigningKey.generate(), bootstrap=network.bootstrap)
        async with publisher:
            assert await publisher.wait_joined(10)
            assert await publisher.announce(
                Announcement(TOPIC, host="127.0.0.1", port=4001, full=True)
            )

            async with KademliaLookup(network.addresses[5:6]) as reader:
                [found] = await reader.lookup(TOPIC)

    assert (found.node_key, found.port) == (publisher.node_key, 4001)


async def test_when_the_network_is_killed_the_look_up_ends_without_it() -> None:
    with _support().directories(8) as network:
        async with KademliaLookup(network.bootstrap) as reader:
            assert await reader.lookup(TOPIC) == []
            network.process.kill()
            await asyncio.to_thread(network.process.wait)

            start = time.monotonic()
            with pytest.raises(NoPeerError):
                await reader.lookup(TOPIC)
            assert time.monotonic() - start < 3
