"""A file of as many trades as a test wants, made of the shared Binance file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from pyarrow import csv, table

_BLOCK = 500  # trades that stay together, so that it packs as real trades do


def large_file(source: Path, path: Path, count: int, *, seed: int = 1) -> Path:
    """Write a Parquet file of `count` trades: random blocks of the source, one after another.

    Columns: ``ts_event`` (ns), ``price`` (in cents) and ``size`` (in 1e-5 BTC), all integers.
    """
    columns = csv.read_csv(source)
    ms, price, size = (columns[name].to_numpy() for name in columns.column_names)
    rng = np.random.default_rng(seed)
    starts = rng.integers(1, len(ms) - _BLOCK, -(-count // _BLOCK))
    rows = (starts[:, None] + np.arange(_BLOCK)).ravel()[:count]
    times = ms[0] + np.cumsum((ms[1:] - ms[:-1])[rows - 1])
    chosen = table(
        {
            "ts_event": times * 1_000_000,
            "price": np.rint(price[rows] * 100).astype(np.int64),
            "size": np.rint(size[rows] * 100_000).astype(np.int64),
        }
    )
    pq.write_table(chosen, path)
    return path
