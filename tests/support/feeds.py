"""A made-up market and writers of it, for tests that write feeds."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from support.stores import key_pair

from tradercast.chunks import ChunkHeader, decode_trades
from tradercast.feed.channel import channel_of
from tradercast.feed.checkpoint_store import CheckpointStore
from tradercast.feed.incident_files import IncidentFiles
from tradercast.feed.reader import SegmentReader
from tradercast.feed.report import ReadReport
from tradercast.feed.witness import Witness
from tradercast.feed.writer import FeedWriter
from tradercast.feeds import FeedId
from tradercast.log import Core, LogStore
from tradercast.paths import DataDir
from tradercast.records import Decimals, Ids, Trades
from tradercast.timerange import NS_PER_HOUR, TimeRange, parse_time_ns

FEED = FeedId("bitfinex", "btcusd")
START = parse_time_ns("2024-01-05T22:10:00Z")


def market(count: int, *, seed: int = 0, per_hour: int = 30_000, jitter_s: float = 0.5) -> Trades:
    """Trades of a random walk that begins before midnight; times go back by up to the jitter."""
    rng = np.random.default_rng(seed)
    step = NS_PER_HOUR // per_hour
    ts = START + np.arange(count) * step - rng.integers(0, int(jitter_s * 1e9) + 1, count)
    price = 4_300_000 + np.cumsum(rng.integers(-3, 4, count))
    size = rng.integers(1, 5_000_000, count)
    return Trades(
        ts,
        Decimals.from_ints(price.astype(np.int64), -2),
        Decimals.from_ints(size, -8),
        rng.integers(1, 3, count).astype(np.uint8),
        trade_id=Ids.from_ints(np.arange(count) + 10_000),
    )


def batches(trades: Trades, sizes: Sequence[int]) -> Iterator[Trades]:
    """The same records in portions; `sizes` are repeated."""
    at = turn = 0
    while at < len(trades):
        size = sizes[turn % len(sizes)]
        yield trades[at : at + size]
        at, turn = at + size, turn + 1


def witness_of(data_dir: Path) -> Witness:
    """The witness of a data directory."""
    data = DataDir(data_dir).ensure()
    store = CheckpointStore(data.checkpoints)
    return Witness(store, IncidentFiles(data.incidents), time.time_ns)


@asynccontextmanager
async def open_writer(
    store: LogStore,
    data_dir: Path,
    *,
    feed: FeedId = FEED,
    catch_up_s: float = 10.0,
    derive_lost: bool = False,
) -> AsyncIterator[FeedWriter]:
    """A writer of a feed of the publisher that all tests share."""
    writer = await FeedWriter.open(
        store,
        data_dir,
        feed,
        "main",
        tail_signer=key_pair(f"{feed} tail"),
        archive_signer=key_pair(f"{feed} archive"),
        witness=witness_of(data_dir),
        catch_up_s=catch_up_s,
        derive_lost=derive_lost,
    )
    async with writer:
        yield writer


@dataclass(frozen=True)
class Logs:
    """All blocks of the two logs of a segment, as one node holds them."""

    tail: list[bytes | None]
    archive: list[bytes | None]

    def chunks(self) -> list[tuple[ChunkHeader, Trades]]:
        """The archive's chunks, decoded."""
        return [decode_trades(block) for block in self.archive[::2] if block is not None]

    def messages(self) -> list[tuple[ChunkHeader, Trades]]:
        """The tail's blocks that are held, decoded."""
        return [decode_trades(block) for block in self.tail if block is not None]

    def records(self) -> Trades:
        """All records in order: the archive's, then those of the tail behind it."""
        parts = [trades for _, trades in self.chunks()]
        seq = sum(map(len, parts))
        for header, trades in self.messages():
            if header.end_seq > seq:
                assert header.first_seq <= seq, "the tail has a hole"
                parts.append(trades[seq - header.first_seq :])
                seq = header.end_seq
        return Trades.concat(parts)

    def digest(self) -> str:
        """One hash of everything."""
        digest = hashlib.blake2b(digest_size=16)
        for block in [*self.tail, b"archive", *self.archive]:
            digest.update(hashlib.blake2b(block or b"").digest())
        return digest.hexdigest()


async def logs_of(store: LogStore, feed: FeedId = FEED) -> Logs:
    """What a store holds of both logs of a feed."""
    return Logs(
        await _blocks(await store.core(signer=key_pair(f"{feed} tail"))),
        await _blocks(await store.core(signer=key_pair(f"{feed} archive"))),
    )


async def _blocks(core: Core) -> list[bytes | None]:
    length = (await core.info()).length
    return [block async for batch in core.read([(0, length)], False) for _, block in batch]


async def append_rest(
    store: LogStore, directory: Path, feed: FeedId, records: Any, size: int
) -> Logs:
    """Append what the feed lacks, in messages of `size` records."""
    async with open_writer(store, directory, feed=feed) as writer:
        for at in range(writer.end_seq, len(records), size):
            await writer.append([records[at : at + size]])
    return await logs_of(store, feed)


async def read_here(store: LogStore, feed: FeedId, wanted: TimeRange) -> Any:
    """What a reader finds in the logs that are here."""
    archive, tail = [
        await store.core(signer=key_pair(f"{feed} {log}")) for log in ("archive", "tail")
    ]
    reader = SegmentReader(archive, tail, channel_of(feed), remote=False)
    report = ReadReport()
    plan = await reader.plan(wanted)
    found = [piece.records async for piece in reader.read(plan, report)]
    assert not report.missing
    return type(found[0]).concat(found)
