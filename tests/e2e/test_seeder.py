"""`serve --follow`: a seeder that copies all feeds of a publisher, those that come later too."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from support.commands import wait_until
from support.feeds import market
from support.markets import publish, publisher_of

FIRST, SECOND = market(3_000), market(700, seed=2)


def readings(address: str) -> dict[tuple[str, ...], float]:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_seeder_replaces_the_publisher(tmp_path: Path, machines: Any) -> None:
    with publisher_of(tmp_path / "publisher", {("bitfinex", "btcusd"): FIRST}) as publisher:
        seeder, reader = machines("seeder"), machines("reader")
        serving = seeder.serve(
            follow=publisher.link, no_dht=True, metrics="127.0.0.1:0", log_level="debug"
        )
        at = next(line for line in serving.lines if line.get("event") == "metrics")["address"]

        def copied(symbol: str) -> float:
            return readings(at).get(("tradercast_serve_records", f"bitfinex/{symbol}/trades"), 0)

        wait_until(lambda: copied("btcusd") == len(FIRST), 60, serving.stderr)
        publish(publisher.machine, tmp_path / "2.csv", SECOND, symbol="ethusd")
        wait_until(lambda: copied("ethusd") == len(SECOND), 90, serving.stderr)
        publisher.machine.kill()

        root = publisher.link.partition("?")[0]
        for symbol, trades in (("btcusd", FIRST), ("ethusd", SECOND)):
            synced = reader.sync(symbol, "--from", root, "--peer", serving.peer)
            assert synced["records"] == len(trades)
        reader.verify()
        wait_until(lambda: readings(at)["tradercast_serve_peer_bytes_total", "sent"] > 1_000)
        assert readings(at)[("tradercast_serve_forked",)] == 0
