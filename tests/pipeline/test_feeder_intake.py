"""Reading ahead of the writer, and going back while something is read ahead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing

import pytest
from support.feeding import numbered
from support.feeds import market

from tradercast.pipeline.feeder_input import Envelope, Place
from tradercast.pipeline.feeder_intake import Intake
from tradercast.pipeline.messages import encode_message

ONE: Place = ("trades", 0)
TWO: Place = ("trades", 1)


class Partitions:
    """Two partitions that never end: every batch has the next message of both."""

    def __init__(self, records: int) -> None:
        self.value = encode_message(numbered([market(records)])[0])
        self._next = {ONE: 0, TWO: 0}

    async def batches(self) -> AsyncIterator[Sequence[Envelope]]:
        while True:
            found = [Envelope(place, at, self.value) for place, at in self._next.items()]
            self._next = {place: at + 1 for place, at in self._next.items()}
            await asyncio.sleep(0.001)
            yield found

    async def rewind(self, place: Place) -> None:
        self._next[place] = 0

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        raise AssertionError("an intake commits nothing")


@pytest.mark.parametrize("records", [1, 5_000])  # decoded here and there
async def test_behind_a_rewind_nothing_comes_that_was_read_before(records: int) -> None:
    intake = Intake(Partitions(records))
    offsets: dict[Place, list[int]] = {ONE: [], TWO: []}
    async with aclosing(intake.batches()) as batches:
        async for arrivals in batches:
            for envelope, message in arrivals:
                offsets[envelope.place].append(envelope.offset)
                assert message is not None
                assert len(message.records) == records
            await asyncio.sleep(0.02)  # so that as much as can be is read ahead
            if len(offsets[TWO]) == 3:
                await intake.rewind(ONE)
            if len(offsets[TWO]) == 9:
                break

    assert offsets[TWO] == list(range(9))
    assert offsets[ONE][:3] == [0, 1, 2]
    again = offsets[ONE][3:]
    assert again == list(range(len(again)))
    assert len(again) >= 3
