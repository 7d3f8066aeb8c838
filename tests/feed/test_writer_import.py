"""Importing whole sources: once, completely, or not at all."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from support.feeds import FEED, Logs, batches, logs_of, market, open_writer
from support.stores import key_pair, kill_sidecar, open_store, program

from tradercast.errors import ConflictingImportError, DiskFullError, InputError, WriterConflictError
from tradercast.feed.bulk import ImportProgress, ImportReport
from tradercast.log import LogStore, SidecarOptions
from tradercast.records import Decimals, Trades

TRADES = market(180_000)


async def imported(store: LogStore, directory: Path, trades: Trades, size: int = 20_000) -> Logs:
    async with open_writer(store, directory) as writer:
        await writer.import_batches(batches(trades, [size]))
    return await logs_of(store)


async def test_full_chunks_go_to_the_archive_and_only_the_rest_to_the_tail(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        async with open_writer(store, tmp_path) as writer:
            report = await writer.import_batches(batches(TRADES, [50_000]))
            assert report == ImportReport(180_000, 0, 180_000)
            assert writer.end_seq == 180_000
        logs = await logs_of(store)

    sealed = sum(header.count for header, _ in logs.chunks())
    assert logs.records().equals(TRADES)
    messages = [header for header, _ in logs.messages()]
    assert messages[0].first_seq == sealed
    assert [header.count for header in messages[:-1]] == [1_024] * (len(messages) - 1)
    assert all(h.tail and (h.tail.open_seq, h.tail.open_block) == (sealed, 0) for h in messages)
    assert list((tmp_path / "writers").glob("*.import")) == []
    assert list((tmp_path / "writers").glob("*.part")) == []


@pytest.mark.parametrize("count", [0, 1, 1_024, 1_025])
async def test_small_sources(tmp_path: Path, count: int) -> None:
    async with open_store(tmp_path) as store:
        async with open_writer(store, tmp_path) as writer:
            report = await writer.import_batches([TRADES[:count]])
            assert report == ImportReport(count, 0, count)
        logs = await logs_of(store)

    assert logs.records().equals(TRADES[:count])
    assert len(logs.tail) == -(-count // 1_024)
    assert logs.archive == []


async def test_batches_of_any_size_and_kind_give_the_same_blocks(tmp_path: Path) -> None:
    async def one_by_one() -> AsyncIterator[Trades]:
        for batch in batches(TRADES, [65_536, 3]):
            await asyncio.sleep(0)
            yield batch

    async with open_store(tmp_path / "one") as store:
        one = await imported(store, tmp_path / "one", TRADES, 180_000)
    async with open_store(tmp_path / "two") as store:
        two = await imported(store, tmp_path / "two", TRADES, 999)
    async with open_store(tmp_path / "three") as store:
        async with open_writer(store, tmp_path / "three") as writer:
            await writer.import_batches(one_by_one())
        three = await logs_of(store)

    assert one == two == three


async def test_the_same_source_again_adds_nothing(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        first = await imported(store, tmp_path, TRADES)
        async with open_writer(store, tmp_path) as writer:
            report = await writer.import_batches(batches(TRADES, [7_777]))
        assert report == ImportReport(0, 180_000, 180_000)
        async with open_writer(store, tmp_path) as writer:
            shorter = await writer.import_batches(batches(TRADES[:100_123], [50_000]))
        assert shorter == ImportReport(0, 100_123, 180_000)
        assert await logs_of(store) == first


async def test_a_longer_source_adds_the_rest(tmp_path: Path) -> None:
    async with open_store(tmp_path / "whole") as store:
        whole = await imported(store, tmp_path / "whole", TRADES)
    async with open_store(tmp_path / "parts") as store:
        total = 0
        for count in (1, 500, 40_000, 40_001, 140_000, 180_000):
            async with open_writer(store, tmp_path / "parts") as writer:
                report = await writer.import_batches(batches(TRADES[:count], [30_000]))
            assert report == ImportReport(count - total, total, count)
            total = count
        parts = await logs_of(store)

    assert parts.archive == whole.archive
    assert parts.records().equals(TRADES)


async def test_imported_records_that_are_sealed_later_give_the_same_chunks(tmp_path: Path) -> None:
    async with open_store(tmp_path / "live") as store:
        async with open_writer(store, tmp_path / "live") as writer:
            await writer.append(list(batches(TRADES, [5_000])))
        live = await logs_of(store)
    async with open_store(tmp_path / "mixed") as store:
        async with open_writer(store, tmp_path / "mixed") as writer:
            await writer.append([TRADES[:10_000]])
            await writer.import_batches(batches(TRADES[:90_000], [8_000]))
            await writer.append(list(batches(TRADES[90_000:150_000], [3_000, 1])))
            await writer.import_batches(batches(TRADES[:170_000], [100_000]))
            await writer.append([TRADES[170_000:]])
        mixed = await logs_of(store)

    assert mixed.archive == live.archive
    assert mixed.records().equals(TRADES)


@pytest.mark.parametrize("row", [0, 1, 70_000, 110_000, 179_999])
async def test_a_changed_source_is_refused_at_its_first_differing_record(
    tmp_path: Path, row: int
) -> None:
    scaled = TRADES.price.to_scaled(-2).copy()
    scaled[row] += 1
    scaled[row + 5 :] += 7
    price = Decimals.from_ints(scaled, -2)
    changed = Trades(TRADES.ts_event, price, TRADES.size, TRADES.side, trade_id=TRADES.trade_id)
    async with open_store(tmp_path) as store:
        before = await imported(store, tmp_path, TRADES)
        async with open_writer(store, tmp_path) as writer:
            with pytest.raises(ConflictingImportError, match=f"record {row + 1} of the source is"):
                await writer.import_batches(batches(changed, [20_000]))
            await writer.append([TRADES[:1]])  # the writer is still of use
        after = await logs_of(store)

    assert after.archive == before.archive
    assert after.tail[:-1] == before.tail


@pytest.mark.parametrize("at", [0, 1, 8])
async def test_an_error_of_the_source_leaves_the_logs_as_they_were(tmp_path: Path, at: int) -> None:
    def broken() -> Iterator[Trades]:
        for number, batch in enumerate(batches(TRADES, [20_000])):
            if number == at:
                raise InputError("row 160001: '1,5' is not a number")
            yield batch

    async with open_store(tmp_path) as store:
        async with open_writer(store, tmp_path) as writer:
            await writer.append([TRADES[:300]])
            before = await logs_of(store)
            with pytest.raises(InputError, match="row 160001"):
                await writer.import_batches(broken())
            assert await logs_of(store) == before
            report = await writer.import_batches(batches(TRADES, [20_000]))
            assert report == ImportReport(179_700, 300, 180_000)
        assert (await logs_of(store)).records().equals(TRADES)
    assert list((tmp_path / "writers").glob("*.part")) == []


async def test_progress_counts_what_was_read_and_what_was_there(tmp_path: Path) -> None:
    seen: list[ImportProgress] = []
    async with open_store(tmp_path) as store, open_writer(store, tmp_path) as writer:
        await writer.import_batches(batches(TRADES[:100_000], [50_000]))
        await writer.import_batches(batches(TRADES, [30_000]), seen.append)

    read = [p.records for p in seen]
    assert sorted(set(read)) == [30_000, 60_000, 90_000, 120_000, 150_000, 180_000]
    assert read == sorted(read)
    assert seen[0] == ImportProgress(30_000, 0, 0)
    assert seen[-1].already_there == 100_000
    assert seen[-1].bytes > 100_000


async def test_an_import_that_the_disk_has_no_room_for_changes_nothing(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store, open_writer(store, tmp_path):
        pass  # the logs are made
    await kill_sidecar(tmp_path)
    # Whatever others write or delete meanwhile, so much is never free.
    reserve = shutil.disk_usage(tmp_path).total
    full = SidecarOptions(arguments=("--min-free", str(reserve)))
    async with open_store(tmp_path, full) as store, open_writer(store, tmp_path) as writer:
        with pytest.raises(DiskFullError, match="takes 3 MiB: 0 MiB may be used") as refused:
            await writer.import_batches(batches(TRADES, [50_000]))
        assert "nothing was changed" in (refused.value.hint or "")
        assert await logs_of(store) == Logs([], [])
    await kill_sidecar(tmp_path)
    async with open_store(tmp_path) as store, open_writer(store, tmp_path) as writer:
        assert (await writer.import_batches(batches(TRADES, [50_000]))).added == len(TRADES)


IMPORTER = """
import asyncio, os, signal, sys
from pathlib import Path
from support.feeds import batches, market, open_writer
from support.stores import open_store
import tradercast.feed.derived as derived

async def main(directory, puts):
    left = puts
    put = derived.DerivedLog.put

    async def counted(self, blocks):
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        await put(self, blocks)

    derived.DerivedLog.put = counted
    async with open_store(directory) as store, open_writer(store, directory) as writer:
        await writer.import_batches(batches(market(180_000), [20_000]))
    print("done")

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


@pytest.mark.parametrize("puts", [0, 1])
async def test_an_import_that_is_killed_while_it_appends_is_finished_by_the_next_start(
    tmp_path: Path, puts: int
) -> None:
    async with program(IMPORTER, tmp_path / "killed", puts) as process:
        assert await process.wait() == -9
    async with open_store(tmp_path / "whole") as store:
        whole = await imported(store, tmp_path / "whole", TRADES)

    async with open_store(tmp_path / "killed") as store:
        async with open_writer(store, tmp_path / "killed") as writer:
            assert writer.end_seq == 180_000
        assert await logs_of(store) == whole
    assert list((tmp_path / "killed" / "writers").glob("*.import")) == []


async def test_an_archive_without_its_tail_takes_nothing_that_contradicts_it(
    tmp_path: Path,
) -> None:
    """As after a restore from a node that had the archive alone."""
    async with program(IMPORTER, tmp_path, 1) as process:
        assert await process.wait() == -9
    (staged,) = (tmp_path / "writers").glob("*.import")
    staged.unlink()
    async with open_store(tmp_path) as store:
        async with open_writer(store, tmp_path) as writer:
            assert writer.end_seq == 0  # what the tail says
            before = await logs_of(store)
            with pytest.raises(WriterConflictError, match="record 0 is") as refused:
                await writer.append([market(10, seed=4)])
            assert "import the same file" in (refused.value.hint or "")
            assert await logs_of(store) == before
            report = await writer.import_batches(batches(TRADES, [50_000]))
            assert report.added + report.already_there == 180_000
            assert report.total == 180_000
        assert (await logs_of(store)).records().equals(TRADES)


async def test_a_cancelled_import_changes_nothing(tmp_path: Path) -> None:
    closed = asyncio.Event()
    reading = asyncio.Event()

    async def endless() -> AsyncIterator[Trades]:
        try:
            for batch in batches(TRADES, [30_000]):
                yield batch
            reading.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with open_store(tmp_path) as store, open_writer(store, tmp_path) as writer:
        task = asyncio.create_task(writer.import_batches(endless()))
        await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert closed.is_set()
        assert await logs_of(store) == Logs([], [])
        assert (await writer.import_batches(batches(TRADES, [30_000]))).added == len(TRADES)


async def test_an_interrupted_import_that_contradicts_the_log_by_now_says_how_to_give_it_up(
    tmp_path: Path,
) -> None:
    async with program(IMPORTER, tmp_path, 1) as process:
        assert await process.wait() == -9
    (staged,) = (tmp_path / "writers").glob("*.import")
    async with open_store(tmp_path) as store:
        tail = await store.core(signer=key_pair(f"{FEED} tail"))
        await tail.append([b"a sibling's block"], 0)
        with pytest.raises(WriterConflictError, match="interrupted can not be finished") as refused:
            async with open_writer(store, tmp_path):
                pass
    assert str(staged) in (refused.value.hint or "")


def test_the_trades_of_this_file_are_cut_into_several_chunks() -> None:
    days = np.unique(TRADES.ts_event // 86_400_000_000_000)
    assert len(days) >= 2
