"""Frames of a line: sealed in their order, and nothing taken from them that was not asked."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.errors import VerificationError
from tradercast.log.line_frames import Sealed, prove_key, read_reply, request

SECRET = bytes(range(32))
HASH = b"h" * 32


def reply(number: object, sizes: object, nodes: object, values: bytes = b"") -> bytes:
    """The content of a reply, right or wrong."""
    head = msgpack.packb([number, sizes, nodes])
    return len(head).to_bytes(4, "little") + head + values


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=5))
def test_frames_open_in_their_order_only(contents: list[bytes]) -> None:
    sending, taking = Sealed(SECRET, "reader"), Sealed(SECRET, "reader")

    frames = [sending.seal(content) for content in contents]

    assert [int.from_bytes(frame[:4], "little") for frame in frames] == [
        len(content) + 16 for content in contents
    ]
    assert [taking.open(frame[4:]) for frame in frames] == contents
    with pytest.raises(VerificationError):
        taking.open(frames[0][4:])


def test_a_changed_frame_and_one_of_the_other_side_are_refused() -> None:
    frame = Sealed(SECRET, "reader").seal(b"content")[4:]

    for wrong in (frame[:-1] + bytes([frame[-1] ^ 1]), frame[:5], b"", b"x" * 100):
        with pytest.raises(VerificationError):
            Sealed(SECRET, "reader").open(wrong)
    with pytest.raises(VerificationError):
        Sealed(SECRET, "server").open(frame)


def test_a_frame_is_what_the_format_says() -> None:
    # by another implementation of BLAKE2b and ChaCha20-Poly1305, those of Node 24
    content = request(7, b"l" * 32, prove_key(b"k" * 32, b"t" * 16), 0, 300, [(1, 3), (9, 10)])

    assert Sealed(SECRET, "reader").seal(b"content").hex() == FRAME
    assert prove_key(b"k" * 32, b"t" * 16).hex() == PROOF
    assert msgpack.unpackb(content) == [
        7, b"l" * 32, bytes.fromhex(PROOF), 0, 300, [[1, 3], [9, 10]],
    ]  # fmt: skip


def test_a_reply_gives_blocks_and_nodes() -> None:
    found = read_reply(reply(3, [2, 0, 1], [[9, HASH]], b"abc"))

    assert (found.id, found.values, found.beside) == (3, [b"ab", b"", b"c"], [(9, HASH)])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xff\xff\xff",
        reply(3, [2], [], b"abc"),
        reply(3, [4], [], b"abc"),
        reply(3, [-1, 4], [], b"abc"),
        reply(True, [3], [], b"abc"),
        reply(3, [3], [[1, b"short"]], b"abc"),
        reply(3, [3], [[1 << 60, HASH]], b"abc"),
        reply(3, [3], [[1]], b"abc"),
        reply(3, [3.0], [], b"abc"),
        reply("3", [3], [], b"abc"),
        reply(3, None, [], b"abc"),
        reply(3, [0] * 9000, []),
    ],
)
def test_what_is_no_reply_is_refused(content: bytes) -> None:
    with pytest.raises(VerificationError):
        read_reply(content)


@given(st.binary(max_size=100))
def test_random_bytes_are_no_reply_or_an_empty_one(content: bytes) -> None:
    try:
        found = read_reply(content)
    except VerificationError:
        return
    assert sum(map(len, found.values)) <= len(content)


FRAME = "170000007bd6dcbb8bc0cea66885d7249e906a994616f75b58acea"
PROOF = "88602a3be6330b7415acf0b32b1b35f3d30f18ac0a49845b9eecef5012845cbd"
