"""A line to a peer: a socket over which it is asked for blocks, beside the sidecar's connection.

All of this blocks, and is for a thread of its own: it waits for the socket, and the libraries that
open and check what comes let others work meanwhile.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from tradercast.errors import NoPeerError, VerificationError
from tradercast.log import line_frames, spans
from tradercast.log.line_frames import Sealed
from tradercast.log.proof import TreeNode
from tradercast.log.range_proof import check_range

SILENT_S = 2
"""Seconds without a byte of what a peer owes, after which it is asked no more."""

FRAME_S = 20.0
"""Seconds that a frame may take; a slow peer is asked for less at once."""

CONNECT_S = 5.0
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Offer:
    """Where a peer takes a line, and by what it knows us there.

    Attributes
    ----------
    peer : int
        Its number at the sidecar.
    host, port
        Its address.
    token, secret : bytes
        For this one line; the secret is known to the two nodes only.
    """

    peer: int
    host: str
    port: int
    token: bytes
    secret: bytes


@dataclass(frozen=True, slots=True)
class LogState:
    """What blocks of a log are asked for by, and checked against; its own sidecar says so."""

    key: bytes
    discovery_key: bytes
    fork: int
    length: int
    roots: tuple[TreeNode, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """Blocks that a peer gave and that are the log's, with what proves it."""

    peer: int
    blocks: list[int]
    values: list[bytes]
    beside: list[tuple[int, bytes]]

    @property
    def size(self) -> int:
        """Bytes of all contents."""
        return sum(map(len, self.values))


class Line:
    """One line.

    Parameters
    ----------
    offer : Offer
        Of the peer.
    log : LogState
        The log that is asked for.
    clock : callable
        Seconds.
    """

    def __init__(
        self, offer: Offer, log: LogState, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.peer = offer.peer
        self._offer = offer
        self._log = log
        self._clock = clock
        self._proof = line_frames.prove_key(log.key, offer.token)
        self._out = Sealed(offer.secret, "reader")
        self._in = Sealed(offer.secret, "server")
        self._asked: deque[tuple[list[int], float]] = deque()
        self._next_id = 0
        self._socket: socket.socket | None = None
        self._closed = False

    @property
    def owed(self) -> list[list[int]]:
        """The blocks that were asked for and have not come, request by request."""
        return [blocks for blocks, _ in self._asked]

    def connect(self) -> None:
        """Connect to the peer.

        Raises
        ------
        NoPeerError
            If it does not take the connection.
        """
        address = (self._offer.host, self._offer.port)
        try:
            self._socket = socket.create_connection(address, CONNECT_S)
            self._socket.settimeout(None)
            limit = struct.pack("ll", SILENT_S, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._closed:
                self.close()
            self._socket.sendall(line_frames.HEAD + self._offer.token)
        except OSError as error:
            raise NoPeerError(f"no line to {self._offer.host}: {error}") from error

    def ask(self, blocks: list[int]) -> None:
        """Ask for ascending blocks: the first of them come, or none if the first is not there.

        Raises
        ------
        NoPeerError
            If the line has ended.
        """
        log = self._log
        content = line_frames.request(
            self._next_id, log.discovery_key, self._proof, log.fork, log.length, spans.runs(blocks)
        )
        self._next_id += 1
        self._asked.append((blocks, self._clock()))
        assert self._socket is not None
        try:
            self._socket.sendall(self._out.seal(content))
        except OSError as error:
            raise NoPeerError("the line has ended") from error

    def answer(self) -> tuple[Taken, list[int], float]:
        """What comes for the oldest request, what was asked there, and the seconds it took.

        Raises
        ------
        NoPeerError
            If the line ends, or is silent.
        VerificationError
            If it is not the log's, or not what was asked.
        """
        blocks, at = self._asked[0]
        content = self._in.open(self._frame())
        reply = line_frames.read_reply(content)
        came = blocks[: len(reply.values)]
        if reply.id != self._next_id - len(self._asked) or len(came) != len(reply.values):
            raise VerificationError("a line answers what was not asked")
        if came:
            check_range(self._log.length, self._log.roots, came, reply.values, reply.beside)
        self._asked.popleft()
        return Taken(self.peer, came, reply.values, reply.beside), blocks, self._clock() - at

    def close(self) -> None:
        """End it, from any thread: who waits for it fails."""
        self._closed = True
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it has ended already
                self._socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Give the socket back; for the thread that used it."""
        if self._socket is not None:
            self._socket.close()

    def _frame(self) -> bytes:
        size = int.from_bytes(self._bytes(4), "little")
        if not line_frames.TAG_BYTES < size <= line_frames.MAX_FRAME:
            raise VerificationError(f"a line brings a frame of {size} bytes")
        return self._bytes(size)

    def _bytes(self, count: int) -> bytes:
        """So many bytes, in as few steps as they come in: each would wait for the interpreter."""
        assert self._socket is not None
        parts = []
        end = self._clock() + FRAME_S
        while count:
            try:
                part = self._socket.recv(min(count, _BUFFER), socket.MSG_WAITALL)
            except OSError as error:
                raise NoPeerError("a line is silent") from error
            if not part:
                raise NoPeerError("the line has ended")
            if self._clock() > end:
                raise NoPeerError("a line is too slow")
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
