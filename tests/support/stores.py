"""Real stores with real sidecars in temporary directories, connected over loopback."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nacl.signing import SigningKey

from tradercast.log import Core, LogStore, SidecarOptions
from tradercast.log.process import gone, identify

LOOPBACK = "127.0.0.1"
QUICK = SidecarOptions(hung_s=2.0, linger_ms=300)
"""Notices a hung sidecar soon, and leaves none behind."""


def key_pair(name: str) -> SigningKey:
    """A signer that is the same in every process that calls it so."""
    return SigningKey(hashlib.blake2b(name.encode(), digest_size=32).digest())


def numbered(count: int, size: int = 100, start: int = 0) -> list[bytes]:
    """Blocks that differ and do not compress into nothing."""
    return [hashlib.shake_128(b"%d" % n).digest(size) for n in range(start, start + count)]


@asynccontextmanager
async def open_store(
    data_dir: Path, options: SidecarOptions = QUICK, *, node: str | None = None
) -> AsyncIterator[LogStore]:
    """A store; with `node`, its swarm listens under the key pair of that name."""
    async with await LogStore.open(data_dir, options) as store:
        if node is not None:
            await store.swarm.start(bytes(key_pair(node)), listen=(LOOPBACK, 0))
        yield store


@asynccontextmanager
async def connected_stores(directory: Path) -> AsyncIterator[tuple[LogStore, LogStore]]:
    """Two stores with a sidecar each, connected: for a writer and a reader."""
    async with (
        open_store(directory / "first", node="first") as first,
        open_store(directory / "second", node="second") as second,
    ):
        await connect(second, first)
        yield first, second


async def connect(dialler: LogStore, listener: LogStore) -> None:
    """Let one store's sidecar dial the other's."""
    address = listener.swarm.address
    assert address is not None
    assert address.host is not None
    assert address.port is not None
    await dialler.swarm.dial(address.host, address.port, address.public_key)


async def blocks_of(core: Core, start: int, end: int, *, wait: bool = False) -> list[bytes | None]:
    """The contents of a range."""
    return [block async for batch in core.read([(start, end)], wait) for _, block in batch]


def sidecar_pid(data_dir: Path) -> int:
    """The number of the sidecar that serves a data directory."""
    return int(json.loads((data_dir / "sidecar.json").read_bytes())["pid"])


async def kill_sidecar(data_dir: Path) -> int:
    """SIGKILL the sidecar of a data directory, wait for its end; returns its number."""
    pid = sidecar_pid(data_dir)
    process = identify(pid)
    os.kill(pid, signal.SIGKILL)
    assert process is None or await gone(process, 10.0)
    return pid


@asynccontextmanager
async def program(source: str, *arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process of its own process group that runs `source`, with pipes.

    ``tests`` is importable there, and ``sys.argv[1:]`` are the arguments.
    """
    tests = Path(__file__).resolve().parents[1]
    paths = [str(tests), str(tests.parent), os.environ.get("PYTHONPATH", "")]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        source,
        *(str(argument) for argument in arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def line_of(process: asyncio.subprocess.Process, timeout_s: float = 60.0) -> str:
    """The next line that a `program` prints; fails when it ends instead."""
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), timeout_s)
    assert line, f"the program ended with {await process.wait()}"
    return line.decode().rstrip("\n")
