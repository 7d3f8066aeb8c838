"""A node that others can reach: it listens, is part of the directory, and serves what it has."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import logging
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from tradercast.addresses import Address
from tradercast.client.node import Node
from tradercast.client.serve import Server
from tradercast.errors import UsageError
from tradercast.links import MAX_ADDRESSES, Link
from tradercast.paths import LOOPBACK
from tradercast.swarm.directory import KademliaDirectory
from tradercast.swarm.discovery import Discovery, StaticPeers
from tradercast.swarm.lookup import KademliaLookup

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HostOptions:
    """How a node is reachable.

    Attributes
    ----------
    listen : (str, int)
        Where peers connect (TCP); port 0 picks one.
    dht : (str, int) or None
        Where the directory node answers (UDP); None runs none.
    advertise : str or None
        The host to announce; the one listened on if it is None.
    bootstrap, peers : tuple of (str, int)
        Directory nodes to join through; nodes to connect to without asking.
    """

    listen: Address = (LOOPBACK, 0)
    dht: Address | None = (LOOPBACK, 0)
    advertise: str | None = None
    bootstrap: tuple[Address, ...] = ()
    peers: tuple[Address, ...] = ()


class Host:
    """What `hosting` yields.

    Attributes
    ----------
    peer : (str, int)
        The address that is announced.
    dht : (str, int) or None
        The directory node's address as others reach it.
    server : Server
    """

    def __init__(
        self, peer: Address, dht: Address | None, server: Server, bootstrap: tuple[Address, ...]
    ) -> None:
        self.peer = peer
        self.dht = dht
        self.server = server
        self._bootstrap = bootstrap

    def link(self, root: bytes) -> Link:
        """A link to a publisher that works as long as this node is there."""
        bootstrap = ((self.dht,) if self.dht else ()) + self._bootstrap
        if not bootstrap:
            return Link(root, None, (), (self.peer,))
        return Link(root, None, tuple(dict.fromkeys(bootstrap))[:MAX_ADDRESSES])


@contextlib.asynccontextmanager
async def hosting(node: Node, options: HostOptions) -> AsyncIterator[Host]:
    """Make a node reachable for as long as the context lasts.

    Raises
    ------
    PortInUseError
        If a port is taken.
    UsageError
        If the address to announce is not one that others can use.
    """
    async with contextlib.AsyncExitStack() as stack:
        discoveries: list[Discovery] = []
        dht = await _directory(node, options, stack)
        if dht is not None:
            discoveries.append(dht)
        elif options.bootstrap:
            lookup = KademliaLookup(options.bootstrap, state_path=node.data.directory_state)
            await lookup.open()
            discoveries.append(lookup)
        if options.peers:
            discoveries.append(StaticPeers(options.peers))
        await node.go_online(discoveries, listen=options.listen)
        assert node.listening is not None
        assert node.listening.port is not None
        host = options.advertise or node.listening.host or LOOPBACK
        _check_advertised(host)
        peer = (host, node.listening.port)
        server = Server(node, discoveries, peer)
        dht_address = (host, dht.address[1]) if dht is not None else None
        yield Host(peer, dht_address, server, options.bootstrap)


async def _directory(
    node: Node, options: HostOptions, stack: contextlib.AsyncExitStack
) -> KademliaDirectory | None:
    """The directory node, unless another process of this data directory runs it already."""
    if options.dht is None or not stack.enter_context(_only_one(node.data.directory_lock)):
        return None
    directory = KademliaDirectory(
        node.key,
        host=options.dht[0],
        port=options.dht[1],
        bootstrap=options.bootstrap,
        state_path=node.data.directory_state,
    )
    return await directory.open()


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[bool]:
    """Whether this process got the lock, kept until the context ends."""
    with path.open("a") as file:
        os.chmod(path, 0o600)  # noqa: PTH101
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _check_advertised(host: str) -> None:
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_unspecified:
            raise UsageError(
                f"{host} means every address of this machine, which nobody can connect to",
                hint="say with --advertise under which address others reach this machine",
            )
