"""A replay without an end, while a publisher in another process appends."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from support.commands import machine
from support.feeds import FEED
from support.live import MARKET, live_publisher
from support.markets import Publisher

import tradercast
from tradercast.market.replay_events import ReplayEvent

FIRST, MIDDLE, LAST = 3_000, 6_000, 12_000


def check(events: list[ReplayEvent]) -> None:
    """Every record of the market once, in order."""
    assert [event.seq for event in events] == list(range(LAST))
    assert {(event.feed, event.kind) for event in events} == {(FEED, "trade")}
    expected = MARKET[:LAST]
    assert [event.data.ts_event for event in events] == expected.ts_event.tolist()
    assert [event.data.price for event in events] == expected.price.to_decimals()
    assert [event.data.size for event in events] == expected.size.to_decimals()


def test_history_goes_over_into_live_without_a_missing_or_repeated_record(tmp_path: Path) -> None:
    with machine(tmp_path / "publisher") as own, live_publisher(own) as live:
        live.write(to=FIRST)
        live.written()
        with tradercast.connect(tmp_path / "reader", link=live.link) as client:
            replay = client.replay(str(FEED))
            live.write(to=MIDDLE, pause_s=0.01)
            events = list(itertools.islice(replay, MIDDLE))
            live.written()
            live.kill()
            live.start()
            live.write(to=LAST)
            events += itertools.islice(replay, LAST - MIDDLE)
            replay.close()

            again = client.replay(str(FEED), int(MARKET.ts_event[FIRST]), batches=True)
            batches = []
            while sum(map(len, batches)) < LAST - FIRST:
                batches.append(next(again))
            again.close()

    check(events)
    seq = np.concatenate([batch.seq for batch in batches])
    late = np.flatnonzero(MARKET.ts_event[:LAST] >= MARKET.ts_event[FIRST])
    assert seq.tolist() == late.tolist()


def test_feeds_without_anything_new_do_not_hold_up_each_other(
    publisher: Publisher, tmp_path: Path
) -> None:
    names = ["bitfinex/btcusd", "binance/btcusd"]
    with tradercast.connect(tmp_path / "reader", link=publisher.link) as client:
        known = {name: client.trades(name) for name in names}
        replay = client.replay(names)
        events = list(itertools.islice(replay, sum(map(len, known.values()))))
        replay.close()

    for name, trades in known.items():
        own = [event for event in events if str(event.feed) == f"{name}/trades"]
        assert [event.seq for event in own] == trades.seq.tolist()
    assert all(one.ts <= two.ts for one, two in itertools.pairwise(events))
