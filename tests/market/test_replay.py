"""The order of a replay, against a plain sort; its objects."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.books import BID, gap, messages_of, row

from tradercast.candles import Candles
from tradercast.feeds import FeedId
from tradercast.market.replay_events import ReplayTrade, events, events_of
from tradercast.market.replay_merge import Merge, ReplayBatch
from tradercast.market.replay_times import FeedTimes, Part, has_receive_times
from tradercast.records import NO_TIME, Decimals, Gap, Ids, Kind, Notes, Trades

TRADES = FeedId("binance", "btcusdt", "trades")
BOOK = FeedId("binance", "btcusdt", "book")
CANDLES = FeedId("binance", "btcusdt", "candles-1m")
MINUTE = 60_000_000_000


def numbers(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64)


def trades_at(times: list[int], received: list[int] | None = None, **more: object) -> Trades:
    count = len(times)
    return Trades(
        np.array(times, np.int64),
        Decimals(numbers(count) + 100, -1),
        Decimals(numbers(count) + 1),
        np.ones(count, np.uint8),
        None if received is None else np.array(received, np.int64),
        **more,
    )


def times_of(feed: FeedId, records: object, *, by_receipt: bool) -> list[int]:
    part = FeedTimes(feed, by_receipt=by_receipt).take(records, numbers(len(records)), more=False)
    return part.ts.tolist()


def test_records_go_by_their_event_or_receipt_and_never_back() -> None:
    run = trades_at([10, 30, 20, 40], [11, 12, NO_TIME, 45])

    assert times_of(TRADES, run, by_receipt=False) == [10, 30, 30, 40]
    assert times_of(TRADES, run, by_receipt=True) == [11, 12, 20, 45]
    assert has_receive_times(run)
    assert not has_receive_times(trades_at([1]))


def test_a_snapshot_received_later_and_a_gap_come_with_the_record_behind_them() -> None:
    run = messages_of(
        [
            row(10, (BID, "1", "1"), ts_recv=100),
            row(10, (BID, "1", "1"), snapshot=True, ts_recv=500),
            row(20, (BID, "1", "2"), ts_recv=200),
            gap(30, 5, 6, 20),
            row(30, (BID, "1", "3"), ts_recv=300),
            row(40, (BID, "1", "3"), snapshot=True, ts_recv=350),
            row(50, (BID, "1", "3"), ts_recv=400),
        ]
    )
    part = FeedTimes(BOOK, by_receipt=True).take(run, numbers(7))

    assert part.ts.tolist() == [100, 200, 200, 300, 300, 350, 400]
    assert part.valid is not None
    assert part.valid.tolist() == [False, True, True, False, False, True, True]


def test_a_snapshot_alone_waits_for_the_record_behind_it() -> None:
    times = FeedTimes(BOOK, by_receipt=True)
    opening = times.take(messages_of([row(50, (BID, "1", "1"), snapshot=True)]), numbers(1))
    both = times.take(messages_of([row(51, (BID, "1", "2"), ts_recv=40)]), numbers(1) + 1)

    assert len(opening) == 0
    assert (both.seq.tolist(), both.ts.tolist()) == ([0, 1], [40, 40])


def test_a_gap_at_the_end_of_a_run_waits_for_the_next() -> None:
    noted = {"notes": Notes.of([(1, Kind.GAP, 7, 9, 10)])}
    times = FeedTimes(TRADES, by_receipt=True)
    first = times.take(trades_at([10, 20], [100, NO_TIME], **noted), numbers(2))
    second = times.take(trades_at([20], [200]), np.array([2], np.int64))

    assert (first.seq.tolist(), first.ts.tolist()) == ([0], [100])
    assert (second.seq.tolist(), second.ts.tolist()) == ([1, 2], [200, 200])
    assert times.rest() is None
    times.take(trades_at([30, 40], [300, NO_TIME], **noted), np.array([3, 4], np.int64))
    rest = times.rest()
    assert rest is not None
    assert (rest.seq.tolist(), rest.ts.tolist()) == ([4], [300])


def test_a_candle_comes_when_its_minute_is_over() -> None:
    none = Decimals(numbers(2))
    run = Candles(np.array([0, MINUTE], np.int64), none, none, none, none, none)

    assert times_of(CANDLES, run, by_receipt=False) == [MINUTE, 2 * MINUTE]


RUNS = st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=5)


@given(st.lists(RUNS, min_size=1, max_size=4), st.randoms())
def test_the_merge_is_a_stable_sort_however_the_runs_are_cut(feeds, random) -> None:
    merge = Merge(len(feeds))
    names = [FeedId("binance", f"s{at}", "trades") for at in range(len(feeds))]
    waiting, rows, newest = [list(runs) for runs in feeds], [], [0] * len(feeds)
    counts = [0] * len(feeds)
    given_out: list[tuple[int, str, int]] = []

    def collect() -> None:
        batch = merge.take()
        if batch is not None:
            given_out.extend((e.ts, e.feed.symbol, e.seq) for e in events_of(batch))

    not_over = list(range(len(feeds)))
    while not_over:
        at = random.choice(not_over)
        if not waiting[at]:
            merge.pass_over(at)
            not_over.remove(at)
        else:
            times = [newest[at] + time for time in sorted(waiting[at].pop(0))]
            newest[at] = max([newest[at], *times])
            seq = numbers(len(times)) + counts[at]
            counts[at] += len(times)
            rows += [(time, at, int(number)) for time, number in zip(times, seq, strict=True)]
            merge.add(at, Part(names[at], trades_at(times), seq, np.array(times, np.int64)))
        collect()

    assert given_out == [(ts, f"s{at}", seq) for ts, at, seq in sorted(rows)]


def batch_of_both() -> ReplayBatch:
    trades = trades_at(
        [10, 20, 30],
        [11, NO_TIME, 31],
        trade_id=Ids.from_strings(["7", None, "x"]),
        notes=Notes.of([(1, Kind.GAP, 8, 9, 10), (2, Kind.BUST, 0, 0, 10)]),
    )
    book = messages_of([row(10, (BID, "1.5", "2"), snapshot=True), row(25, (BID, "1.5", "0"))])
    return ReplayBatch(
        (
            FeedTimes(TRADES, by_receipt=False).take(trades, numbers(3) + 5),
            FeedTimes(BOOK, by_receipt=False).take(book, numbers(2)),
        )
    )


def test_events_say_what_each_record_is() -> None:
    made = list(events([batch_of_both()]))

    assert [(e.ts, e.kind, e.seq) for e in made] == [
        (10, "trade", 5),
        (10, "book", 0),
        (25, "book", 1),
        (30, "gap", 6),
        (30, "correction", 7),
    ]
    assert made[0].data == ReplayTrade(10, 11, "7", "buy", Decimal("10"), Decimal(1))
    assert made[3].data == Gap(6, 8, 9, 10, 20)
    assert (made[4].data.action, made[4].data.ref_seq) == ("bust", 0)
    assert made[4].data.trade.trade_id == "x"
    assert (made[1].data.is_snapshot, made[1].data.valid) == (True, True)
    assert made[1].data.bids == [(Decimal("1.5"), Decimal(2))]
    assert made[2].data.asks == []
    assert repr(made[2].data) == "<book change of 1 levels>"


def test_columns_and_slices_of_a_batch_are_its_events() -> None:
    batch = batch_of_both()
    made = list(events_of(batch))

    assert batch.ts.tolist() == [e.ts for e in made]
    assert batch.seq.tolist() == [e.seq for e in made]
    assert [batch.parts[part].feed for part in batch.part] == [e.feed for e in made]
    assert batch.row.tolist() == [0, 0, 1, 1, 2]
    for cut in range(6):
        again = list(events(batch.cut([cut])))
        assert [(e.feed, e.seq, e.ts, e.kind) for e in again] == [
            (e.feed, e.seq, e.ts, e.kind) for e in made
        ]


@given(st.integers(60, 200))
def test_equal_prices_are_exact_however_many(count: int) -> None:
    run = trades_at(list(range(count)))
    part = FeedTimes(TRADES, by_receipt=False).take(run, numbers(count))

    made = events_of(ReplayBatch((part,)))

    assert [e.data.price for e in made] == run.price.to_decimals()
