"""Datagrams of the directory: pure, bounded before anything is decoded.

The frame is that of rpcudp (type byte, 20-byte message id, msgpack), the decoder is not:
u-msgpack recurses on nested input and makes date objects of extension types.  ::

    request  0x00 id [method, [arguments…]]      padded, so that no reply is over 3 times its size
    reply    0x01 id [node key, signature, body] Ed25519 over DOMAIN + id + body; body is msgpack

A reply proves that its sender has the node key, so that node ids (SHA-1 of the node key)
can not be taken at will, nor an answer be forged by who did not see the question.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgpack
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from tradercast.errors import FormatError

MAX_DATAGRAM = 1_200
MAX_REPLY = 1_100
MAX_AMPLIFICATION = 3
PADDED_REQUEST = 380
MESSAGE_ID = 20

_REQUEST, _REPLY = b"\x00", b"\x01"
_DOMAIN = b"tradercast/directory-reply/1\0"
_REPLY_OVERHEAD = 1 + MESSAGE_ID + 1 + (2 + 32) + (2 + 64) + 3
MAX_BODY = MAX_REPLY - _REPLY_OVERHEAD
_MAX_ITEMS = 64
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Request:
    """A question: one of the directory's methods and its arguments (types not checked yet)."""

    message_id: bytes
    method: str
    arguments: list[object]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; nothing in it is checked before `open_reply`."""

    message_id: bytes
    node_key: bytes
    signature: bytes
    body: bytes


def node_id_of(node_key: bytes) -> bytes:
    """The 20-byte place of a node in the Kademlia space: SHA-1 of its public key."""
    return hashlib.sha1(node_key, usedforsecurity=False).digest()


def encode_request(message_id: bytes, method: str, arguments: list[object]) -> bytes:
    """A request datagram, padded to 380 bytes."""
    body: bytes = msgpack.packb([method, arguments])
    padding = PADDED_REQUEST - 1 - MESSAGE_ID - len(body) - 3
    if padding > 0:
        body = msgpack.packb([method, [*arguments, bytes(padding)]])
    return _REQUEST + message_id + body


def encode_reply(message_id: bytes, body: object, node_key: SigningKey) -> bytes:
    """A signed reply datagram."""
    packed: bytes = msgpack.packb(body)
    signature = node_key.sign(_DOMAIN + message_id + packed).signature
    fields: bytes = msgpack.packb([bytes(node_key.verify_key), signature, packed])
    return _REPLY + message_id + fields


def parse_datagram(data: bytes) -> Request | Reply:
    """Tell what a datagram is.

    Raises
    ------
    FormatError
        If it is not a datagram of this protocol, or over a limit.
    """
    if not 1 + MESSAGE_ID < len(data) <= MAX_DATAGRAM:
        raise FormatError(f"a datagram of {len(data)} bytes")
    kind, message_id = data[:1], data[1 : 1 + MESSAGE_ID]
    fields = unpack(data[1 + MESSAGE_ID :])
    if kind == _REQUEST:
        match fields:
            case [str() as method, list() as arguments]:
                return Request(message_id, method, arguments)
    elif kind == _REPLY:
        match fields:
            case [bytes() as key, bytes() as signature, bytes() as body]:
                if len(key) == 32 and len(signature) == 64:
                    return Reply(message_id, key, signature, body)
    raise FormatError("a datagram of another protocol")


def open_reply(reply: Reply) -> object:
    """Check a reply's signature and decode its body.

    Raises
    ------
    FormatError
        If the signature is bad or the body is no bounded msgpack.
    """
    signed = _DOMAIN + reply.message_id + reply.body
    try:
        VerifyKey(reply.node_key).verify(signed, reply.signature)
    except (BadSignatureError, ValueError, TypeError):
        raise FormatError("a reply with a bad signature") from None
    return unpack(reply.body)


def unpack(data: bytes) -> object:
    """Decode msgpack of strangers: no maps, no extension types, 64 items, four levels.

    Raises
    ------
    FormatError
        If the bytes are anything else.
    """
    try:
        value: object = msgpack.unpackb(
            data,
            max_array_len=_MAX_ITEMS,
            max_str_len=MAX_DATAGRAM,
            max_bin_len=MAX_DATAGRAM,
            max_map_len=0,
            max_ext_len=0,
        )
    except Exception:  # msgpack's errors have no common root
        raise FormatError("not bounded msgpack") from None
    if not _is_shallow(value, _MAX_DEPTH):
        raise FormatError("msgpack that is nested too deep")
    return value


def _is_shallow(value: object, depth: int) -> bool:
    if not isinstance(value, list):
        return True
    return depth > 0 and all(_is_shallow(item, depth - 1) for item in value)
