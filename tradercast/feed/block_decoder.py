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
_Form: TypeAlias = "tuple[int, int, bool, bool]"  # exponents; with receive times, with ids

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
    form: _Form = (0, 0, False, False)
    for block in blocks:
        chunk = open_trades(block.data)
        check_header(chunk.header, block.ref)
        own = _form(chunk.header)
        if window and (own != form or not _fits(window, block)):
            yield _joined(window, form)
            window = []
        window.append(chunk)
        form = own
    yield _joined(window, form)


def _fits(window: Sequence[OpenChunk], block: Block) -> bool:
    """Whether a block's records follow those of others, and are not too many with them."""
    first, last = window[0].header, window[-1].header
    return block.first_seq == last.end_seq and block.end_seq - first.first_seq <= MAX_ROWS


def _form(header: ChunkHeader) -> _Form:
    return header.price_exponent, header.size_exponent, header.has_recv, header.has_ids


def _joined(chunks: Sequence[OpenChunk], form: _Form) -> Piece:
    first, end = chunks[0].header.first_seq, chunks[-1].header.end_seq
    out = _SPARE.columns(end - first, *form)
    decode_neighbours(chunks, out, 0)
    return Piece(out.trades(), [range(first, end)])
