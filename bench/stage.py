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
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from bench.children import ROOT, digest, python
from bench.compare import Result, run
from bench.link import LOOPBACK, Link
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
        self.line: Link = LOOPBACK
        """Between those who serve and those who fetch."""
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
    async def serving(
        self, line: Link = LOOPBACK, *, second_feed: bool = False
    ) -> AsyncIterator[None]:
        """A publisher serves at the far end of a line meanwhile.

        On this machine it is found through a directory, else as a static peer.
        """
        if not (self.folder / "publisher").exists():
            await self.publish()
        if second_feed:
            file, count = self.parquet("float"), len(self.market)
            await publish_parquet(file, self.folder / "publisher", count, symbol="ethusdt")
        async with _serving(self.folder / "publisher", line) as self._link:
            self.line = line
            try:
                yield
            finally:
                self.line = LOOPBACK

    async def fetch(self, command: Sequence[str]) -> Result:
        """One run of a side that fetches."""
        return await run([*self.line.near, *command])

    async def cold(self) -> Result:
        """Ours: sync everything into an empty data directory, and load it."""
        data_dir = self.new_folder("reader")
        result = await self.fetch(python("bench.sides.ours", data_dir, self._link))
        if self._warm is None:
            self._warm = data_dir
        else:
            shutil.rmtree(data_dir, ignore_errors=True)
        return result

    async def hours(self) -> Result:
        """Ours: seconds until the first records of an hour are there, in three states."""
        data_dir = self.new_folder("reader")
        start_ns = int(self.market.ms[len(self.market) // 2]) * 1_000_000
        try:
            return await self.fetch(python("bench.sides.hours", data_dir, self._link, start_ns))
        finally:
            shutil.rmtree(data_dir, ignore_errors=True)

    async def stream(self) -> Result:
        """Ours: go through what was synced before, in constant memory."""
        if self._warm is None:
            await self.cold()
        return await run(python("bench.sides.stream", self._warm))

    async def warm(self) -> Result:
        """Ours: load what was synced before from the disk."""
        if self._warm is None:
            await self.cold()
        return await run(python("bench.sides.ours", self._warm, self._link, "warm"))


@contextlib.asynccontextmanager
async def _serving(data_dir: Path, line: Link) -> AsyncIterator[str]:
    await _end_sidecar(data_dir)
    process = await asyncio.create_subprocess_exec(
        *(*line.far, sys.executable, "-m", "tradercast", "serve", "--json", "--quiet"),
        *("--listen", "127.0.0.1:0", "--dht", "127.0.0.1:0", "--data-dir", str(data_dir)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        ready = json.loads(await process.stdout.readline())
        if line is LOOPBACK:
            yield ready["link"]
        else:
            port = await line.port(int(ready["peer"].rpartition(":")[2]))
            yield f"{ready['link'].partition('?')[0]}?peer={line.host}:{port}"
    finally:
        process.terminate()
        await process.wait()
        await _end_sidecar(data_dir)


async def _end_sidecar(data_dir: Path) -> None:
    """It would stay for some seconds, at its end of a line."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        pid = json.loads((data_dir / "sidecar.json").read_text())["pid"]
        os.kill(pid, signal.SIGTERM)
        while True:
            os.kill(pid, 0)
            await asyncio.sleep(0.05)
