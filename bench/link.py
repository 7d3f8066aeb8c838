"""A line between this machine and another: two network namespaces, `tc tbf`, and relays.

Needs root and iproute2; whoever can not have it is told by `LinkMissingError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from bench.children import child, python

_NEAR, _FAR = "10.77.0.1", "10.77.0.2"  # exist in the two namespaces only
_RATE = ("rate", "100mbit", "burst", "64kb", "latency", "50ms")


class LinkMissingError(Exception):
    """Why there can be no link here."""


@dataclass
class Link:
    """Two ends of a line; without namespaces the line is the loopback interface.

    Attributes
    ----------
    near, far : sequence of str
        What goes before a command that runs at an end.
    host : str
        The far end's address as the near one sees it.
    delay_ms : float
        From one end to the other.
    """

    near: Sequence[str] = ()
    far: Sequence[str] = ()
    host: str = "127.0.0.1"
    delay_ms: float = 0.0
    _ports: dict[int, int] = field(default_factory=dict)
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def port(self, port: int) -> int:
        """The port of `host` that leads to a port of the far end's loopback interface."""
        if not self.delay_ms:
            return port
        if port not in self._ports:
            command = python("bench.servers.relay", self.host, port, self.delay_ms)
            relay = await self._stack.enter_async_context(child([*self.far, *command]))
            self._ports[port] = (await relay.line())["port"]
        return self._ports[port]

    async def close(self) -> None:
        """End the relays."""
        await self._stack.aclose()


LOOPBACK = Link()


@contextlib.asynccontextmanager
async def delayed(delay_ms: float) -> AsyncIterator[Link]:
    """The loopback interface, with a delay each way."""
    link = Link(delay_ms=delay_ms)
    try:
        yield link
    finally:
        await link.close()


@contextlib.asynccontextmanager
async def slow_line(delay_ms: float = 10.0) -> AsyncIterator[Link]:
    """100 Mbit/s each way, and a delay each way.

    Raises
    ------
    LinkMissingError
        If this machine does not let us make one.
    """
    names = [f"tcb{os.getpid()}{end}" for end in "nf"]
    near, far = (("ip", "netns", "exec", name) for name in names)
    link = Link(near, far, _FAR, delay_ms)
    try:
        for name in names:
            await _ip("netns", "add", name)
        await _ip(
            *("link", "add", "veth", "netns", names[0], "type", "veth"),
            *("peer", "name", "veth", "netns", names[1]),
        )
        for end, address in ((near, _NEAR), (far, _FAR)):
            await _run(*end, "ip", "address", "add", f"{address}/24", "dev", "veth")
            for device in ("lo", "veth"):
                await _run(*end, "ip", "link", "set", device, "up")
            await _run(*end, "tc", "qdisc", "add", "dev", "veth", "root", "tbf", *_RATE)
        yield link
    finally:
        await link.close()
        for name in names:
            with contextlib.suppress(LinkMissingError):
                await _ip("netns", "delete", name)


async def _ip(*arguments: str) -> None:
    await _run("ip", *arguments)


async def _run(*command: str) -> None:
    if shutil.which(command[0]) is None:
        raise LinkMissingError(f"{command[0]} is not installed (Debian: iproute2)")
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    if process.returncode:
        raise LinkMissingError(f"{' '.join(command)}: {errors.decode().strip()} (are you root?)")
