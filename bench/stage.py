"""What the comparisons share: the trades, the files made of them, and a publisher that serves."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import signal
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

from bench.children import ROOT, digest, python
from bench.compare import Result, run
from bench.market import Market, write_csv, write_parquet
from bench.publishing import publish_parquet


class Stage:
    """A folder in which everything is made when it is first wanted.

    Parameters
    ----------
    folder : Path
        Empty.
    market : Market
        The trades.
    """

    def __init__(self, folder: Path, market: Market) -> None:
        self.folder = folder
        self.market = market
        self._numbers = itertools.count()
        self._link = ""
        self._warm: Path | None = None

    def expected(self, count: int) -> str:
        """The digest of the first `count` trades."""
        market = self.market[:count]
        return digest(market.ms * 1_000_000, market.price, market.size)

    def parquet(self, kind: str) -> Path:
        """The trades as a Parquet file of a kind of `write_parquet`."""
        path = self.folder / f"{kind}.parquet"
        if not path.exists():
            write_parquet(self.market, path, kind)
        return path

    def csv(self, count: int | None = None) -> Path:
        """The first `count` trades, or all, as CSV."""
        path = self.folder / f"trades{count or ''}.csv"
        if not path.exists():
            write_csv(self.market[:count], path)
        return path

    def zipped_csv(self) -> Path:
        """The CSV in a zip file."""
        path = self.folder / "trades.csv.zip"
        if not path.exists():
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.write(self.csv(), "trades.csv")
        return path

    def new_folder(self, name: str) -> Path:
        """An empty folder."""
        path = self.folder / f"{name}{next(self._numbers)}"
        path.mkdir()
        return path

    async def publish(self) -> dict[str, float]:
        """Publish the trades from Parquet; for the figures that it gives, and for `serving`."""
        return await publish_parquet(
            self.parquet("float"), self.folder / "publisher", len(self.market)
        )

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """A publisher serves meanwhile, through a directory on the same machine."""
        if not (self.folder / "publisher").exists():
            await self.publish()
        async with _serving(self.folder / "publisher") as self._link:
            yield

    async def cold(self) -> Result:
        """Ours: sync everything into an empty data directory, and load it."""
        data_dir = self.new_folder("reader")
        result = await run(python("bench.sides.ours", data_dir, self._link))
        if self._warm is None:
            self._warm = data_dir
        else:
            shutil.rmtree(data_dir, ignore_errors=True)
        return result

    async def warm(self) -> Result:
        """Ours: load what was synced before from the disk."""
        if self._warm is None:
            await self.cold()
        return await run(python("bench.sides.ours", self._warm, self._link, "warm"))


@contextlib.asynccontextmanager
async def _serving(data_dir: Path) -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tradercast", "serve", "--json", "--quiet"),
        *("--listen", "127.0.0.1:0", "--dht", "127.0.0.1:0", "--data-dir", str(data_dir)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        yield json.loads(await process.stdout.readline())["link"]
    finally:
        process.terminate()
        await process.wait()
        with contextlib.suppress(OSError, ValueError, KeyError):
            os.kill(json.loads((data_dir / "sidecar.json").read_text())["pid"], signal.SIGTERM)
