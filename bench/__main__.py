"""``python -m bench [codec] [publish] [cold] [--json] [--trades N] [--pairs N]``: the figures."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

from bench import codec
from bench.market import Market, bootstrap, default_file, load, write_parquet
from bench.pairs import cold_against_http
from bench.publishing import publish_arrays, publish_parquet

NAMES = ("codec", "publish", "cold")
FLOORS = {
    "bytes_per_trade": "at most 3.05",
    "decode_full_mtrades_s": "at least 80",
    "publish_parquet_per_s": "at least 3,000,000",
    "cold_vs_http_parquet_optimised": "at least 0.8",
    "cold_peak_mb": "at most 400",
}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", default=[], help=f"of {', '.join(NAMES)}")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--file", type=Path, default=None, help="the real trades (CSV)")
    parser.add_argument("--trades", type=int, default=10_000_000, help="made by block bootstrap")
    parser.add_argument("--pairs", type=int, default=5, help="of cold sync and HTTP download")
    options = parser.parse_args()
    names = options.names or list(NAMES)
    unknown = set(names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    file = options.file or default_file()
    if not file.is_file():
        parser.error(f"no real trades at {file}: set TRADERCAST_DATA or give --file")
    found = measure(names, file, options.trades, options.pairs, say=not options.json)
    if options.json:
        print(json.dumps(found))


def measure(names: list[str], file: Path, trades: int, pairs: int, *, say: bool) -> dict[str, Any]:
    """Measure what was asked for; each figure is told as soon as it is known."""
    found: dict[str, Any] = {}

    def note(figures: dict[str, Any]) -> None:
        found.update(figures)
        for name, value in figures.items():
            if say:
                floor = f"   (floor: {FLOORS[name]})" if name in FLOORS else ""
                print(f"{name:<36}{_shown(value)}{floor}", flush=True)

    python = platform.python_version()
    note({"machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {python}"})
    if "codec" in names:
        note(codec.measure(file))
    if {"publish", "cold"} & set(names):
        market = bootstrap(load(file), trades)
        note({"trades": len(market)})
        with tempfile.TemporaryDirectory(prefix="tradercast-bench-") as folder:
            asyncio.run(_with_feed(names, market, Path(folder), pairs, note))
    return found


async def _with_feed(names: list[str], market: Market, folder: Path, pairs: int, note: Any) -> None:
    for kind in ("optimised", "float"):
        await asyncio.to_thread(write_parquet, market, folder / f"{kind}.parquet", kind)
    note({"parquet_optimised_bytes": (folder / "optimised.parquet").stat().st_size})
    publisher = folder / "publisher"
    note(await publish_parquet(folder / "float.parquet", publisher, len(market)))
    if "publish" in names:
        note(await publish_arrays(market, folder / "arrays"))
    if "cold" in names:
        note(await cold_against_http(folder, publisher, len(market), pairs))


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}" if value < 1_000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
