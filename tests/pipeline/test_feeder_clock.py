"""Blocks are made of messages alone: in another year a feeder writes the same ones."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.clock import YEARS_20_S, shifted
from support.commands import Machine, machine
from support.feeders import Writer, copy_identity, start_feeder
from support.feeding import numbered
from support.feeds import FEED, batches, market
from support.stores import blocks_of, open_store

from tradercast.feed.entries import MAIN
from tradercast.feed.identity import Identity

pytestmark = [pytest.mark.timeout(240), pytest.mark.faults]


async def _blocks(node: Machine) -> dict[str, list[bytes | None]]:
    identity = Identity.load(node.data_dir / "identity")
    signers = {
        "tail": identity.tail_signer(FEED, MAIN),
        "archive": identity.archive_signer(FEED, MAIN),
    }
    found = {}
    async with open_store(node.data_dir) as store:
        for name, signer in signers.items():
            core = await store.core(signer=signer)
            found[name] = await blocks_of(core, 0, (await core.info()).length)
    return found


def test_a_clock_that_is_twenty_years_ahead_changes_no_block(
    kafka: Any, topic_prefix: str, tmp_path: Path
) -> None:
    topic = f"{topic_prefix}trades"
    kafka.topics.create(topic, 1)
    messages = numbered(list(batches(market(30_000, per_hour=9_000), [700, 11])))
    Writer(kafka.bootstrap, topic).write(messages)
    environ = shifted(tmp_path / "later")
    script = "import time; print(time.time())"
    python = [sys.executable, "-c", script]
    node_js = [environ["TRADERCAST_NODE"], "-p", "Date.now() / 1000"]
    for program in (python, node_js):
        said = subprocess.check_output(program, env={**os.environ, **environ}, text=True)
        assert float(said) > time.time() + 0.99 * YEARS_20_S
    made = []
    with machine(tmp_path / "now") as now, machine(tmp_path / "then") as then:
        for node in (now, then):
            if node is then:
                copy_identity(now, then)
                then.environ |= environ
            feeding = start_feeder(node, kafka.bootstrap, topic)
            feeding.reaches(len(messages) - 1)
            feeding.signal(signal.SIGTERM)
            feeding.result(0, 15)
            node.rest()
            made.append(asyncio.run(_blocks(node)))

    assert None not in made[0]["tail"]
    assert len(made[0]["archive"]) > 2
    assert made[0] == made[1]
