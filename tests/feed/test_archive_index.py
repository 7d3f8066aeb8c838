"""The index of an archive: what it finds, and how few blocks it asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import numpy as np
import pytest

from tradercast.chunks import ChunkHeader, encode_index, next_node
from tradercast.chunks.index import GROUP
from tradercast.errors import FormatError, IncompleteError
from tradercast.feed.archive import ArchiveIndex, ChunkRef
from tradercast.feeds import FeedId
from tradercast.timerange import TimeRange

FEED = FeedId("bitfinex", "btcusd")


class ListLog:
    """A log in memory that notes which blocks were asked for, and how often."""

    def __init__(self, blocks: dict[int, bytes]) -> None:
        self.blocks = blocks
        self.asked: list[list[int]] = []

    async def read(
        self, ranges: Iterable[tuple[int, int]], wait: bool, stall_s: float
    ) -> AsyncIterator[list[tuple[int, bytes | None]]]:
        wanted = [block for start, end in ranges for block in range(start, end)]
        self.asked.append(wanted)
        yield [(block, self.blocks.get(block)) for block in wanted]


def chunk_span(number: int) -> tuple[int, int, int, int, int]:
    """First and last time, records, bytes, notes of chunk `number`; every seventh looks back."""
    start = number * 100 - (350 if number % 7 == 0 and number else 0)
    return start, number * 100 + 120, 10 + number % 3, 1_000 + number, int(number % 9 == 0)


def archive(chunks: int) -> tuple[ListLog, list[ChunkRef]]:
    """Only the index nodes of an archive, and what they should say."""
    blocks: dict[int, bytes] = {}
    refs: list[ChunkRef] = []
    node = full = None
    seq = 0
    for number in range(chunks):
        low, high, count, size, notes = chunk_span(number)
        header = ChunkHeader(FEED, count, seq, low, high, high, notes=notes)
        node = next_node(header, size, node, full)
        full = node if number % GROUP == GROUP - 1 else full
        blocks[2 * number + 1] = encode_index(node)
        refs.append(ChunkRef(number, 2 * number, seq, count, low, high, high, size, notes))
        seq += count
    return ListLog(blocks), refs


async def test_an_empty_archive_has_no_chunks() -> None:
    log, _ = archive(0)

    index = await ArchiveIndex.load(log, 0)

    assert (index.n_chunks, index.end_seq, index.total_bytes) == (0, 0, 0)
    assert await index.chunks_for(TimeRange()) == []
    assert await index.chunk_of_seq(0) is None
    assert log.asked == []


@pytest.mark.parametrize("chunks", [1, 63, 64, 65, 128, 200, 321])
async def test_every_range_finds_what_a_full_scan_finds(chunks: int) -> None:
    log, refs = archive(chunks)
    end = refs[-1].end_seq

    index = await ArchiveIndex.load(log, 2 * chunks + 1)  # a chunk whose node is missing

    assert (index.n_chunks, index.end_seq, index.total_records) == (chunks, end, end)
    assert index.total_bytes == sum(ref.bytes for ref in refs)
    assert await index.chunks_for(TimeRange()) == refs
    for start in range(-400, chunks * 100 + 300, 50):
        wanted = TimeRange(start, start + 130)
        expected = [ref for ref in refs if wanted.overlaps(ref.min_ns, ref.max_ns)]
        assert await index.chunks_for(wanted) == expected
    for ref in refs:
        assert await index.chunk_of_seq(ref.first_seq) == ref
        assert await index.chunk_of_seq(ref.end_seq - 1) == ref
    assert await index.chunk_of_seq(end) is None
    assert await index.chunks_between(5, 5) == []
    middle = [ref for ref in refs if ref.first_seq < end - 3 and ref.end_seq > 5]
    assert await index.chunks_between(5, end - 3) == middle


async def test_two_nodes_at_once_and_then_only_the_groups_that_are_touched() -> None:
    log, _ = archive(321)

    index = await ArchiveIndex.load(log, 642)
    await index.chunks_for(TimeRange(30_000, 30_100))  # the last full group, and before it
    await index.chunk_of_seq(0)
    await index.chunks_for(TimeRange(0, 20_000))
    await index.chunks_for(TimeRange())

    full, newest = 2 * 319 + 1, 2 * 320 + 1
    assert log.asked == [[full, newest], [2 * 63 + 1], [2 * 127 + 1, 2 * 191 + 1, 2 * 255 + 1]]


async def test_a_node_that_is_not_here_is_said_to_be_missing() -> None:
    log, _ = archive(10)
    del log.blocks[19]

    with pytest.raises(IncompleteError, match="not here"):
        await ArchiveIndex.load(log, 20, wait=False)


@pytest.mark.parametrize("shift", [1, 40])
async def test_nodes_that_contradict_each_other_are_refused(shift: int) -> None:
    log, _ = archive(200)
    other, _ = archive(70)
    seq_off = next_node(ChunkHeader(FEED, 7 + shift, 0, 0, 9, 9), 1_000)
    log.blocks[2 * 63 + 1] = other.blocks[2 * 63 + 1]
    for number in range(1, 64):
        low, high, count, size, _ = chunk_span(number)
        first = seq_off.first_seq + int(np.sum(seq_off.chunks.count))
        seq_off = next_node(ChunkHeader(FEED, count, first, low, high, high), size, seq_off)
    log.blocks[2 * 63 + 1] = encode_index(seq_off)

    index = await ArchiveIndex.load(log, 400)
    with pytest.raises(FormatError, match="contradicts"):
        await index.chunk_of_seq(0)


async def test_a_node_in_another_ones_place_is_refused() -> None:
    log, _ = archive(10)
    log.blocks[19] = log.blocks[17]

    with pytest.raises(FormatError, match="holds index node 8"):
        await ArchiveIndex.load(log, 20)
