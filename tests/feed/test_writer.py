"""A feed's writer on one node: what it is given is what its logs hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.feeds import FEED, START, Logs, batches, logs_of, market, open_writer
from support.stores import open_store

from tradercast.errors import EncodeError, FeedBusyError, UsageError
from tradercast.feed.archive import ArchiveIndex
from tradercast.feed.writer import AppendReport
from tradercast.records import Decimals, Ids, Kind, Notes, Trades
from tradercast.timerange import NS_PER_S


async def written(directory: Path, messages: list[Trades], calls: list[int]) -> Logs:
    """The logs after the messages were appended, so many to a call."""
    async with open_store(directory) as store:
        async with open_writer(store, directory) as writer:
            at = turn = 0
            while at < len(messages):
                count = calls[turn % len(calls)]
                await writer.append(messages[at : at + count])
                at, turn = at + count, turn + 1
        return await logs_of(store)


async def test_a_message_is_a_tail_block_and_the_report_says_where(tmp_path: Path) -> None:
    trades = market(7)
    async with open_store(tmp_path) as store, open_writer(store, tmp_path) as writer:
        assert writer.end_seq == 0
        assert await writer.append([trades[:3]]) == AppendReport(0, 3, 1, 0)
        assert await writer.append([trades[3:4], trades[4:7]]) == AppendReport(3, 7, 3, 0)
        assert await writer.append([Trades.empty()]) == AppendReport(7, 7, 3, 0)
        assert await writer.append([]) == AppendReport(7, 7, 3, 0)
        logs = await logs_of(store)

    headers = [header for header, _ in logs.messages()]
    assert [(h.first_seq, h.end_seq, h.feed) for h in headers] == [
        (0, 3, FEED),
        (3, 4, FEED),
        (4, 7, FEED),
    ]
    assert [h.tail.open_seq for h in headers if h.tail] == [0, 0, 0]
    low, high = int(trades.ts_event[:7].min()), int(trades.ts_event[:7].max())
    assert headers[-1].tail is not None
    assert (headers[-1].tail.open_min_ns, headers[-1].tail.open_max_ns) == (low, high)
    assert logs.records().equals(trades)


async def test_neither_calls_nor_messages_change_the_archive(tmp_path: Path) -> None:
    trades = market(200_000)
    big = list(batches(trades, [65_536]))
    small = list(batches(trades, [4_000, 1, 777, 9_000]))

    one = await written(tmp_path / "one", big, [100])
    two = await written(tmp_path / "two", small, [7, 1])
    three = await written(tmp_path / "three", small, [500])

    assert one.records().equals(trades)
    assert two.records().equals(trades)
    assert one.archive == two.archive == three.archive
    assert two.tail == three.tail
    assert len(one.archive) > 8


async def test_a_writer_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    trades = market(120_000)
    messages = list(batches(trades, [2_500, 900]))
    whole = await written(tmp_path / "whole", messages, [10])

    at = 0
    for calls in ([3], [5, 1], [40]):
        async with open_store(tmp_path / "parts") as store:
            async with open_writer(store, tmp_path / "parts") as writer:
                assert writer.end_seq == sum(map(len, messages[:at]))
                end = len(messages) if calls == [40] else at + 16
                while at < end:
                    await writer.append(messages[at : at + calls[0]])
                    at += calls[0]
            parts = await logs_of(store)

    assert parts == whole


async def test_the_newest_tail_block_tells_where_the_open_run_began(tmp_path: Path) -> None:
    trades = market(90_000)
    messages = list(batches(trades, [1_000]))

    logs = await written(tmp_path, messages, [9])

    cuts = [0, *(header.end_seq for header, _ in logs.chunks())]
    assert len(cuts) > 2
    for number, (header, _) in enumerate(logs.messages()):
        open_seq = max(cut for cut in cuts if cut < header.end_seq)
        run = trades[open_seq : header.end_seq]
        assert header.tail is not None
        assert header.tail.open_seq == open_seq
        assert header.tail.open_block == open_seq // 1_000 <= number
        assert (header.tail.open_min_ns, header.tail.open_max_ns) == run.span()


async def test_times_that_go_back_by_hours_stay_where_they_arrived(tmp_path: Path) -> None:
    trades = market(60_000, jitter_s=20_000.0)
    logs = await written(tmp_path, list(batches(trades, [3_000])), [4])

    assert logs.records().equals(trades)
    assert len(logs.archive) > 2


@pytest.mark.parametrize(
    ("count", "chunks"), [(65_536, 0), (65_537, 1), (131_072, 1), (131_073, 2)]
)
async def test_a_full_chunk_is_sealed_by_the_record_after_it(
    tmp_path: Path, count: int, chunks: int
) -> None:
    trades = market(count, per_hour=10_000_000, jitter_s=0)

    logs = await written(tmp_path, list(batches(trades, [65_536, 1])), [1])

    assert [header.count for header, _ in logs.chunks()] == [65_536] * chunks
    assert logs.records().equals(trades)


@pytest.mark.parametrize(("first", "counts"), [(8_191, []), (8_192, [8_192]), (8_193, [8_193])])
async def test_an_hour_ends_a_chunk_of_at_least_8192(
    tmp_path: Path, first: int, counts: list[int]
) -> None:
    trades = market(first + 10, jitter_s=0)
    ts = np.full(first + 10, START, np.int64)
    ts[first:] += 3600 * NS_PER_S
    trades = Trades(ts, trades.price, trades.size, trades.side)

    logs = await written(tmp_path, [trades[:first], trades[first:]], [1])

    assert [header.count for header, _ in logs.chunks()] == counts
    assert logs.records().equals(trades)


async def test_corrections_and_gaps_are_records_like_others(tmp_path: Path) -> None:
    plain = market(5)
    notes = Notes(
        np.array([1, 3]),
        np.array([Kind.BUST, Kind.GAP], np.uint8),
        np.array([0, 17]),
        np.array([0, 19]),
        np.array([plain.ts_event[0], plain.ts_event[2]]),
    )
    noted = Trades(plain.ts_event, plain.price, plain.size, plain.side, notes=notes)

    logs = await written(tmp_path, [noted], [1])

    assert logs.records().equals(noted)


async def test_a_message_over_a_blocks_limits_is_split_the_same_way_every_time(
    tmp_path: Path,
) -> None:
    count = 70_000
    plain = market(count, per_hour=10_000_000, jitter_s=0)
    rng = np.random.default_rng(5)
    ids = Ids.from_strings([rng.bytes(30).hex() for _ in range(count)])
    trades = Trades(plain.ts_event, plain.price, plain.size, plain.side, trade_id=ids)

    one = await written(tmp_path / "one", [trades, plain[:10]], [1])
    two = await written(tmp_path / "two", [trades, plain[:10]], [2])

    assert one == two
    assert one.records().equals(Trades.concat([trades, plain[:10]]))
    assert len(one.tail) > 3
    assert all(block is not None and len(block) <= 1 << 20 for block in one.tail + one.archive)
    chunks = one.chunks()
    assert len(chunks) > 2  # one run, halved
    assert [bool(header.chain) for header, _ in chunks] == [False] * (len(chunks) - 1) + [True]


async def test_a_record_that_no_block_can_hold_is_refused_and_nothing_else_happens(
    tmp_path: Path,
) -> None:
    good = market(3)
    bad = Trades(good.ts_event, good.price, good.size, np.array([1, 9, 1], np.uint8))
    async with open_store(tmp_path) as store, open_writer(store, tmp_path) as writer:
        with pytest.raises(EncodeError, match="record 4"):
            await writer.append([good, bad])
        assert writer.end_seq == 0
        assert await writer.append([good]) == AppendReport(0, 3, 1, 0)


async def test_one_data_directory_has_one_writer_of_a_feed(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        async with open_writer(store, tmp_path) as writer:
            with pytest.raises(FeedBusyError, match=r"bitfinex/btcusd/trades is being written"):
                async with open_writer(store, tmp_path):
                    pass
            await writer.append([market(1)])
        with pytest.raises(UsageError, match="closed"):
            await writer.append([market(1)])
        async with open_writer(store, tmp_path) as again:
            assert again.end_seq == 1


async def test_sealed_tail_blocks_are_cleared_but_those_in_use_and_the_newest(
    tmp_path: Path,
) -> None:
    trades = market(100_000)
    messages = list(batches(trades, [1_000]))
    async with open_store(tmp_path) as store:
        async with open_writer(store, tmp_path) as writer:
            await writer.append(messages[:95])
            header = (await logs_of(store)).messages()[-1][0]
            assert header.tail is not None
            sealed = header.tail.open_block
            assert sealed > 30

            assert await writer.clear_sealed_tail(keep=200) == 0
            with writer.pin_tail(7):
                assert await writer.clear_sealed_tail(keep=0) == 7
            assert await writer.clear_sealed_tail(keep=95 - 20) == 20
            assert await writer.clear_sealed_tail(keep=0) == sealed
            await writer.append(messages[95:98])
            logs = await logs_of(store)

        assert [block is None for block in logs.tail] == [True] * sealed + [False] * (98 - sealed)
        assert logs.records().equals(trades[:98_000])

        async with open_writer(store, tmp_path) as writer:  # and a restart does not need them
            assert writer.end_seq == 98_000
            await writer.append(messages[98:])
        assert (await logs_of(store)).records().equals(trades)


async def test_the_archives_index_leads_to_every_record(tmp_path: Path) -> None:
    trades = market(300_000, per_hour=8_500)
    async with open_store(tmp_path) as store, open_writer(store, tmp_path) as writer:
        await writer.append(list(batches(trades, [60_000])))
        core = await store.core(key=writer.archive_key)
        index = await ArchiveIndex.load(core, (await core.info()).length, wait=False)
        chunks = await index.chunks_between(0, index.end_seq)
        logs = await logs_of(store)

    assert [(c.first_seq, c.count, c.bytes) for c in chunks] == [
        (header.first_seq, header.count, len(block or b""))
        for (header, _), block in zip(logs.chunks(), logs.archive[::2], strict=True)
    ]


async def test_sizes_of_any_scale_and_a_single_record(tmp_path: Path) -> None:
    strings = ["0.000000000000000001", "1000000000000", "1.50"]
    trades = Trades(
        np.array([START, START - 5, START]),
        Decimals.from_strings(strings),
        Decimals.from_strings(strings[::-1]),
        np.array([0, 1, 2], np.uint8),
    )
    logs = await written(tmp_path, [trades[:1], trades[1:2], trades[2:]], [1])

    assert logs.records().equals(trades)


async def test_blocks_state_the_message_they_came_in_and_a_later_writer_knows_the_last(
    tmp_path: Path,
) -> None:
    trades = market(30)
    async with open_store(tmp_path) as store:
        async with open_writer(store, tmp_path) as writer:
            assert writer.message is None
            await writer.append([trades[:5]])
            await writer.append([trades[5:10], Trades.empty(), trades[10:20]], [0, 1, 4])
            assert writer.message == 4
            await writer.append([trades[20:21]])  # by other means: the position stays
        async with open_writer(store, tmp_path) as writer:
            assert writer.message == 4
            await writer.append([trades[21:30]], [5])
        headers = [header for header, _ in (await logs_of(store)).messages()]

    assert [header.message for header in headers] == [None, 0, 4, 4, 5]


async def test_a_writer_reads_back_its_newest_records(tmp_path: Path) -> None:
    trades = market(150_000)
    async with open_store(tmp_path) as store, open_writer(store, tmp_path) as writer:
        await writer.append(list(batches(trades, [3_000])))
        runs = [run async for run in writer.history.last(100_000)]

    start = runs[0][0]
    assert 0 < start <= 50_000
    assert Trades.concat([run for _, run in runs]).equals(trades[start:])
    assert [seq for seq, _ in runs[1:]] == [seq + len(run) for seq, run in runs[:-1]]
