"""Questions and answers over one UDP socket: sending, matching, repeating, giving up.

Nothing that arrives raises out of here, and nothing is left running after `aclose`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from kademlia.protocol import KademliaProtocol
from nacl.signing import SigningKey

from tradercast.errors import FormatError
from tradercast.swarm import wire
from tradercast.swarm.address import Address, canonical_ip, is_port, parse_ip
from tradercast.swarm.limits import SourceLimit

log = logging.getLogger(__name__)

RPC_TIMEOUT_S = 0.5
MAX_WAITING = 10_000
_REQUEST_COST = 256


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply: who gave it (proven by signature), and what it says (not checked)."""

    node_id: bytes
    body: object


@dataclass(slots=True)
class _Waiting:
    address: Address
    future: asyncio.Future[Answer | None]
    timer: asyncio.TimerHandle


class RpcProtocol(KademliaProtocol):  # type: ignore[misc]
    """The transport half of a directory node, in place of rpcudp's.

    Parameters
    ----------
    source_node, storage, ksize
        As of the stock protocol.
    node_key : SigningKey
        Signs replies.
    serving : bool
        False for a client, which drops every request unanswered.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        source_node: Any,
        storage: Any,
        ksize: int,
        *,
        node_key: SigningKey,
        serving: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(source_node, storage, ksize)
        self.serving = serving
        self._clock = clock
        self._node_key = node_key
        self._limit = SourceLimit(clock=clock)
        self._waiting: dict[bytes, _Waiting] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = asyncio.Event()
        self._is_ipv6 = False

    def answer(self, request: wire.Request, sender: Address) -> object:
        """The body of the reply to a request.

        Raises
        ------
        FormatError
            If the request deserves none.
        """
        raise NotImplementedError

    async def ask(self, address: Address, method: str, *arguments: object) -> Answer | None:
        """Send a request, once more after half the time limit; `None` if nobody answered.

        An answer from another address, or with a bad signature, is none.
        """
        target = self._reachable(address)
        if target is None or self._closed.is_set() or len(self._waiting) >= MAX_WAITING:
            return None
        message_id = os.urandom(wire.MESSAGE_ID)
        datagram = wire.encode_request(message_id, method, list(arguments))
        loop = asyncio.get_running_loop()

        def repeat() -> None:
            # The second half starts here, not at the beginning: a process that was held up
            # for a second finds its answers queued behind its timers.
            waiting.timer = loop.call_later(RPC_TIMEOUT_S / 2, self._settle, message_id, None)
            self._send(datagram, target)

        timer = loop.call_later(RPC_TIMEOUT_S / 2, repeat)
        waiting = _Waiting(address, loop.create_future(), timer)
        self._waiting[message_id] = waiting
        self._send(datagram, target)
        try:
            return await waiting.future
        finally:
            self._settle(message_id, None)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something beside, until it ends or the socket is closed."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def aclose(self) -> None:
        """Cancel what runs beside and close the socket; all of it is over on return."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.transport is not None:
            self.transport.close()
            await self._closed.wait()

    # What asyncio calls.

    def connection_made(self, transport: Any) -> None:
        """The socket is open."""
        super().connection_made(transport)
        self._is_ipv6 = len(transport.get_extra_info("sockname")) == 4

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed: nothing will be answered any more."""
        self._closed.set()
        for message_id in list(self._waiting):
            self._settle(message_id, None)

    def error_received(self, exc: Exception) -> None:
        """A datagram could not be sent; the time limit of its question covers that."""
        log.debug("a datagram could not be sent: %s", exc)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Anything that anybody sends."""
        ip = canonical_ip(addr[0].partition("%")[0])
        if ip is None or not is_port(addr[1]):
            return
        try:
            message = wire.parse_datagram(data)
            if isinstance(message, wire.Reply):
                self._take_reply(message, (ip, addr[1]))
            elif self.serving:
                self._take_request(message, (ip, addr[1]), addr, len(data))
        except FormatError as error:
            log.debug("%s port %s sent %s", ip, addr[1], error)

    def _take_request(
        self, request: wire.Request, sender: Address, addr: tuple[Any, ...], size: int
    ) -> None:
        if not self._limit.take(sender, _REQUEST_COST):
            return
        body = self.answer(request, sender)
        reply = wire.encode_reply(request.message_id, body, self._node_key)
        # Without this, a faked source address would turn the node into an amplifier.
        if len(reply) > min(wire.MAX_REPLY, wire.MAX_AMPLIFICATION * size):
            raise FormatError("a request too small for its reply")
        if self._limit.take(sender, len(reply)):
            self._send(reply, addr)

    def _take_reply(self, reply: wire.Reply, sender: Address) -> None:
        waiting = self._waiting.get(reply.message_id)
        if waiting is None or waiting.address != sender:
            return
        try:
            body = wire.open_reply(reply)
        except FormatError:
            self._settle(reply.message_id, None)
            raise
        self._settle(reply.message_id, Answer(wire.node_id_of(reply.node_key), body))

    def _settle(self, message_id: bytes, answer: Answer | None) -> None:
        waiting = self._waiting.pop(message_id, None)
        if waiting is None:
            return
        waiting.timer.cancel()
        if not waiting.future.done():
            waiting.future.set_result(answer)

    def _send(self, datagram: bytes, target: tuple[Any, ...]) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(datagram, target)

    def _reachable(self, address: Address) -> tuple[Any, ...] | None:
        """The address as this socket takes it; only numbers, since a name would block."""
        ip = parse_ip(address[0])
        if ip is None or not is_port(address[1]) or (ip.version == 6 and not self._is_ipv6):
            return None
        return (f"::ffff:{ip}" if self._is_ipv6 and ip.version == 4 else str(ip), address[1])
