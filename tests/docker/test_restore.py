"""A publisher's machine is lost: its keys and a seeder are enough to go on."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import pytest
from support.commands import machine, wait_until
from support.feeders import Writer, copy_identity, ids_that_a_stranger_reads, start_feeder
from support.feeding import numbered
from support.feeds import FEED, batches, market

pytestmark = pytest.mark.timeout(300)


def test_a_feeder_of_which_only_the_keys_are_left_goes_on_behind_a_seeder(
    kafka: Any, topic_prefix: str, tmp_path: Path
) -> None:
    topic = f"{topic_prefix}trades"
    kafka.topics.create(topic)
    trades = market(3_000)
    assert trades.trade_id is not None
    messages = numbered(list(batches(trades, [100])))
    writer = Writer(kafka.bootstrap, topic)
    writer.write(messages[:20])
    with (
        machine(tmp_path / "lost") as lost,
        machine(tmp_path / "seeder") as seeder,
        machine(tmp_path / "new") as new,
    ):
        feeding = start_feeder(lost, kafka.bootstrap, topic)
        feeding.reaches(19)
        serving = seeder.serve(follow=feeding.link, no_dht=True, metrics="127.0.0.1:0")
        at = next(line for line in serving.lines if line.get("event") == "metrics")["address"]

        def copied() -> bool:
            with urllib.request.urlopen(f"http://{at}/metrics", timeout=10) as answer:
                return f'tradercast_serve_records{{feed="{FEED}"}} 2000.0' in answer.read().decode()

        wait_until(copied, 60, "the seeder has not everything")
        lost.kill()
        copy_identity(lost, new)
        kafka.topics.delete_before(topic, 15)  # Kafka alone would not be enough
        writer.write(messages[20:])

        restored = start_feeder(new, kafka.bootstrap, topic, "--siblings", serving.peer)
        restored.reaches(29)

        found = ids_that_a_stranger_reads(tmp_path / "stranger", restored.link)
    assert found == trades.trade_id.to_strings()
