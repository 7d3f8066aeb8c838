"""What waits for a transaction: in order, joined where it may be, bounded."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tradercast.errors import ServiceError
from tradercast.pipeline.listener_queue import BatchQueue
from tradercast.pipeline.listener_state import Position
from tradercast.pipeline.mongo_source import BATCH, SourceBatch


def changes(*keys: int, repeats: bool = False) -> SourceBatch:
    """Changes of a stream, and the position behind the last of them."""
    events = [{"key": key} for key in keys]
    return SourceBatch(behind(keys[-1]), events=events, repeats_anywhere=repeats)


def behind(key: int) -> Position:
    return Position(("market.trades",), token=b"%d" % key)


def keys(batch: SourceBatch) -> list[int]:
    return [event["key"] for event in batch.events]


async def queue_of(*batches: SourceBatch, most_rows: int = 2 * BATCH) -> BatchQueue:
    queue = BatchQueue(most_rows)
    for batch in batches:
        await queue.put(batch)
    return queue


async def test_small_batches_leave_together_in_their_order_with_the_last_position() -> None:
    queue = await queue_of(changes(1, 2), changes(3), SourceBatch(behind(4)))

    taken = await queue.take()

    assert keys(taken) == [1, 2, 3]
    assert taken.position == behind(4)
    assert queue.rows == 0


async def test_what_comes_after_a_batch_was_taken_is_the_next_one() -> None:
    queue = await queue_of(changes(1))
    first = await queue.take()
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    await queue.put(changes(2))

    assert keys(first) == [1]
    assert keys(await waiting) == [2]


async def test_what_may_be_a_repeat_and_what_may_not_stay_apart() -> None:
    queue = await queue_of(
        changes(1, repeats=True), changes(2, repeats=True), changes(3), changes(4)
    )

    first, second = await queue.take(), await queue.take()

    assert (keys(first), first.repeats_anywhere) == ([1, 2], True)
    assert (keys(second), second.repeats_anywhere) == ([3, 4], False)


async def test_a_position_alone_takes_the_flag_of_what_it_is_joined_to() -> None:
    queue = await queue_of(
        SourceBatch(behind(0)), changes(1, repeats=True), SourceBatch(behind(2)), changes(3)
    )

    first, second = await queue.take(), await queue.take()

    assert (keys(first), first.repeats_anywhere, first.position) == ([1], True, behind(2))
    assert (keys(second), second.repeats_anywhere) == ([3], False)


async def test_no_more_rows_than_a_batch_has_at_most_are_joined() -> None:
    third = BATCH // 3 + 1
    queue = await queue_of(*(changes(*range(at, at + third)) for at in (0, third, 2 * third)))

    taken = [keys(await queue.take()), keys(await queue.take())]

    assert [len(one) for one in taken] == [2 * third, third]
    assert [*taken[0], *taken[1]] == list(range(3 * third))


async def test_documents_of_a_scan_are_not_joined_to_anything() -> None:
    found = SourceBatch(behind(0), documents=[{"_id": 1}], collection="market.trades")
    other = SourceBatch(behind(1), documents=[{"_id": 2}], collection="market.fills")
    queue = await queue_of(found, other, changes(3))

    assert [await queue.take() for _ in range(3)] == [found, other, changes(3)]


async def test_an_error_is_raised_once_all_that_came_before_it_was_taken() -> None:
    queue = await queue_of(changes(1), changes(2, repeats=True))
    queue.fail(ServiceError("no rights"))

    assert [keys(await queue.take()), keys(await queue.take())] == [[1], [2]]
    for _ in range(2):
        with pytest.raises(ServiceError, match="no rights"):
            await queue.take()


async def test_an_error_wakes_who_waits() -> None:
    queue = BatchQueue()
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)

    queue.fail(ServiceError("no rights"))

    with pytest.raises(ServiceError, match="no rights"):
        await waiting


async def test_a_full_queue_takes_nothing_more_until_there_is_room() -> None:
    queue = await queue_of(changes(1, 2), changes(3, 4), most_rows=4)
    filling = asyncio.create_task(queue.put(changes(5)))
    await asyncio.sleep(0)
    waited = not filling.done()

    taken = [keys(await queue.take())]
    await filling
    taken.append(keys(await queue.take()))

    assert waited
    assert taken == [[1, 2, 3, 4], [5]]


async def test_many_batches_pass_in_order_while_both_sides_work() -> None:
    queue = BatchQueue(most_rows=16)

    async def fill() -> None:
        for key in range(500):
            await queue.put(changes(key))
            if key % 7 == 0:
                await asyncio.sleep(0)

    filling = asyncio.create_task(fill())
    taken: list[int] = []
    while len(taken) < 500:
        taken += keys(await queue.take())
        assert queue.rows <= 16
        await asyncio.sleep(0)
    await filling

    assert all(after == before + 1 for before, after in pairwise(taken))
