"""A catalog in a note: what is told is what was signed, or it is refused."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from typing import cast

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tradercast.errors import FormatError, TradercastError, VerificationError
from tradercast.feed.catalog_copy import MAX_COPIED, MAX_COPY, CatalogCopy, copy_catalog
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.feed.gossip import decode_note, encode_note
from tradercast.log import Core

SIGNER = SigningKey(b"\x07" * 32)
BLOCKS = tuple(b"entry %d" % number for number in range(11))
SignLog = Callable[..., LogCheckpoint]


class HeldLog:
    """The blocks of a log that are here."""

    def __init__(self, blocks: Iterable[bytes | None]) -> None:
        self._blocks = list(blocks)

    async def read(
        self, ranges: Iterable[tuple[int, int]], wait: bool
    ) -> AsyncIterator[list[tuple[int, bytes | None]]]:
        assert not wait
        for start, end in ranges:
            yield [(index, self._blocks[index]) for index in range(start, end)]


async def copied(blocks: Iterable[bytes | None], checkpoint: LogCheckpoint) -> CatalogCopy | None:
    return await copy_catalog(cast(Core, HeldLog(blocks)), checkpoint)


@pytest.mark.parametrize("length", [1, 2, 7, 11])
async def test_a_note_is_read_back_and_is_what_was_signed(sign_log: SignLog, length: int) -> None:
    made = await copied(BLOCKS, sign_log(SIGNER, BLOCKS[:length]))

    assert made is not None
    read = decode_note(encode_note(made))

    assert read == made
    assert isinstance(read, CatalogCopy)
    assert read.blocks == BLOCKS[:length]
    read.verify()


@pytest.mark.parametrize(
    "blocks",
    [
        BLOCKS[:-1],
        (*BLOCKS, b"one more"),
        (BLOCKS[1], BLOCKS[0], *BLOCKS[2:]),
        (*BLOCKS[:5], b"entry V", *BLOCKS[6:]),
        (BLOCKS[0] + BLOCKS[1], *BLOCKS[2:]),
    ],
    ids=["fewer", "more", "order", "changed", "joined"],
)
def test_other_blocks_than_those_signed_are_refused(
    sign_log: SignLog, blocks: tuple[bytes, ...]
) -> None:
    forged = CatalogCopy(sign_log(SIGNER, BLOCKS), blocks)
    with pytest.raises(VerificationError, match="not the blocks that were signed"):
        forged.verify()


def test_a_signature_of_another_key_is_refused(sign_log: SignLog) -> None:
    other = sign_log(SigningKey(b"\x08" * 32), BLOCKS)
    forged = CatalogCopy(replace(sign_log(SIGNER, BLOCKS), state=other.state), BLOCKS)
    with pytest.raises(VerificationError):
        forged.verify()


async def test_what_is_too_large_or_not_here_is_not_told(sign_log: SignLog) -> None:
    many = tuple(b"%d" % number for number in range(MAX_COPIED + 1))
    large = (b"x" * (MAX_COPY + 1),)

    assert await copied(many, sign_log(SIGNER, many)) is None
    assert await copied(large, sign_log(SIGNER, large)) is None
    assert await copied((*BLOCKS[:3], None, *BLOCKS[4:]), sign_log(SIGNER, BLOCKS)) is None


async def test_the_largest_that_is_told_is_read(sign_log: SignLog) -> None:
    largest = tuple(b"%0110d" % number for number in range(MAX_COPIED))
    made = await copied(largest, sign_log(SIGNER, largest))

    assert made is not None
    assert len(encode_note(made)) < 1 << 16
    assert decode_note(encode_note(made)) == made


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [b"", []],
        [b"", [b"block"]],
        ["text", [b"block"]],
        [b"", {}],
        [b"", ["text"]],
        [b"", [b"x" * (1 << 16)]],
        [b"", [b""] * (MAX_COPIED + 1)],
    ],
)
def test_nonsense_is_refused(value: object) -> None:
    with pytest.raises(FormatError):
        decode_note(b"K" + msgpack.packb(value))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(TradercastError):
        decode_note(b"K" + data)
