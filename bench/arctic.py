"""ArcticDB on LMDB: its licence (BSL 1.1) allows to measure it; it is no part of Tradercast."""

from __future__ import annotations

from typing import Any

import arcticdb


def library(folder: str) -> Any:
    """The library of the benchmark, in its own database."""
    return arcticdb.Arctic(f"lmdb://{folder}").get_library("trades", create_if_missing=True)
