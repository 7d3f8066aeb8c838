"""An aiohttp server of one directory.  ``python -m bench.servers.files DIRECTORY``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiohttp import web

from bench.children import say


async def main(directory: Path) -> None:
    """Serve until the process is ended; the first line says where."""
    app = web.Application()
    app.router.add_static("/", directory)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    say(url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
