"""Batches that are read before they are asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from support.feeds import market

from tradercast.errors import InputError
from tradercast.feed.source import read_ahead
from tradercast.records import Trades

PARTS = [market(10), market(20), market(30)]


async def test_the_first_batch_is_read_before_anybody_asks() -> None:
    read = threading.Event()

    def source() -> Iterator[Trades]:
        for part in PARTS:
            read.set()
            yield part

    async with read_ahead(source()) as batches:
        assert await asyncio.to_thread(read.wait, 60)
        assert [len(batch) async for batch in batches] == [10, 20, 30]


async def test_an_error_of_the_source_comes_where_its_batch_would() -> None:
    def source() -> Iterator[Trades]:
        yield PARTS[0]
        raise InputError("row 11 is broken")

    async with read_ahead(source()) as batches:
        assert len(await anext(batches)) == 10
        with pytest.raises(InputError, match="row 11"):
            await anext(batches)


async def test_a_source_that_nobody_reads_is_let_go_after_its_first_batch() -> None:
    closed = threading.Event()

    def source() -> Iterator[Trades]:
        try:
            yield from PARTS
        finally:
            closed.set()

    batches = source()
    with pytest.raises(OSError, match="no sidecar"):
        async with read_ahead(batches):
            raise OSError("no sidecar")

    batches.close()  # refused while a thread is in it
    assert closed.is_set()


async def test_an_error_that_nobody_asks_for_is_not_reported() -> None:
    def source() -> Iterator[Trades]:
        raise InputError("the file is empty")
        yield

    async with read_ahead(source()):
        pass
