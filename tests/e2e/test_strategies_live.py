"""One strategy over history and live, in processes of their own."""

from __future__ import annotations

from pathlib import Path

from support import live_market
from support.commands import machine, unused_address
from support.live_market import RUN, START, STEP, STEPS, Quoter
from support.relay import relay

import tradercast


def test_the_fills_over_history_are_those_of_the_same_records_streamed_live(tmp_path: Path) -> None:
    address = unused_address()
    with machine(tmp_path / "publisher") as own, machine(tmp_path / "trader") as other:
        publisher = own.start_script(live_market.HERE, "publish", address)
        link = str(publisher.event("ready")["link"])
        publisher.tell({"to_ns": START + 250 * STEP})
        publisher.event("written")
        with relay(address) as line:
            through = f"{link.partition('?')[0]}?peer={line.address}"
            trader = other.start_script(live_market.HERE, "trade", through)
            trader.event("fill")
            publisher.tell({"to_ns": START + STEPS * STEP})
            while trader.event("fill")["ts"] < START + 500 * STEP:
                pass
            line.drop()  # it connects again
            while trader.event("fill")["ts"] < START + 800 * STEP:
                pass
            line.unplug()
            own.kill()
            publisher = own.start_script(live_market.HERE, "publish", address)
            publisher.event("ready")
            line.mend()
            publisher.tell({"to_ns": START + STEPS * STEP})
            live = trader.event("fills")
        publisher.event("written")

        with tradercast.connect(tmp_path / "quant", link=link) as client:
            history = tradercast.backtest(Quoter(), "bitfinex/btcusd", client=client, **RUN)

    assert len(live["fills"]) > 50
    assert history.rows() == live["fills"]
    assert (history.records, str(history.pnl)) == (live["records"], live["pnl"])
    assert {fill.side for fill in history.fills} == {"buy", "sell"}
    assert {fill.is_maker for fill in history.fills} == {True, False}
