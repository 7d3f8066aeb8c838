"""One connection to a real sidecar: cancellation, credits, silence, broken frames."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import struct
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from support.stores import key_pair, numbered, open_store, sidecar_pid

from tradercast.errors import SidecarError, SidecarLostError
from tradercast.log import frames
from tradercast.log.bridge import Bridge
from tradercast.log.failures import SidecarRefusedError
from tradercast.paths import DataDir

SIGNER = key_pair("publisher")


class Owner:
    """Keeps what a connection tells."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self.lost = asyncio.Event()

    def on_event(self, topic: str, data: Any) -> None:
        self.events.append((topic, data))

    def on_lost(self, bridge: Bridge) -> None:
        self.lost.set()


def socket_of(data_dir: Path) -> Path:
    note = DataDir(data_dir).sidecar_json.read_text()
    return Path(note.split('"socket":"')[1].split('"')[0])


@asynccontextmanager
async def bridge_to(data_dir: Path, *, hello: bool = True) -> AsyncIterator[Bridge]:
    bridge = Bridge(Owner(), hung_s=1.0)
    await bridge.connect(socket_of(data_dir))
    try:
        if hello:
            await bridge.request("hello", {"protocol": 1, "client": "test"})
        yield bridge
    finally:
        await bridge.close()


@asynccontextmanager
async def answering(path: Path, sent: bytes) -> AsyncIterator[Bridge]:
    """A connection to a server that answers the first bytes with `sent`."""
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(sent)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        left.set()

    async with await asyncio.start_unix_server(serve, path):
        bridge = Bridge(Owner())
        await bridge.connect(path)
        yield bridge
        await bridge.close()
        await left.wait()


async def test_a_cancelled_iteration_leaves_the_connection_usable(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        await core.append(numbered(40, size=1 << 20), 0)
        first = asyncio.Event()

        async def iterate() -> None:
            async for _ in core.read([(0, 40)]):
                first.set()
                await asyncio.sleep(60)

        for _ in range(20):
            first.clear()
            task = asyncio.create_task(iterate())
            await asyncio.wait_for(first.wait(), 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await core.get(7) == numbered(1, 1 << 20, start=7)[0]
        assert store._session.attached == 1


async def test_a_cancelled_wait_ends_the_request_in_the_sidecar_too(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(key=bytes(32))
        # over 256 requests under way the sidecar would stop reading from us
        for _ in range(300):
            waiting = asyncio.create_task(anext(core.read([(0, 5)], wait=True, stall_s=600.0)))
            await asyncio.sleep(0)
            await asyncio.sleep(0.002)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert (await core.info()).length == 0


async def test_an_iteration_that_is_left_stops_the_stream(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        await core.append(numbered(40, size=1 << 20), 0)
        for _ in range(30):
            async with aclosing(core.read([(0, 40)])) as batches:
                async for batch in batches:
                    assert batch[0][0] == 0
                    break
        bridge = await store._session.bridge()
        assert bridge._streams == {}


async def test_a_stream_that_nobody_reads_waits_for_credits(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        await core.append(numbered(60, size=1 << 20), 0)
        stream = await core.stream(
            "core.read", {"ranges": [(0, 60)], "wait": False, "stall_ms": 1000}
        )
        for _ in range(100):
            await store.free_space()  # the connection is not held up
        assert len(stream._items) <= 8
        items = [item async for item in stream]
        assert sum(len(item) for item in items) == 60
        assert stream.result == {"missing": []}


async def test_one_request_that_fails_is_an_error_of_its_own(tmp_path: Path) -> None:
    async with open_store(tmp_path), bridge_to(tmp_path) as bridge:
        with pytest.raises(SidecarRefusedError) as caught:
            await bridge.request("no.such.method", {})
        assert caught.value.remote_code == "UNKNOWN_METHOD"
        with pytest.raises(SidecarRefusedError, match="NO_HANDLE"):
            await bridge.request("core.info", {"handle": 99})
        assert (await bridge.request("ping", {}))["now_ms"] > 0


async def test_a_request_has_a_limit_of_time(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store, bridge_to(tmp_path) as bridge:
        await store.core(key=bytes(32))
        opened = await bridge.request("core.open", {"key": bytes(32)})
        params = {"handle": opened["handle"], "ranges": [(0, 1)], "wait": True, "stall_ms": 60_000}
        with pytest.raises(SidecarError, match="within"):
            await bridge.request("core.read", params, timeout_s=0.1)
        assert await bridge.request("ping", {})


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack("<I", 0),
        struct.pack("<I", 1 << 31) + b"x" * 100,
        struct.pack("<I", 5) + b"\xc1\xc1\xc1\xc1\xc1",
        frames.encode([9, 1, None]),
        frames.encode([0, "one", "ping", {}]),
        frames.encode([0, 1, "core.info", {"handle": 1}]),
        struct.pack("<I", 20_000) + b"\x91" * 20_000,
    ],
    ids=lambda sent: sent[:10].hex(),
)
async def test_bad_frames_end_this_connection_and_no_other(tmp_path: Path, sent: bytes) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        async with bridge_to(tmp_path, hello=False) as bridge:
            bridge._wire.send_now(sent)
            owner = bridge._owner
            assert isinstance(owner, Owner)
            await asyncio.wait_for(owner.lost.wait(), 10)
            with pytest.raises(SidecarLostError):
                await bridge.request("ping", {})
        assert (await core.append(numbered(1), 0)).appended
        assert store._session.attached == 1


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack("<I", frames.MAX_FRAME + 1),
        struct.pack("<I", 3) + b"\xc1\xc1\xc1",
        frames.encode([7, 1, None]),
        frames.encode([4, [1], None]),
        frames.encode([2, 0, {"code": "BAD_FRAME", "message": "no"}]),
        frames.encode([2, 0, "nonsense"]),
    ],
    ids=lambda sent: sent[:10].hex(),
)
async def test_a_server_that_speaks_nonsense_is_left(tmp_path: Path, sent: bytes) -> None:
    async with answering(tmp_path / "socket", sent) as bridge:
        with pytest.raises(SidecarLostError):
            await bridge.request("hello", {})


async def test_more_items_than_granted_break_the_protocol(tmp_path: Path) -> None:
    items = b"".join(frames.encode([4, 1, n]) for n in range(9))
    async with answering(tmp_path / "socket", items) as bridge:
        stream = await bridge.stream("core.read", {})
        with pytest.raises(SidecarLostError, match="granted"):
            _ = [item async for item in stream]


async def test_silence_is_noticed_in_time_and_only_silence(tmp_path: Path) -> None:
    async with open_store(tmp_path), bridge_to(tmp_path) as bridge:
        owner = bridge._owner
        assert isinstance(owner, Owner)
        bridge.start_heartbeat("ping")
        await asyncio.sleep(1.5)
        assert bridge.lost is None  # idle is not silent

        time.sleep(1.5)  # our own event loop stands still: no fault of the sidecar's
        await asyncio.sleep(0.2)
        assert bridge.lost is None

        pid = sidecar_pid(tmp_path)
        os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            await asyncio.wait_for(owner.lost.wait(), 10)
            assert bridge.hung
            assert 0.7 < time.monotonic() - begun < 4.0
        finally:
            os.kill(pid, signal.SIGCONT)
