"""Goes through a feed on the disk, batch by batch.  ``python -m bench.sides.stream DATA_DIR``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from bench.children import Clock, peak_mb, say, wait_for_go
from tradercast import aio


async def main(data_dir: Path) -> None:
    """Print one line."""
    async with aio.connect(data_dir) as client:
        sidecar = json.loads((data_dir / "sidecar.json").read_text())["pid"]
        wait_for_go()
        clock = Clock({"sidecar": sidecar})
        records = 0
        async for batch in client.iter_trades("bench/btcusdt/trades", sync=False):
            records += len(batch)
        peaks = {"peak_mb": peak_mb(), "sidecar_peak_mb": peak_mb(sidecar)}
        say(records=records, **peaks, **clock.read())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
