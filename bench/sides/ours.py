"""A new node syncs a feed by link and loads it into numpy arrays.

``python -m bench.sides.ours DATA_DIR LINK [warm]``.  Clock: from the first call of the opened
client to the arrays; the process and its sidecar run already.  ``warm`` reads what is on the disk.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from bench.children import Clock, finish, peak_mb, wait_for_go
from tradercast import aio


async def main(data_dir: Path, link: str, *, warm: bool) -> None:
    """Print one line."""
    async with aio.connect(data_dir, link=link) as client:
        sidecar = json.loads((data_dir / "sidecar.json").read_text())["pid"]
        wait_for_go()
        clock = Clock({"sidecar": sidecar})
        result = await client.trades("bench/btcusdt/trades", sync=not warm)
        columns = result.to_numpy(price_type="fixed")
        arrays = [columns[name] for name in ("ts_event", "price", "size")]
        finish(clock, *arrays, sidecar_peak_mb=peak_mb(sidecar))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], warm=sys.argv[3:] == ["warm"]))
