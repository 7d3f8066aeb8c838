"""A Kademlia node on a socket: joining, finding the nodes near a topic, storing, looking up."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Iterable
from typing import Any

from kademlia.network import Server
from kademlia.node import Node
from nacl.signing import SigningKey

from tradercast.errors import PortInUseError, UsageError
from tradercast.swarm import wire
from tradercast.swarm.address import Address, canonical_ip
from tradercast.swarm.crawl import Crawl, Reached, cancel_all, gather_values
from tradercast.swarm.protocol import DirectoryProtocol
from tradercast.swarm.storage import AnnouncementStorage

log = logging.getLogger(__name__)

KSIZE = 16
ALPHA = 8
RESOLVE_S = 1.5
MAX_BOOTSTRAP = 64


class DirectoryServer(Server):  # type: ignore[misc]
    """The stock server with our protocol and crawl, and without its loose tasks and pickles.

    Parameters
    ----------
    node_key : SigningKey
        The node id is the SHA-1 of its public key.
    storage : AnnouncementStorage
        Announcements held for others.
    serving : bool
        False for a client that only looks up.
    """

    def __init__(
        self,
        node_key: SigningKey,
        storage: AnnouncementStorage,
        *,
        serving: bool = True,
        ksize: int = KSIZE,
        alpha: int = ALPHA,
    ) -> None:
        node_id = wire.node_id_of(bytes(node_key.verify_key))
        super().__init__(ksize=ksize, alpha=alpha, node_id=node_id, storage=storage)
        self._node_key = node_key
        self._serving = serving

    def _create_protocol(self) -> DirectoryProtocol:
        return DirectoryProtocol(
            self.node, self.storage, self.ksize, node_key=self._node_key, serving=self._serving
        )

    def refresh_table(self, interval: int = 3600) -> None:
        """Nothing in the background: the owner refreshes (`refresh`)."""

    async def listen(self, port: int, interface: str = "127.0.0.1") -> None:
        """Bind the socket.

        Raises
        ------
        PortInUseError
            If another program has the port.
        UsageError
            If this machine has no such address.
        """
        try:
            await super().listen(port, interface)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUseError(
                    f"UDP port {port} of {interface} is in use",
                    hint="stop the other program, or give the directory another port",
                ) from None
            raise UsageError(
                f"can not listen on {interface} port {port}: {error}",
                hint="give an IP address of this machine",
            ) from None

    @property
    def address(self) -> Address:
        """Where the socket is bound."""
        host, port = self.transport.get_extra_info("sockname")[:2]
        return host, port

    async def aclose(self) -> None:
        """Close the socket and end everything that uses it."""
        if self.protocol is not None:
            await self.protocol.aclose()

    async def bootstrap(self, addrs: Iterable[Address]) -> int:
        """Say hello to nodes whose names are not known; how many answered."""
        addresses = dict.fromkeys(await resolve(addrs))
        found = await asyncio.gather(*(self.protocol.hello(address) for address in addresses))
        return sum(node is not None for node in found)

    async def refresh(self, timeout_s: float) -> int:
        """Look for one's own neighbours and for contacts far away; how many are known then."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        await self.near(self.node.id, deadline)
        for node_id in self.protocol.get_refresh_ids():
            await self.near(node_id, deadline)
        return len(self.protocol.router.nodes())

    async def near(self, target: bytes, deadline: float) -> list[Reached]:
        """The live nodes nearest to a place, the nearest first."""
        node = Node(target)
        start = self.protocol.router.find_neighbors(node)
        crawl = Crawl(self.protocol, node, start, self.ksize, self.alpha, deadline=deadline)
        return await crawl.find()

    async def store(self, reached: list[Reached], blob: bytes) -> int:
        """Hand an announcement to nodes; how many hold it now."""
        calls = (self.protocol.call_store(peer.node, peer.token, blob) for peer in reached)
        return sum(stored for _, stored in await asyncio.gather(*calls))

    async def lookup(self, topic: bytes, timeout_s: float) -> tuple[int, list[bytes]]:
        """How many nodes answered, and every announcement that they sent (not verified)."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        reached = await self.near(topic, end - timeout_s / 4)
        return len(reached), await gather_values(self.protocol, reached, topic, deadline=end)


async def resolve(addresses: Iterable[Address]) -> list[Address]:
    """Turn host names into IP addresses; who is not found in 1.5 s is left out."""
    loop = asyncio.get_running_loop()

    async def one(host: str, port: int) -> list[Address]:
        if (ip := canonical_ip(host)) is not None:
            return [(ip, port)]
        infos: list[Any] = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        ips = (canonical_ip(info[4][0]) for info in infos[:8])
        return [(found, port) for found in ips if found is not None]

    tasks = [loop.create_task(one(*address)) for address in list(addresses)[:MAX_BOOTSTRAP]]
    try:
        if tasks:
            await asyncio.wait(tasks, timeout=RESOLVE_S)
        found = []
        for task in tasks:
            if not task.done():
                continue
            if error := task.exception():
                log.warning("a bootstrap address is of no use: %s", error)
            else:
                found += task.result()
        return found
    finally:
        await cancel_all(tasks)
