"""Finding peers, whatever finds them: the interface, and the maker that needs no network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from tradercast.errors import UsageError
from tradercast.swarm.address import Address, is_host, is_port
from tradercast.swarm.announcement import MAX_SEQ, Announcement

DEFAULT_LOOKUP_S = 5.0


class Discovery(Protocol):
    """Where peers of a topic are found.

    Whoever implements it may lie about peers: safety rests on the signatures of the logs.
    """

    async def lookup(
        self, topic: bytes, *, timeout_s: float = DEFAULT_LOOKUP_S
    ) -> list[Announcement]:
        """Everything that is announced for a topic: the newest of each node, in no order.

        Raises
        ------
        NoPeerError
            If nobody could be asked.
        """

    async def announce(self, announcement: Announcement) -> int:
        """Say, until told otherwise, what this node holds; how many others know it now."""

    async def close(self) -> None:
        """Stop; safe to call twice."""


class StaticPeers:
    """Peers named by hand, believed to have everything.

    Their node keys are not known, so `node_key` of what `lookup` returns is empty.

    Parameters
    ----------
    peers : iterable of (str, int)
        Addresses.

    Raises
    ------
    UsageError
        If one is not an address.
    """

    def __init__(self, peers: Iterable[Address]) -> None:
        self._peers = tuple(dict.fromkeys(peers))
        for host, port in self._peers:
            if not is_host(host) or not is_port(port):
                raise UsageError(
                    f"{host!r} port {port!r} is no address of a peer",
                    hint="write host:port, an IPv6 address in brackets",
                )

    async def lookup(
        self, topic: bytes, *, timeout_s: float = DEFAULT_LOOKUP_S
    ) -> list[Announcement]:
        """Every peer, whatever the topic."""
        return [
            Announcement(topic, host=host, port=port, full=True, tail=True, expires_s=MAX_SEQ)
            for host, port in self._peers
        ]

    async def announce(self, announcement: Announcement) -> int:
        """Nobody is told: 0."""
        return 0

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> StaticPeers:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()
