"""Pages of trades as JSON, ready-made before the first request.

``python -m bench.servers.rest PARQUET``; ``/trades?after=ID`` gives rows of id, ms, amount, price.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

import orjson
from aiohttp import web

from bench.children import say
from bench.parquet import decode

PAGE = 10_000


def pages(path: str) -> list[bytes]:
    """Every page; ids count from 1."""
    ts, price, size = decode(path, 1)
    made: list[bytes] = []
    for at in range(0, len(ts), PAGE):
        part = slice(at, at + PAGE)
        columns = ts[part] // 1_000_000, size[part] / 1e5, price[part] / 1e2
        rows = zip(itertools.count(at + 1), *(column.tolist() for column in columns), strict=False)
        made.append(orjson.dumps([list(row) for row in rows]))
    return made


async def main(path: str) -> None:
    """Serve until the process is ended."""
    ready = pages(path)

    async def page(request: web.Request) -> web.Response:
        number = -(-int(request.query["after"]) // PAGE)
        body = ready[number] if number < len(ready) else b"[]"
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/trades", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    say(url=f"http://127.0.0.1:{runner.addresses[0][1]}/trades")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
