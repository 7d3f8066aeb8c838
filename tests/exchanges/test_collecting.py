"""Collecting from an exchange that has every fault there is: each trade once, none lost."""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import replace

import psutil
import pytest
from support.collecting import QUICK, Collecting, MemorySink, collecting
from support.exchange import T0_MS, FakeExchange, exchange, row

from tradercast.errors import UnknownSymbolError
from tradercast.exchanges.connector import Maintenance, Refused
from tradercast.exchanges.stream import Disconnected
from tradercast.pipeline.collect import Hole
from tradercast.records import NO_TIME, Side


def do(bitfinex: FakeExchange, action: str, **arguments: object) -> asyncio.Future[object]:
    """Tell the exchange something without blocking the collector, which shares this process."""
    return asyncio.ensure_future(asyncio.to_thread(bitfinex.do, action, **arguments))


async def subscribed(bitfinex: FakeExchange, symbol: str = "tBTCUSD") -> None:
    await asyncio.to_thread(bitfinex.wait, "subscribed", symbol=symbol)


async def trade(
    bitfinex: FakeExchange, *numbers: int, symbol: str = "tBTCUSD", **more: object
) -> None:
    rows = [row(number, "0.5", f"100.{number}") for number in numbers]
    await do(bitfinex, "trade", symbol=symbol, rows=rows, **more)


async def test_trades_of_several_symbols_with_all_their_values(bitfinex: FakeExchange) -> None:
    bitfinex.trades("tAVAX:USD", [row(1, "-2.50", "35.1"), row(2, "1e-7", "3.52E1")], heard=False)

    async with collecting(bitfinex, "btcusd", "avaxusd") as running:
        await subscribed(bitfinex, "tAVAX:USD")
        await trade(bitfinex, 3)
        await trade(bitfinex, 4, symbol="tAVAX:USD")
        await running.has([3])
        await running.has([1, 2, 4], "avaxusd")

    avax = running.sink.written["avaxusd"]
    assert running.sink.rows("avaxusd")[:2] == [(1, "35.1", "-2.50"), (2, "35.2", "0.0000001")]
    assert [each.side for each in avax] == [Side.SELL, Side.BUY, Side.BUY]
    assert [each.ts_event for each in avax] == [(T0_MS + n) * 10**6 for n in (1, 2, 4)]
    assert avax[-1].ts_recv > avax[-1].ts_event
    counters = running.collector.counters["avaxusd"]
    assert (counters.taken, counters.written, counters.repeated) == (3, 3, 1)


@pytest.mark.parametrize(
    "kinds", [["te"], ["tu"], ["te", "tu"], ["tu", "te"], ["te", "te", "tu", "te", "tu"]]
)
async def test_each_trade_once_whatever_tells_of_it(
    bitfinex: FakeExchange, kinds: list[str]
) -> None:
    async with collecting(bitfinex) as running:
        await subscribed(bitfinex)
        await trade(bitfinex, 1, 2, kinds=kinds)
        await trade(bitfinex, 9)
        await running.has([1, 2, 9])


async def test_late_repetitions_out_of_order_and_with_other_values(bitfinex: FakeExchange) -> None:
    async with collecting(bitfinex) as running:
        await subscribed(bitfinex)
        await trade(bitfinex, 5, 3, 4, kinds=["te"])
        for number in (4, 5, 3):
            await do(bitfinex, "tell", symbol="tBTCUSD", kind="tu", row=row(number, "9", "9"))
        await trade(bitfinex, 6)
        await running.has([5, 3, 4, 6])

    assert running.sink.rows() == [(n, f"100.{n}", "0.5") for n in (5, 3, 4, 6)]
    assert running.collector.counters["btcusd"].differing == 3


FAULTS = {
    "closed in order": ("close", {"code": 1001}),
    "closed with an error": ("close", {"code": 1011}),
    "cut": ("abort", {}),
    "restarting": ("info", {"code": 20051}),
    "no JSON": ("frame", {"text": "<html>502 Bad Gateway</html>"}),
    "not even text": ("frame", {"data": base64.b64encode(b"\x00\xff\xfe").decode()}),
    "no message": ("frame", {"text": '{"hello": [1, 2, 3]}'}),
    "nested": ("frame", {"text": "[" * 200_000}),
    "a huge frame": ("huge", {"size": 3 << 20}),
    "a message left out": ("skip", {}),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_fault_it_connects_again_and_takes_what_it_missed(
    bitfinex: FakeExchange, fault: str
) -> None:
    action, arguments = FAULTS[fault]
    async with collecting(bitfinex) as running:
        await subscribed(bitfinex)
        await trade(bitfinex, 1, 2)
        await running.has([1, 2])

        if action == "skip":  # the next message is the one left out
            await do(bitfinex, action)
            await trade(bitfinex, 3)
        else:  # it is back before anybody could make a trade that it does not hear of
            await trade(bitfinex, 3, heard=False)
            await do(bitfinex, action, **arguments)
        await subscribed(bitfinex)
        await trade(bitfinex, 4)
        await running.has([1, 2, 3, 4])

    assert len(running.reasons) == 1
    assert running.collector.counters["btcusd"].holes == 0


async def test_silence_is_noticed(bitfinex: FakeExchange) -> None:
    async with collecting(bitfinex) as running:
        await subscribed(bitfinex)
        await trade(bitfinex, 1)
        await running.has([1])

        await do(bitfinex, "stall", on=True)
        await running.heard(Disconnected)
        await trade(bitfinex, 2, heard=False)
        await do(bitfinex, "stall", on=False)
        await running.has([1, 2])

    assert "says nothing of tBTCUSD" in running.reasons[0]


async def test_an_idle_market_with_a_heartbeat_is_not_silence(bitfinex: FakeExchange) -> None:
    async with collecting(bitfinex) as running:
        await subscribed(bitfinex)
        await asyncio.sleep(2.0)  # twice the silence that would be too long
        await trade(bitfinex, 1)
        await running.has([1])

    assert running.reasons == []


async def test_more_trades_than_a_snapshot_holds_are_told_as_a_hole(bitfinex: FakeExchange) -> None:
    async with collecting(bitfinex) as running:
        await subscribed(bitfinex)
        await trade(bitfinex, 1)
        await running.has([1])

        await do(bitfinex, "deny", status=503)
        await do(bitfinex, "abort")
        await trade(bitfinex, *range(2, 42), heard=False)
        await asyncio.to_thread(bitfinex.wait, "denied")
        await do(bitfinex, "deny", status=0)
        hole = await running.heard(Hole)
        await running.has([1, *range(12, 42)])

    assert (hole.symbol, hole.first.trade_id) == ("btcusd", 12)
    assert running.collector.counters["btcusd"].holes == 1
    assert any("503" in why for why in running.reasons)


async def test_a_restart_goes_on_from_what_the_sink_has(bitfinex: FakeExchange) -> None:
    bitfinex.trades("tBTCUSD", [row(n, "1", "1") for n in (1, 2, 3)], heard=False)
    sink = MemorySink(before={"btcusd": [1, 2]})
    sink.may_write.set()

    async with collecting(bitfinex, sink=sink) as running:
        await running.has([3])

    assert running.collector.counters["btcusd"].repeated == 2


async def test_maintenance(bitfinex: FakeExchange) -> None:
    async with collecting(bitfinex, "btcusd", "ethusd") as running:
        await subscribed(bitfinex, "tETHUSD")
        await trade(bitfinex, 1)
        await do(bitfinex, "info", code=20060)
        await running.heard(Maintenance)
        await do(bitfinex, "stall", on=True)
        await asyncio.sleep(1.5)  # longer than any other silence may last
        await trade(bitfinex, 2, heard=False)
        await do(bitfinex, "stall", on=False)
        await do(bitfinex, "info", code=20061)
        await subscribed(bitfinex, "tBTCUSD")
        await trade(bitfinex, 3)
        await running.has([1, 2, 3])

    assert [each.begun for each in running.news if isinstance(each, Maintenance)] == [True, False]
    assert running.reasons == []


async def test_a_refused_symbol_is_named_and_the_others_go_on(bitfinex: FakeExchange) -> None:
    bitfinex.do("refuse", symbol="tNOSUCH:USD")

    async with collecting(bitfinex, "btcusd", "nosuchusd") as running:
        refused = await running.heard(Refused)
        await trade(bitfinex, 1)
        await running.has([1])

        bitfinex.trades("tNOSUCH:USD", [row(7, "1", "1")], heard=False)
        await do(bitfinex, "allow", symbol="tNOSUCH:USD")
        await do(bitfinex, "close")
        await running.has([7], "nosuchusd")

    assert refused == Refused("nosuchusd", "symbol: invalid (code 10300)")


async def test_a_refused_symbol_is_asked_for_again_on_the_same_connection(
    bitfinex: FakeExchange,
) -> None:
    bitfinex.do("refuse", symbol="tNOSUCH:USD")
    options = replace(QUICK, first_ask_s=0.1, most_ask_s=0.4)

    async with collecting(bitfinex, "btcusd", "nosuchusd", options=options) as running:
        await running.heard(Refused, times=4)
        await trade(bitfinex, 1)
        await running.has([1])
        bitfinex.trades("tNOSUCH:USD", [row(7, "1", "1")], heard=False)
        await do(bitfinex, "allow", symbol="tNOSUCH:USD")
        await running.has([7], "nosuchusd")

    assert running.reasons == []
    assert running.collector.counters["nosuchusd"].refused >= 4


async def test_what_a_snapshot_tells_was_not_received_when_it_happened(
    bitfinex: FakeExchange,
) -> None:
    bitfinex.trades("tBTCUSD", [row(1, "1", "1"), row(2, "1", "1")], heard=False)

    async with collecting(bitfinex) as running:
        await subscribed(bitfinex)
        await trade(bitfinex, 3)
        await running.has([1, 2, 3])

    received = [each.ts_recv for each in running.sink.written["btcusd"]]
    assert received[:2] == [NO_TIME, NO_TIME]
    assert received[2] > T0_MS * 10**6


async def test_trades_of_the_far_future_are_left_out_and_counted(bitfinex: FakeExchange) -> None:
    later = (time.time_ns() - T0_MS * 10**6) // 10**6 + 25 * 3_600_000  # ms, a day and an hour
    bitfinex.trades("tBTCUSD", [row(1, "1", "1"), row(later, "1", "1")], heard=False)

    async with collecting(bitfinex) as running:
        await subscribed(bitfinex)
        await trade(bitfinex, later + 1, kinds=["te", "tu"])
        await trade(bitfinex, 2)
        await running.has([1, 2])

    counters = running.collector.counters["btcusd"]
    assert (counters.future, counters.taken, counters.written) == (2, 2, 2)


async def test_only_refused_symbols_are_an_error(bitfinex: FakeExchange) -> None:
    bitfinex.do("refuse", symbol="tNOSUCH:USD")

    async with collecting(bitfinex, "nosuchusd") as running:
        with pytest.raises(UnknownSymbolError, match="nosuchusd: symbol: invalid"):
            await running.task


async def test_an_exchange_that_is_away_is_waited_for() -> None:
    with exchange() as gone:
        url = gone.url
    with exchange("--heartbeat", "0.2") as there:
        there.url, here = url, there.url
        async with collecting(there) as running:
            await running.heard(Disconnected, times=3)
        there.url = here

    waits = [each.wait_s for each in running.news if isinstance(each, Disconnected)]
    assert all(0.025 <= wait <= 0.2 for wait in waits)
    assert waits[2] > waits[0]
    assert all("no connection" in why for why in running.reasons)


async def test_more_symbols_than_a_connection_takes_are_spread(bitfinex: FakeExchange) -> None:
    symbols = [f"a{chr(97 + n % 26)}{chr(97 + n // 26)}usd" for n in range(30)]

    async with collecting(bitfinex, *symbols) as running:
        last = "t" + symbols[-1].upper()
        await subscribed(bitfinex, last)
        await trade(bitfinex, 1, symbol=last)
        await running.has([1], symbols[-1])

    assert bitfinex.do("stall")["connections"] == 2


async def test_a_slow_sink_holds_the_exchange_up_and_memory_stays_flat(
    bitfinex: FakeExchange,
) -> None:
    sink = MemorySink()
    numbers = range(1, 30_001)
    rows = [row(number, "0.5", "100.25") for number in numbers]
    async with collecting(bitfinex, sink=sink, most_trades=2_000, flush_trades=500) as running:
        await subscribed(bitfinex)
        before = psutil.Process().memory_info().rss
        telling = do(bitfinex, "trade", symbol="tBTCUSD", rows=rows)
        await running.until(lambda: running.collector.counters["btcusd"].taken >= 2_000)
        await asyncio.sleep(1.5)  # longer than silence may last: nothing is read, nothing is late
        taken = running.collector.counters["btcusd"].taken
        grown = psutil.Process().memory_info().rss - before
        sink.may_write.set()
        await running.until(lambda: len(sink.ids()) == len(numbers), 30)
        await telling

    assert taken == 2_000
    assert grown < 30 << 20
    assert sink.ids() == list(numbers)
    assert sink.largest <= 500
    assert running.reasons == []


async def test_what_was_read_is_written_before_it_ends(bitfinex: FakeExchange) -> None:
    sink = MemorySink()
    async with collecting(bitfinex, sink=sink, flush_s=30.0) as running:
        sink.may_write.set()
        await subscribed(bitfinex)
        await trade(bitfinex, 1, 2, 3)
        await running.until(lambda: running.collector.counters["btcusd"].taken == 3)
        assert sink.ids() == []

    assert sink.ids() == [1, 2, 3]


async def test_a_sink_that_fails_ends_the_collecting(bitfinex: FakeExchange) -> None:
    class Failing(MemorySink):
        async def write(self, trades: object) -> None:
            raise OSError("no disk")

    async def run(running: Collecting) -> None:
        await subscribed(bitfinex)
        await trade(bitfinex, 1)
        await running.task

    async with collecting(bitfinex, sink=Failing()) as running:
        with pytest.raises(OSError, match="no disk"):
            await run(running)
