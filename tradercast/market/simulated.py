"""A simulated market: plausible trades for demonstrations, never to be taken for real ones."""

from __future__ import annotations

import numpy as np

from tradercast.records import Decimals, Ids, Trades

_TICK_EXPONENT = -2  # prices in cents
_SIZE_EXPONENT = -8  # sizes in satoshi


def simulate_trades(
    count: int,
    *,
    start_ns: int,
    seed: int = 1,
    start_price: float = 42_000.0,
    trades_per_s: float = 12.0,
) -> Trades:
    """Trades of a random walk: the same arguments give the same trades.

    Parameters
    ----------
    count : int
        Number of trades.
    start_ns : int
        Time of the market's opening, ns UTC.
    seed : int
        Of the random generator.
    start_price : float
        Price before the first trade.
    trades_per_s : float
        Mean rate; trades come in bursts, as real ones do.

    Returns
    -------
    Trades
        With ids from 1, sides, millisecond times that never go back, prices in cents and
        sizes with eight decimals.
    """
    rng = np.random.default_rng(seed)
    # a heavy-tailed wait: many trades in the same millisecond, then silence
    waits_ms = rng.pareto(1.5, count) * (1_000 / trades_per_s / 2)
    ts_event = start_ns + np.cumsum(waits_ms).astype(np.int64) * 1_000_000
    steps = rng.choice(np.array([-3, -2, -1, 0, 0, 0, 0, 1, 2, 3]), count)
    walk = np.cumsum(steps * rng.integers(1, 40, count))
    price = np.maximum(round(start_price * 100) + walk, 1)
    size = np.maximum(rng.lognormal(-4.5, 1.6, count) * 1e8, 1).astype(np.int64)
    size -= np.where(rng.random(count) < 0.6, size % 1_000, 0)  # people like round sizes
    side = np.where(steps == 0, rng.integers(1, 3, count), np.where(steps > 0, 1, 2))
    return Trades(
        ts_event=ts_event,
        price=Decimals.from_ints(price.astype(np.int64), _TICK_EXPONENT),
        size=Decimals.from_ints(np.maximum(size, 1), _SIZE_EXPONENT),
        side=side.astype(np.uint8),
        trade_id=Ids.from_ints(np.arange(1, count + 1, dtype=np.int64)),
    )
