"""How long the first records of an hour take, over a line with a delay.

``python -m bench.sides.hours DATA_DIR LINK START_NS``.  Three clocks, each from the call to the
first batch: with nothing but a link; another hour of the same feed; an hour of another feed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from bench.children import say, wait_for_go
from tradercast import aio
from tradercast.client.api import AsyncClient

_HOUR_NS = 3_600 * 10**9


async def main(data_dir: Path, link: str, start_ns: int) -> None:
    """Print one line."""
    async with aio.connect(data_dir, link=link) as client:
        wait_for_go()
        cold_s = await _first(client, "bench/btcusdt", start_ns)
        known_s = await _first(client, "bench/btcusdt", start_ns - 3 * _HOUR_NS)
        open_s = await _first(client, "bench/ethusdt", start_ns)
    say(cold_s=cold_s, known_s=known_s, open_s=open_s)


async def _first(client: AsyncClient, symbol: str, start_ns: int) -> float:
    start = time.perf_counter()
    async for batch in client.iter_trades(f"{symbol}/trades", start_ns, start_ns + _HOUR_NS):
        assert len(batch)
        break
    return time.perf_counter() - start


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
