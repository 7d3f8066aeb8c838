"""hftbacktest over a file of events, in a process of its own: ``hftbacktest_run.py FILE``.

Prints the book at the end as JSON; numba's warnings stay here.
"""

from __future__ import annotations

import json
import sys

import hftbacktest
import numpy as np
from hftbacktest.data.validation import validate_event_order


def main(path: str) -> None:
    events = np.load(path)["data"]
    assert events.dtype == hftbacktest.types.event_dtype
    validate_event_order(events)
    asset = (
        hftbacktest.BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(0.01)
        .lot_size(0.00001)
    )
    backtest = hftbacktest.HashMapMarketDepthBacktest([asset])
    while not backtest.elapse(10_000_000_000):
        pass
    depth = backtest.depth(0)
    ticks = range(round(depth.best_ask * 100), round(depth.best_ask * 100) + 2_000)
    asks = {tick: depth.ask_qty_at_tick(tick) for tick in ticks}
    print(json.dumps({"bid": depth.best_bid, "ask": depth.best_ask, "asks": asks}))


if __name__ == "__main__":
    main(sys.argv[1])
