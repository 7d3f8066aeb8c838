"""Child: one Parquet file by HTTP into the same numpy arrays.

``python -m bench.http_parquet URL THREADS``.  Clock: from the request to the arrays; the process
runs already, with everything imported.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import aiohttp
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from bench.children import Clock, digest, peak_mb, say, wait_for_go


async def main(url: str, threads: int) -> None:
    """Print one line."""
    pa.set_cpu_count(threads)
    pa.set_io_thread_count(threads)
    wait_for_go()
    clock = Clock()
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        response.raise_for_status()
        body = await response.read()
    table = parquet.read_table(pa.BufferReader(body), use_threads=threads > 1)
    ts, price, size = (_array(table.column(name)) for name in ("ms", "price", "size"))
    ts = ts * 1_000_000
    spent = clock.read()
    peak = peak_mb()
    say(records=len(ts), digest=digest(ts, price, size), peak_mb=peak, bytes=len(body), **spent)


def _array(column: Any) -> Any:
    return np.asarray(column.to_numpy(), np.int64)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
