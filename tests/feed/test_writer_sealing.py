"""The pure part of sealing: batches leave no trace."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.feeds import FEED, START, market

from tradercast.chunks import TailInfo, decode_header
from tradercast.feed.sealing import RowQueue, Run, Sealer
from tradercast.feed.tail_blocks import TailBlocks
from tradercast.records import Decimals, Trades
from tradercast.timerange import NS_PER_HOUR


def hourly(counts: list[int], back: int) -> Trades:
    """So many records in each hour; every fifth is `back` hours late."""
    hours = np.repeat(np.arange(len(counts)), counts)
    ts = START + hours * NS_PER_HOUR + np.arange(len(hours))
    ts[::5] -= back * NS_PER_HOUR
    ones = Decimals.from_ints(np.arange(len(ts)), 0)
    return Trades(ts, ones, ones, np.zeros(len(ts), np.uint8))


def runs_of(trades: Trades, cuts: list[int], sealer: Sealer) -> list[Run]:
    runs: list[Run] = []
    for start, end in zip([0, *cuts], [*cuts, len(trades)], strict=True):
        runs += sealer.push(trades[start:end])
    return runs


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 30_000), min_size=1, max_size=8),
    st.integers(0, 30),
    st.lists(st.integers(0, 60_000), max_size=12),
)
def test_any_batches_give_the_same_runs(counts: list[int], back: int, cuts: list[int]) -> None:
    trades = hourly(counts, back)
    cuts = sorted(min(cut, len(trades)) for cut in cuts)
    at_once, in_parts = Sealer(Trades), Sealer(Trades)

    expected = runs_of(trades, [], at_once)
    runs = runs_of(trades, cuts, in_parts)

    assert [(r.first_seq, r.end_seq, r.before_ns) for r in runs] == [
        (r.first_seq, r.end_seq, r.before_ns) for r in expected
    ]
    joined = Trades.concat([*(run.records for run in runs), in_parts.open_records()])
    assert joined.equals(trades)
    assert (in_parts.open_seq, in_parts.end_seq) == (at_once.open_seq, len(trades))
    assert in_parts.running_max_ns == at_once.running_max_ns
    if len(trades):
        opened = trades[in_parts.open_seq :]
        assert in_parts.open_span() == opened.span()


@settings(max_examples=40)
@given(st.lists(st.integers(0, 20_000), min_size=2, max_size=6), st.integers(0, 30))
def test_a_sealer_started_at_a_cut_goes_on_like_the_first(counts: list[int], back: int) -> None:
    trades = hourly(counts, back)
    first = Sealer(Trades)
    runs = first.push(trades)

    for number, run in enumerate(runs):
        again = Sealer(Trades, run.first_seq, run.before_ns)
        assert [r.end_seq for r in again.push(trades[run.first_seq :])] == [
            r.end_seq for r in runs[number:]
        ]
        assert again.open_seq == first.open_seq


@given(st.lists(st.integers(0, 50), max_size=20), st.lists(st.integers(0, 60), max_size=20))
def test_what_is_pushed_is_taken_in_order(pushes: list[int], takes: list[int]) -> None:
    trades = market(sum(pushes), seed=3)
    queue = RowQueue(Trades)
    at = 0
    for count in pushes:
        queue.push(trades[at : at + count])
        at += count

    taken = [queue.take(count) for count in takes]

    left = len(queue)
    assert left == max(0, len(trades) - sum(takes))
    assert Trades.concat([*taken, queue.all()]).equals(trades)
    assert all(len(part) == count for part, count in zip(taken, takes, strict=True)) or not left


def test_a_tail_block_says_where_its_run_began_even_if_the_cut_is_inside_it() -> None:
    trades = hourly([9_000, 9_000], 0)
    tail = TailBlocks(FEED, Sealer(Trades))

    blocks = [tail.derive(trades[at : at + 6_000])[0][0] for at in range(0, 18_000, 6_000)]

    ts = trades.ts_event
    assert [decode_header(block).tail for block in blocks] == [
        TailInfo(0, 0, int(ts[0]), int(ts[5_999])),
        TailInfo(9_000, 1, int(ts[9_000]), int(ts[11_999])),
        TailInfo(9_000, 1, int(ts[9_000]), int(ts[17_999])),
    ]
    assert tail.open_block == 1
    assert tail.next_block == 3
