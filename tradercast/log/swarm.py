"""Peers and topics of a store's sidecar, set up again after every restart of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tradercast.errors import SidecarError, TradercastError
from tradercast.log import answers
from tradercast.log.answers import mapping
from tradercast.log.bridge import REQUEST_TIMEOUT_S, Bridge
from tradercast.log.session import Session

MAX_REDIALS = 128
_REDIAL_MS = 10_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SwarmAddress:
    """Our own key, and where we listen (`None` if we do not)."""

    public_key: bytes
    host: str | None
    port: int | None


@dataclass(frozen=True, slots=True)
class Dialled:
    """A peer that we are connected to: its number, and the key it proved to have."""

    peer: int
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A small message that a peer which knows the same root sent us; opaque here."""

    root: bytes
    data: bytes
    public_key: bytes
    peer: int


class Swarm:
    """Encrypted connections to peers.  One for all programs on a data directory.

    Attributes
    ----------
    address : SwarmAddress or None
        What `start` returned last.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._started: dict[str, Any] | None = None
        self._dialled: dict[tuple[str, int], dict[str, Any]] = {}
        self.address: SwarmAddress | None = None
        session.before_use(self._restore)
        session.after_restart(self._redial)

    async def start(
        self,
        seed: bytes,
        *,
        listen: tuple[str, int] | None = None,
        allow: Sequence[bytes] | None = None,
    ) -> SwarmAddress:
        """Be able to connect, and to be connected to.

        Parameters
        ----------
        seed : bytes
            The 32-byte Ed25519 seed of the node's key.
        listen : (str, int), optional
            IP address and port to listen on; port 0 picks one.  Without it we only dial.
        allow : sequence of bytes, optional
            The only keys that may connect; all may otherwise.

        Raises
        ------
        PortInUseError
            If another program has the port.
        """
        params: dict[str, Any] = {"seed": bytes(seed)}
        if listen is not None:
            params["listen"] = {"host": listen[0], "port": listen[1]}
        if allow is not None:
            params["allow"] = [bytes(key) for key in allow]
        address = _address(await self._session.call("swarm.start", params))
        if listen is not None and address.host is not None:
            params["listen"] = {
                "host": address.host,
                "port": address.port,
            }  # the same after restart
        self._started = params
        self.address = address
        return address

    async def stop(self) -> None:
        """Close all connections and listen no more."""
        self._started = self.address = None
        self._dialled.clear()
        await self._session.call("swarm.stop", {})

    async def dial(
        self, host: str, port: int, public_key: bytes | None = None, timeout_s: float = 10.0
    ) -> Dialled:
        """Connect to a peer.

        Parameters
        ----------
        host, port : str, int
            Its address; an IP address.
        public_key : bytes, optional
            The key that it must have.
        timeout_s : float
            For the connection and the handshake together.

        Raises
        ------
        NoPeerError
            If nobody answers there, or somebody with another key.
        """
        params: dict[str, Any] = {"host": host, "port": port, "timeout_ms": int(timeout_s * 1000)}
        if public_key is not None:
            params["public_key"] = bytes(public_key)
        answer = mapping(
            await self._session.call("swarm.dial", params, timeout_s=timeout_s + REQUEST_TIMEOUT_S)
        )
        self._dialled.pop((host, port), None)
        self._dialled[host, port] = params
        while len(self._dialled) > MAX_REDIALS:
            del self._dialled[next(iter(self._dialled))]
        return Dialled(answers.number(answer, "peer"), answers.key(answer, "public_key"))

    async def drop(self, peer: int | None = None, *, public_key: bytes | None = None) -> bool:
        """Close the connection to a peer; whether there was one."""
        which = {"peer": peer} if public_key is None else {"public_key": public_key}
        for known in (one for one in await self.peers() if not one.get("inbound")):
            if all(known.get(name) == value for name, value in which.items()):
                self._dialled.pop((known.get("host", ""), known.get("port", 0)), None)
        return bool(mapping(await self._session.call("swarm.drop", which)).get("dropped"))

    async def peers(self) -> list[dict[str, Any]]:
        """The connected peers, as ``docs/BRIDGE.md`` describes them."""
        answer = mapping(await self._session.call("swarm.peers", {}))
        return [mapping(peer) for peer in answer.get("peers", [])]

    async def _restore(self, bridge: Bridge) -> None:
        if self._started is None:
            return
        try:
            await bridge.request("swarm.start", self._started)
        except TradercastError as error:
            if bridge.lost is not None:
                raise
            _log.warning("the swarm can not be started again: %s", error)

    async def _redial(self) -> None:
        async def once(place: tuple[str, int], params: dict[str, Any]) -> None:
            try:
                await self._session.call("swarm.dial", {**params, "timeout_ms": _REDIAL_MS})
            except TradercastError as error:
                _log.info("%s:%d is gone: %s", *place, error)
                self._dialled.pop(place, None)

        await asyncio.gather(
            *(once(place, params) for place, params in list(self._dialled.items()))
        )


class Topics:
    """Notes exchanged with the connected peers that know the same root."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._joined: dict[bytes, list[bytes]] = {}
        session.before_use(self._restore)

    async def join(self, root: bytes, notes: Iterable[bytes] = ()) -> list[Note]:
        """Take part; returns what peers have sent already (more come as events).

        Parameters
        ----------
        root : bytes
            32 bytes that only those who may take part know.
        notes : iterable of bytes
            What to tell the others: at most 64, of 64 KiB each.
        """
        kept = list(notes)
        params = {"root": bytes(root), "notes": kept}
        answer = mapping(await self._session.call("topic.join", params))
        self._joined[bytes(root)] = kept
        return [note({**mapping(one), "root": bytes(root)}) for one in answer.get("notes", [])]

    async def set(self, root: bytes, notes: Iterable[bytes]) -> None:
        """Tell the others these notes instead."""
        if bytes(root) not in self._joined:
            raise SidecarError("a topic is joined before its notes are set")
        kept = self._joined[bytes(root)] = list(notes)
        await self._session.call("topic.set", {"root": bytes(root), "notes": kept})

    async def leave(self, root: bytes) -> None:
        """Take part no more."""
        if self._joined.pop(bytes(root), None) is not None:
            await self._session.call("topic.leave", {"root": bytes(root)})

    async def _restore(self, bridge: Bridge) -> None:
        for root, notes in self._joined.items():
            await bridge.request("topic.join", {"root": root, "notes": notes})


def note(data: dict[str, Any]) -> Note:
    """The note of a ``topic.note`` event."""
    content = data.get("data")
    if type(content) is not bytes:
        raise SidecarError("the sidecar's answer has a malformed note")
    public_key, peer = answers.key(data, "public_key"), answers.number(data, "peer")
    return Note(answers.key(data, "root"), content, public_key, peer)


def _address(answer: Any) -> SwarmAddress:
    fields = mapping(answer)
    host = fields.get("host")
    if host is None:
        return SwarmAddress(answers.key(fields, "public_key"), None, None)
    return SwarmAddress(
        answers.key(fields, "public_key"), str(host), answers.number(fields, "port")
    )
