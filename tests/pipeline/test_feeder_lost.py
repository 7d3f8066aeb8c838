"""A feeder whose store lost durable blocks: what it derives again is believed only if equal."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.damage import cut, flip, write_ahead_log
from support.feeding import FEED, PLACE, feed, numbered
from support.feeds import Logs, batches, logs_of, market
from support.stores import kill_sidecar, open_store

from tradercast.errors import WriterBehindError, WriterConflictError
from tradercast.feeds import FeedId
from tradercast.pipeline.feeder_positions import Positions
from tradercast.pipeline.messages import Message

TRADES = market(40_000, per_hour=9_000)  # some of it is sealed
MESSAGES = numbered(list(batches(TRADES, [400])))
OTHER = FeedId("bitfinex", "ethusd")


async def lose(directory: Path, count: int) -> tuple[Logs, int]:
    """Feed all but the last messages, and lose the end of it; what there was, and what is left."""
    async with open_store(directory) as store:
        await feed(store, directory, MESSAGES[:-10], sizes=[4])
        before = await logs_of(store)
        await kill_sidecar(directory)
    wal = write_ahead_log(directory)
    if count:
        cut(wal, count)
    else:
        flip(wal, 0.5)
    async with open_store(directory) as store:
        left = len((await logs_of(store)).tail)
    assert left < len(before.tail)
    return before, left


async def again(directory: Path, messages: list[Message], **options: object) -> Logs:
    async with open_store(directory) as store:
        await feed(store, directory, messages, writer_s=0.5, **options)  # type: ignore[arg-type]
        return await logs_of(store)


@pytest.mark.parametrize("count", [100_000, 0])
async def test_what_was_lost_is_derived_again(tmp_path: Path, count: int) -> None:
    before, _ = await lose(tmp_path, count)

    logs = await again(tmp_path, MESSAGES)

    assert logs.tail[: len(before.tail)] == before.tail
    assert logs.archive[: len(before.archive)] == before.archive
    assert logs.records().equals(TRADES)


async def test_a_source_that_gives_something_else_is_not_believed(tmp_path: Path) -> None:
    _, left = await lose(tmp_path, 0)
    other = numbered(list(batches(market(40_000, seed=1, per_hour=9_000), [400])))

    with pytest.raises(WriterConflictError, match="not what was signed; nothing was written"):
        await again(tmp_path, other)
    async with open_store(tmp_path) as store:
        assert len((await logs_of(store)).tail) == left

    assert (await again(tmp_path, MESSAGES)).records().equals(TRADES)


async def test_what_is_gone_from_the_source_too_is_no_gap(tmp_path: Path) -> None:
    """A gap record would be something else than what was signed."""
    _, left = await lose(tmp_path, 0)

    with pytest.raises(WriterBehindError, match="has not all blocks that were signed before"):
        await again(tmp_path, MESSAGES[-8:], accept_gaps=[FEED], from_positions=False)

    async with open_store(tmp_path) as store:
        assert len((await logs_of(store)).tail) == left


async def test_a_quiet_feed_that_nothing_makes_up_for_keeps_no_other_from_going_on(
    tmp_path: Path,
) -> None:
    runs = list(batches(TRADES, [400]))
    other = numbered(runs, feed=OTHER)
    async with open_store(tmp_path) as store:
        await feed(store, tmp_path, [*other[:20], *MESSAGES], sizes=[4])
        before = await logs_of(store)
        await kill_sidecar(tmp_path)
    cut(write_ahead_log(tmp_path), 60_000)

    async with open_store(tmp_path) as store:  # the source has the other's messages only
        feeder = await feed(store, tmp_path, other, sizes=[4], writer_s=0.5, make_up=True)
        left = await logs_of(store)
    kept = Positions.load(tmp_path / "feeder.json")

    assert len(left.tail) < len(before.tail)
    assert kept.feeds[OTHER].number == len(other) - 1
    assert kept.offsets == {PLACE: 3 * (len(other) - 1) + 1}
    assert feeder.progress.durable_ms == len(other)

    async with open_store(tmp_path) as store:  # and it is not forgotten
        every = [*other, *MESSAGES]
        await feed(store, tmp_path, every, sizes=[4], writer_s=0.5, make_up=True)
        logs = await logs_of(store)
    assert logs.tail == before.tail
    assert logs.records().equals(TRADES)


async def test_killed_while_it_derives_it_begins_again(tmp_path: Path) -> None:
    before, left = await lose(tmp_path, 0)

    part = await again(tmp_path, MESSAGES[: len(before.tail) - 2])
    whole = await again(tmp_path, MESSAGES)

    assert len(part.tail) == left, "nothing goes in before all of it is known to be right"
    assert whole.records().equals(TRADES)
