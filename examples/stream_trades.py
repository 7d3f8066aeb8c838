"""A range larger than memory: ``python examples/stream_trades.py LINK``."""

from __future__ import annotations

import sys

import tradercast


def main(link: str) -> None:
    """Count buys and sells batch by batch; memory stays the same however long the feed is."""
    buys = sells = 0
    with tradercast.connect(link=link) as client:
        feeds = [str(entry.feed) for entry in client.feeds(sync=True)]
        symbol = next(feed for feed in feeds if feed.endswith("/trades"))
        for batch in client.iter_trades(symbol):
            side = batch.to_numpy()["side"]
            buys += int((side == 1).sum())
            sells += int((side == 2).sum())
    print(f"{buys:,} buys, {sells:,} sells")


if __name__ == "__main__":
    main(*sys.argv[1:])
