"""Publishing: a Parquet file by the command, and arrays by the writer, both durable at the end."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.children import ROOT
from bench.market import Market
from tradercast.client.node import Node
from tradercast.client.publishing import feed_writer
from tradercast.feeds import FeedId
from tradercast.paths import DataDir
from tradercast.records import Trades

FEED = FeedId("bench", "btcusdt")
_BATCH = 1 << 19
_COLUMNS = "ts_event=ms:ms,price=price,size=size"


async def publish_parquet(
    file: Path, data_dir: Path, count: int, symbol: str = FEED.symbol
) -> dict[str, float]:
    """``tradercast publish`` of a Parquet file of float64 prices: reading to the last fsync."""
    line = (
        await command(
            "publish",
            file,
            "--exchange",
            FEED.exchange,
            "--symbol",
            symbol,
            "--columns",
            _COLUMNS,
            data_dir=data_dir,
        )
    )[-1]
    assert line["added"] == count
    return {"publish_parquet_trades_per_s": count / line["seconds"]}


async def publish_arrays(market: Market, data_dir: Path) -> dict[str, float]:
    """`FeedWriter.import_batches` of arrays in memory, fsync included."""
    trades = market.trades()

    def batches() -> Iterator[Trades]:
        for at in range(0, len(trades), _BATCH):
            yield trades[at : at + _BATCH]

    async with Node(DataDir(data_dir)) as node, feed_writer(node, FEED) as writer:
        start = time.perf_counter()
        report = await writer.import_batches(batches())
        seconds = time.perf_counter() - start
    assert report.added == len(trades)
    return {"publish_arrays_trades_per_s": len(trades) / seconds}


async def command(*arguments: object, data_dir: Path) -> list[dict[str, Any]]:
    """Run the command line to its end, and give its JSON lines."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tradercast", *map(str, arguments)),
        *("--json", "--quiet", "--data-dir", str(data_dir)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    out, _ = await process.communicate()
    lines = [json.loads(line) for line in out.splitlines()]
    if process.returncode:
        raise SystemExit(f"{arguments[0]} ended with {process.returncode}: {lines}")
    return lines
