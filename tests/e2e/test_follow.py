"""A live feed, followed while its writer seals it and clears its tail, and while things break."""

from __future__ import annotations

import time
from typing import Any

import pytest
from support.commands import Command, Machine, unused_address, wait_until
from support.feeds import FEED
from support.live import KEEP, MARKET, LivePublisher
from support.relay import relay

from tradercast.feed.tail import KEEP_TAIL
from tradercast.records import Side
from tradercast.timerange import NS_PER_DAY

BEFORE = 1_000  # records that are there before anybody follows


@pytest.fixture
def live(machines: Any) -> LivePublisher:
    """A publisher that is ready to write more."""
    made = LivePublisher(machines("publisher"))
    made.write(BEFORE)
    made.written()
    return made


@pytest.fixture
def reader(machines: Any) -> Machine:
    return machines("reader")


def follow(on: Machine, link: str, *arguments: str) -> tuple[Command, int]:
    """Follow; returns the command and the number of the first record that it is to print."""
    following = on.start("sync", link, "--follow", *arguments)
    synced = following.event("synced")
    assert synced["complete"]
    return following, synced["end_seq"]["main"]


def printed(following: Command, start: int, end: int) -> None:
    """The next lines are exactly these records of the market, in order."""
    rows = MARKET[start:end]
    assert rows.trade_id is not None
    columns = (
        rows.ts_event.tolist(),
        rows.trade_id.to_strings(),
        [Side(side).name.lower() for side in rows.side.tolist()],
        rows.price.to_strings(),
        rows.size.to_strings(),
    )
    names = ("ts_event", "trade_id", "side", "price", "size")
    for seq, values in enumerate(zip(*columns, strict=True), start):
        record = {"type": "trade", "feed": str(FEED), "seq": seq}
        assert following.line() == record | dict(zip(names, values, strict=True))


def held(on: Machine) -> int:
    """Records that are on a machine."""
    return int(on.run("info")[0]["held_records"])


def verified(on: Machine) -> dict[str, int]:
    """How many blocks of each log are on a machine; all of them are what was signed."""
    return {log["log"]: log["verified"] for log in on.verify()[0]["logs"]}


def exported(on: Machine) -> list[str]:
    """The ids of all records on a machine, in order."""
    out = on.root / "out.csv"
    on.run("export", str(FEED), "--out", out)
    header, *rows = out.read_text().splitlines()
    at = header.split(",").index("trade_id")
    return [row.split(",")[at] for row in rows]


def test_nothing_is_lost_when_the_tail_goes_and_a_third_node_gets_all_of_it_from_the_second(
    live, reader, machines
):
    end, here = 7_600, unused_address()
    third = machines("third")

    following, start = follow(reader, live.link, "--listen", here)
    live.write(end, pause_s=0.02)
    printed(following, start, end)
    written = live.written()
    wait_until(lambda: held(reader) == end, complaint="the sealed chunks do not come")
    live.kill()
    synced = third.sync(f"{live.link.partition('?')[0]}?peer={here}")
    following.interrupt()
    lines = following.result(130)

    days = {int(at) // NS_PER_DAY for at in MARKET[:end].ts_event}
    assert len(days) == 5, "it was to be sealed again and again"
    assert written["end_seq"] == end
    assert written["cleared"] > KEEP
    assert start == BEFORE
    assert len(lines) == 1 + (end - start) + 1  # the result, the records, the end

    assert synced["complete"]
    assert synced["records"] == end
    assert [peer["address"] for peer in synced["peers"]] == [here]
    ids = MARKET[:end].trade_id
    assert ids is not None
    assert exported(third) == ids.to_strings()
    blocks = verified(reader)
    assert blocks["main/archive"] == verified(third)["main/archive"] == 2 * (len(days) - 1)
    assert blocks["main/tail"] < KEEP_TAIL + 300, "what is sealed was to be dropped"


def test_a_line_that_is_cut_and_a_publisher_whose_machine_is_off_cost_no_record(live, reader):
    end = 5_000
    with relay(live.address) as line:
        following, start = follow(reader, f"{live.link.partition('?')[0]}?peer={line.address}")
        live.write(4_000, pause_s=0.05)
        printed(following, start, start + 500)
        line.drop()
        printed(following, start + 500, start + 1_000)
        line.unplug()
        live.written()
        line.mend()
        printed(following, start + 1_000, 3_000)

        live.write(end, pause_s=0.2)
        live.kill()
        time.sleep(3)
        live.start()
        live.write(end)
        printed(following, 3_000, end)

    assert live.written()["end_seq"] == end
    reader.verify()


def test_a_follower_that_was_killed_syncs_what_it_missed_and_prints_what_comes_then(live, reader):
    end = 5_000
    following, start = follow(reader, live.link)
    live.write(2_500, pause_s=0.02)
    printed(following, start, 1_400)
    assert reader.kill_sidecar()
    printed(following, 1_400, 1_800)  # the sidecar alone is started again, unnoticed
    reader.kill()
    live.written()
    live.write(4_000)
    live.written()

    following, start = follow(reader, live.link)
    live.write(end)
    printed(following, start, end)

    assert start == 4_000  # none is printed again, and those that came meanwhile are only synced
    wait_until(lambda: held(reader) == end)
    live.kill()
    ids = MARKET[:end].trade_id
    assert ids is not None
    assert exported(reader) == ids.to_strings()
