"""The command `feeder` beside a real broker: what it reads, where it goes on, when it stops."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from support.commands import machine, wait_until
from support.feeders import (
    Feeding,
    Writer,
    copy_identity,
    ids_that_a_stranger_reads,
    start_feeder,
)
from support.feeding import numbered
from support.feeds import batches, market

from tradercast.feeds import FeedId
from tradercast.pipeline.messages import Message
from tradercast.records import Trades

pytestmark = pytest.mark.timeout(240)

IDLE = FeedId("bitfinex", "ethusd")


def ids(trades: Trades) -> list[str | None]:
    assert trades.trade_id is not None
    return trades.trade_id.to_strings()


def messages_of(trades: Trades, size: int, **options: Any) -> list[Message]:
    return numbered(list(batches(trades, [size])), **options)


@pytest.fixture
def topic(kafka: Any, topic_prefix: str) -> str:
    name = f"{topic_prefix}trades"
    kafka.topics.create(name, 2)
    return name


def test_only_committed_messages_are_fed_and_a_stop_is_quick(
    kafka: Any, topic: str, tmp_path: Path
) -> None:
    trades = market(3_000)
    writer = Writer(kafka.bootstrap, topic)
    messages = messages_of(trades, 100)
    writer.write(messages[:10])
    writer.write(numbered([market(50, seed=9)], first=10), abort=True)
    writer.write(messages[10:20])
    with machine(tmp_path / "one") as node:
        feeding = start_feeder(node, kafka.bootstrap, topic)
        feeding.reaches(19)
        writer.write(messages[20:])
        feeding.reaches(29)
        assert ids_that_a_stranger_reads(tmp_path / "reader", feeding.link) == ids(trades)

        began = time.monotonic()
        feeding.signal(signal.SIGTERM)
        [stopped] = [line for line in feeding.result(0) if line.get("event") == "stopped"]
        assert time.monotonic() - began < 10
        assert (stopped["appended"], stopped["message"]) == (3_000, 29)


def test_a_topic_that_is_not_there_yet_is_waited_for_while_others_are_fed(
    kafka: Any, topic: str, tmp_path: Path
) -> None:
    trades, late = market(300, seed=1), market(200, seed=2)
    later = f"{topic}-later"
    Writer(kafka.bootstrap, topic).write(messages_of(trades, 100))
    with machine(tmp_path / "one") as node:
        # the first of the topics is what the turn to list feeds is held by
        feeding = start_feeder(node, kafka.bootstrap, f"{later},{topic}")
        assert feeding.ready["waiting_for"] == [later]
        wait_until(lambda: feeding.metric("message") == 2)
        assert feeding.health() == (503, f"waiting for topic {later}")

        kafka.topics.create(later, 2)
        Writer(kafka.bootstrap, later).write(messages_of(late, 100, feed=IDLE))

        feeding.reaches(1, IDLE)
        feeding.reaches(2)
        assert feeding.health() == (200, None)
        assert f"waiting for topic {later}" in feeding.stderr
        assert ids_that_a_stranger_reads(tmp_path / "reader", feeding.link, IDLE) == ids(late)


def test_repeats_cut_otherwise_and_across_a_restart_are_dropped(
    kafka: Any, topic: str, tmp_path: Path
) -> None:
    trades = market(150_000, per_hour=60_000)
    first = messages_of(trades[:120_000], 3_000)
    # 100,000 records back, in messages of another size
    again = messages_of(trades[20_000:], 1_234, first=len(first))
    writer = Writer(kafka.bootstrap, topic)
    writer.write(first)
    writer.write(again[: len(again) // 2])
    with machine(tmp_path / "one") as node:
        feeding = start_feeder(node, kafka.bootstrap, topic)
        feeding.reaches(len(first) + 10)
        node.kill()
        writer.write(again[len(again) // 2 :])
        feeding = start_feeder(node, kafka.bootstrap, topic)
        feeding.reaches(len(first) + len(again) - 1)

        assert ids_that_a_stranger_reads(tmp_path / "reader", feeding.link) == ids(trades)


def test_an_idle_symbol_does_not_make_a_hole_nor_a_full_read(
    kafka: Any, topic: str, tmp_path: Path
) -> None:
    busy, idle = market(30_000, seed=1), market(4, seed=2)
    lively = messages_of(busy, 100)
    writer = Writer(kafka.bootstrap, topic)
    writer.write([*numbered([idle[:2]], feed=IDLE), *lively[:200]])
    with machine(tmp_path / "one") as node:
        feeding = start_feeder(node, kafka.bootstrap, topic)
        feeding.reaches(199)
        feeding.signal(signal.SIGTERM)
        feeding.result(0)
        # long after, retention took all that was there
        kafka.topics.delete_before(topic, kafka.topics.watermarks(topic)[1])
        writer.write([*lively[200:], *numbered([idle[2:]], feed=IDLE, first=1)])

        feeding = start_feeder(node, kafka.bootstrap, topic)
        feeding.reaches(299)
        feeding.reaches(1, IDLE)
        assert feeding.metric("reread_total") == 0
        assert ids_that_a_stranger_reads(tmp_path / "reader", feeding.link, IDLE) == ids(idle)


def test_a_topic_that_was_made_again_is_not_believed_when_it_counts_from_the_start(
    kafka: Any, topic: str, tmp_path: Path
) -> None:
    trades = market(400)
    with machine(tmp_path / "one") as node:
        Writer(kafka.bootstrap, topic).write(messages_of(trades[:200], 100))
        start_feeder(node, kafka.bootstrap, topic).reaches(1)
        node.kill()
        kafka.topics.delete(topic)
        kafka.topics.create(topic, 2)
        Writer(kafka.bootstrap, topic).write(messages_of(trades[200:], 100))

        error = start_feeder(node, kafka.bootstrap, topic).error(6)

    assert "was made again and counts the messages" in error["message"]


@pytest.mark.parametrize(
    "kills", [3, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_feeder_and_sidecar_killed_under_load_lose_and_double_nothing(
    kafka: Any, topic: str, tmp_path: Path, kills: int
) -> None:
    rng = random.Random(kills)
    trades = market(kills * 20_000, per_hour=40_000)
    messages = messages_of(trades, 100)
    writer = Writer(kafka.bootstrap, topic)
    with machine(tmp_path / "one") as node:
        load = writer.write_slowly(messages, 0.002)
        feeding = start_feeder(node, kafka.bootstrap, topic)
        for turn in range(2 * kills):
            time.sleep(rng.uniform(0.1, 1.0))  # at a random moment
            if turn % 2:
                node.kill_sidecar()
            else:
                feeding.kill()
                feeding = start_feeder(node, kafka.bootstrap, topic)
        load.join()
        feeding.reaches(len(messages) - 1)

        assert ids_that_a_stranger_reads(tmp_path / "reader", feeding.link) == ids(trades)


@pytest.mark.parametrize(
    "kills",
    [pytest.param(kills, marks=[pytest.mark.slow, pytest.mark.timeout(900)]) for kills in (3, 20)],
)
def test_two_feeders_with_one_identity_never_contradict_each_other(
    kafka: Any, topic: str, tmp_path: Path, kills: int
) -> None:
    rng = random.Random(kills)
    trades = market(kills * 30_000, per_hour=40_000)
    messages = messages_of(trades, 100)
    writer = Writer(kafka.bootstrap, topic)
    writer.write(messages[:1])
    with machine(tmp_path / "a") as one, machine(tmp_path / "b") as two:
        nodes = [one, two]
        running: list[Feeding] = [start_feeder(one, kafka.bootstrap, topic)]
        running[0].reaches(0)
        copy_identity(one, two)
        running.append(start_feeder(two, kafka.bootstrap, topic, "--siblings", running[0].peer))
        load = writer.write_slowly(messages[1:], 0.002)
        for _ in range(kills):
            time.sleep(rng.uniform(0.3, 1.5))
            which = rng.randrange(2)
            nodes[which].kill()
            running[which] = start_feeder(
                nodes[which], kafka.bootstrap, topic, "--siblings", running[1 - which].peer
            )
        load.join()
        for feeding in running:
            feeding.reaches(len(messages) - 1)
        read = [
            ids_that_a_stranger_reads(tmp_path / f"reader-{n}", feeding.link)
            for n, feeding in enumerate(running)
        ]

        assert read[0] == read[1] == ids(trades)
        for node in nodes:
            wait_until(lambda node=node: not list((node.data_dir / "incidents").iterdir()))
