"""Index nodes: one after every chunk, and from the newest to any time in two hops."""

import numpy as np
import pytest
from chunk_strategies import FEED
from hypothesis import given
from hypothesis import strategies as st

from tradercast.chunks import (
    MAX_BLOCK,
    ChunkHeader,
    IndexNode,
    Spans,
    chunk_block,
    decode_index,
    encode_index,
    full_node_before,
    index_block,
    next_node,
)
from tradercast.errors import EncodeError, UsageError
from tradercast.timerange import MAX_TIME_NS, MIN_TIME_NS

Span = tuple[int, int, int, int, int, int]


def nodes_of(spans: list[Span]) -> list[IndexNode]:
    """The nodes of chunks with these (minimum, maximum, running, count, size, notes)."""
    nodes: list[IndexNode] = []
    seq, full = 0, None
    for low, high, running, count, size, notes in spans:
        header = ChunkHeader(FEED, count, seq, low, high, running, notes=notes)
        node = next_node(header, size, nodes[-1] if nodes else None, full)
        nodes.append(node)
        seq += count
        full = node if len(node.groups) else full
    return nodes


def steady(count: int) -> list[Span]:
    hour = 3_600_000_000_000
    return [(j * hour, j * hour + 5, j * hour + 5, 10_000 + j, 30_000 + j, 0) for j in range(count)]


@st.composite
def archives(draw: st.DrawFn) -> list[Span]:
    times = st.one_of(st.integers(MIN_TIME_NS, MAX_TIME_NS), st.integers(-(10**12), 10**12))
    running, spans = MIN_TIME_NS, []
    for _ in range(draw(st.integers(1, 70))):
        low, high = sorted((draw(times), draw(times)))
        running = max(running, high)
        count = draw(st.integers(1, 65_536))
        notes = draw(st.one_of(st.just(0), st.integers(0, count)))
        spans.append((low, high, running, count, draw(st.integers(1, MAX_BLOCK)), notes))
    return spans


@given(archives())
def test_every_node_comes_back(spans: list[Span]) -> None:
    nodes = nodes_of(spans)

    for node in (nodes[0], nodes[-1]):
        assert decode_index(encode_index(node)).equals(node)


def test_chunks_and_nodes_alternate() -> None:
    assert [chunk_block(j) for j in range(3)] == [0, 2, 4]
    assert [index_block(j) for j in range(3)] == [1, 3, 5]
    assert [full_node_before(n) for n in (0, 63, 64, 65, 127, 128)] == [None, None, 63, 63, 63, 127]


def test_a_node_lists_its_group_and_a_full_one_all_groups() -> None:
    nodes = nodes_of(steady(130))

    assert [len(node.chunks) for node in nodes] == [*range(1, 65), *range(1, 65), 1, 2]
    assert [j for j, node in enumerate(nodes) if len(node.groups)] == [63, 127]
    assert nodes[127].groups.count.tolist() == [
        sum(10_000 + j for j in range(64)),
        sum(10_000 + j for j in range(64, 128)),
    ]
    assert nodes[129].first_chunk == 128
    assert nodes[129].first_seq == sum(10_000 + j for j in range(128))
    assert nodes[129].first_seqs().tolist() == [nodes[129].first_seq, nodes[129].first_seq + 10_128]


def test_notes_are_summed_up_and_cost_nothing_where_there_are_none() -> None:
    spans = steady(130)
    noted = [(*span[:5], j % 3) for j, span in enumerate(spans)]

    nodes, plain = nodes_of(noted), nodes_of(spans)

    assert nodes[129].chunks.notes.tolist() == [2, 0]
    assert nodes[127].groups.notes.tolist() == [63, 64]
    assert decode_index(encode_index(nodes[127])).groups.notes.tolist() == [63, 64]
    assert b"notes" not in encode_index(plain[127])


def test_any_time_is_found_from_the_newest_node_in_two_hops() -> None:
    spans = steady(200)
    blocks = {index_block(j): encode_index(node) for j, node in enumerate(nodes_of(spans))}
    fetched: list[int] = []

    def fetch(node: int) -> IndexNode:
        fetched.append(node)
        return decode_index(blocks[index_block(node)])

    def find(time: int) -> list[int]:
        newest, full = fetch(199), full_node_before(200)
        assert full == 191
        groups = fetch(full).groups.overlapping(time, time + 1).tolist()
        nodes = [newest, *(fetch(group * 64 + 63) for group in groups)]
        return sorted(
            n.first_chunk + c for n in nodes for c in n.chunks.overlapping(time, time + 1).tolist()
        )

    assert find(spans[100][0]) == [100]
    assert fetched == [199, 191, 127]
    assert find(spans[195][1]) == [195]
    assert find(spans[195][1] + 1) == []


def test_a_group_of_hourly_chunks_costs_little() -> None:
    assert len(encode_index(nodes_of(steady(63))[-1])) < 600


def test_an_archive_of_a_million_chunks_still_has_small_nodes() -> None:
    count = 16_384
    times = np.arange(count, dtype=np.int64) * 64
    full, none = np.full(count, 64), np.zeros(count, np.int64)
    many = Spans(times, times + 63, times + 63, full, full, none)
    end = times[-1] + 63
    last = Spans(*(np.array([v] * 64) for v in (times[-1], end, end, 1, 1, 0)))
    node = IndexNode(FEED, count * 64 - 1, 0, last, many)

    assert len(encode_index(node)) < 65_536
    assert decode_index(encode_index(node)).equals(node)


def test_a_node_that_would_be_too_large_is_refused() -> None:
    rng = np.random.default_rng(0)
    lows, highs, runs, counts, sizes = rng.integers(0, 2**60, (5, 40_000))
    groups = Spans(lows, highs, runs, counts, sizes, counts // 2)

    with pytest.raises(EncodeError, match="index node 63 takes"):
        encode_index(IndexNode(FEED, 63, 0, nodes_of(steady(64))[-1].chunks, groups))


def test_a_node_needs_the_nodes_before_it() -> None:
    nodes = nodes_of(steady(127))
    end = int(nodes[-1].first_seq + nodes[-1].chunks.count.sum())
    header = ChunkHeader(FEED, 10, end, 0, 5, 2**62)

    with pytest.raises(UsageError, match="needs node 63"):
        next_node(header, 100, nodes[-1], None)
    with pytest.raises(UsageError, match="begins at seq"):
        next_node(header, 100, nodes[-2], nodes[63])
