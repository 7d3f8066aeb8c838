"""Child: a new node syncs a feed by link and loads it into numpy arrays.

``python -m bench.ours DATA_DIR LINK [warm]``.  Clock: from the first call of the opened client to
the arrays; the process and its sidecar run already.  ``warm`` reads once more what is on the disk.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from bench.children import Clock, digest, peak_mb, say, wait_for_go
from tradercast import aio


async def main(data_dir: Path, link: str, *, warm: bool) -> None:
    """Print one line."""
    async with aio.connect(data_dir, link=link) as client:
        sidecar = json.loads((data_dir / "sidecar.json").read_text())["pid"]
        wait_for_go()
        clock = Clock({"sidecar": sidecar})
        result = await client.trades(link, sync=not warm)
        columns = result.to_numpy(price_type="fixed")
        spent = clock.read()
        peak = peak_mb()
        arrays = [columns[name] for name in ("ts_event", "price", "size")]
        say(
            records=len(result),
            digest=digest(*arrays),
            peak_mb=peak,
            sidecar_peak_mb=peak_mb(sidecar),
            **spent,
        )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], warm=sys.argv[3:] == ["warm"]))
