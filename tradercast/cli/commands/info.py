"""``tradercast info``: what a feed is, and how much of it is here."""

from __future__ import annotations

from typing import Annotated

import typer

from tradercast.cli.context import Cli
from tradercast.cli.local import chosen_feeds
from tradercast.cli.options import ChannelOption, ExchangeOption
from tradercast.cli.text import count, size
from tradercast.client.candles import recent_candles
from tradercast.client.feed import OpenFeed
from tradercast.client.node import Node
from tradercast.client.status import SegmentStatus, feed_status
from tradercast.feed.channel import TRADES
from tradercast.market.interval import INTERVALS
from tradercast.market.sparkline import sparkline
from tradercast.timerange import format_time_ns

_CANDLES = 48
EXAMPLES = ("tradercast info", "tradercast info btcusd", "tradercast info btcusd --json")


async def info(
    cli: Cli,
    feed: Annotated[str | None, typer.Argument(metavar="[FEED]", help="Default: all.")] = None,
    channel: ChannelOption = None,
    exchange: ExchangeOption = None,
) -> None:
    """Say what is known of a feed, and how much of it is here."""
    async with Node(cli.data_dir) as node:
        feeds = await chosen_feeds(node, feed, exchange=exchange, channel=channel)
        for each in feeds:
            status = await feed_status(each)
            _print(cli, each, status)
            if not cli.out.json and each.feed.channel == TRADES.name:
                await _sparkline(cli, each, status)
        if not feeds:
            cli.out.note("nothing is here yet: tradercast sync SYMBOL --from LINK")


def _print(cli: Cli, feed: OpenFeed, segments: list[SegmentStatus]) -> None:
    entry = feed.entry
    first = min((s.first_ns for s in segments if s.first_ns is not None), default=None)
    last = max((s.last_ns for s in segments if s.last_ns is not None), default=None)
    cli.out.emit(
        {
            "feed": str(feed.feed),
            "link": str(feed.publisher.link),
            "native_symbol": entry.native_symbol,
            "records": sum(s.records for s in segments),
            "bytes": sum(s.bytes for s in segments),
            "held_records": sum(s.held_records for s in segments),
            "held_bytes": sum(s.held_bytes for s in segments),
            "start": first,
            "end": last,
            "segments": [
                {
                    "name": s.name,
                    "archive_blocks": s.archive_length,
                    "tail_blocks": s.tail_length,
                    "records": s.records,
                    "held_records": s.held_records,
                    "full": s.has.full,
                    "held": [list(pair) for pair in s.has.held],
                    "tail": s.has.tail,
                }
                for s in segments
            ],
        }
    )
    out = cli.out
    out.print(str(feed.feed), style="bold")
    out.print(f"  publisher  {feed.publisher.link}")
    if first is not None and last is not None:
        out.print(f"  from       {format_time_ns(first)}")
        out.print(f"  to         {format_time_ns(last)}")
    for s in segments:
        out.print(
            f"  {s.name:<9}  {count(s.records, 'record')}, {size(s.bytes)}; here: "
            f"{count(s.held_records, 'record')}, {size(s.held_bytes)}"
        )


async def _sparkline(cli: Cli, feed: OpenFeed, segments: list[SegmentStatus]) -> None:
    last = max(
        (s.last_ns for s in segments if s.last_ns is not None and s.held_records), default=None
    )
    if last is None:
        return
    found = await recent_candles(feed, last, INTERVALS["1h"], _CANDLES)
    if len(found):
        low, high = found.low.to_float().min(), found.high.to_float().max()
        line = sparkline(found.close.to_float())
        cli.out.print(f"  by hour    {line}  {low:,.10g} to {high:,.10g}")
