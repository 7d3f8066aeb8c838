"""``tradercast collect --channels trades,book``: killed, and started again."""

from __future__ import annotations

import json
import signal
from pathlib import Path

from support.commands import EPHEMERAL, Command, Machine, machine, wait_until
from support.exchange import FakeExchange

import tradercast
from tradercast.errors import UnknownSymbolError

START = (("10", 2, "1.5"), ("9", 1, "3"), ("11", 4, "-2"))


def collect(on: Machine, bitfinex: FakeExchange) -> Command:
    own = ("--listen", EPHEMERAL, "--no-dht", "--url", bitfinex.url)
    return on.start("collect", "bitfinex", "btcusd", "--channels", "trades,book", *own)


def bids(node: Machine) -> list[tuple[str, str]]:
    """Those of the newest book that is here."""
    with tradercast.connect(node.data_dir) as client:
        try:
            levels = client.book_at("btcusd", sync=False).bids()
        except UnknownSymbolError:
            return []
    return [(str(price), str(size)) for price, size in levels]


def test_a_book_is_collected_across_a_kill_with_a_gap_between(
    bitfinex: FakeExchange, tmp_path: Path
) -> None:
    bitfinex.levels("tBTCUSD", *START)
    with machine(tmp_path / "node") as node:
        first = collect(node, bitfinex)
        first.event("ready")
        bitfinex.wait("subscribed", channel="book")
        bitfinex.levels("tBTCUSD", ("10", 1, "7"))
        wait_until(lambda: bids(node) == [("10", "7"), ("9", "3")])
        first.signal(signal.SIGKILL)
        first.process.wait(20)
        bitfinex.levels("tBTCUSD", ("10", 0, "1"), heard=False)

        second = collect(node, bitfinex)
        second.event("ready")
        bitfinex.wait("subscribed", channel="book")
        bitfinex.trade("tBTCUSD", 1, "0.5", "11")
        wait_until(lambda: bids(node) == [("9", "3")])
        second.signal(signal.SIGTERM)
        ended = second.result(0, 20)[-1]
        gaps = node.run("gaps", "btcusd", "--channel", "book")
        out = tmp_path / "book.jsonl"
        node.run("export", "btcusd", "--channel", "book", "--out", out)
        refused = node.fails(2, "collect", "bitfinex", "btcusd", "--channels", "trades,bok")

    rows = [json.loads(line) for line in out.read_text().splitlines()]
    kinds = [row["type"] if row["type"] == "gap" else row["is_snapshot"] for row in rows]
    assert kinds == [True, False, False, False, "gap", True, False]
    assert [row["checksum"] is not None for row in rows if "checksum" in row] == [
        *(False, True, False, True),
        *(False, True),
    ]
    assert rows[0]["bids"] == [["10", "1.5", 2], ["9", "3", 1]]
    assert [gap["missing_from"] for gap in gaps] == [rows[3]["last_id"] + 1]
    assert gaps[0]["ts_before"] == rows[3]["ts_event"]
    assert (ended["books"], ended["gaps"], ended["written"]) == ({"btcusd": 3}, 1, {"btcusd": 1})
    assert "trades, book" in refused["hint"]
