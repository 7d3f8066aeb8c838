"""Download a zipped CSV over HTTP, as exchanges publish it, and read it with polars.

``python -m bench.sides.http_csv URL``, polars with ``POLARS_MAX_THREADS`` threads.
"""

from __future__ import annotations

import asyncio
import io
import sys
import zipfile
from typing import Any

import aiohttp
import numpy as np
import polars as pl

from bench.children import Clock, finish, wait_for_go


async def main(url: str) -> None:
    """Print one line."""
    read(b"ms,price,size\n1,1.0,1.0\n")
    wait_for_go()
    clock = Clock()
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        response.raise_for_status()
        body = await response.read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        text = archive.read(archive.namelist()[0])
    finish(clock, *read(text), bytes=len(body))


def read(text: bytes) -> list[Any]:
    """Times in ns, cents, 1e-5."""
    schema = {"ms": pl.Int64, "price": pl.Float64, "size": pl.Float64}
    frame = pl.read_csv(text, schema=schema)
    price, size = _scaled(frame["price"], 100.0), _scaled(frame["size"], 100_000.0)
    return [frame["ms"].to_numpy() * 1_000_000, price, size]


def _scaled(column: Any, factor: float) -> Any:
    return np.rint(column.to_numpy() * factor).astype(np.int64)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
