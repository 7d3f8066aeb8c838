"""A node that is online for one command or one program, and shares while it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from tradercast.addresses import Address, format_address, is_loopback
from tradercast.client.node import Node
from tradercast.client.serve import Server
from tradercast.errors import TradercastError
from tradercast.links import Link
from tradercast.paths import LOOPBACK
from tradercast.swarm.directory import KademliaDirectory
from tradercast.swarm.discovery import Discovery, StaticPeers
from tradercast.swarm.lookup import KademliaLookup

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How a session reaches others.

    Attributes
    ----------
    bootstrap, peers : tuple of (str, int)
        Addresses beside those of the links.
    listen : (str, int) or None
        Where others connect; None picks a port of the loopback interface if all known
        addresses are there too, and otherwise takes no connections.
    share_after_s : float
        When it begins to announce what it has: short commands leave no trace in the directory.
    """

    bootstrap: tuple[Address, ...] = ()
    peers: tuple[Address, ...] = ()
    listen: Address | None = None
    share_after_s: float = 3.0


class Sharing:
    """What a session gives to others meanwhile."""

    def __init__(self) -> None:
        self._server: Server | None = None

    def news(self) -> None:
        """There is more to announce."""
        if self._server is not None:
            self._server.wake()

    def begun(self, server: Server) -> None:
        """Announcing has begun."""
        self._server = server


@contextlib.asynccontextmanager
async def session(
    node: Node, links: Iterable[Link], options: SessionOptions
) -> AsyncIterator[Sharing]:
    """Be online for as long as the context lasts.

    Raises
    ------
    PortInUseError
        If the port to listen on is taken.
    """
    links = list(links)
    bootstrap = _addresses(options.bootstrap, (link.bootstrap for link in links))
    peers = _addresses(options.peers, (link.peers for link in links))
    discoveries: list[Discovery] = []
    if bootstrap:
        lookup = KademliaLookup(bootstrap)
        await lookup.open()
        discoveries.append(lookup)
    if peers:
        discoveries.append(StaticPeers(peers))
    listen = options.listen
    if listen is None and all(is_loopback(host) for host, _ in bootstrap + peers):
        listen = (LOOPBACK, 0)
    asked = ", ".join(format_address(address) for address in bootstrap + peers)
    await node.go_online(discoveries, listen=listen, asked=asked)
    sharing = Sharing()
    task = asyncio.create_task(_share(node, bootstrap, options.share_after_s, sharing))
    try:
        yield sharing
    finally:
        task.cancel()
        await asyncio.wait([task])


def _addresses(
    first: tuple[Address, ...], more: Iterable[tuple[Address, ...]]
) -> tuple[Address, ...]:
    return tuple(dict.fromkeys([*first, *(address for some in more for address in some)]))


async def _share(
    node: Node, bootstrap: tuple[Address, ...], after_s: float, sharing: Sharing
) -> None:
    """Give what is here to whoever connects, and announce it where there is a directory.

    It is announced from a directory node of this session's own.
    """
    address = node.listening
    if address is None or address.host is None or address.port is None:
        return
    directories: list[Discovery] = []
    try:
        async with contextlib.AsyncExitStack() as stack:
            if bootstrap:
                await asyncio.sleep(after_s)
                directory = KademliaDirectory(node.key, host=address.host, bootstrap=bootstrap)
                directories.append(await stack.enter_async_context(directory))
            server = Server(node, directories, (address.host, address.port))
            sharing.begun(server)
            await server.run()
    except TradercastError as error:
        _log.info("nothing is shared: %s", error.message)
