"""The command ``feeder --candles`` beside a real broker, killed on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.candles import plain_candles, trade_rows
from support.commands import machine, wait_until
from support.feeders import Writer, start_feeder
from support.feeding import numbered
from support.feeds import batches, market

pytestmark = pytest.mark.timeout(240)


def test_a_stranger_reads_the_candles_of_a_feeder_that_was_killed(
    kafka: Any, topic_prefix: str, tmp_path: Path
) -> None:
    topic = f"{topic_prefix}trades"
    kafka.topics.create(topic, 2)
    trades = market(6_000, per_hour=3_000, jitter_s=7)
    messages = numbered(list(batches(trades, [100])))
    writer = Writer(kafka.bootstrap, topic)
    with machine(tmp_path / "one") as node, machine(tmp_path / "reader") as reader:
        writer.write(messages[:25])
        start_feeder(node, kafka.bootstrap, topic, "--candles").reaches(24)
        node.kill()
        writer.write(messages[25:])
        feeding = start_feeder(node, kafka.bootstrap, topic, "--candles")
        feeding.reaches(59)
        listed = "bitfinex/btcusd/candles-1m"
        wait_until(lambda: listed in [line["feed"] for line in reader.run("ls", feeding.link)])

        rows = reader.run("candles", "btcusd", "--interval", "1m", "--from", feeding.link)

    expected = plain_candles(trade_rows(trades), "1m")
    assert {row["feed"] for row in rows} == {listed}
    assert [(row["ts_open"], row["volume"], row["trades"]) for row in rows] == [
        (row.ts_open, f"{row.volume.normalize():f}", row.trades) for row in expected
    ]
