"""Write a Parquet file's columns to ArcticDB.

``python -m bench.sides.arctic_write PARQUET FOLDER``.  Clock: from the columns to the return.
"""

from __future__ import annotations

import sys

import pandas as pd

from bench.arctic import library
from bench.children import Clock, finish, wait_for_go
from bench.parquet import decode


def main(path: str, folder: str) -> None:
    """Print one line."""
    ts, price, size = decode(path, 1)
    target = library(folder)
    wait_for_go()
    clock = Clock()
    target.write("btcusdt", pd.DataFrame({"ts": ts, "price": price, "size": size}, copy=False))
    finish(clock, ts, price, size)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
