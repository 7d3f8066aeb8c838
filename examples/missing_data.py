"""What to do about ranges that nobody has: ``python examples/missing_data.py LINK``."""

from __future__ import annotations

import sys

import tradercast
from tradercast.timerange import format_time_ns


def main(link: str) -> None:
    """Ask for everything; take what there is, and say what is missing."""
    with tradercast.connect(link=link) as client:
        feeds = [str(entry.feed) for entry in client.feeds(sync=True)]
        symbol = next(feed for feed in feeds if feed.endswith("/trades"))
        try:
            trades = client.trades(symbol)
        except tradercast.MissingDataError as error:
            for start, end in error.missing:
                print("nobody has", format_time_ns(start), "to", format_time_ns(end))
            trades = client.trades(symbol, on_missing="ignore")
    for gap in trades.gaps:
        print("the exchange lost messages", gap.first, "to", gap.last)
    print(f"{len(trades):,} trades")


if __name__ == "__main__":
    main(*sys.argv[1:])
