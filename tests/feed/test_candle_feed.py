"""Feeds of candles: the same writer, logs and reader as for trades."""

from __future__ import annotations

from pathlib import Path

from support.feeds import append_rest, logs_of, market, open_writer, read_here
from support.stores import open_store

from tradercast.feeds import FeedId
from tradercast.market.candles import candles_of
from tradercast.market.interval import MINUTE
from tradercast.timerange import NS_PER_DAY, TimeRange

FEED = FeedId("bitfinex", "btcusd", "candles-1m")
MADE = candles_of(market(40_000, per_hour=400), MINUTE)  # 100 hours: five midnights


async def test_messages_restarts_and_imports_give_the_same_days(tmp_path: Path) -> None:
    async with open_store(tmp_path / "once") as store:
        once = await append_rest(store, tmp_path / "once", FEED, MADE, 700)
    async with open_store(tmp_path / "twice") as store:
        await append_rest(store, tmp_path / "twice", FEED, MADE[:3_001], 131)
        twice = await append_rest(store, tmp_path / "twice", FEED, MADE, 2_000)
    async with open_store(tmp_path / "import") as store:
        async with open_writer(store, tmp_path / "import", feed=FEED) as writer:
            report = await writer.import_batches([MADE[:2_000], MADE[2_000:]])
        imported = await logs_of(store, FEED)

    assert (report.added, report.total) == (len(MADE), len(MADE))
    assert len(once.archive) == 2 * 5  # the sixth day is not over
    assert once.archive == twice.archive == imported.archive


async def test_a_feed_is_read_as_it_was_written(tmp_path: Path) -> None:
    first = int(MADE.ts_open[0])
    day = TimeRange(first + NS_PER_DAY, first + 2 * NS_PER_DAY)
    async with open_store(tmp_path) as store:
        await append_rest(store, tmp_path, FEED, MADE, 700)

        whole = await read_here(store, FEED, TimeRange())
        inside = await read_here(store, FEED, day)

    assert whole.equals(MADE)
    chosen = (MADE.ts_open >= day.start_ns) & (MADE.ts_open < day.end_ns)
    assert 1_000 < len(inside) <= 1_440
    assert inside.equals(MADE[chosen])
