"""Reading without peers what a node holds of logs that are longer than its copy."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from support.memory_logs import ListLog, segment, trades_at

from tradercast.chunks.index import GROUP
from tradercast.client.availability import Availability, availability
from tradercast.client.feed import OpenSegment
from tradercast.feed.entries import Segment
from tradercast.feed.here import archive_here, tail_here
from tradercast.feed.reader import Piece, ReadReport, SegmentReader
from tradercast.timerange import TimeRange

CHUNKS = 3 * GROUP + 10  # of one record each, at the time of its number
TAIL = range(CHUNKS, CHUNKS + 40)  # one record a block
TRADES = trades_at(list(range(TAIL.stop)))


def held_segment(
    archive_held: Iterable[int], tail_held: Iterable[int]
) -> tuple[SegmentReader, ListLog, ListLog]:
    """A reader of a copy that has only these blocks of the two logs."""
    ends = list(range(1, TAIL.stop + 1))
    reader, archive, tail = segment(TRADES, ends[:CHUNKS], ends)
    for log, held in ((archive, set(archive_held)), (tail, set(tail_held))):
        log.blocks = [block if n in held else None for n, block in enumerate(log.blocks)]
    return reader, archive, tail


def chunks(start: int, end: int) -> set[int]:
    """The blocks of chunks with their index nodes."""
    return set(range(2 * start, 2 * end))


def nodes(*numbers: int) -> set[int]:
    return {2 * number + 1 for number in numbers}


async def read(
    reader: SegmentReader, wanted: TimeRange | None = None
) -> tuple[list[int], ReadReport]:
    report = ReadReport()
    plan = await reader.plan(wanted or TimeRange())
    pieces = [piece async for piece in reader.read(plan, report)]
    return Piece.joined(pieces).seq.tolist(), report


@pytest.mark.parametrize(
    ("held", "length"),
    [
        (set(), 0),
        ({0, 2, 4}, 0),  # chunks without any node
        (chunks(0, 5), 10),
        (chunks(0, 5) | {10}, 10),  # and one whose node is not here
        (chunks(70, 75), 0),  # a node alone says nothing of the groups before its own
        (chunks(70, 75) | nodes(GROUP - 1), 150),
        (nodes(GROUP - 1) | nodes(2 * GROUP), 2 * GROUP),  # of the third group, not the second
        (nodes(2 * GROUP - 1), 4 * GROUP),
    ],
)
async def test_the_archive_goes_as_far_as_its_index_is_held(held: set[int], length: int) -> None:
    _, archive, _ = held_segment(held, [])

    assert await archive_here(archive) == length


@pytest.mark.parametrize(
    ("held", "length"), [([], 0), ([0, 1, 2], 3), ([5, 6, 9], 10), (TAIL, TAIL.stop)]
)
async def test_the_tail_goes_as_far_as_its_last_held_block(held: list[int], length: int) -> None:
    _, _, tail = held_segment([], held)

    assert await tail_here(tail) == length


async def test_what_was_there_before_the_logs_grew_is_read_as_before() -> None:
    reader, _, _ = held_segment(chunks(0, 20), range(20, 26))

    seqs, report = await read(reader)
    early, _ = await read(reader, TimeRange(3, 9))

    assert seqs == list(range(26))
    assert early == list(range(3, 9))
    assert report.missing == []


async def test_chunks_whose_group_was_never_finished_here_are_found_by_an_older_node() -> None:
    newest = chunks(CHUNKS - 5, CHUNKS) | nodes(3 * GROUP - 1)
    reader, _, _ = held_segment(chunks(0, 20) | newest, TAIL)

    seqs, report = await read(reader)
    settled, nothing_missing = await read(reader, TimeRange(0, 19))

    assert seqs == [*range(20), *range(CHUNKS - 5, TAIL.stop)]
    assert report.missing == [(20, CHUNKS - 5)]
    assert settled == list(range(19))
    assert nothing_missing.missing == []


async def test_the_tail_is_read_where_its_chunks_are_not_here() -> None:
    reader, _, _ = held_segment(chunks(0, 20), [*range(15, 60), *range(80, 90)])

    seqs, report = await read(reader)

    assert seqs == [*range(60), *range(80, 90)]
    assert report.missing == [(60, 80)]


async def test_a_hole_between_archive_and_tail_is_said() -> None:
    reader, _, _ = held_segment(chunks(0, 20), TAIL)

    seqs, report = await read(reader)

    assert seqs == [*range(20), *TAIL]
    assert report.missing == [(20, CHUNKS)]


@pytest.mark.parametrize(
    ("archive_held", "tail_held", "expected"),
    [
        (chunks(0, CHUNKS), TAIL, Availability(full=True, held=(), tail=True)),
        (chunks(0, CHUNKS), TAIL[:-1], Availability(full=True, held=(), tail=False)),
        (chunks(0, 20), range(20, 26), Availability(full=False, held=((0, 20),), tail=False)),
        (
            chunks(5, 20) | chunks(CHUNKS - 5, CHUNKS) | nodes(3 * GROUP - 1),
            TAIL,
            Availability(full=False, held=((5, 20), (CHUNKS - 5, CHUNKS)), tail=True),
        ),
        # chunks whose index nodes are not here: a sync ended before these were fetched
        ({0, 2, 4, 8}, [], Availability(full=False, held=((0, 3), (4, 5)), tail=False)),
        (chunks(0, 5) | {10}, [], Availability(full=False, held=((0, 6),), tail=False)),
    ],
)
async def test_exactly_what_is_held_is_announced(
    archive_held: set[int], tail_held: Iterable[int], expected: Availability
) -> None:
    reader, _, _ = held_segment(archive_held, tail_held)

    found = await availability(OpenSegment(Segment("main", 0, b"\1" * 32, b"\2" * 32), reader))

    assert found == expected
