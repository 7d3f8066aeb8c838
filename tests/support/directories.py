"""Directory nodes in one process of their own, for tests that need a network.

As a program it prints one JSON line ``{"ports": [...]}`` once every node knows another, and
runs until its standard input is closed::

    python tests/support/directories.py --nodes 8

As a module (tests are imported by path, so load it with `importlib` or put its folder on
`sys.path`)::

    with directories(8) as network:
        network.bootstrap      # [("127.0.0.1", port)]: one node, and enough
        network.addresses      # all of them
        network.process.kill()
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Network:
    process: subprocess.Popen[str]
    ports: list[int]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [(HOST, port) for port in self.ports]

    @property
    def bootstrap(self) -> list[tuple[str, int]]:
        return self.addresses[:1]


@contextlib.contextmanager
def directories(nodes: int = 8) -> Iterator[Network]:
    """Start `nodes` directory nodes in another process; they end with the block."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).resolve()), "--nodes", str(nodes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, "the directory nodes did not start"
            yield Network(process, json.loads(line)["ports"])
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


async def _serve(nodes: int) -> None:
    from nacl.signing import SigningKey

    from tradercast.swarm import KademliaDirectory

    async with contextlib.AsyncExitStack() as stack:
        running: list[KademliaDirectory] = []
        for _ in range(nodes):
            bootstrap = [running[0].address] if running else []
            directory = KademliaDirectory(SigningKey.generate(), host=HOST, bootstrap=bootstrap)
            running.append(await stack.enter_async_context(directory))
        if nodes > 1:
            joined = await asyncio.gather(*(node.wait_joined(20) for node in running))
            assert all(joined), "a directory node found no other"
        print(json.dumps({"ports": [node.address[1] for node in running]}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", type=int, default=8)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(parser.parse_args().nodes))
