"""Looking peers up without taking part in the directory: for short commands."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from nacl.signing import SigningKey

from tradercast.errors import NoPeerError, UsageError
from tradercast.swarm.address import Address, Scope, parse_ip, scope_of
from tradercast.swarm.announcement import TOPIC_SIZE, Announcement, newest, read_announcement
from tradercast.swarm.discovery import DEFAULT_LOOKUP_S
from tradercast.swarm.node import DirectoryServer
from tradercast.swarm.state import DirectoryState
from tradercast.swarm.storage import AnnouncementStorage

HINT = "check --bootstrap and the network, or name a peer with --peer HOST:PORT"


class KademliaLookup:
    """A client of the directory, as an async context manager.

    It asks under no name from a socket that answers nothing, so that it enters nobody's
    routing table, and it stores nothing.

    Parameters
    ----------
    bootstrap : iterable of (str, int)
        Directory nodes to begin with.
    state_path : Path, optional
        Contacts that a directory node of the same data directory saved; read, never written.
    clock : callable
        Seconds UTC.
    """

    def __init__(
        self,
        bootstrap: Iterable[Address],
        *,
        state_path: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bootstrap = tuple(bootstrap)
        self._state_path = state_path
        self._clock = clock
        self._server: DirectoryServer | None = None

    async def open(self) -> KademliaLookup:
        """Bind an ephemeral socket; nothing is sent yet."""
        # A key for the day: its id is never told, the table merely needs a middle.
        storage = AnnouncementStorage(self._clock)
        server = DirectoryServer(SigningKey.generate(), storage, serving=False)
        starts = self._starts()
        interface = _interface(starts)
        try:
            await server.listen(0, interface)
        except UsageError:
            if interface != "::":
                raise
            await server.listen(0, "0.0.0.0")  # noqa: S104
        self._server = server
        return self

    async def lookup(
        self, topic: bytes, *, timeout_s: float = DEFAULT_LOOKUP_S
    ) -> list[Announcement]:
        """The newest valid announcement of each node that announced the topic.

        Raises
        ------
        NoPeerError
            If no directory node answered (within two seconds or so where nobody is there).
        """
        server = self._server
        if server is None:
            raise UsageError("the look-up is not open", hint="use it in 'async with'")
        if len(topic) != TOPIC_SIZE:
            raise UsageError(f"a topic has {TOPIC_SIZE} bytes, not {len(topic)}")
        answered, blobs = 0, list[bytes]()
        if server.protocol.router.nodes():
            answered, blobs = await server.lookup(topic, timeout_s)
        if not answered and await server.bootstrap(self._starts()):
            answered, blobs = await server.lookup(topic, timeout_s)
        if not answered:
            raise NoPeerError("no node of the directory answers", hint=HINT)
        return valid(blobs, topic, self._clock())

    async def announce(self, announcement: Announcement) -> int:
        """Clients do not announce: 0."""
        return 0

    async def close(self) -> None:
        """Close the socket."""
        server, self._server = self._server, None
        if server is not None:
            await server.aclose()

    async def __aenter__(self) -> KademliaLookup:
        return await self.open()

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    def _starts(self) -> tuple[Address, ...]:
        saved = DirectoryState.load(self._state_path).neighbours if self._state_path else ()
        return tuple(dict.fromkeys((*self._bootstrap, *saved)))


def valid(blobs: Iterable[bytes], topic: bytes, now_s: float) -> list[Announcement]:
    """The newest valid announcements among signed bytes, without those taken back."""
    found = (read_announcement(b) for b in newest(blobs, topic=topic, now_s=now_s).values())
    return [announcement for announcement in found if announcement.holds_anything]


def _interface(starts: Iterable[Address]) -> str:
    """The address that can reach all of `starts` and is open to as few others as possible."""
    ips = [parse_ip(host) for host, _ in starts]
    versions = {ip.version if ip else 0 for ip in ips}  # 0: a name, of either
    if all(ip is not None and scope_of(ip) is Scope.LOOPBACK for ip in ips):
        if versions <= {4}:
            return "127.0.0.1"
        if versions == {6}:
            return "::1"
    # "::" also reaches IPv4, where the system has IPv6 at all.
    return "0.0.0.0" if versions <= {4} or not socket.has_ipv6 else "::"  # noqa: S104
