"""Finding peers for topics and staying connected to them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from tradercast.addresses import Address
from tradercast.errors import NoPeerError, TradercastError
from tradercast.log import Swarm
from tradercast.swarm.announcement import Announcement
from tradercast.swarm.discovery import Discovery

_log = logging.getLogger(__name__)

_LOOKUP_PAUSES_S = (0.0, 0.3, 0.7, 1.5, 3.0, 5.0, 10.0)  # then every 30 s
_STEADY_PAUSE_S = 30.0
_DIAL_TIMEOUT_S = 5.0
_RETRY_AFTER_S = 20.0
_REDIAL_PAUSES_S = (0.3, 1.0, 3.0, 5.0, 8.0, 13.0)  # after a connection that stood has ended
_IMPATIENT_S = 1.0  # who has waited in vain before waits no longer than this again


class PeerPool:
    """Keeps looking for the peers of the wanted topics and dials those it does not have.

    Parameters
    ----------
    swarm : Swarm
        Connects.
    discoveries : sequence of Discovery
        Where to look; all are asked.
    own_key : bytes
        This node's public key: it never dials itself.
    asked : str
        Who is asked, as an error shall say it.
    max_peers : int
        Connections at most.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        swarm: Swarm,
        discoveries: Sequence[Discovery],
        *,
        own_key: bytes,
        asked: str = "",
        max_peers: int = 24,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._swarm = swarm
        self._discoveries = tuple(discoveries)
        self._own_key = own_key
        self._asked = asked
        self._max_peers = max_peers
        self._clock = clock
        self._found: dict[bytes, dict[object, Announcement]] = {}
        self._tried: dict[Address, float] = {}
        self._peers: dict[int | str, bytes] = {}
        self._places: dict[int | str, tuple[Address, bytes]] = {}
        self._learnt: dict[Address, bytes] = {}  # keys of peers that came without one
        self._loops: dict[bytes, asyncio.Task[None]] = {}
        self._dials: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._answered = False
        self._alone_since: float | None = None
        self.failures: dict[str, str] = {}

    def want(self, topic: bytes) -> None:
        """Start looking for the peers of `topic`; a second call changes nothing."""
        if self._alone_since is None:
            self._alone_since = self._clock()
        if topic not in self._loops:
            self._loops[topic] = asyncio.create_task(self._look(topic))

    def found(self, topic: bytes) -> list[Announcement]:
        """What is announced for `topic` as far as it was seen."""
        return list(self._found.get(topic, {}).values())

    @property
    def connected(self) -> int:
        """Number of connections that this pool dialled and that still stand."""
        return len(self._peers)

    async def first_peer(self, timeout_s: float) -> None:
        """Wait until there is a connection.

        Raises
        ------
        NoPeerError
            If there is none after `timeout_s`, counted from when looking began or the last
            connection ended; it says where was looked and what was found.
        """
        if not self._discoveries and not self._peers:
            raise NoPeerError(
                "no address is known at which to look for peers",
                hint="use a link with its ?bootstrap=…, or give --bootstrap or --peer HOST:PORT",
            )
        waited = 0.0 if self._alone_since is None else self._clock() - self._alone_since
        try:
            async with asyncio.timeout(max(timeout_s - waited, _IMPATIENT_S)):
                while not self._peers:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise self._no_peer() from None

    def lost(self, peer: int | str) -> None:
        """Take note that a connection ended."""
        if self._peers.pop(peer, None) is not None and not self._peers:
            self._alone_since = self._clock()
        self._changed.set()
        place = self._places.pop(peer, None)
        if place is not None and self._loops:
            self._start(self._dial_again(*place))

    def restart(self) -> None:
        """Take note that the sidecar, and with it every connection, is new.

        The store dials the old peers again by itself; who does not answer is tried later.
        """
        self._peers.clear()
        self._places.clear()
        self._alone_since = self._clock()
        self._tried.clear()
        for topic in self._found:
            self._dial_new(topic)

    async def close(self) -> None:
        """Stop looking and dialling; connections stay until the swarm is stopped."""
        tasks = [*self._loops.values(), *self._dials]
        self._loops.clear()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError, TradercastError):
                await task

    async def _look(self, topic: bytes) -> None:
        step = 0
        while True:
            pause = _LOOKUP_PAUSES_S[step] if step < len(_LOOKUP_PAUSES_S) else _STEADY_PAUSE_S
            step += 1
            await asyncio.sleep(pause)
            answers = await asyncio.gather(
                *(discovery.lookup(topic) for discovery in self._discoveries),
                return_exceptions=True,
            )
            known = self._found.setdefault(topic, {})
            for answer in answers:
                if isinstance(answer, BaseException):
                    _log.debug("a look-up failed: %s", answer)
                    continue
                self._answered = True
                for announcement in answer:
                    known[_identity(announcement)] = announcement
            self._dial_new(topic)

    def _dial_new(self, topic: bytes) -> None:
        now = self._clock()
        for announcement in self._found.get(topic, {}).values():
            address = (announcement.host, announcement.port)
            key = announcement.node_key or self._learnt.get(address, b"")
            if key == self._own_key or (key and key in self._peers.values()):
                continue
            if not announcement.holds_anything:
                continue
            if len(self._peers) + len(self._dials) >= self._max_peers:
                return
            if now - self._tried.get(address, -_RETRY_AFTER_S) < _RETRY_AFTER_S:
                continue
            self._tried[address] = now
            self._start(self._dial(address, key))

    def _start(self, dial: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(dial)
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _dial_again(self, address: Address, key: bytes) -> None:
        """A broken line may be whole again at once, a machine that restarts in half a minute.

        Who stays away longer is found by the look-ups, when it announces itself again.
        """
        for pause in _REDIAL_PAUSES_S:
            await asyncio.sleep(pause)
            if key in self._peers.values():
                return
            self._tried[address] = self._clock()
            await self._dial(address, key)

    async def _dial(self, address: Address, key: bytes) -> None:
        host, port = address
        try:
            peer = await self._swarm.dial(host, port, key or None, timeout_s=_DIAL_TIMEOUT_S)
        except TradercastError as error:
            self.failures[f"{host}:{port}"] = error.message
            self._learnt.pop(address, None)  # somebody else may be there now
            _log.debug("no connection to %s:%d: %s", host, port, error.message)
            return
        self.failures.pop(f"{host}:{port}", None)
        self._peers[peer.peer] = peer.public_key
        self._places[peer.peer] = (address, peer.public_key)
        if not key:
            self._learnt[address] = peer.public_key
        self._changed.set()

    def _no_peer(self) -> NoPeerError:
        if self.failures:
            tried = "; ".join(f"{a}: {why}" for a, why in sorted(self.failures.items())[:3])
            return NoPeerError(
                f"no peer could be reached ({tried})",
                hint="the peers that are announced may be gone; try again, or give one with --peer",
            )
        if self._answered:
            return NoPeerError(
                f"nobody announces what the link names (asked {self._asked})",
                hint="check the link's key, and that a node which has the feed is online",
            )
        return NoPeerError(
            f"no peer was found (asked {self._asked or 'nobody'})",
            hint="check that the link's bootstrap nodes run, or give a node with --peer HOST:PORT",
        )


def _identity(announcement: Announcement) -> object:
    """What tells peers apart: the key, or of one that was named by hand the address."""
    return announcement.node_key or (announcement.host, announcement.port)
