"""One store: what is appended is there, only where the writer believes the end to be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.stores import blocks_of, key_pair, numbered, open_store

from tradercast.errors import NodeMissingError, SidecarError, UsageError
from tradercast.log import AppendResult, CoreInfo, LogStore

SIGNER = key_pair("publisher")


async def test_what_is_appended_is_read_back_also_after_everything_was_closed(
    tmp_path: Path,
) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        assert await core.append(numbered(10), 0) == AppendResult(10, True)
        key = core.key

    async with open_store(tmp_path) as store:
        core = await store.core(key=key)
        assert await core.info() == CoreInfo(10, 0, 10, 1000, 0, 0)
        assert await blocks_of(core, 0, 10) == numbered(10)
        assert await core.get(4) == numbered(1, start=4)[0]


async def test_nothing_is_appended_where_the_end_is_not(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        await core.append(numbered(5), 0)

        assert await core.append(numbered(2), 0) == AppendResult(5, False)
        assert await core.append(numbered(2), 6) == AppendResult(5, False)
        assert await core.append([], 5) == AppendResult(5, True)
        assert await core.append([], 4) == AppendResult(5, False)
        assert await core.append(numbered(1, start=5), 5) == AppendResult(6, True)
        assert await blocks_of(core, 0, 6) == numbered(6)


async def test_appends_larger_than_a_frame_go_in_steps(tmp_path: Path) -> None:
    blocks = numbered(50, size=1 << 20)
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        assert await core.append(blocks, 0) == AppendResult(50, True)
        assert await blocks_of(core, 0, 50) == blocks


async def test_ranges_come_in_the_order_asked_with_holes_as_none(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        await core.append(numbered(10), 0)
        await core.clear(4, 6)

        ranges = [(8, 10), (3, 7), (8, 9), (5, 5), (12, 13)]
        read = [pair async for batch in core.read(ranges, wait=False) for pair in batch]

        assert [index for index, _ in read] == [8, 9, 3, 4, 5, 6, 8, 12]
        assert [index for index, block in read if block is None] == [4, 5, 12]
        assert await core.held(0, 20) == [(0, 4), (6, 10)]
        assert await core.held(5, 5) == []
        assert await core.get(4) is None
        assert (await core.info()).contiguous_length == 10  # cleared on purpose is no hole


async def test_more_ranges_than_one_request_takes(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        await core.append(numbered(10_000, size=8), 0)
        ranges = [(n, n + 1) for n in range(0, 10_000, 2)]
        read = [pair async for batch in core.read(ranges, wait=False) for pair in batch]
        assert read == list(zip(range(0, 10_000, 2), numbered(10_000, size=8)[::2], strict=True))


async def test_two_programs_use_one_log_at_once(tmp_path: Path) -> None:
    async with open_store(tmp_path) as one, open_store(tmp_path) as other:
        writer = await one.core(signer=SIGNER)
        reader = await other.core(key=writer.key)
        async with other.events("core.append") as events:
            await writer.append(numbered(3), 0)
            event = await asyncio.wait_for(anext(events), 10)
        assert event.data["key"] == writer.key
        assert event.data["length"] == 3
        assert await blocks_of(reader, 0, 3) == numbered(3)
        assert (await other.stats())["clients"] == 2


async def test_a_log_is_opened_by_key_or_signer_and_not_after_its_end(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        with pytest.raises(UsageError):
            await store.core()
        with pytest.raises(UsageError):
            await store.core(key=bytes(32), signer=SIGNER)
        with pytest.raises(UsageError):
            await store.core(key=bytes(31))
        core = await store.core(key=bytes(32))
        assert not core.writable
        with pytest.raises(SidecarError, match="signer"):
            await core.append([b"x"], 0)
        await core.close()
        await core.close()
        with pytest.raises(SidecarError, match="closed"):
            await core.info()
    with pytest.raises(SidecarError, match="closed"):
        await store.core(key=bytes(32))


@pytest.mark.parametrize("ranges", [[(-1, 2)], [(3, 2)], [(0, 2**60)]])
async def test_ranges_that_are_none_are_refused_here(
    tmp_path: Path, ranges: list[tuple[int, int]]
) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        with pytest.raises(UsageError):
            await anext(core.read(ranges))


@pytest.mark.parametrize("size", [0, (15 << 20) + 1])
async def test_blocks_of_a_wrong_size_are_refused_here(tmp_path: Path, size: int) -> None:
    async with open_store(tmp_path) as store:
        core = await store.core(signer=SIGNER)
        with pytest.raises(UsageError):
            await core.append([b"fine", bytes(size)], 0)
        assert (await core.info()).length == 0


async def test_without_node_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADERCAST_NODE", str(tmp_path / "none"))
    with pytest.raises(NodeMissingError):
        await LogStore.open(tmp_path / "data")


async def test_a_file_in_the_place_of_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        await LogStore.open(tmp_path / "file")


async def test_versions_and_free_space(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        assert (await store.versions())["hypercore"] == "11.37.1"
        space = await store.free_space()
        assert 0 < space["free"] <= space["total"]
