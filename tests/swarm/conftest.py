"""What the swarm's tests share: keys, signed announcements, networks on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

import pytest
from nacl.signing import SigningKey

from tradercast.swarm import Announcement, KademliaDirectory, Timing, topic_of_core
from tradercast.swarm.announcement import sign_announcement

Blob: TypeAlias = Callable[..., bytes]
Network: TypeAlias = Callable[[int], AbstractAsyncContextManager[list[KademliaDirectory]]]

TOPIC = topic_of_core(b"\x01" * 32)
QUICK = Timing(retry_s=0.05, max_retry_s=0.2)


@pytest.fixture
def topic() -> bytes:
    return TOPIC


@pytest.fixture
def quick() -> Timing:
    return QUICK


@pytest.fixture
def signed() -> Blob:
    """Make signed bytes: `signed(key, now_s, **fields)`."""

    def make(key: SigningKey, now_s: float, **fields: Any) -> bytes:
        given = {"topic": TOPIC, "port": 4000, "full": True, "number": 1, **fields}
        expires_s = int(now_s) + given.pop("expires_in", 1800)
        announcement = Announcement(node_key=bytes(key.verify_key), expires_s=expires_s, **given)
        return sign_announcement(announcement, key)

    return make


@pytest.fixture
def network() -> Network:
    """Start nodes that all know each other through the first: `async with network(8) as nodes`."""

    @contextlib.asynccontextmanager
    async def start(size: int) -> AsyncIterator[list[KademliaDirectory]]:
        async with contextlib.AsyncExitStack() as stack:
            nodes: list[KademliaDirectory] = []
            for _ in range(size):
                bootstrap = [nodes[0].address] if nodes else []
                node = KademliaDirectory(SigningKey.generate(), bootstrap=bootstrap, timing=QUICK)
                nodes.append(await stack.enter_async_context(node))
            if size > 1:
                assert all(await asyncio.gather(*(node.wait_joined(10) for node in nodes)))
            yield nodes

    return start


@pytest.fixture(autouse=True)
def no_error_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever strangers send, nothing is worth an error, least of all a lost exception."""
    yield
    errors = [r for r in caplog.get_records("call") if r.levelname in ("ERROR", "CRITICAL")]
    assert errors == []
