"""Blocks that arrived together, decoded side by side where they can be."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from tradercast.chunks import ChunkHeader, OpenChunk, decode_neighbours, open_trades
from tradercast.feed.archive import ChunkRef
from tradercast.feed.channel import TRADES, Channel
from tradercast.feed.decoding import check_header, decode_piece
from tradercast.feed.fixes import Fixes
from tradercast.feed.piece import Piece
from tradercast.feed.plan import Plan
from tradercast.feed.spare import Spare
from tradercast.records import Gap

MAX_ROWS = 131_072
"""Records of a piece at most."""

Decoded: TypeAlias = "tuple[Piece, list[Gap]]"

# Of the whole process, so that a short read does not begin with new memory: 3 to 5 MB each.
_SPARE = Spare(6)


class Block(NamedTuple):
    """A block, and which of its records are wanted."""

    data: bytes
    ref: ChunkRef | None
    first_seq: int
    end_seq: int


@dataclass(frozen=True, slots=True)
class BlockDecoder:
    """Decodes the blocks of a plan.

    Attributes
    ----------
    plan : Plan
    fixes : Fixes
    channel : Channel
    keep_gaps : bool
        Leave gaps among the records.
    """

    plan: Plan
    fixes: Fixes
    channel: Channel
    keep_gaps: bool

    def has_room_behind(self, blocks: Sequence[Block]) -> bool:
        """Whether more blocks may be decoded together with these."""
        if self.channel is not TRADES:
            return False
        return sum(block.end_seq - block.first_seq for block in blocks) < MAX_ROWS

    def decode(self, blocks: Sequence[Block]) -> list[Decoded]:
        """What the plan wants of the blocks; errors as of `decode_piece`."""
        decoded: list[Decoded] = []
        for plain, run in itertools.groupby(blocks, self._is_plain):
            if plain:
                decoded += [(piece, []) for piece in _side_by_side(run)]
            else:
                rest = (self.fixes, self.plan.time_range, self.channel, self.keep_gaps)
                decoded += [decode_piece(*block, *rest) for block in run]
        return decoded

    def _is_plain(self, block: Block) -> bool:
        """Whether it is a chunk of trades that are all wanted as they are."""
        ref = block.ref
        return (
            self.channel is TRADES
            and ref is not None
            and not ref.notes
            and (ref.first_seq, ref.end_seq) == (block.first_seq, block.end_seq)
            and self.plan.is_inside(ref)
            and not self.fixes.touch(ref.first_seq, ref.end_seq)
        )


def _side_by_side(blocks: Iterable[Block]) -> Iterator[Piece]:
    """Chunks of plain trades, neighbours of one form in common columns."""
    window: list[OpenChunk] = []
    for block in blocks:
        chunk = open_trades(block.data)
        check_header(chunk.header, block.ref)
        if window and not _fits(chunk.header, window[0].header, window[-1].header):
            yield _joined(window)
            window = []
        window.append(chunk)
    yield _joined(window)


def _fits(header: ChunkHeader, first: ChunkHeader, last: ChunkHeader) -> bool:
    """Whether a chunk may follow others in the same columns."""
    return (
        header.first_seq == last.end_seq
        and header.end_seq - first.first_seq <= MAX_ROWS
        and _form(header) == _form(first)
    )


def _form(header: ChunkHeader) -> tuple[int, int, bool, bool]:
    return header.price_exponent, header.size_exponent, header.has_recv, header.has_ids


def _joined(chunks: Sequence[OpenChunk]) -> Piece:
    header = chunks[0].header
    first, end = header.first_seq, chunks[-1].header.end_seq
    out = _SPARE.columns(end - first, *_form(header))
    decode_neighbours(chunks, out, 0)
    return Piece(out.trades(), [range(first, end)])
