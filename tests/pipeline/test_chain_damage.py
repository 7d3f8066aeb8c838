"""A feeder whose store lost what was durable: it finds out, and signs nothing else in its place."""

from __future__ import annotations

import shutil

import pytest
from support.chain import Chain
from support.commands import wait_until
from support.damage import cut, flip, write_ahead_log
from support.ledger import check_blocks

pytestmark = [pytest.mark.timeout(240), pytest.mark.faults]

SYMBOLS = 3


@pytest.fixture
def chain(chain: Chain) -> Chain:
    chain.feeder.options = ("--catch-up", "1s")  # there is nobody who could help
    chain.listener.start()
    chain.feeder.start()
    return chain


def filled(chain: Chain, calls: int, each: int = 240, first: int = 0) -> set[str]:
    """Insert in many calls, and so in many messages and blocks; wait until all is durable."""
    acked: set[str] = set()
    for call in range(calls):
        start = first + call * each
        acked |= chain.insert(chain.documents(range(start, start + each)))
        messages = chain.topic.wait_for_ids(acked, chain.listener.log, quiet_s=0)
    chain.feeder.reaches(messages)
    return acked


@pytest.mark.parametrize(
    ("lost", "loses"),  # the end of the log may be nothing but notes of the store's own
    [
        pytest.param(1, False, id="cut by 1", marks=pytest.mark.slow),
        pytest.param(100, False, id="cut by 100", marks=pytest.mark.slow),
        pytest.param(60_000, True, id="cut by 60,000"),
        pytest.param(0, True, id="a bit flipped"),
    ],
)
def test_a_damaged_write_ahead_log_is_derived_again_from_kafka(
    chain: Chain, lost: int, loses: bool
) -> None:
    acked = filled(chain, 12)
    chain.feeder.kill_all()
    wal = write_ahead_log(chain.feeder.node.data_dir)
    if lost:
        cut(wal, lost)
    else:
        flip(wal)

    again = chain.feeder.start()
    acked |= filled(chain, 2, first=10_000)

    chain.check(acked)
    if loses:
        assert "the rest is derived again" in again.stderr
        assert "has again what it lost" in again.stderr
    assert not list((chain.feeder.node.data_dir / "incidents").iterdir())


def test_a_store_restored_from_an_older_copy_signs_nothing_else(chain: Chain) -> None:
    acked = filled(chain, 5)
    chain.feeder.stop()
    chain.feeder.node.rest()
    store = chain.feeder.node.data_dir / "store" / "db"
    shutil.copytree(store, chain.folder / "copy")
    chain.feeder.start()
    acked |= filled(chain, 10, first=10_000)
    before = chain.read(chain.topic.wait_for_ids(acked, chain.listener.log))
    chain.feeder.kill_all()
    shutil.rmtree(store)
    (chain.folder / "copy").rename(store)

    chain.feeder.start()
    acked |= filled(chain, 2, first=20_000)

    chain.check_against(before, acked)


def test_what_a_quiet_feed_lost_is_made_up_for_at_the_start(chain: Chain) -> None:
    acked = filled(chain, 12)
    messages = chain.topic.wait_for_ids(acked, chain.listener.log)
    before = chain.read(messages)
    chain.feeder.kill_all()
    cut(write_ahead_log(chain.feeder.node.data_dir), 60_000)

    again = chain.feeder.start()  # and nothing is inserted any more

    wait_until(lambda: "has again what it lost" in again.stderr)
    chain.check_messages(acked, messages)
    check_blocks(before, chain.read(messages))
    assert again.health() == (200, None)
