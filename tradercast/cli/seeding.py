"""What a seeder does beside serving: it keeps copies up to date, and tells of itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from tradercast.addresses import Address, format_address
from tradercast.cli.context import Cli
from tradercast.client.mirroring import Mirrored, mirror
from tradercast.client.node import Node
from tradercast.links import Link
from tradercast.timerange import NS_PER_S

if TYPE_CHECKING:
    from tradercast.pipeline.telemetry import Reading


@contextlib.asynccontextmanager
async def seeding(
    cli: Cli, node: Node, links: Sequence[Link], metrics: Address | None
) -> AsyncIterator[None]:
    """Follow the links, and serve metrics, as long as the context lasts.

    Parameters
    ----------
    cli : Cli
        Where it is said.
    node : Node
        Online.
    links : sequence of Link
        What to keep a copy of.
    metrics : (str, int) or None
        Where metrics and health are served.

    Raises
    ------
    PortInUseError
        If that port is taken.
    """
    copies = Mirrored()
    async with contextlib.AsyncExitStack() as stack:
        tasks = [asyncio.create_task(mirror(node, link, copies)) for link in links]
        if metrics is not None:
            # Needs a package that not every seeder has.
            from tradercast.cli.node_metrics import Traffic, node_readings
            from tradercast.pipeline.telemetry import Telemetry

            traffic = Traffic()
            tasks.append(asyncio.create_task(traffic.watch(node)))

            def readings() -> Iterable[Reading]:
                return chain(node_readings("serve", traffic, node), _copied(copies))

            telemetry = Telemetry("serve", readings, lambda: _trouble(node, copies))
            at = await stack.enter_async_context(telemetry.serving(metrics))
            cli.out.emit({"event": "metrics", "address": format_address(at)})
            cli.out.note(f"metrics at http://{format_address(at)}/metrics")
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)


def _trouble(node: Node, copies: Mirrored) -> str | None:
    if node.fork is not None:
        return node.fork.message
    return copies.trouble


def _copied(copies: Mirrored) -> Iterator[Reading]:
    from tradercast.pipeline.telemetry import Reading

    for feed, records in tuple(copies.records.items()):
        text = "Records of the feed's last segment that are here."
        yield Reading("tradercast_serve_records", text, records, {"feed": str(feed)})
    for feed, time_ns in tuple(copies.last_ns.items()):
        yield Reading(
            "tradercast_serve_newest_timestamp_seconds",
            "When the newest record that came while following happened.",
            time_ns / NS_PER_S,
            {"feed": str(feed)},
        )
    for feed, delay_ns in tuple(copies.delay_ns.items()):
        yield Reading(
            "tradercast_serve_lag_seconds",
            "From the newest record's time at the exchange until it was here.",
            delay_ns / NS_PER_S,
            {"feed": str(feed)},
        )
