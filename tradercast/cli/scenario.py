"""Several nodes on one machine, each the command line in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tradercast.client.export import open_export
from tradercast.errors import TradercastError
from tradercast.market.simulated import simulate_trades
from tradercast.paths import LOOPBACK, DataDir
from tradercast.pipeline.files import read_trades
from tradercast.timerange import NS_PER_S

_ANY_PORT = f"{LOOPBACK}:0"
_STEP_S = 120.0


@dataclass(frozen=True, slots=True)
class Synced:
    """What a node's sync said.

    Attributes
    ----------
    records : int
    seconds : float
    peers : list of dict
        ``peer``, ``address`` and ``bytes`` of each that sent something.
    """

    records: int
    seconds: float
    peers: list[dict[str, Any]]


class Scenario:
    """Starts nodes by name and ends all of them.

    Parameters
    ----------
    folder : Path
        An existing directory, in which each node gets a data directory.
    debug : bool
        Let the processes' stderr through.
    """

    def __init__(self, folder: Path, *, debug: bool = False) -> None:
        self.folder = folder
        self._debug = debug
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._nodes: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in list(self._nodes):
            await self.kill(name)

    async def serve(self, node: str, *options: str) -> dict[str, Any]:
        """Start a serving node; returns its first line, once it is ready."""
        args = ["serve", "--listen", _ANY_PORT, "--dht", _ANY_PORT, *options]
        return await self._until(node, args, "ready")

    async def sync(self, node: str, link: str, *options: str) -> Synced:
        """Sync a link; with ``--seed`` the node goes on giving what it has."""
        if "--seed" in options:
            line = await self._until(node, ["sync", link, *options], "synced")
        else:
            line = (await self.run(node, "sync", link))[-1]
        peers = [peer for peer in line["peers"] if peer["bytes"] > 0]
        return Synced(line["records"], line["seconds"], peers)

    async def run(self, node: str, *args: str) -> list[dict[str, Any]]:
        """Run a command to its end; returns its JSON lines.

        Raises
        ------
        TradercastError
            If it fails.
        """
        process = await self._start(node, list(args))
        try:
            async with asyncio.timeout(_STEP_S):
                out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        lines = [json.loads(line) for line in out.splitlines()]
        if process.returncode != 0:
            raise _failed(args[0], node, lines)
        return lines

    async def kill(self, node: str) -> None:
        """End a node at once, and its sidecar with it."""
        process = self._running.pop(node, None)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._nodes.discard(node)
        with contextlib.suppress(OSError, ValueError, KeyError):
            sidecar = json.loads(DataDir(self.folder / node).sidecar_json.read_text())
            os.kill(int(sidecar["pid"]), signal.SIGKILL)

    async def _until(self, node: str, args: list[str], event: str) -> dict[str, Any]:
        process = await self._start(node, args)
        self._running[node] = process
        assert process.stdout is not None
        async with asyncio.timeout(_STEP_S):
            while raw := await process.stdout.readline():
                line: dict[str, Any] = json.loads(raw)
                if line.get("event") == event:
                    return line
                if "error" in line:
                    raise _failed(args[0], node, [line])
        raise _failed(args[0], node, [])

    async def _start(self, node: str, args: list[str]) -> asyncio.subprocess.Process:
        self._nodes.add(node)
        command = [sys.executable, "-m", "tradercast", *args, "--json"]
        return await asyncio.create_subprocess_exec(
            *command,
            "--data-dir",
            str(self.folder / node),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=None if self._debug else asyncio.subprocess.DEVNULL,
        )


def simulated_csv(path: Path, count: int, end_ns: int) -> int:
    """Write a simulated market that ends about now; returns the number of trades."""
    start_ns = (end_ns - count * NS_PER_S // 12) // NS_PER_S * NS_PER_S
    trades = simulate_trades(count, start_ns=start_ns)
    with open_export(path, "csv") as file:
        file.write(trades)
    return file.records


def canonical_csv(path: Path, source: Path, columns: str | None) -> int:
    """Write the trades of a file as `export` would; returns their number."""
    with open_export(path, "csv") as file:
        for batch in read_trades([source], columns):
            file.write(batch)
    return file.records


def equal_rows(one: Path, other: Path) -> int:
    """How many rows behind the header two CSV files have in common, line by line."""
    with one.open() as a, other.open() as b:
        equal = sum(1 for x, y in zip(a, b, strict=False) if x == y)
    return equal - 1


def _failed(command: str, node: str, lines: list[dict[str, Any]]) -> TradercastError:
    error = next((line["error"] for line in lines if "error" in line), None)
    why = error["message"] if error else "it ended without a word"
    return TradercastError(
        f"`{command}` of the {node} node failed: {why}", hint="run it again with --debug"
    )
