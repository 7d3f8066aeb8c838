"""The other ways to the same trades, each with what it needs on the other end."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from bench.children import ROOT, child, digest, python
from bench.compare import Result, Run, run
from bench.stage import Stage
from tradercast.log.node import find_node

Begin = Callable[[Stage], AbstractAsyncContextManager[Run]]


@dataclass(frozen=True)
class Rival:
    """Another way.

    Attributes
    ----------
    key : str
        The ratio's name.
    title : str
    begin : callable
        Gives a context in which the other way can be run again and again.
    modules : tuple of str
        Packages of the extra ``bench`` that it needs.
    """

    key: str
    title: str
    begin: Begin
    modules: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """Those of the packages that are not installed."""
        return [name for name in self.modules if importlib.util.find_spec(name) is None]


def rivals_of_cold(old_trades: int) -> list[Rival]:
    """Those who fetch over the network; where each trade is a message, `old_trades` of them."""
    cores = os.cpu_count() or 1
    http = "cold_vs_http_parquet"
    return [
        Rival(
            f"{http}_optimised",
            "HTTP, optimised Parquet, 1 thread",
            partial(_http_parquet, kind="optimised", threads=1),
        ),
        Rival(
            f"{http}_optimised_2_threads",
            "HTTP, optimised Parquet, 2 threads",
            partial(_http_parquet, kind="optimised", threads=2),
        ),
        Rival(
            f"{http}_default",
            "HTTP, default Parquet, 1 thread",
            partial(_http_parquet, kind="default", threads=1),
        ),
        Rival("cold_vs_zip_csv", f"HTTP, zipped CSV, polars, {cores} threads", _zipped_csv),
        Rival(
            "cold_vs_rest_unthrottled", "REST, 10,000 a page, ready-made pages", _rest, ("orjson",)
        ),
        Rival(
            "cold_vs_libtorrent",
            "libtorrent, one seeder, optimised Parquet, 1 thread",
            _torrent,
            ("libtorrent",),
        ),
        Rival(
            "cold_vs_kafka_replay",
            f"Kafka, one JSON trade a message, zstd ({10 * old_trades:,} trades)",
            partial(_kafka, count=10 * old_trades),
            ("confluent_kafka", "orjson"),
        ),
        Rival(
            "replicate_vs_2018_log",
            f"Hypercore, one JSON trade a block ({old_trades:,} trades)",
            partial(_log_2018, count=old_trades),
        ),
    ]


def rivals_of_link() -> list[Rival]:
    """Those who fetch over a line of 100 Mbit/s with a delay of 10 ms each way."""
    http = "link_vs_http_parquet"
    return [
        Rival(
            f"{http}_{kind}",
            f"HTTP, {kind} Parquet, 1 thread",
            partial(_http_parquet, kind=kind, threads=1),
        )
        for kind in ("optimised", "default")
    ] + [Rival("link_vs_zip_csv", "HTTP, zipped CSV, polars", _zipped_csv)]


def rivals_of_warm() -> list[Rival]:
    """Those who read from the disk."""
    return [
        Rival(
            "warm_vs_local_parquet",
            "local optimised Parquet, 1 thread",
            partial(_local_parquet, threads=1),
        ),
        Rival(
            "warm_vs_local_parquet_2_threads",
            "local optimised Parquet, 2 threads",
            partial(_local_parquet, threads=2),
        ),
        Rival(
            "warm_vs_arcticdb",
            "ArcticDB on LMDB, its own threads",
            _arctic_read,
            ("arcticdb", "pandas"),
        ),
    ]


@contextlib.asynccontextmanager
async def _http_parquet(stage: Stage, kind: str, threads: int) -> AsyncIterator[Run]:
    path = stage.parquet(kind)
    async with _files(stage) as url:
        yield partial(
            stage.fetch, python("bench.sides.http_parquet", f"{url}/{path.name}", threads)
        )


@contextlib.asynccontextmanager
async def _zipped_csv(stage: Stage) -> AsyncIterator[Run]:
    path = stage.zipped_csv()
    async with _files(stage) as url:
        yield partial(stage.fetch, python("bench.sides.http_csv", f"{url}/{path.name}"))


@contextlib.asynccontextmanager
async def _rest(stage: Stage) -> AsyncIterator[Run]:
    async with child(python("bench.servers.rest", stage.parquet("optimised"))) as server:
        url = (await server.line())["url"]
        yield partial(run, python("bench.sides.rest", url))


@contextlib.asynccontextmanager
async def _torrent(stage: Stage) -> AsyncIterator[Run]:
    async with child(python("bench.servers.seeder", stage.parquet("optimised"))) as seeder:
        there = await seeder.line()

        async def download() -> Result:
            folder = stage.new_folder("torrent")
            command = python("bench.sides.torrent", there["torrent"], there["port"], folder)
            try:
                return await run(command)
            finally:
                shutil.rmtree(folder)

        yield download


@contextlib.asynccontextmanager
async def _kafka(stage: Stage, count: int) -> AsyncIterator[Run]:
    async with child(python("bench.servers.broker", stage.csv(count), count)) as broker:
        there = await broker.line()
        arguments = (there["bootstrap"], there["topic"], there["count"])
        yield partial(run, python("bench.sides.kafka", *arguments))


@contextlib.asynccontextmanager
async def _log_2018(stage: Stage, count: int) -> AsyncIterator[Run]:
    node, scripts = find_node().path, ROOT / "bench" / "log2018"
    seed = [node, scripts / "seed.js", stage.new_folder("seed2018"), stage.csv(count)]
    async with child(list(map(str, seed))) as seeder:
        there = await seeder.line()

        async def pull() -> Result:
            folder = stage.new_folder("pull2018")
            pull = [node, scripts / "pull.js", folder / "log", there["key"], there["port"]]
            try:
                result = await run([*map(str, pull), str(there["count"]), str(folder / "columns")])
                columns = np.fromfile(Path(result.pop("out")), np.int64).reshape(3, -1)
            finally:
                shutil.rmtree(folder)
            return {**result, "digest": digest(*columns)}

        yield pull


@contextlib.asynccontextmanager
async def _local_parquet(stage: Stage, threads: int) -> AsyncIterator[Run]:
    yield partial(run, python("bench.sides.local_parquet", stage.parquet("optimised"), threads))


@contextlib.asynccontextmanager
async def _arctic_read(stage: Stage) -> AsyncIterator[Run]:
    folder = stage.new_folder("arctic")
    await run(python("bench.sides.arctic_write", stage.parquet("optimised"), folder))
    yield partial(run, python("bench.sides.arctic_read", folder))


@contextlib.asynccontextmanager
async def _files(stage: Stage) -> AsyncIterator[str]:
    async with child([*stage.line.far, *python("bench.servers.files", stage.folder)]) as server:
        port = int((await server.line())["url"].rpartition(":")[2])
        yield f"http://{stage.line.host}:{await stage.line.port(port)}"
