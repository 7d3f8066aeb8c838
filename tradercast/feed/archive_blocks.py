"""From finished runs to archive blocks: chunk, index node, chunk, index node, …"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from tradercast.chunks import (
    MAX_RECORDS,
    IndexNode,
    decode_header,
    encode_index,
    extend_chain,
    next_node,
)
from tradercast.chunks.index import GROUP
from tradercast.chunks.run import ChunkEncoder, encode_hashed_run
from tradercast.feed.sealing import Run
from tradercast.feeds import FeedId
from tradercast.records import NO_TIME


@dataclass(slots=True)
class ArchiveEnd:
    """What the next blocks of an archive depend on.

    Attributes
    ----------
    feed : FeedId
    newest, full : IndexNode or None
        The last node, and the last that sums up all groups.
    encoder : ChunkEncoder
        Makes the next chunks.
    chain : bytes
        The chain hash after the last chunk.
    """

    feed: FeedId
    encoder: ChunkEncoder
    newest: IndexNode | None = None
    full: IndexNode | None = None
    chain: bytes = b""

    @property
    def n_chunks(self) -> int:
        """Chunks so far."""
        return self.newest.node + 1 if self.newest else 0

    @property
    def end_seq(self) -> int:
        """The seq after their last record."""
        return self.newest.first_seq + int(self.newest.chunks.count.sum()) if self.newest else 0

    @property
    def running_max_ns(self) -> int | None:
        """Largest time of their records."""
        return int(self.newest.chunks.running_max_ns[-1]) if self.newest else None

    def copy(self) -> ArchiveEnd:
        """The same state, to be able to come back to it."""
        return replace(self)

    def add(self, sealed: Sealed) -> list[bytes]:
        """The archive's next blocks, of the chunks of one run: each with its index node."""
        blocks: list[bytes] = []
        self.encoder = sealed.encoder
        for chunk in sealed.chunks:
            header = decode_header(chunk)
            self.newest = next_node(header, len(chunk), self.newest, self.full)
            if self.newest.node % GROUP == GROUP - 1:
                self.full = self.newest
            self.chain = header.chain or self.chain
            blocks += [chunk, encode_index(self.newest)]
        return blocks


@dataclass(frozen=True, slots=True)
class Sealed:
    """One run in chunks.

    Attributes
    ----------
    chunks : list of bytes
    encoder : ChunkEncoder
        That behind them.
    """

    chunks: list[bytes]
    encoder: ChunkEncoder


async def encode_runs(
    end: ArchiveEnd, runs: AsyncGenerator[list[Run], None], pool: Executor, depth: int
) -> AsyncGenerator[list[bytes], None]:
    """The blocks of the runs behind `end`, which moves on with them.

    The first thread takes care of the order alone: `pool` encodes up to `depth` groups of runs at a
    time, since the encoder lets go of the interpreter while it works; meanwhile further runs are
    cut and hashed, and the index nodes of the last group are made.
    """
    loop = asyncio.get_running_loop()
    pending: deque[asyncio.Future[list[Sealed]]] = deque()
    adding: asyncio.Task[list[bytes]] | None = None
    hashed = _hashed(runs, end.encoder, end.chain)

    async def oldest() -> list[bytes]:
        nonlocal adding
        sealed = await pending.popleft()
        blocks = await adding if adding else []
        adding = asyncio.create_task(asyncio.to_thread(_add, end, sealed))
        return blocks

    try:
        async with aclosing(_one_ahead(hashed)) as batches:
            async for batch in batches:
                for group in _groups(batch):
                    pending.append(loop.run_in_executor(pool, _encode, end.feed, group))
                    if len(pending) >= depth and (blocks := await oldest()):
                        yield blocks
        while pending:
            if blocks := await oldest():
                yield blocks
        if adding:
            yield await adding
    finally:
        for future in pending:
            future.cancel()
        if adding:
            await asyncio.wait([adding])


class _Step(NamedTuple):
    """A run, what encodes it, and what the records after it depend on."""

    run: Run
    encoder: ChunkEncoder
    chain: bytes
    after: ChunkEncoder


_Batches: TypeAlias = "AsyncGenerator[list[_Step], None]"


async def _hashed(
    runs: AsyncGenerator[list[Run], None], encoder: ChunkEncoder, chain: bytes
) -> _Batches:
    async for several in runs:
        steps = await asyncio.to_thread(_steps, several, encoder, chain)
        if steps:
            chain, encoder = steps[-1].chain, steps[-1].after
        yield steps


def _steps(runs: list[Run], encoder: ChunkEncoder, chain: bytes) -> list[_Step]:
    steps: list[_Step] = []
    for run in runs:
        chain, after = extend_chain(chain, run.records), encoder.after(run.records)
        steps.append(_Step(run, encoder, chain, after))
        encoder = after
    return steps


def _groups(steps: Iterable[_Step]) -> Iterator[list[_Step]]:
    """As many steps together as weigh about one full chunk: each group changes threads twice."""
    group: list[_Step] = []
    weight = 0
    for step in steps:
        weights = step.run.records.weights()
        group.append(step)
        weight += len(step.run.records) if weights is None else int(weights.sum())
        if weight >= MAX_RECORDS:
            yield group
            group, weight = [], 0
    if group:
        yield group


def _encode(feed: FeedId, steps: Iterable[_Step]) -> list[Sealed]:
    sealed: list[Sealed] = []
    for run, encoder, chain, after in steps:
        before_ns = NO_TIME if run.before_ns is None else run.before_ns
        chunks = encode_hashed_run(run.records, encoder, feed, run.first_seq, before_ns, chain)
        sealed.append(Sealed(chunks, after))
    return sealed


def _add(end: ArchiveEnd, group: Iterable[Sealed]) -> list[bytes]:
    return [block for sealed in group for block in end.add(sealed)]


async def _one_ahead(batches: _Batches) -> _Batches:
    """The same; the next batch is being made while the caller has the last one."""
    ahead = asyncio.create_task(_next(batches))
    try:
        while (batch := await ahead) is not None:
            ahead = asyncio.create_task(_next(batches))
            yield batch
    finally:
        ahead.cancel()
        await asyncio.gather(ahead, return_exceptions=True)
        await batches.aclose()


async def _next(batches: _Batches) -> list[_Step] | None:
    return await anext(batches, None)
