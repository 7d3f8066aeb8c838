"""Rows as people compare them: time in ns, price and size as exact decimals."""

from __future__ import annotations

import csv
import gzip
from decimal import Decimal
from pathlib import Path

from support.commands import Machine

Row = tuple[int, Decimal, Decimal]


def source_rows(path: Path) -> list[Row]:
    """The rows of the shared Binance file."""
    with gzip.open(path, "rt", newline="") as file:
        return [
            (int(row["timestamp_ms"]) * 1_000_000, Decimal(row["price"]), Decimal(row["quantity"]))
            for row in csv.DictReader(file)
        ]


def exported_rows(machine: Machine, feed: str = "binance/btcusdt") -> list[Row]:
    """The rows that a machine holds of a feed, by ``tradercast export``."""
    out = machine.root / "export.csv"
    out.unlink(missing_ok=True)
    machine.run("export", feed, "--out", out)
    with out.open(newline="") as file:
        return [
            (int(row["ts_event"]), Decimal(row["price"]), Decimal(row["size"]))
            for row in csv.DictReader(file)
        ]
