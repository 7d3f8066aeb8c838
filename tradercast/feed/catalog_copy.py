"""A small catalog as one note, so that a new reader need not open its log first.

A peer tells it beside the delegation.  It saves three round trips before the first record, and is
as sure as the log itself: the blocks have to give the roots that the catalog's key signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgpack

from tradercast.errors import FormatError, VerificationError
from tradercast.feed.checkpoints import MAX_BYTES, LogCheckpoint
from tradercast.log import Core
from tradercast.log.proof import extended

MAX_COPY = 32 * 1024  # a note has at most 64 KiB
MAX_COPIED = 256  # blocks


@dataclass(frozen=True, slots=True)
class CatalogCopy:
    """All blocks of a catalog, and what its publisher signed of them.

    Parameters
    ----------
    checkpoint : LogCheckpoint
        Of the length that the blocks have.
    blocks : tuple of bytes
        From block 0.
    """

    checkpoint: LogCheckpoint
    blocks: tuple[bytes, ...]

    @property
    def key(self) -> bytes:
        """The catalog's key."""
        return self.checkpoint.key

    def verify(self) -> None:
        """Check that the owner of the key signed exactly these blocks.

        Raises
        ------
        VerificationError
            If not.
        """
        if extended((), 0, self.blocks) != self.checkpoint.state.roots:
            raise VerificationError("the copy of a catalog has not the blocks that were signed")
        self.checkpoint.verify()

    def encode(self) -> bytes:
        """The bytes that `decode` reads."""
        packed: bytes = msgpack.packb([self.checkpoint.encode(), list(self.blocks)])
        return packed

    @classmethod
    def decode(cls, data: bytes) -> CatalogCopy:
        """Read anybody's bytes; signature and blocks are not checked here.

        Raises
        ------
        FormatError
            If they are no copy of a catalog, or a larger one than is told.
        """
        if len(data) > MAX_COPY + MAX_BYTES:
            raise FormatError("the copy of a catalog is too large")
        try:
            checkpoint, blocks = msgpack.unpackb(
                data, max_array_len=MAX_COPIED, max_map_len=0, max_ext_len=0
            )
        except (ValueError, TypeError, msgpack.UnpackException):
            raise FormatError("the bytes are not a copy of a catalog") from None
        if type(checkpoint) is not bytes or type(blocks) is not list or not blocks:
            raise FormatError("the bytes are not a copy of a catalog")
        if not all(type(block) is bytes for block in blocks):
            raise FormatError("a block of the copy of a catalog is not bytes")
        return cls(LogCheckpoint.decode(checkpoint), tuple(blocks))


async def copy_catalog(core: Core, checkpoint: LogCheckpoint) -> CatalogCopy | None:
    """The copy of a catalog that is held as far as its checkpoint; None if it is too large.

    Raises
    ------
    SidecarError
        If its log can not be read.
    """
    length = checkpoint.length
    if length > MAX_COPIED or checkpoint.state.byte_length > MAX_COPY - 8 * length:
        return None
    blocks: Sequence[bytes | None] = [
        block async for batch in core.read([(0, length)], wait=False) for _, block in batch
    ]
    held = tuple(block for block in blocks if block is not None)
    return CatalogCopy(checkpoint, held) if len(held) == length else None
