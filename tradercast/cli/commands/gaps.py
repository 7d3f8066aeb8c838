"""``tradercast gaps``: holes that the exchange left, and what is not here."""

from __future__ import annotations

from typing import Annotated

import typer

from tradercast.cli.context import Cli
from tradercast.cli.local import open_local
from tradercast.cli.options import ChannelOption, EndOption, ExchangeOption, StartOption
from tradercast.cli.text import count
from tradercast.client.gaps import feed_gaps
from tradercast.client.node import Node
from tradercast.timerange import TimeRange, format_time_ns

EXAMPLES = ("tradercast gaps btcusd", "tradercast gaps btcusd --start 2024-01-01 --json")


async def gaps(
    cli: Cli,
    feed: Annotated[str, typer.Argument(metavar="FEED", help="A symbol or a feed's name.")],
    channel: ChannelOption = None,
    exchange: ExchangeOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> None:
    """List the gaps that the source reported, and the ranges that are not on this machine."""
    wanted = TimeRange.parse(start, end)
    async with Node(cli.data_dir) as node:
        opened = await open_local(node, feed, exchange=exchange, channel=channel)
        found = await feed_gaps(opened, wanted)
    for gap in found.gaps:
        cli.out.emit(
            {
                "type": "gap",
                "feed": str(opened.feed),
                "seq": gap.seq,
                "missing_from": gap.first,
                "missing_to": gap.last,
                "ts_before": gap.before_ns,
                "ts_after": gap.after_ns,
            }
        )
        span = f"{format_time_ns(gap.before_ns)} to {format_time_ns(gap.after_ns)}"
        cli.out.print(f"gap      {span}  messages {gap.first} to {gap.last}")
    for low, high in found.not_here:
        cli.out.emit({"type": "not_here", "feed": str(opened.feed), "start": low, "end": high})
        cli.out.print(f"not here {format_time_ns(low)} to {format_time_ns(high)}")
    if not found.gaps:
        cli.out.note(f"the source reported no gap ({count(found.records, 'record')} looked at)")
