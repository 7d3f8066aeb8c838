"""New trades as they arrive: ``python examples/follow_live.py LINK [HOW_MANY]``."""

from __future__ import annotations

import asyncio
import sys

import tradercast.aio
from tradercast.timerange import format_time_ns


async def main(link: str, how_many: str = "20") -> None:
    """Print trades until there were `how_many`."""
    left = int(how_many)
    async with tradercast.aio.connect(link=link) as client:
        feeds = [str(entry.feed) for entry in await client.feeds(sync=True)]
        symbol = next(feed for feed in feeds if feed.endswith("/trades"))
        async for piece in client.follow(symbol, start=0):
            trades = piece.trades
            prices = trades.price.to_strings()
            for row in range(min(left, len(trades))):
                print(int(piece.seq[row]), format_time_ns(int(trades.ts_event[row])), prices[row])
            left -= len(trades)
            if left <= 0:
                return


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
