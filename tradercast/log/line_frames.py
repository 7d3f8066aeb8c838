"""What goes over a line to a peer, sealed and plain; ``docs/BRIDGE.md`` has the format."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgpack
from nacl.bindings import (
    crypto_aead_chacha20poly1305_ietf_decrypt,
    crypto_aead_chacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from tradercast.errors import VerificationError
from tradercast.log.spans import BlockRange

HEAD = b"\xffTCL"
TOKEN_BYTES = 16
TAG_BYTES = 16
MAX_FRAME = 17 << 20
"""Bytes of a reply; a block has 15 MiB at most."""

_MAX_NODES = 8_192
_CONTEXT = b"tradercast-line/1 "


@dataclass(frozen=True, slots=True)
class Reply:
    """The first of the blocks that were asked for, and what proves them.

    Attributes
    ----------
    id : int
        Of the request.
    values : list of bytes
        The blocks' contents, not checked yet.
    beside : list of (int, bytes)
        Sizes and hashes of the nodes beside their ways to the roots.
    """

    id: int
    values: list[bytes]
    beside: list[tuple[int, bytes]]


class Sealed:
    """Seals or opens the frames of one direction, in their order.

    Parameters
    ----------
    secret : bytes
        Of the line.
    side : {"reader", "server"}
        Who sends.
    """

    def __init__(self, secret: bytes, side: str) -> None:
        self._key = hashlib.blake2b(_CONTEXT + side.encode(), key=secret, digest_size=32).digest()
        self._count = 0

    def seal(self, content: bytes) -> bytes:
        """One frame, from its length on."""
        sealed = crypto_aead_chacha20poly1305_ietf_encrypt(content, None, self._nonce(), self._key)
        return len(sealed).to_bytes(4, "little") + sealed

    def open(self, sealed: bytes) -> bytes:
        """The content of a frame without its length.

        Raises
        ------
        VerificationError
            If it is not the sender's next one.
        """
        if len(sealed) < TAG_BYTES:
            raise VerificationError("a frame of a line is too short to be one")
        try:
            return crypto_aead_chacha20poly1305_ietf_decrypt(sealed, None, self._nonce(), self._key)
        except CryptoError:
            raise VerificationError("a frame of a line was changed on its way") from None

    def _nonce(self) -> bytes:
        self._count += 1
        return (self._count - 1).to_bytes(12, "little")


def prove_key(key: bytes, token: bytes) -> bytes:
    """What shows that a side knows the key of a log."""
    return hashlib.blake2b(_CONTEXT + b"log" + token, key=key, digest_size=32).digest()


def request(
    number: int, log: bytes, proof: bytes, fork: int, length: int, ranges: Sequence[BlockRange]
) -> bytes:
    """The content of a request for the blocks of `ranges` of the log with discovery key `log`."""
    packed: bytes = msgpack.packb([number, log, proof, fork, length, ranges])
    return packed


def read_reply(content: bytes) -> Reply:
    """Take a reply's content apart.

    Raises
    ------
    VerificationError
        If it is none.
    """
    end = 4 + int.from_bytes(content[:4], "little")
    try:
        number, sizes, nodes = msgpack.unpackb(
            memoryview(content)[4:end], max_array_len=_MAX_NODES, max_bin_len=32, max_str_len=0
        )
        whole = [size for size, _ in nodes] + sizes + [number]
        right = all(type(n) is int and 0 <= n < 1 << 53 for n in whole)
        if not right or not all(type(h) is bytes and len(h) == 32 for _, h in nodes):
            raise ValueError
    except (ValueError, TypeError, msgpack.UnpackException):
        raise VerificationError("a reply of a line is none") from None
    values = []
    for size in sizes:
        values.append(content[end : end + size])
        end += size
    if end != len(content):
        raise VerificationError("a reply of a line has not the blocks that it says")
    return Reply(number, values, [(size, node_hash) for size, node_hash in nodes])
