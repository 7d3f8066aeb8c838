"""A node whose logs grew while it was connected, over blocks that it never fetched."""

from __future__ import annotations

import asyncio

from support.commands import unused_address, wait_until
from support.feeds import FEED
from support.live import MARKET, LivePublisher

from tradercast.client.feed import open_feed
from tradercast.client.node import Node
from tradercast.client.resolve import Target, resolve
from tradercast.client.session import SessionOptions, session
from tradercast.client.sync import sync_range
from tradercast.links import Link
from tradercast.paths import DataDir
from tradercast.timerange import TimeRange

LOGS = ("archive", "tail")
HELD, END = 3_000, 8_000  # records; some days are sealed before and after


def test_it_reads_and_announces_what_it_has_and_is_not_taken_for_more(machines):
    live, here = LivePublisher(machines("publisher")), unused_address()
    node, third = machines("node"), machines("third")
    live.write(HELD)
    live.written()
    seeding = node.start("sync", live.link, "--seed", "--listen", here)
    assert seeding.event("synced")["records"] == HELD

    segments = []

    def has_grown():
        [info] = node.run("info")
        segments.append(info["segments"][0])
        new = [segments[-1][f"{log}_blocks"] - segments[0][f"{log}_blocks"] for log in LOGS]
        return new[0] > 2 and new[1] > 1_000

    assert not has_grown()
    live.write(END)
    live.written()
    wait_until(has_grown, 60)
    live.kill()

    # what is here is told and read as before
    before, after = segments[0], segments[-1]
    sealed = 2_584  # 22:10 to 24:00, and the day after it
    assert after["held_records"] == HELD
    assert (before["full"], before["tail"]) == (True, True)
    assert (after["full"], after["held"], after["tail"]) == (False, [[0, sealed]], False)
    [exported] = node.run("export", str(FEED), "--out", node.root / "out.csv")
    assert exported["records"] == HELD
    rows = (node.root / "out.csv").read_text().splitlines()[1:]
    ids = MARKET[:HELD].trade_id
    assert ids is not None
    assert [row.split(",")[2] for row in rows] == ids.to_strings()
    node.verify()

    # nobody can tell a third where the newest records are: it says so
    error = third.fails(3, "sync", f"{live.link.partition('?')[0]}?peer={here}")
    assert error["code"] == "STALLED"


async def test_a_tail_that_goes_after_it_was_planned_is_synced_from_the_archive(machines, tmp_path):
    live = LivePublisher(machines("publisher"))
    live.write(HELD)
    await asyncio.to_thread(live.written)
    link = Link.parse(live.link)

    async with Node(DataDir.locate(tmp_path)) as node, session(node, [link], SessionOptions()):
        target = Target("btcusd", link)
        publisher, feed_id = await resolve(node, target, remote=True)
        feed = await open_feed(node, publisher, feed_id, remote=True)
        plans = await feed.plan(TimeRange())
        live.write(END)
        written = await asyncio.to_thread(live.written)
        result = await sync_range(node, feed, plans)

    tail = plans[0].plan.tail
    assert tail is not None
    assert tail.start_block < tail.end_block < written["cleared"]
    assert result.complete
    assert result.records == result.end_seq["main"] == END
