"""Frames: what is written is read back, however the socket cuts it; nothing else passes."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.log import frames

PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.binary()
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
MESSAGES = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 2**32 - 1), VALUES).map(list), max_size=8
)


def receive(reader: frames.FrameReader, data: bytes) -> list[list[Any]]:
    """Let `data` arrive as a socket would deliver it: as much as fits, again and again."""
    messages = []
    while data:
        room = reader.buffer()
        piece = data[: len(room)]
        room[: len(piece)] = piece
        messages += reader.received(len(piece))
        data = data[len(piece) :]
    return messages


@given(MESSAGES, st.data())
def test_messages_survive_any_cutting(messages: list[list[Any]], data: st.DataObject) -> None:
    stream = b"".join(frames.encode(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    reader = frames.FrameReader()

    arrived = []
    for start, end in pairwise([0, *cuts, len(stream)]):
        arrived += receive(reader, stream[start:end])

    assert arrived == messages


def test_a_frame_larger_than_any_buffer_arrives_and_its_memory_is_given_back() -> None:
    reader = frames.FrameReader()
    block = bytes(range(256)) * 40_000

    assert receive(reader, frames.encode([4, 1, [[0, block]]])) == [[4, 1, [[0, block]]]]
    assert receive(reader, frames.encode([1, 2, None])) == [[1, 2, None]]
    assert len(reader.buffer()) < 1 << 20


def test_a_length_over_the_limit_is_refused_before_its_body_arrives() -> None:
    with pytest.raises(frames.FrameError, match="over the limit"):
        receive(frames.FrameReader(), struct.pack("<I", frames.MAX_FRAME + 1))


def test_a_message_over_the_limit_is_not_sent() -> None:
    with pytest.raises(frames.FrameError, match="over the limit"):
        frames.encode([0, 1, "core.append", {"blocks": [bytes(frames.MAX_FRAME)]}])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x93\x01",
        msgpack.packb([1, 2, 3]) + b"\x00",
        msgpack.packb({"kind": 1}),
        msgpack.packb([1]),
        msgpack.packb([True, 1, None]),
        msgpack.packb(["1", 1, None]),
        msgpack.packb([1, 1, msgpack.ExtType(5, b"x")]),
        msgpack.packb([1, 1, msgpack.Timestamp(1)]),
        b"\x93\x01\x01" + b"\xdd\xff\xff\xff\xff",
        b"\x93\x01\x01" + b"\xdf\x7f\xff\xff\xff",
        b"\x93\x01\x01" + b"\x91" * 100_000,
        b"\x93\x01\x01\xa2\xff\xfe",
    ],
    ids=lambda body: body[:12].hex(),
)
def test_what_is_not_a_message_is_refused(body: bytes) -> None:
    with pytest.raises(frames.FrameError):
        frames.decode(body)


@given(st.binary(max_size=400))
def test_random_bytes_are_a_message_or_refused(body: bytes) -> None:
    try:
        message = frames.decode(body)
    except frames.FrameError:
        return
    assert isinstance(message, list)
    assert len(message) >= 2


def test_what_can_not_be_encoded_is_refused() -> None:
    with pytest.raises(frames.FrameError, match="can not be encoded"):
        frames.encode([0, 1, "ping", {"when": object()}])
