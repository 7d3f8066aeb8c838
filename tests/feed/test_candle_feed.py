"""Feeds of candles: the same writer, logs and reader as for trades."""

from __future__ import annotations

from pathlib import Path

from support.feeds import Logs, logs_of, market, open_writer
from support.stores import key_pair, open_store

from tradercast.candles import Candles
from tradercast.feed.channel import CANDLES
from tradercast.feed.reader import SegmentReader
from tradercast.feed.report import ReadReport
from tradercast.feeds import FeedId
from tradercast.log import LogStore
from tradercast.market.candles import candles_of
from tradercast.market.interval import MINUTE
from tradercast.timerange import NS_PER_DAY, TimeRange

FEED = FeedId("bitfinex", "btcusd", "candles-1m")
MADE = candles_of(market(40_000, per_hour=400), MINUTE)  # 100 hours: five midnights
LOGS = ("tail", "archive")


async def write(store: LogStore, directory: Path, candles: Candles, size: int) -> Logs:
    """Append what the feed lacks, in messages of `size` records."""
    async with open_writer(store, directory, feed=FEED) as writer:
        for at in range(writer.end_seq, len(candles), size):
            await writer.append([candles[at : at + size]])
    return await logs_of(store, FEED)


async def read(store: LogStore, wanted: TimeRange) -> Candles:
    """What the reader finds in the logs that are here."""
    tail, archive = [await store.core(signer=key_pair(f"{FEED} {log}")) for log in LOGS]
    reader = SegmentReader(archive, tail, CANDLES, remote=False)
    report = ReadReport()
    plan = await reader.plan(wanted)
    found = [piece.records async for piece in reader.read(plan, report)]
    assert not report.missing
    return Candles.concat([each for each in found if isinstance(each, Candles)])


async def test_messages_restarts_and_imports_give_the_same_days(tmp_path: Path) -> None:
    async with open_store(tmp_path / "once") as store:
        once = await write(store, tmp_path / "once", MADE, 700)
    async with open_store(tmp_path / "twice") as store:
        await write(store, tmp_path / "twice", MADE[:3_001], 131)
        twice = await write(store, tmp_path / "twice", MADE, 2_000)
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
        await write(store, tmp_path, MADE, 700)

        whole = await read(store, TimeRange())
        inside = await read(store, day)

    assert whole.equals(MADE)
    chosen = (MADE.ts_open >= day.start_ns) & (MADE.ts_open < day.end_ns)
    assert 1_000 < len(inside) <= 1_440
    assert inside.equals(MADE[chosen])
