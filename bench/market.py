"""The trades that everything is measured on: a real file, and as many as are wanted made of it.

The real file has 199,020 Binance BTCUSDT trades of half a day: ms times, price, size, no ids and no
side.  More are made by block bootstrap: runs of 50 to 1,000 consecutive trades from random places,
one behind the other, each trade by its time and price difference to the one before it.  So that no
general compressor finds the same run twice, gaps over 3 ms get up to 1 ms more or less, and the
last two digits of sizes that are not round are drawn anew.
"""

from __future__ import annotations

import csv
import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradercast.records import Decimals, Trades

NAME = "binance_spot_BTCUSDT_20220115_00h-12h.csv.gz"
PRICE_EXPONENT, SIZE_EXPONENT = -2, -5
I64 = NDArray[np.int64]


@dataclass(frozen=True)
class Market:
    """Columns of trades.

    Attributes
    ----------
    ms, price, size : int64 arrays
        Time in ms UTC, price in cents, size in 1e-5.
    """

    ms: I64
    price: I64
    size: I64

    def __len__(self) -> int:
        return len(self.ms)

    def __getitem__(self, rows: slice) -> Market:
        return Market(self.ms[rows], self.price[rows], self.size[rows])

    def trades(self) -> Trades:
        """The same as records."""
        return Trades(
            self.ms * 1_000_000,
            Decimals.from_ints(self.price, PRICE_EXPONENT),
            Decimals.from_ints(self.size, SIZE_EXPONENT),
            np.zeros(len(self), np.uint8),
        )


def default_file() -> Path:
    """The shared file: in ``$TRADERCAST_DATA``, else beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    data = Path(os.environ.get("TRADERCAST_DATA", beside))
    return data / "trades" / NAME if (data / "trades").is_dir() else data / NAME


def load_texts(path: Path) -> tuple[list[str], list[str], list[str]]:
    """The three columns of the file as text."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("ascii")
    rows = list(csv.reader(text.splitlines()))[1:]
    times, prices, sizes = (list(column) for column in zip(*rows, strict=True))
    return times, prices, sizes


def load(path: Path) -> Market:
    """The real trades."""
    times, prices, sizes = load_texts(path)
    return Market(
        np.array(times, np.int64),
        Decimals.from_strings(prices).to_scaled(PRICE_EXPONENT),
        Decimals.from_strings(sizes).to_scaled(SIZE_EXPONENT),
    )


def bootstrap(real: Market, count: int, seed: int = 0) -> Market:
    """`count` trades made of the real ones."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(50, 1_001, count // 500 + 10)
    while lengths.sum() < count:
        lengths = np.append(lengths, rng.integers(50, 1_001, 100))
    starts = rng.integers(1, len(real) - 1_000, len(lengths))
    offsets = np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = (np.arange(len(offsets)) - offsets + np.repeat(starts, lengths))[:count]
    gaps = np.diff(real.ms, prepend=real.ms[0])[rows]
    gaps += np.where(gaps > 3, rng.integers(-1, 2, count), 0)
    steps = np.diff(real.price, prepend=real.price[0])[rows]
    size = real.size[rows]
    odd = size % 100 != 0
    size[odd] += rng.integers(1, 100, int(odd.sum())) - size[odd] % 100
    price = real.price[0] + np.cumsum(steps)
    # a random walk of ten million steps may reach zero: fold it back between two prices
    low, high = 1_000_000, 10_000_000
    price = high - np.abs((price - low) % (2 * (high - low)) - (high - low))
    return Market(real.ms[0] + np.cumsum(gaps), price, size)


def write_csv(market: Market, path: Path) -> None:
    """A CSV file with the columns ms, price, size."""
    import polars as pl

    pl.DataFrame(
        {"ms": market.ms, "price": market.price / 1e2, "size": market.size / 1e5}
    ).write_csv(path)


def write_parquet(market: Market, path: Path, kind: str) -> None:
    """A Parquet file.

    Parameters
    ----------
    market : Market
        What to write.
    path : Path
        Where.
    kind : str
        ``optimised``: int64 ms, cents, 1e-5, each column in the encoding in which it is smallest
        (DELTA_BINARY_PACKED, BYTE_STREAM_SPLIT twice), zstd 3; ``default``: the same columns as
        pyarrow writes them unasked; ``decimal``: ms timestamps and exact decimals; ``float``: ms
        timestamps and float64.
    """
    import pyarrow as pa
    from pyarrow import parquet

    columns: dict[str, Any] = {"ms": market.ms, "price": market.price, "size": market.size}
    options: dict[str, Any] = {}
    if kind == "optimised":
        options = {
            "compression": "zstd",
            "compression_level": 3,
            "use_dictionary": False,
            "column_encoding": {
                "ms": "DELTA_BINARY_PACKED",
                "price": "BYTE_STREAM_SPLIT",
                "size": "BYTE_STREAM_SPLIT",
            },
        }
    if kind in ("decimal", "float"):
        columns["ms"] = pa.array(market.ms, pa.timestamp("ms", "UTC"))
    for name, exponent in (("price", PRICE_EXPONENT), ("size", SIZE_EXPONENT)):
        if kind == "float":
            columns[name] = columns[name] / 10.0**-exponent
        if kind == "decimal":
            columns[name] = _decimals(columns[name], -exponent)
    parquet.write_table(pa.table(columns), path, **options)


def _decimals(values: I64, scale: int) -> Any:
    import pyarrow as pa

    words = np.empty((len(values), 2), np.int64)
    words[:, 0], words[:, 1] = values, values >> 63
    return pa.Array.from_buffers(
        pa.decimal128(18, scale), len(values), [None, pa.py_buffer(words.tobytes())]
    )
