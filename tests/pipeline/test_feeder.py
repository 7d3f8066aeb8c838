"""The feeder on messages in memory: each record once, in order, whatever comes twice or is cut."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.feeding import PLACE, ListSource, feed, numbered, writers
from support.feeds import FEED, Logs, batches, logs_of, market
from support.stores import connect, open_store

from tradercast.errors import SourceHoleError
from tradercast.feeds import FeedId
from tradercast.pipeline.feeder import Feeder
from tradercast.pipeline.feeder_input import Place
from tradercast.pipeline.feeder_positions import Positions, Seen
from tradercast.pipeline.messages import Message, encode_message
from tradercast.records import Trades

OTHER = FeedId("bitfinex", "ethusd")


async def fed(directory: Path, messages: list[Message], runs: list[int], sizes: list[int]) -> Logs:
    """The logs after feeders that each ended at one of these messages."""
    async with open_store(directory) as store:
        for end in runs:
            await feed(store, directory, messages[:end], sizes=sizes)
        return await logs_of(store)


async def test_every_message_is_a_block_that_states_its_number(tmp_path: Path) -> None:
    trades = market(4_000)

    logs = await fed(tmp_path, numbered(list(batches(trades, [900, 1]))), [99], [3])

    assert logs.records().equals(trades)
    assert [header.message for header, _ in logs.messages()] == list(range(len(logs.tail)))
    positions = Positions.load(tmp_path / "feeder.json")
    assert positions.feeds == {FEED: Seen(len(logs.tail) - 1, 4_000)}
    assert list(positions.offsets.values()) == [3 * (len(logs.tail) - 1) + 1]


async def test_batches_and_restarts_change_no_block(tmp_path: Path) -> None:
    rng = random.Random(5)
    trades = market(150_000)
    runs = list(batches(trades, [5_000, 17, 900]))
    # a listener that came back repeats what it sent, cut otherwise
    repeated = list(batches(trades[60_000:130_000], [2_500, 333]))
    messages = numbered([*runs[:80], *repeated, *runs[80:]])

    whole = await fed(tmp_path / "whole", messages, [len(messages)], [1_000])
    ends = [*sorted(rng.sample(range(len(messages)), 3)), len(messages)]
    parts = await fed(tmp_path / "parts", messages, ends, [1, 7, 30])

    assert whole.records().equals(trades)
    assert whole.digest() == parts.digest()


async def test_a_message_of_repeats_only_is_dealt_with_for_good(tmp_path: Path) -> None:
    trades = market(100)
    messages = numbered([trades[:50], trades[10:50], trades[40:60], trades[60:]])
    async with open_store(tmp_path) as store:
        await feed(store, tmp_path, messages[:2])
        assert Positions.load(tmp_path / "feeder.json").feeds == {FEED: Seen(1, 50)}
        # the message is gone from its topic, and nothing is missing
        feeder = await feed(store, tmp_path, [*numbered([trades[:1]]) * 2, *messages[2:]])
        logs = await logs_of(store)

    assert logs.records().equals(trades)
    assert feeder.feeds[FEED].counts.repeats == 10
    assert [header.message for header, _ in logs.messages()] == [0, 2, 3]


async def test_without_its_file_a_feeder_goes_by_the_log(tmp_path: Path) -> None:
    trades = market(500)
    messages = numbered(list(batches(trades, [100])))
    async with open_store(tmp_path) as store:
        await feed(store, tmp_path, messages[:3])
        (tmp_path / "feeder.json").unlink()
        feeder = await feed(store, tmp_path, messages)
        logs = await logs_of(store)

    assert feeder.feeds[FEED].counts.reread == 3
    assert logs.records().equals(trades)


async def test_a_file_that_is_further_than_the_log_is_not_believed(tmp_path: Path) -> None:
    trades = market(300)
    messages = numbered(list(batches(trades, [100])))
    async with open_store(tmp_path) as store:
        Positions(feeds={FEED: Seen(1, 200)}).save(tmp_path / "feeder.json")
        await feed(store, tmp_path, messages)
        logs = await logs_of(store)

    assert logs.records().equals(trades)


async def test_a_rescan_adds_only_what_is_missing_at_any_distance(tmp_path: Path) -> None:
    trades = market(300_000, per_hour=60_000)
    late = 1_000  # never came the first time
    known = Trades.concat([trades[:late], trades[late + 1 :]])
    live = numbered(list(batches(known, [10_000])))
    scan = numbered(list(batches(trades, [50_000])), first=len(live), anywhere=True)
    async with open_store(tmp_path) as store:
        feeder = await feed(store, tmp_path, [*live, *scan], sizes=[4])
        records = (await logs_of(store)).records()

    assert records.equals(Trades.concat([known, trades[late : late + 1]]))
    assert feeder.feeds[FEED].counts.repeats == 299_999


async def test_at_a_hole_it_stops_behind_what_it_has(tmp_path: Path) -> None:
    trades = market(40)
    messages = numbered(list(batches(trades, [10])))
    del messages[2]
    async with open_store(tmp_path) as store:
        with pytest.raises(SourceHoleError, match="messages 2 to 2 of bitfinex/btcusd") as caught:
            await feed(store, tmp_path, messages)
        logs = await logs_of(store)

    assert caught.value.exit_code == 6
    assert logs.records().equals(trades[:20])
    assert Positions.load(tmp_path / "feeder.json").offsets == {}


async def test_a_gap_that_is_accepted_is_a_record_and_the_next_hole_stops_again(
    tmp_path: Path,
) -> None:
    trades = market(60)
    messages = numbered(list(batches(trades, [10])))
    del messages[4], messages[1:3]
    async with open_store(tmp_path) as store:
        with pytest.raises(SourceHoleError, match="messages 4 to 4"):
            await feed(store, tmp_path, messages, accept_gaps=[FEED])
        records = (await logs_of(store)).records()

    assert len(records) == 21
    notes = records.notes
    assert (notes.row.tolist(), notes.ref_seq.tolist(), notes.ref_end.tolist()) == ([10], [1], [2])
    assert notes.ref_ts.tolist() == [int(trades.ts_event[9])]
    assert int(records.ts_event[10]) == int(trades.ts_event[30])
    assert records[11:].equals(trades[30:40])


async def test_what_a_sibling_has_fills_a_hole(tmp_path: Path) -> None:
    trades = market(50_000)
    messages = numbered(list(batches(trades, [500])))
    async with (
        open_store(tmp_path / "first", node="first") as one,
        open_store(tmp_path / "second", node="second") as two,
    ):
        await feed(one, tmp_path / "first", messages[:80])
        await feed(two, tmp_path / "second", messages[:10])
        await connect(two, one)
        # retention took messages 10 to 59 before the second one read them
        kept = [*messages[:10], *messages[60:]]
        await feed(two, tmp_path / "second", kept, from_positions=False, catch_up_s=20.0)
        await feed(one, tmp_path / "first", messages)
        first, second = await logs_of(one), await logs_of(two)

    assert first.records().equals(trades)
    assert second.archive == first.archive
    # what was sealed when the second one came for it was not fetched
    held = [(a, b) for a, b in zip(first.tail, second.tail, strict=True) if b is not None]
    assert all(a == b for a, b in held)
    assert len(held) > 20


async def test_feeds_do_not_get_into_each_others_way(tmp_path: Path) -> None:
    busy, idle = market(20_000, seed=1), market(5, seed=2)
    first = numbered([idle[:3]], feed=OTHER)
    second = numbered([idle[3:]], feed=OTHER, first=1)
    lively = numbered(list(batches(busy, [100])))
    async with open_store(tmp_path) as store:
        await feed(store, tmp_path, [*first, *lively[:150]], sizes=[20])
        feeder = await feed(store, tmp_path, [*first, *lively, *second], sizes=[20])
        logs = await logs_of(store), await logs_of(store, OTHER)

    assert logs[0].records().equals(busy)
    assert logs[1].records().equals(idle)
    assert feeder.feeds[OTHER].counts.reread == 0, "its position is the partition's"


async def test_the_topics_are_on_file_before_anything_is_appended(tmp_path: Path) -> None:
    """Killed right after it, the feeder must still know a topic that is made again."""
    path = tmp_path / "feeder.json"
    known: list[Positions] = []
    async with open_store(tmp_path) as store:
        opener = writers(store, tmp_path)

        class Watched(ListSource):
            async def commit(self, offsets: Mapping[Place, int]) -> None:
                known.append(Positions.load(path))

        positions = Positions(topics={PLACE[0]: "an id"})
        source = Watched([encode_message(numbered([market(9)])[0])], [1])
        await Feeder(source, opener, positions, path).run()

    assert (known[0].topics, known[0].feeds) == ({PLACE[0]: "an id"}, {})
    assert known[-1].feeds == {FEED: Seen(0, 9)}


async def test_bytes_that_are_no_message_are_passed_over(tmp_path: Path) -> None:
    trades = market(20)
    one, two = numbered(list(batches(trades, [10])))
    async with open_store(tmp_path) as store:
        feeder = await feed(store, tmp_path, [one, b"\xc1 nothing", two])
        logs = await logs_of(store)

    assert feeder.progress.malformed == 1
    assert logs.records().equals(trades)
