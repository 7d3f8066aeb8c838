"""Chunks that arrive together come in common columns, whose memory is used again."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support.memory_logs import segment

from tradercast.chunks import TradeBuffers
from tradercast.errors import FormatError
from tradercast.feed.block_decoder import MAX_ROWS, Block, BlockDecoder
from tradercast.feed.channel import TRADES
from tradercast.feed.fixes import Fixes
from tradercast.feed.reader import Piece, ReadReport, SegmentReader
from tradercast.feed.spare import Spare
from tradercast.records import Decimals, Trades
from tradercast.timerange import TimeRange


def trades_of(count: int, exponent: int = -2) -> Trades:
    return Trades(
        np.arange(count, dtype=np.int64),
        Decimals.from_ints(np.arange(count) * 7 + 1_001, exponent),
        Decimals.from_ints(np.arange(count) % 90 * 2 + 1, -3),
        np.ones(count, np.uint8),
    )


async def pieces_of(reader: SegmentReader, wanted: TimeRange) -> list[Piece]:
    """All chunks of a range, decoded at once."""
    plan = await reader.plan(wanted)
    blocks = [
        Block(data, ref, ref.first_seq, ref.end_seq)
        async for ref, data in reader.chunk_blocks(plan, ReadReport())
    ]
    decoder = BlockDecoder(plan, Fixes.of(()), TRADES, keep_gaps=False)
    return [piece for piece, _ in decoder.decode(blocks)]


def spans(pieces: list[Piece]) -> list[tuple[int, int]]:
    return [(int(piece.seq[0]), int(piece.seq[-1]) + 1) for piece in pieces]


async def test_neighbours_come_as_one_piece_and_what_is_cut_by_the_range_does_not() -> None:
    trades = trades_of(1_000)
    reader, _, _ = segment(trades, list(range(100, 1_001, 100)))

    pieces = await pieces_of(reader, TimeRange(150, 850))

    assert pieces[1].run == range(200, 800)
    assert spans(pieces) == [(150, 200), (200, 800), (800, 850)]
    assert Piece.joined(pieces).trades.equals(trades[150:850])


async def test_a_chunk_that_nobody_has_divides_them() -> None:
    reader, archive, _ = segment(trades_of(1_000), list(range(100, 1_001, 100)))
    archive.blocks[4] = None

    assert spans(await pieces_of(reader, TimeRange())) == [(0, 200), (300, 1_000)]


async def test_prices_of_another_exponent_are_in_columns_of_their_own() -> None:
    trades = Trades.concat([trades_of(200), trades_of(100, -9), trades_of(200)])
    trades = dataclasses.replace(trades, ts_event=np.arange(500, dtype=np.int64))
    reader, _, _ = segment(trades, [100, 200, 300, 400, 500])

    pieces = await pieces_of(reader, TimeRange())

    assert spans(pieces) == [(0, 200), (200, 300), (300, 500)]
    assert [piece.trades.price.exponent for piece in pieces] == [-2, -9, -2]
    assert Piece.joined(pieces).trades.equals(trades)


async def test_no_piece_has_more_records_than_fit_into_the_memory_of_one() -> None:
    count, chunk = 3 * MAX_ROWS, 40_000
    trades = trades_of(count)
    reader, _, _ = segment(trades, [*range(chunk, count, chunk), count])

    pieces = await pieces_of(reader, TimeRange())

    assert max(map(len, pieces)) <= MAX_ROWS
    assert len(pieces) < count // chunk
    assert Piece.joined(pieces).trades.equals(trades)


async def test_what_is_kept_stays_as_it_was_while_others_are_read() -> None:
    trades = trades_of(200_000)
    reader, _, _ = segment(trades, list(range(2_000, 200_001, 2_000)))
    plan = await reader.plan(TimeRange())
    kept: list[tuple[int, Decimals]] = []

    for _ in range(3):
        async for piece in reader.read(plan, ReadReport()):
            kept.append((int(piece.seq[100]), piece.trades.price[100:200]))

    for first, price in kept:
        assert price.equals(trades.price[first : first + 100])


async def test_a_chunk_that_is_not_the_promised_one_is_refused() -> None:
    reader, archive, _ = segment(trades_of(300), [100, 200, 300])
    archive.blocks[2] = archive.blocks[4]

    with pytest.raises(FormatError, match="its index says 100 to 200"):
        await pieces_of(reader, TimeRange())


def address(columns: TradeBuffers) -> int:
    return int(columns.ts_event.ctypes.data)


def test_memory_is_given_out_again_only_when_its_last_view_is_gone() -> None:
    spare = Spare(2)
    first = spare.columns(100, 0, 0, recv=True, ids=True)
    where = address(first)
    view = memoryview(first.side[7:9].view())

    del first
    second = spare.columns(100, 0, 0, recv=True, ids=True)
    assert address(second) != where

    del view
    third = spare.columns(60, 0, 0, recv=False, ids=False)
    assert address(third) == where


def test_the_columns_do_not_overlap_and_have_the_length_that_was_asked_for() -> None:
    spare = Spare(1)
    for count, recv, ids in (
        (9, True, True),
        (5, False, True),
        (7, True, False),
        (3, False, False),
    ):
        columns = spare.columns(count, -2, -3, recv=recv, ids=ids)
        each = [columns.ts_event, columns.price, columns.size, columns.side]
        each += [column for column in (columns.ts_recv, columns.trade_id) if column is not None]

        for number, column in enumerate(each):
            column[:] = number

        assert [column.tolist() for column in each] == [[n] * count for n in range(len(each))]
        assert (columns.ts_recv is not None, columns.trade_id is not None) == (recv, ids)
