"""A range of trades as columns: ``python examples/read_trades.py LINK [START END]``."""

from __future__ import annotations

import sys

import tradercast


def main(link: str, start: str | None = None, end: str | None = None) -> None:
    """Read a range, fetching what is not here, and look at it."""
    with tradercast.connect(link=link) as client:
        feeds = [str(entry.feed) for entry in client.feeds(sync=True)]
        symbol = next(feed for feed in feeds if feed.endswith("/trades"))
        trades = client.trades(symbol, start, end)
    print(trades)
    columns = trades.to_numpy()
    volume = columns["size"].sum()
    print(f"{len(trades):,} trades, volume {volume:,.4f}")
    print(f"volume-weighted price {(columns['price'] * columns['size']).sum() / volume:,.2f}")
    print("exact last price:", trades.trades.price[-1:].to_strings()[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
