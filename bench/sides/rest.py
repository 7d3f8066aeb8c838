"""Page through a REST interface as exchanges have it, 10,000 trades a page, without its limits.

``python -m bench.sides.rest URL``.
"""

from __future__ import annotations

import asyncio
import sys

import aiohttp
import numpy as np
import orjson

from bench.children import Clock, finish, wait_for_go


async def main(url: str) -> None:
    """Print one line."""
    wait_for_go()
    clock = Clock()
    pages: list[np.ndarray] = []
    size = 0
    async with aiohttp.ClientSession() as session:
        after = 0
        while True:
            async with session.get(url, params={"after": after}) as response:
                response.raise_for_status()
                body = await response.read()
            rows = orjson.loads(body)
            if not rows:
                break
            size += len(body)
            pages.append(np.array(rows, np.float64))  # ids, ms, prices and sizes are exact in it
            after = rows[-1][0]
    table = np.concatenate(pages)
    arrays = (
        table[:, 1].astype(np.int64) * 1_000_000,
        np.rint(table[:, 3] * 100.0).astype(np.int64),
        np.rint(table[:, 2] * 100_000.0).astype(np.int64),
    )
    finish(clock, *arrays, bytes=size)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
