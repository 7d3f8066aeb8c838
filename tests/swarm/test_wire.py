"""Datagrams: bounded before they are decoded, signed where they answer."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tradercast.errors import FormatError
from tradercast.swarm import wire

ID = bytes(range(20))
KEY = SigningKey(b"\x09" * 32)
PUBLIC = bytes(KEY.verify_key)


def test_a_request_is_padded_so_that_its_reply_is_at_most_three_times_as_large() -> None:
    datagram = wire.encode_request(ID, "find_node", [b"a" * 20, b"b" * 20])
    assert len(datagram) == wire.PADDED_REQUEST
    assert wire.MAX_AMPLIFICATION * len(datagram) >= wire.MAX_REPLY

    request = wire.parse_datagram(datagram)
    assert isinstance(request, wire.Request)
    assert (request.message_id, request.method) == (ID, "find_node")
    assert request.arguments[:2] == [b"a" * 20, b"b" * 20]


def test_the_largest_request_fits_a_datagram() -> None:
    datagram = wire.encode_request(ID, "store", [b"a" * 20, b"t" * 8, b"x" * 512])
    assert len(datagram) < 600
    assert isinstance(wire.parse_datagram(datagram), wire.Request)


def test_a_reply_is_signed_for_its_question() -> None:
    datagram = wire.encode_reply(ID, [7, [b"x"]], KEY)
    reply = wire.parse_datagram(datagram)
    assert isinstance(reply, wire.Reply)
    assert reply.node_key == PUBLIC
    assert wire.open_reply(reply) == [7, [b"x"]]

    for other in (
        wire.Reply(bytes(20), reply.node_key, reply.signature, reply.body),
        wire.Reply(ID, bytes(32), reply.signature, reply.body),
        wire.Reply(ID, reply.node_key, bytes(64), reply.body),
        wire.Reply(ID, reply.node_key, reply.signature, msgpack.packb([8, [b"x"]])),
    ):
        with pytest.raises(FormatError, match="bad signature"):
            wire.open_reply(other)


def test_the_node_id_is_the_sha1_of_the_public_key() -> None:
    assert wire.node_id_of(b"abc").hex() == "a9993e364706816aba3e25717850c26c9cd0d89d"


def test_the_largest_body_fits_a_reply() -> None:
    body = b"x" * (wire.MAX_BODY - 3)
    assert len(wire.encode_reply(ID, body, KEY)) == wire.MAX_REPLY


@pytest.mark.parametrize(
    "payload",
    [
        b"\x91" * 1000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdc\xff\xff" + b"\xc0" * 900,
        b"\x92\xa4ping\xdc\x00\x41" + b"\xc0" * 65,
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\x81\xc0\xc0",
        b"\xd6\xff\x00\x00\x00\x01",
        b"\x92\xa4ping\x91\x91\x91\x91\x91\xc0",
        b"\x92\xa4ping\x90\xc0",
        b"\x92\xc4\x04ping\x90",
        b"\x92\xa2\xff\xff\x90",
        b"\xc1",
        b"",
    ],
)
def test_hostile_msgpack_is_refused(payload: bytes) -> None:
    for kind in (b"\x00", b"\x01"):
        with pytest.raises(FormatError):
            wire.parse_datagram(kind + ID + payload)


def test_a_size_over_the_limit_is_refused_before_decoding() -> None:
    with pytest.raises(FormatError, match="1201 bytes"):
        wire.parse_datagram(b"\x00" + ID + bytes(1180))
    with pytest.raises(FormatError, match="21 bytes"):
        wire.parse_datagram(b"\x00" + ID)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_our_error(data: bytes) -> None:
    for datagram in (data, b"\x00" + ID + data, b"\x01" + ID + data):
        try:
            wire.parse_datagram(datagram)
        except FormatError:
            continue


@given(st.integers(0, 120), st.integers(0, 255))
def test_a_changed_reply_is_refused_or_unchanged(at: int, value: int) -> None:
    datagram = bytearray(wire.encode_reply(ID, [7], KEY))
    is_same = datagram[at] == value
    datagram[at] = value
    try:
        reply = wire.parse_datagram(bytes(datagram))
        assert isinstance(reply, wire.Reply) or at == 0
        assert not isinstance(reply, wire.Reply) or wire.open_reply(reply) == [7]
    except FormatError:
        assert not is_same
    else:
        assert is_same
