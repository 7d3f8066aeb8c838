"""The shared raw captures of books, and the plainest reading of them."""

from __future__ import annotations

import gzip
from pathlib import Path

SPOT = ("binance_spot_btcusdt_20240808.jsonl.gz", "binance_spot_btcusdt_20240809.jsonl.gz")
FUTURES = ("binance_usdm_btcusdt_20240808.jsonl.gz",)


def lines_of(folder: Path, names: tuple[str, ...]) -> list[bytes]:
    """The lines of captures that are about the book."""
    lines = []
    for name in names:
        with gzip.open(folder / name) as file:
            lines += [line for line in file if b"depthUpdate" in line or b"lastUpdateId" in line]
    return lines
