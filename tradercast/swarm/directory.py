"""A node of the directory: listens, stores, answers, and keeps its own announcements alive."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from nacl.signing import SigningKey

from tradercast.errors import NoPeerError, UsageError
from tradercast.swarm.address import Address
from tradercast.swarm.announcement import (
    DEFAULT_EXPIRY_S,
    TOPIC_SIZE,
    Announcement,
    check,
    sign_announcement,
)
from tradercast.swarm.crawl import cancel_all
from tradercast.swarm.discovery import DEFAULT_LOOKUP_S
from tradercast.swarm.lookup import HINT, valid
from tradercast.swarm.node import DirectoryServer
from tradercast.swarm.state import DirectoryState
from tradercast.swarm.storage import AnnouncementStorage

log = logging.getLogger(__name__)

AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Timing:
    """How often a directory node does what it does by itself, in seconds."""

    refresh_s: float = 600.0
    expiry_s: int = DEFAULT_EXPIRY_S
    retry_s: float = 1.0
    max_retry_s: float = 60.0
    upkeep_s: float = 300.0
    announce_s: float = 5.0


class KademliaDirectory:
    """A full node of the Kademlia directory, as an async context manager.

    Parameters
    ----------
    node_key : SigningKey
        Signs announcements and replies; the node id is the SHA-1 of its public key.
    host, port : str, int
        The UDP address to listen on; port 0 takes any.  Loopback unless told otherwise.
    bootstrap : iterable of (str, int)
        Nodes to join through.  They may be down: joining is tried again until it succeeds.
    state_path : Path, optional
        A JSON file that keeps contacts over restarts.
    clock : callable
        Seconds UTC.
    rng : random.Random, optional
        For jitter and the choice of what a full reply holds.
    """

    def __init__(
        self,
        node_key: SigningKey,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        bootstrap: Iterable[Address] = (),
        state_path: Path | None = None,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self._node_key = node_key
        self._listen = (host, port)
        self._bootstrap = tuple(bootstrap)
        self._state_path = state_path
        self._timing = timing or Timing()
        self._clock = clock
        self._rng = rng or random.SystemRandom()
        self._storage = AnnouncementStorage(clock, self._rng)
        self._server: DirectoryServer | None = None
        self._joined = asyncio.Event()
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._offers: dict[bytes, Announcement] = {}
        self._due: dict[bytes, float] = {}
        self._saved = DirectoryState()
        self._number = 0
        self._retry_s = self._timing.retry_s
        self._tasks: list[asyncio.Task[None]] = []

    # Life.

    async def open(self) -> KademliaDirectory:
        """Listen, and start to join in the background.

        Raises
        ------
        PortInUseError, UsageError
            If the address can not be listened on.
        """
        if self._state_path is not None:
            self._saved = DirectoryState.load(self._state_path)
            self._number = self._saved.number
        server = DirectoryServer(self._node_key, self._storage)
        await server.listen(self._listen[1], self._listen[0])
        self._server = server
        create = asyncio.get_running_loop().create_task
        self._tasks = [
            create(self._forever(self._keep_joined)),
            create(self._forever(self._keep_announced)),
        ]
        return self

    async def close(self) -> None:
        """Save the contacts, stop everything, close the socket."""
        server, self._server = self._server, None
        if server is None:
            return
        await cancel_all(self._tasks)
        self._save(server)
        await server.aclose()

    async def __aenter__(self) -> KademliaDirectory:
        return await self.open()

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    # What others see.

    @property
    def node_key(self) -> bytes:
        """The public key of this node, 32 bytes."""
        return bytes(self._node_key.verify_key)

    @property
    def address(self) -> Address:
        """The UDP address that is listened on."""
        return self._running().address

    @property
    def neighbours(self) -> list[Address]:
        """Contacts in the routing table, the nearest first."""
        server = self._running()
        nodes = sorted(server.protocol.router.nodes(), key=server.node.distance_to)
        return [(node.ip, node.port) for node in nodes]

    async def wait_joined(self, timeout_s: float) -> bool:
        """Wait until some other node is known; False if that took too long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._joined.wait()
        except TimeoutError:
            return False
        return True

    # Discovery.

    async def lookup(
        self, topic: bytes, *, timeout_s: float = DEFAULT_LOOKUP_S
    ) -> list[Announcement]:
        """The newest valid announcement of each node that announced the topic.

        Those of this node itself are among them.

        Raises
        ------
        NoPeerError
            If nothing is known here and no node of the directory answers although
            bootstrap nodes were named.
        """
        server = self._running()
        if len(topic) != TOPIC_SIZE:
            raise UsageError(f"a topic has {TOPIC_SIZE} bytes, not {len(topic)}")
        answered, blobs = await server.lookup(topic, timeout_s)
        if not answered and await server.bootstrap(self._starts()):
            answered, blobs = await server.lookup(topic, timeout_s)
        found = valid([*blobs, *self._storage.all_values(topic)], topic, self._clock())
        if not answered and not found and self._bootstrap:
            raise NoPeerError("no node of the directory answers", hint=HINT)
        return found

    async def announce(self, announcement: Announcement) -> int:
        """Announce, and keep announcing every ten minutes until told otherwise.

        Parameters
        ----------
        announcement : Announcement
            `node_key`, `number` and `expires_s` are filled in here.

        Returns
        -------
        int
            How many other nodes hold it now; 0 if this node knows none yet (it goes on
            trying).

        Raises
        ------
        FormatError
            If a field breaks a rule.
        """
        self._running()
        check(announcement.renewed(self.node_key, 0, 0))
        self._offers[announcement.topic] = announcement
        return await self._publish(announcement.topic)

    async def withdraw(self, topic: bytes) -> None:
        """Take an announcement back: tell those who hold it that nothing is here any more."""
        offer = self._offers.get(topic)
        if offer is not None:
            nothing = Announcement(topic, host=offer.host, port=offer.port)
            self._offers[topic] = nothing
            await self._publish(topic)
            if self._offers.get(topic) is nothing:
                del self._offers[topic]
                self._due.pop(topic, None)

    # What goes on by itself.

    async def _publish(self, topic: bytes) -> int:
        # A few at a time: thousands at once would look like a flood to the receivers.
        async with self._slots:
            return await self._publish_now(topic) if topic in self._offers else 0

    async def _publish_now(self, topic: bytes) -> int:
        server = self._running()
        loop = asyncio.get_running_loop()
        now = self._clock()
        self._number = max(self._number + 1, int(now * 1000))
        self._due[topic] = loop.time() + self._timing.max_retry_s
        offer = self._offers[topic].renewed(
            self.node_key, self._number, int(now) + self._timing.expiry_s
        )
        blob = sign_announcement(offer, self._node_key)
        self._storage.put(blob)
        deadline = loop.time() + self._timing.announce_s
        reached = await server.near(topic, deadline)
        if not reached and await server.bootstrap(self._starts()):
            reached = await server.near(topic, deadline)
        acks = await server.store(reached, blob)
        if reached and not acks:
            log.warning("no directory node takes our announcement; is this machine's clock right?")
        if acks:
            self._due[topic] = loop.time() + self._timing.refresh_s * self._rng.uniform(0.9, 1.1)
        self._changed.set()
        return acks

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except Exception:
                log.exception("the directory's upkeep failed, and goes on")
                await asyncio.sleep(self._timing.max_retry_s)

    async def _keep_announced(self) -> None:
        """Announce what is due, then wait for the next."""
        self._changed.clear()
        now = asyncio.get_running_loop().time()
        due = [topic for topic in self._offers if self._due.get(topic, now) <= now]
        await asyncio.gather(*(self._publish(topic) for topic in due))
        next_due = min(self._due.values(), default=now + self._timing.refresh_s)
        await _wait(self._changed, next_due - asyncio.get_running_loop().time())

    async def _keep_joined(self) -> None:
        """Find contacts if there are none, else freshen them; then wait."""
        server = self._running()
        met = server.protocol.met
        if not server.protocol.router.nodes():
            self._joined.clear()
            await server.bootstrap(self._starts())
        known = await server.refresh(self._timing.announce_s)
        met.clear()
        self._storage.drop_expired()
        jitter = self._rng.uniform(0.8, 1.2)
        if not known:
            await _wait(met, self._retry_s * jitter)
            self._retry_s = min(2 * self._retry_s, self._timing.max_retry_s)
            return
        self._save(server)
        self._retry_s = self._timing.retry_s
        if not self._joined.is_set():
            self._joined.set()
            # What was announced while nobody was there, nobody has heard.
            self._due.clear()
            self._changed.set()
        await asyncio.sleep(self._timing.upkeep_s * jitter)

    def _starts(self) -> tuple[Address, ...]:
        return tuple(dict.fromkeys((*self._bootstrap, *self._saved.neighbours)))

    def _save(self, server: DirectoryServer) -> None:
        nodes = sorted(server.protocol.router.nodes(), key=server.node.distance_to)
        if nodes:
            self._saved = DirectoryState(tuple((n.ip, n.port) for n in nodes), self._number)
            if self._state_path is not None:
                self._saved.save(self._state_path)

    def _running(self) -> DirectoryServer:
        if self._server is None:
            raise UsageError("the directory is not open", hint="use it in 'async with'")
        return self._server


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, timeout_s)):
            await event.wait()
