"""From finished runs to archive blocks: chunk, index node, chunk, index node, …"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from tradercast.chunks import (
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
from tradercast.runs import Records


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
    end: ArchiveEnd, runs: AsyncGenerator[Run, None], pool: Executor, depth: int
) -> AsyncGenerator[Sealed, None]:
    """The chunks of each run behind `end`, in order; at most `depth` runs are in memory at a time.

    `pool` has threads, since the encoder lets go of the interpreter while it works.
    """
    loop = asyncio.get_running_loop()
    pending: deque[asyncio.Future[Sealed]] = deque()
    feed, chain, encoder = end.feed, end.chain, end.encoder
    try:
        async for run in runs:
            chain, after = await asyncio.to_thread(_step, chain, encoder, run.records)
            work = loop.run_in_executor(pool, _encode, feed, run, encoder, chain, after)
            pending.append(work)
            encoder = after
            if len(pending) >= depth:
                yield await pending.popleft()
        while pending:
            yield await pending.popleft()
    finally:
        for future in pending:
            future.cancel()


def _step(chain: bytes, encoder: ChunkEncoder, records: Records) -> tuple[bytes, ChunkEncoder]:
    """What a run makes of the two things that the next one needs."""
    return extend_chain(chain, records), encoder.after(records)


def _encode(
    feed: FeedId, run: Run, encoder: ChunkEncoder, chain: bytes, after: ChunkEncoder
) -> Sealed:
    before_ns = NO_TIME if run.before_ns is None else run.before_ns
    chunks = encode_hashed_run(run.records, encoder, feed, run.first_seq, before_ns, chain)
    return Sealed(chunks, after)
