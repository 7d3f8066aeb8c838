"""A range read by its index holds what a full scan, corrected and filtered by time, holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.memory_logs import (
    ListLog,
    archive_blocks,
    columns,
    edges,
    segment,
    tail_blocks,
    trades_at,
)

from tradercast import corrections
from tradercast.chunks import decode_index, encode_index
from tradercast.errors import FormatError, StalledError
from tradercast.feed.bulk_load import load
from tradercast.feed.piece import Piece
from tradercast.feed.reader import ReadReport, SegmentReader
from tradercast.records import NO_TIME, Kind, Trades
from tradercast.timerange import TimeRange


async def read(reader: SegmentReader, wanted: TimeRange, report: ReadReport | None = None) -> Piece:
    plan = await reader.plan(wanted)
    report = report or ReadReport()
    pieces = [piece async for piece in reader.read(plan, report)]
    assert report.records == sum(map(len, pieces))
    return Piece.joined(pieces)


def scan(trades: Trades, wanted: TimeRange) -> Piece:
    """What the range holds, by definition."""
    plain, seq, _ = corrections.apply(trades, np.arange(len(trades)))
    keep = (plain.ts_event >= wanted.start_ns) & (plain.ts_event < wanted.end_ns)
    return Piece(plain[keep], seq[keep])


def assert_same(found: Piece, expected: Piece) -> None:
    assert found.seq.tolist() == expected.seq.tolist()
    assert columns(found.trades) == columns(expected.trades)


@st.composite
def corrected(draw: st.DrawFn) -> Trades:
    """Records in any order of time with corrections of corrections among them, and gaps."""
    count = draw(st.integers(1, 30))
    times = draw(st.lists(st.integers(0, 60), min_size=count, max_size=count))
    kinds = st.sampled_from([Kind.BUST, Kind.AMEND, Kind.AMEND, Kind.GAP])
    notes = []
    for row in sorted(draw(st.sets(st.integers(1, max(1, count - 1)), max_size=8))):
        if row >= count:
            continue
        kind, ref = draw(kinds), draw(st.integers(0, row - 1))
        gap = kind == Kind.GAP
        notes.append((row, kind, ref, 0, NO_TIME if gap else times[ref]))
    return trades_at(times, notes)


SIZES = st.lists(st.integers(1, 8), max_size=12)


@given(corrected(), SIZES, SIZES, st.integers(0, 30), st.integers(0, 60), st.integers(0, 61))
async def test_any_range_is_what_a_full_scan_finds(
    trades: Trades, chunks: list[int], messages: list[int], sealed: int, start: int, length: int
) -> None:
    sealed = min(sealed, len(trades))
    reader, _, _ = segment(trades, edges(sealed, chunks), edges(len(trades), messages))
    wanted = TimeRange(start, start + length)

    found = await read(reader, wanted)

    assert_same(found, scan(trades, wanted))


async def test_an_amendment_that_moves_a_trade_into_the_range_brings_it_along() -> None:
    trades = trades_at([1, 2, 50, 51, 52], [(4, Kind.AMEND, 0, 0, 1)])
    reader, archive, _ = segment(trades, [2, 4, 5])

    found = await read(reader, TimeRange(51, 60))

    assert 0 not in archive.asked  # the chunk that holds the original
    assert found.seq.tolist() == [0, 3]
    assert found.trades.ts_event.tolist() == [52, 51]
    assert found.trades.price.to_strings() == ["1.04", "1.03"]


async def test_a_later_bust_is_found_if_an_amended_bust_brought_the_trade_into_the_range() -> None:
    notes = [(1, Kind.BUST, 0, 0, 0), (2, Kind.AMEND, 1, 0, 60), (3, Kind.BUST, 0, 0, 0)]
    trades = trades_at([0, 60, 60, 0, 0], notes)
    reader, _, _ = segment(trades, [3], [3, 5])

    found = await read(reader, TimeRange(60, 61))

    assert_same(found, scan(trades, TimeRange(60, 61)))


async def test_an_amendment_that_moves_a_trade_out_of_the_range_takes_it_away() -> None:
    trades = trades_at([1, 2, 50, 51, 52], [(4, Kind.AMEND, 0, 0, 1)])
    reader, _, _ = segment(trades, [2, 4, 5])

    found = await read(reader, TimeRange(0, 10))

    assert found.seq.tolist() == [1]


async def test_a_trade_that_was_moved_in_and_then_busted_elsewhere_is_gone() -> None:
    moved, gone = (4, Kind.AMEND, 0, 0, 1), (5, Kind.BUST, 0, 0, 1)
    trades = trades_at([1, 2, 50, 51, 52, 3], [moved, gone])
    reader, _, _ = segment(trades, [2, 4, 5, 6])

    found = await read(reader, TimeRange(51, 60))

    assert found.seq.tolist() == [3]


async def test_without_corrections_no_chunk_is_read_twice() -> None:
    trades = trades_at(list(range(40)), [(15, Kind.GAP, 3, 4, 14)])
    reader, archive, _ = segment(trades, [10, 20, 30, 40])
    plan = await reader.plan(TimeRange())
    archive.asked.clear()
    report = ReadReport()

    pieces = [piece async for piece in reader.read(plan, report)]

    assert sum(map(len, pieces)) == 39
    assert [gap.seq for gap in report.gaps] == [15]
    assert [block for block in archive.asked if block % 2 == 0] == [2, 0, 2, 4, 6]


async def test_what_is_not_held_is_reported_and_skipped() -> None:
    trades = trades_at(list(range(40)))
    reader, archive, _ = segment(trades, [10, 20, 30, 40])
    archive.blocks[2] = None
    report = ReadReport()

    found = await read(reader, TimeRange(5, 25), report)

    assert found.seq.tolist() == [*range(5, 10), *range(20, 25)]
    assert (report.missing, report.missing_ns) == ([(10, 20)], [(10, 19)])


@pytest.mark.parametrize(("field", "value"), [("count", 9), ("notes", 0)])
async def test_a_chunk_that_is_not_what_its_index_says_is_refused(field: str, value: int) -> None:
    trades = trades_at(list(range(10)), [(5, Kind.GAP, 1, 1, 4)])
    reader, archive, _ = segment(trades, [10])
    lying(archive, field, value)

    with pytest.raises(FormatError, match="its index says"):
        await read(reader, TimeRange())


def lying(archive: ListLog, field: str, value: int) -> None:
    """Let the first index node say something else about the first chunk."""
    block = archive.blocks[1]
    assert block is not None
    node = decode_index(block)
    spans = replace(node.chunks, **{field: np.array([value], np.int64)})
    archive.blocks[1] = encode_index(replace(node, chunks=spans))


class StallingLog(ListLog):
    """Peers lack what is not held: waiting for it ends in a stall."""

    async def update(self, timeout_s, *, latest=False):
        return await self.info()

    async def read(self, ranges, wait=True, stall_s=1.0):
        async for batch in super().read(ranges, wait, stall_s):
            for block, data in batch:
                if data is None and wait:
                    raise StalledError("nobody has it")
                yield [(block, data)]


async def test_what_peers_have_is_read_behind_what_nobody_has() -> None:
    trades = trades_at(list(range(60)))
    reader, archive, tail = segment(trades, [10, 20, 30, 40], [10, 20, 30, 40, 45, 50, 60])
    reader.remote = True
    reader.archive, reader.tail = StallingLog(archive.blocks), StallingLog(tail.blocks)
    reader.archive.blocks[2] = reader.archive.blocks[4] = reader.tail.blocks[5] = None
    report = ReadReport()

    found = await read(reader, TimeRange(0, 60), report)

    assert found.seq.tolist() == [*range(10), *range(30, 45), *range(50, 60)]
    assert report.missing == [(10, 30), (45, 50)]
    assert report.missing_times(TimeRange(0, 60)) == [(10, 30), (40, 60)]
    assert report.missing_times(TimeRange(15, 20)) == [(15, 20)]


async def test_chunks_are_fetched_without_the_index_nodes_between_them() -> None:
    trades = trades_at(list(range(60)))
    reader, archive, _ = segment(trades, [10, 20, 30, 40, 50, 60])
    plan = await reader.plan(TimeRange(10, 35))
    archive.asked.clear()

    pieces = [piece async for piece in reader.read(plan, ReadReport())]

    assert sum(map(len, pieces)) == 25
    assert archive.asked == [2, 4, 6]
    assert plan.node_blocks() == [(3, 4), (5, 6), (7, 8)]


@pytest.mark.parametrize("whole", [False, True])
async def test_what_was_sealed_and_dropped_since_it_was_planned_is_read_from_the_archive(
    whole: bool,
) -> None:
    notes = [(27, Kind.BUST, 26, 0, 26), (33, Kind.BUST, 3, 0, 3), (47, Kind.BUST, 46, 0, 46)]
    trades = trades_at(list(range(60)), notes)
    messages = [10, 25, 30, 35, 45, 50, 60]
    reader, archive, tail = segment(trades, [10, 20], messages)
    plan, report = await reader.plan(TimeRange(5, 58)), ReadReport()
    archive.blocks = archive_blocks(trades, [10, 20, 40, 48])
    tail.blocks[:5] = [None] * 5  # up to 45; and two records of the next chunk are in the tail
    tail.blocks[3] = tail_blocks(trades, messages, 20)[3]  # one that came before it was dropped

    if whole:
        found = await load(reader, plan, report)
    else:
        found = Piece.joined([piece async for piece in reader.read(plan, report)])

    assert_same(found, scan(trades, TimeRange(5, 58)))
    assert report.missing == []


async def test_what_was_dropped_and_is_not_in_the_archive_either_is_missing() -> None:
    trades = trades_at(list(range(60)))
    reader, archive, tail = segment(trades, [10, 20], [10, 25, 30, 35, 45, 50, 60])
    plan, report = await reader.plan(TimeRange()), ReadReport()
    archive.blocks = [*archive_blocks(trades, [10, 20, 28, 35, 40])]
    archive.blocks[6] = None  # records 28 to 35
    tail.blocks[:5] = [None] * 5

    found = Piece.joined([piece async for piece in reader.read(plan, report)])

    assert found.seq.tolist() == [*range(28), *range(35, 40), *range(45, 60)]
    assert report.missing == [(28, 35), (40, 45)]
