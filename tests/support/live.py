"""A publisher at work: a process of its own that appends to a feed and serves it meanwhile.

::

    with live_publisher(machines("publisher")) as live:
        live.link                         # leads to it by its address, without a directory
        live.write(to=10_000)             # go on until the feed has so many records
        live.written()                    # … and wait for it: {"end_seq": 10000, "cleared": …}
        live.kill()                       # SIGKILL, its sidecar too
        live.start()                      # again, at the same address

The records are `MARKET`, in tail blocks of a few records; the writer seals them day by day and
drops what is sealed at once, but for few blocks: much sooner than a publisher would.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.commands import Machine, unused_address
from support.feeds import FEED, market

from tradercast.addresses import parse_address

MARKET = market(30_000, per_hour=100, jitter_s=0)  # 12 days
KEEP = 200  # tail blocks
_MESSAGES = 30  # a call
_CLEAR_EVERY = 5  # calls


class LivePublisher:
    """The test's side; made by `live_publisher`."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.address = unused_address()
        self.link = ""
        self.start()

    def start(self) -> None:
        """Start it, at the same address as before."""
        self._command = self.machine.start_script(Path(__file__), self.address)
        self.link = str(self._command.event("ready")["link"])

    def write(self, to: int, *, pause_s: float = 0.0) -> None:
        """Begin to append until there are so many records, with a pause after every call."""
        self._command.tell({"to": to, "pause_s": pause_s})

    def written(self, timeout_s: float = 60.0) -> dict[str, Any]:
        """Wait until the last `write` is done: its ``end_seq``, and the first block still here."""
        return self._command.event("written", timeout_s)

    def kill(self) -> None:
        """SIGKILL everything on its machine."""
        self.machine.kill()


@contextlib.contextmanager
def live_publisher(machine: Machine) -> Iterator[LivePublisher]:
    """A publisher that has written nothing yet."""
    yield LivePublisher(machine)


def _messages(start: int, end: int) -> list[Any]:
    """The records from `start` on in messages of a few; batches differ from run to run."""
    made = []
    while start < end and len(made) < _MESSAGES:
        stop = min(end, start + random.randint(1, 5))
        made.append(MARKET[start:stop])
        start = stop
    return made


async def _work(data_dir: Path, address: str) -> None:
    from tradercast.client.hosting import HostOptions, hosting
    from tradercast.client.node import Node
    from tradercast.client.publishing import feed_writer, own_link
    from tradercast.paths import DataDir

    loop = asyncio.get_running_loop()
    options = HostOptions(listen=parse_address(address), dht=None)
    async with (
        Node(DataDir.locate(data_dir)) as node,
        hosting(node, options) as host,
        feed_writer(node, FEED, listed_at_once=True) as writer,
    ):
        link = own_link(node)
        assert link is not None
        serving = asyncio.create_task(host.server.run())
        _say(event="ready", link=str(host.link(link.root)))
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            calls = 0
            while writer.end_seq < order["to"]:
                await writer.append(_messages(writer.end_seq, order["to"]))
                calls += 1
                if calls % _CLEAR_EVERY == 0:
                    await writer.clear_sealed_tail(KEEP)
                await asyncio.sleep(order["pause_s"])
            cleared = await writer.clear_sealed_tail(KEEP)
            _say(event="written", end_seq=writer.end_seq, cleared=cleared)
        serving.cancel()


def _say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(_work(Path(sys.argv[1]), sys.argv[2]))
