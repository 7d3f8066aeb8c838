"""What a node that reads along keeps: chunks in the place of the tail blocks they cover."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.feeds import FEED, batches, market, open_writer
from support.stores import connected_stores, key_pair

from tradercast.errors import StalledError
from tradercast.feed.mirror import Mirror
from tradercast.feed.reader import SegmentReader
from tradercast.log import Core, LogStore

LOGS = ("archive", "tail")
END = 30_000  # records: the first chunk has 184, then one a day of 2,400; 28,984 are sealed


async def keep(core: Core, *ranges: tuple[int, int]) -> None:
    async for _ in core.download(ranges):
        pass


async def held(core: Core) -> list[tuple[int, int]]:
    return await core.held(0, (await core.info()).length)


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[tuple[LogStore, LogStore]]:
    """Of a publisher with 300 tail blocks of 100 records, and of a node that is connected."""
    async with connected_stores(tmp_path) as (one, two):
        async with open_writer(one, tmp_path / "first") as writer:
            await writer.append(list(batches(market(END, per_hour=100, jitter_s=0), [100])))
        yield one, two


@pytest.fixture
async def reader(stores: tuple[LogStore, LogStore]) -> SegmentReader:
    """Of the node: nothing is here yet, but the lengths are known."""
    keys = [(await stores[0].core(signer=key_pair(f"{FEED} {log}"))).key for log in LOGS]
    archive, tail = [await stores[1].core(key=key) for key in keys]
    assert (await archive.update()).length == 26
    assert (await tail.update()).length == 300
    return SegmentReader(archive, tail, remote=True)


async def test_the_chunks_of_held_blocks_come_and_no_others(reader: SegmentReader) -> None:
    await keep(reader.tail, (0, 3), (200, 300))

    await Mirror(reader, keep=20).step(END, 300)

    assert await held(reader.archive) == [(0, 4), (18, 26)]
    assert await held(reader.tail) == [(280, 300)]


async def test_what_is_followed_from_here_on_comes_too(reader: SegmentReader) -> None:
    await Mirror(reader).step(26_584, 0)

    assert await held(reader.archive) == [(24, 26)]


async def test_blocks_that_are_not_sealed_stay(reader: SegmentReader) -> None:
    await keep(reader.tail, (280, 300))

    await Mirror(reader, keep=0).step(END, 300)

    assert await held(reader.tail) == [(289, 300)]


async def test_blocks_that_are_read_stay_until_they_are_not(reader: SegmentReader) -> None:
    await keep(reader.tail, (200, 300))
    mirror = Mirror(reader, keep=20)

    await mirror.step(25_000, 250)
    while_read = await held(reader.tail)
    await mirror.step(END, 300)

    assert while_read == [(250, 300)]
    assert await held(reader.tail) == [(280, 300)]


async def test_nothing_goes_as_long_as_a_chunk_is_not_to_be_had(
    stores: tuple[LogStore, LogStore], reader: SegmentReader
) -> None:
    await keep(reader.tail, (0, 3), (200, 300))
    await keep(reader.archive, (0, 18), (19, 26))  # all but one chunk
    await stores[1].swarm.drop(public_key=bytes(key_pair("first").verify_key))

    with pytest.raises(StalledError):
        await Mirror(reader, keep=20, stall_s=0.5).step(END, 300)

    assert await held(reader.tail) == [(0, 3), (200, 300)]
