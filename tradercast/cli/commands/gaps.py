"""``tradercast gaps``: holes that the exchange left, and what is not here."""

from __future__ import annotations

from typing import Annotated

import typer

from tradercast.cli.context import Cli
from tradercast.cli.local import open_local, with_other_channels
from tradercast.cli.options import ChannelOption, EndOption, ExchangeOption, StartOption
from tradercast.cli.text import count
from tradercast.client.gaps import FeedGaps, feed_gaps
from tradercast.client.node import Node
from tradercast.feeds import FeedId
from tradercast.timerange import TimeRange, format_time_ns

EXAMPLES = (
    "tradercast gaps btcusd     # of its trades, book and candles, as far as they are here",
    "tradercast gaps btcusd --channel book --start 2024-01-01 --json",
)


async def gaps(
    cli: Cli,
    feed: Annotated[str, typer.Argument(metavar="FEED", help="A symbol or a feed's name.")],
    channel: ChannelOption = None,
    exchange: ExchangeOption = None,
    start: StartOption = None,
    end: EndOption = None,
) -> None:
    """List the gaps that the source reported, and the ranges that are not on this machine.

    Without --channel, and unless FEED names one, those of all channels of which something is here.
    """
    wanted = TimeRange.parse(start, end)
    found: list[tuple[FeedId, FeedGaps]] = []
    async with Node(cli.data_dir) as node:
        opened = await open_local(node, feed, exchange=exchange, channel=channel)
        is_one = channel is not None or feed.rstrip("/").endswith(f"/{opened.feed.channel}")
        feeds = [opened] if is_one else await with_other_channels(node, opened)
        for each in feeds:
            found.append((each.feed, await feed_gaps(each, wanted)))
    gaps = [(name, gap) for name, held in found for gap in held.gaps]
    for name, gap in sorted(gaps, key=lambda pair: pair[1].before_ns):
        cli.out.emit(
            {
                "type": "gap",
                "feed": str(name),
                "seq": gap.seq,
                "missing_from": gap.first,
                "missing_to": gap.last,
                "ts_before": gap.before_ns,
                "ts_after": gap.after_ns,
            }
        )
        span = f"{format_time_ns(gap.before_ns)} to {format_time_ns(gap.after_ns)}"
        cli.out.print(f"gap      {span}  {name.channel}: messages {gap.first} to {gap.last}")
    for name, missed in found:
        for low, high in missed.not_here:
            cli.out.emit({"type": "not_here", "feed": str(name), "start": low, "end": high})
            span = f"{format_time_ns(low)} to {format_time_ns(high)}"
            cli.out.print(f"not here {span}  {name.channel}")
    if not gaps:
        looked_at = count(sum(looked.records for _, looked in found), "record")
        cli.out.note(f"the source reported no gap ({looked_at} looked at)")
