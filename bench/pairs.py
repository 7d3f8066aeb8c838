"""Cold sync and load beside an HTTP download of Parquet, in turns, in fresh processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import statistics
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bench.children import ROOT, child


async def cold_against_http(
    folder: Path, publisher: Path, count: int, pairs: int
) -> dict[str, Any]:
    """The same trades into the same arrays, ours and HTTP + Parquet, one pair after the other.

    Both sides: processes of their own that run already, loopback, one server, fresh memory.  Ours
    begins with an empty data directory and a link; what the clock sees is the look-up in the
    directory, connecting, catalog, index, blocks, their verification and storage, and decoding
    on the default pool of threads.  The other side decodes with one thread of pyarrow.
    """
    ours: list[dict[str, Any]] = []
    warm: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    async with serving(publisher) as link, child("bench.http_server", folder) as server:
        url = f"http://127.0.0.1:{(await server.line())['port']}/optimised.parquet"
        for number in range(pairs):
            data_dir = folder / f"reader{number}"
            async with child("bench.ours", data_dir, link) as reader:
                ours.append(await reader.go())
            async with child("bench.http_parquet", url, 1) as reader:
                theirs.append(await reader.go())
            async with child("bench.ours", data_dir, link, "warm") as reader:
                warm.append(await reader.go())
    results = [*ours, *theirs, *warm]
    assert {result["records"] for result in results} == {count}
    assert len({result["digest"] for result in results}) == 1, "the sides ended with other values"
    ratios = sorted(b["seconds"] / a["seconds"] for a, b in zip(ours, theirs, strict=True))
    return {
        "cold_vs_http_parquet_optimised": statistics.median(ratios),
        "cold_ratio_spread": f"{ratios[0]:.2f} to {ratios[-1]:.2f} of {len(ratios)} pairs",
        "cold_trades_per_s": count / _median(ours, "seconds"),
        "http_trades_per_s": count / _median(theirs, "seconds"),
        "warm_trades_per_s": count / _median(warm, "seconds"),
        "cold_peak_mb": max(result["peak_mb"] for result in ours),
        "cold_sidecar_peak_mb": max(result["sidecar_peak_mb"] for result in ours),
        "http_peak_mb": max(result["peak_mb"] for result in theirs),
        "cold_cpu_s": _median(ours, "cpu_process"),
        "cold_sidecar_cpu_s": _median(ours, "cpu_sidecar"),
        "http_cpu_s": _median(theirs, "cpu_process"),
    }


@contextlib.asynccontextmanager
async def serving(data_dir: Path) -> AsyncIterator[str]:
    """``tradercast serve`` of a data directory; gives the link."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tradercast", "serve", "--json", "--quiet"),
        *("--listen", "127.0.0.1:0", "--dht", "127.0.0.1:0", "--data-dir", str(data_dir)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        yield json.loads(await process.stdout.readline())["link"]
    finally:
        process.terminate()
        await process.wait()
        with contextlib.suppress(OSError, ValueError, KeyError):
            os.kill(json.loads((data_dir / "sidecar.json").read_text())["pid"], signal.SIGTERM)


def _median(results: list[dict[str, Any]], name: str) -> float:
    return statistics.median(result[name] for result in results)
