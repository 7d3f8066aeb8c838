"""The order book at a time, and its spread over the minute after it.

``python examples/read_book.py LINK SYMBOL TIME``
"""

from __future__ import annotations

import sys

import numpy as np

import tradercast
from tradercast.timerange import NS_PER_S, parse_time_ns


def main(link: str, symbol: str, time: str) -> None:
    """Print both; only the chunks that are needed are fetched."""
    start = parse_time_ns(time)
    with tradercast.connect(link=link) as client:
        print(client.book_at(symbol, start))
        steps = client.book_snapshots(symbol, start, start + 60 * NS_PER_S, every="1s", depth=5)
    columns = steps.to_numpy()
    print(steps)
    if not steps.valid.any():
        return
    print("mean spread", np.nanmean(columns["spread"]))
    print("mean size of the best bid", np.nanmean(columns["bid_sz_00"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
