"""Download one Parquet file over HTTP into the same numpy arrays.

``python -m bench.sides.http_parquet URL THREADS``.  Clock: from the request to the arrays.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import pyarrow as pa

from bench.children import Clock, finish, wait_for_go
from bench.parquet import decode, prepare


async def main(url: str, threads: int) -> None:
    """Print one line."""
    prepare(threads)
    wait_for_go()
    clock = Clock()
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        response.raise_for_status()
        body = await response.read()
    finish(clock, *decode(pa.BufferReader(body), threads), bytes=len(body))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
