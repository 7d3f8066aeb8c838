"""A writer that was killed, or whose logs lost their end."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path

import pytest
from nacl.signing import SigningKey
from support.feeds import (
    FEED,
    Logs,
    batches,
    logs_of,
    market,
    open_writer,
    witness_of,
)
from support.stores import (
    blocks_of,
    connect,
    key_pair,
    kill_sidecar,
    line_of,
    open_store,
    program,
)

from tradercast.errors import ForkError, WriterBehindError, WriterConflictError
from tradercast.feed.checkpoints import LogCheckpoint
from tradercast.log import LogStore
from tradercast.records import Trades

TRADES = market(150_000)
MESSAGES = list(batches(TRADES, [200, 500, 1]))

APPENDER = """
import asyncio, sys
from pathlib import Path
from support.feeds import batches, market, open_writer
from support.stores import open_store

async def main(directory):
    messages, ends = list(batches(market(150_000), [200, 500, 1])), [0]
    for message in messages:
        ends.append(ends[-1] + len(message))
    async with open_store(directory) as store, open_writer(store, directory) as writer:
        at = ends.index(writer.end_seq)
        while at < len(messages):
            print(at, flush=True)
            await writer.append(messages[at : at + 2])
            at += 2
    print("done", flush=True)

asyncio.run(main(Path(sys.argv[1])))
"""


async def append_all(store: LogStore, directory: Path, start: int = 0) -> Logs:
    async with open_writer(store, directory) as writer:
        for at in range(start, len(MESSAGES), 50):
            await writer.append(MESSAGES[at : at + 50])
    return await logs_of(store)


@pytest.fixture
async def whole(tmp_path: Path) -> Logs:
    """The logs of an undisturbed run."""
    async with open_store(tmp_path / "whole") as store:
        return await append_all(store, tmp_path / "whole")


async def test_a_writer_killed_at_random_moments_writes_the_same_blocks(
    tmp_path: Path, whole: Logs
) -> None:
    rng = random.Random(11)
    acked = 0
    for _ in range(8):
        async with program(APPENDER, tmp_path / "killed") as process:
            first = int(await line_of(process))
            assert first >= acked  # what was reported is there
            for _ in range(rng.randrange(35)):
                acked = max(acked, int(await line_of(process)))
            await asyncio.sleep(rng.random() * 0.01)
            process.kill()
            assert await process.wait() == -9
    async with program(APPENDER, tmp_path / "killed") as process:
        while (line := await line_of(process)) != "done":
            assert int(line) >= acked

    async with open_store(tmp_path / "killed") as store:
        assert await logs_of(store) == whole


async def test_a_writer_whose_sidecar_is_killed_again_and_again_goes_on(
    tmp_path: Path, whole: Logs
) -> None:
    directory = tmp_path / "killed"
    async with open_store(directory) as store:
        async with open_writer(store, directory) as writer:
            for at in range(0, len(MESSAGES), 20):
                append = asyncio.create_task(writer.append(MESSAGES[at : at + 20]))
                if at in {40, 300, 500}:
                    await kill_sidecar(directory)
                await append
        assert await logs_of(store) == whole


@pytest.mark.parametrize("archive_blocks", [0, 1, 2, 3])
async def test_a_seal_that_was_interrupted_is_completed(
    tmp_path: Path, whole: Logs, archive_blocks: int
) -> None:
    """The tail is there, and of the archive the first blocks only; the second of a pair too."""
    assert len(whole.archive) >= 6
    async with open_store(tmp_path / "cut") as store:
        tail = await store.core(signer=key_pair(f"{FEED} tail"))
        archive = await store.core(signer=key_pair(f"{FEED} archive"))
        await tail.append([block or b"" for block in whole.tail], 0)
        await archive.append([block or b"" for block in whole.archive[:archive_blocks]], 0)

        async with open_writer(store, tmp_path / "cut") as writer:
            assert writer.end_seq == len(TRADES)
        assert await logs_of(store) == whole


async def test_an_archive_that_is_further_than_its_tail_is_compared(
    tmp_path: Path, whole: Logs
) -> None:
    """As when a sibling's archive arrived here, and of its tail only a part."""
    half = len(whole.tail) // 3
    async with open_store(tmp_path / "part") as store:
        tail = await store.core(signer=key_pair(f"{FEED} tail"))
        archive = await store.core(signer=key_pair(f"{FEED} archive"))
        await tail.append([block or b"" for block in whole.tail[:half]], 0)
        await archive.append([block or b"" for block in whole.archive], 0)

        async with open_writer(store, tmp_path / "part") as writer:
            assert writer.end_seq == sum(map(len, MESSAGES[:half]))
            with pytest.raises(WriterConflictError, match="in the archive, but"):
                await writer.append([market(5, seed=9)])
            assert (await tail.info()).length == half
        assert await append_all(store, tmp_path / "part", half) == whole


async def test_other_records_than_the_log_has_are_never_signed(tmp_path: Path) -> None:
    """The log has moved on under the writer, as it does when a sibling writes."""
    async with open_store(tmp_path) as store, open_writer(store, tmp_path) as writer:
        await writer.append(MESSAGES[:3])
        tail = await store.core(signer=key_pair(f"{FEED} tail"))
        await tail.append([b"something else"], 3)

        with pytest.raises(WriterConflictError, match="block 3 of the tail of bitfinex/btcusd"):
            await writer.append(MESSAGES[3:5])

        assert await blocks_of(tail, 3, 5) == [b"something else", None]
        with pytest.raises(Exception, match="failed before"):
            await writer.append(MESSAGES[3:5])


async def test_a_log_shorter_than_its_checkpoint_is_not_written(tmp_path: Path) -> None:
    await restored_backup(tmp_path)

    async with open_store(tmp_path / "one") as store:
        with pytest.raises(WriterBehindError, match="has 10 blocks here, but 14 were") as refused:
            async with open_writer(store, tmp_path / "one", catch_up_s=0.5):
                pass
        assert "seeder" in (refused.value.hint or "")
        tail = await store.core(signer=key_pair(f"{FEED} tail"))
        assert (await tail.info()).length == 10


async def test_a_log_shorter_than_its_checkpoint_is_brought_up_to_date_by_a_peer(
    tmp_path: Path,
) -> None:
    await restored_backup(tmp_path)
    shutil.copytree(tmp_path / "newer", tmp_path / "two" / "store")

    async with (
        open_store(tmp_path / "one", node="one") as one,
        open_store(tmp_path / "two", node="two") as two,
    ):
        for name in ("tail", "archive"):
            await two.core(signer=key_pair(f"{FEED} {name}"))
        opening = asyncio.create_task(open_and_append(one, tmp_path / "one"))
        await asyncio.sleep(0.3)  # the peer comes while the writer waits
        await connect(one, two)
        assert await opening == 14
        logs = await logs_of(one)

    assert logs.records().equals(Trades.concat(MESSAGES[:16]))


async def open_and_append(store: LogStore, directory: Path) -> int:
    async with open_writer(store, directory) as writer:
        length = (await logs_of(store)).tail
        await writer.append(MESSAGES[14:16])
        return len(length)


async def restored_backup(directory: Path) -> None:
    """``one``: a data directory whose store is an old copy; ``newer``: the store it had."""
    one = directory / "one"
    async with open_store(one) as store, open_writer(store, one) as writer:
        await writer.append(MESSAGES[:10])
    await kill_sidecar(one)
    shutil.copytree(one / "store", directory / "backup")
    async with open_store(one) as store, open_writer(store, one) as writer:
        await writer.append(MESSAGES[10:14])
    await kill_sidecar(one)
    (one / "store").rename(directory / "newer")
    (directory / "backup").rename(one / "store")


@pytest.mark.parametrize("length", [4, 5, 8])
async def test_a_log_that_contradicts_its_checkpoint_is_not_written(
    tmp_path: Path, length: int
) -> None:
    """Whether or not the two lengths have a root of their trees in common."""
    other = tmp_path / "other"
    async with open_store(other) as store:
        async with open_writer(store, other) as writer:
            await writer.append(batches_of(market(length, seed=77)))
        for core in [await store.core(signer=key_pair(f"{FEED} tail"))]:
            witness = witness_of(tmp_path)
            witness.own(LogCheckpoint(core.key, await core.checkpoint()))

    async with open_store(tmp_path) as store:
        tail = await store.core(signer=key_pair(f"{FEED} tail"))
        await tail.append([b"block %d" % n for n in range(8)], 0)
        with pytest.raises(ForkError):
            async with open_writer(store, tmp_path):
                pass


def batches_of(trades: Trades) -> list[Trades]:
    return list(batches(trades, [1]))


async def test_logs_of_another_feed_are_not_written(tmp_path: Path) -> None:
    signers: list[SigningKey] = [key_pair(f"{FEED} tail"), key_pair(f"{FEED} archive")]
    async with open_store(tmp_path) as store:
        async with open_writer(store, tmp_path) as writer:
            await writer.append(MESSAGES[:1])
        block = (await logs_of(store)).tail[0]
        archive = await store.core(signer=signers[1])
        await archive.append([block or b"", block or b""], 0)
        with pytest.raises(Exception, match="block is of kind"):
            async with open_writer(store, tmp_path):
                pass
