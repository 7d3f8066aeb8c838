"""Waiting between tries; taking each trade once; gathering trades before they are written."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.exchanges.backoff import Backoff
from tradercast.exchanges.connector import ExchangeTrade, Update
from tradercast.exchanges.taken import Taken
from tradercast.pipeline.flushing import FlushBuffer
from tradercast.records import Side


def trade(number: int, price: str = "100") -> ExchangeTrade:
    return ExchangeTrade(number, number * 10**6, 0, Side.BUY, price, "1")


def update(*numbers: int, snapshot: bool = False, repeats: bool = False) -> Update:
    return Update("btcusd", tuple(map(trade, numbers)), snapshot, repeats)


def ids(trades: Sequence[ExchangeTrade]) -> list[int]:
    return [each.trade_id for each in trades]


def test_waits_double_up_to_a_bound_and_are_shortened_by_up_to_a_half() -> None:
    backoff = Backoff(random.Random(7), first_s=1.0, most_s=60.0)
    rng = random.Random(7)

    waits = [backoff.next_s() for _ in range(9)]

    bounds = [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert waits == [bound * rng.uniform(0.5, 1.0) for bound in bounds]
    backoff.reset()
    assert 0.5 <= backoff.next_s() <= 1.0
    for _ in range(2_000):
        assert backoff.next_s() <= 60.0


def test_a_trade_is_taken_once_whichever_message_comes_first() -> None:
    taken = Taken()

    assert ids(taken.news(update(1)).trades) == [1]
    assert ids(taken.news(update(1, repeats=True)).trades) == []
    assert ids(taken.news(update(2, repeats=True)).trades) == [2]
    assert ids(taken.news(update(2)).trades) == []


def test_trades_keep_the_order_of_arrival_whatever_their_ids() -> None:
    taken = Taken()

    assert ids(taken.news(update(5)).trades) == [5]
    assert ids(taken.news(update(3)).trades) == [3]
    assert ids(taken.news(update(9, 4)).trades) == [9, 4]


def test_another_value_under_the_same_id_is_told_and_changes_nothing() -> None:
    taken = Taken()
    taken.news(update(1))

    found = taken.news(Update("btcusd", (trade(1, "101"),), repeats=True))

    assert found.trades == []
    assert found.differing == [trade(1, "101")]
    assert taken.news(update(1, repeats=True)).differing == []


def test_a_snapshot_brings_what_was_missed() -> None:
    taken = Taken([1, 2, 3])

    found = taken.news(update(2, 3, 4, 5, snapshot=True))

    assert ids(found.trades) == [4, 5]
    assert not found.hole


def test_a_snapshot_that_does_not_reach_back_shows_a_hole() -> None:
    taken = Taken([1, 2, 3])

    found = taken.news(update(10, 11, snapshot=True))

    assert ids(found.trades) == [10, 11]
    assert found.hole


@pytest.mark.parametrize("known", [[], [1, 2]])
def test_no_hole_at_the_very_beginning_or_in_an_idle_market(known: list[int]) -> None:
    taken = Taken(known)

    assert not taken.news(update(1, 2, snapshot=True)).hole
    assert not taken.news(update(snapshot=True)).hole


def test_a_repetition_that_comes_later_than_the_window_is_not_new() -> None:
    taken = Taken(window=3)
    for number in (1, 2, 3, 4, 5):
        taken.news(update(number))

    assert len(taken) == 3
    assert ids(taken.news(update(1, repeats=True)).trades) == []
    assert ids(taken.news(update(1, 2, 5, 6, snapshot=True)).trades) == [6]
    assert ids(taken.news(update(0)).trades) == [0]  # executed, and told late


MESSAGES = st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=120)


@given(MESSAGES)
def test_every_id_is_taken_exactly_once(messages: list[tuple[int, bool]]) -> None:
    taken = Taken()

    found = [
        number
        for told, repeats in messages
        for number in ids(taken.news(update(told, repeats=repeats)).trades)
    ]

    assert found == list(dict.fromkeys(told for told, _ in messages))


class Writes:
    """Takes writes, when it may."""

    def __init__(self) -> None:
        self.made: list[dict[str, list[int]]] = []
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self, waiting: Mapping[str, Sequence[ExchangeTrade]]) -> None:
        await self.may.wait()
        self.made.append({symbol: ids(some) for symbol, some in waiting.items()})


async def test_trades_of_a_moment_are_written_together() -> None:
    writes = Writes()
    buffer = FlushBuffer(writes, 0.05, 1_000, 5_000)
    running = asyncio.create_task(buffer.run())

    await buffer.add("btcusd", [trade(1)])
    await buffer.add("ethusd", [trade(7)])
    await buffer.add("btcusd", [trade(2)])
    await asyncio.sleep(0.2)

    assert writes.made == [{"btcusd": [1, 2], "ethusd": [7]}]
    buffer.close()
    await running


async def test_many_trades_do_not_wait_and_go_in_portions() -> None:
    writes = Writes()
    buffer = FlushBuffer(writes, 60.0, 3, 5_000)
    running = asyncio.create_task(buffer.run())

    await buffer.add("btcusd", [trade(number) for number in range(7)])
    await buffer.add("ethusd", [trade(9)])
    for _ in range(20):
        await asyncio.sleep(0)

    assert [each["btcusd"] for each in writes.made] == [[0, 1, 2], [3, 4, 5]]
    assert buffer.size == 1
    buffer.close()
    await running
    assert writes.made[-1] == {"btcusd": [6]}
    assert writes.made[0]["ethusd"] == [9]


async def test_adding_waits_for_room_and_loses_nothing_when_cancelled() -> None:
    writes = Writes()
    writes.may.clear()
    buffer = FlushBuffer(writes, 0.01, 2, 4)
    running = asyncio.create_task(buffer.run())

    await buffer.add("btcusd", [trade(number) for number in range(3)])
    adding = asyncio.create_task(buffer.add("btcusd", [trade(3), trade(4)]))
    await asyncio.sleep(0.1)
    assert not adding.done()
    adding.cancel()
    writes.may.set()
    buffer.close()
    await running

    assert [number for each in writes.made for number in each["btcusd"]] == [0, 1, 2, 3, 4]


async def test_what_fails_to_be_written_ends_it() -> None:
    async def fail(waiting: Mapping[str, Sequence[ExchangeTrade]]) -> None:
        raise OSError("no")

    buffer = FlushBuffer(fail, 0.01, 2, 4)
    running = asyncio.create_task(buffer.run())
    await buffer.add("btcusd", [trade(1)])

    with pytest.raises(OSError, match="no"):
        await running
