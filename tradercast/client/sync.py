"""Fetching a range of a feed into the local store, from as many peers as have it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from tradercast.client.feed import OpenFeed, SegmentPlan
from tradercast.client.holdings import Holding
from tradercast.client.node import Node
from tradercast.errors import IncompleteError, StalledError
from tradercast.feed.reader import ReadReport
from tradercast.log import Core
from tradercast.log.core import STALL_S

_NODES_STALL_S = 1.0  # whoever has a chunk need not have its index node


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a sync has come.

    Attributes
    ----------
    records, total_records : int
        Records of the blocks that are here, and of all planned blocks.
    bytes, total_bytes : int
        The same in bytes of blocks.
    peers : int
        Connections at this moment.
    """

    records: int
    total_records: int
    bytes: int
    total_bytes: int
    peers: int


@dataclass(slots=True)
class SyncNeed:
    """What a range costs before it is fetched: the answer to a dry run."""

    records: int = 0
    bytes: int = 0
    held_records: int = 0
    held_bytes: int = 0
    chunks: int = 0


@dataclass(slots=True)
class SyncResult:
    """What a sync did.

    Attributes
    ----------
    records : int
        Records in the planned blocks that are here now.
    fetched_bytes : int
        Bytes of blocks that came from peers in this run.
    missing : list of (int, int)
        Time ranges (ns UTC) of what nobody had.
    end_seq : dict of str to int
        For each segment, the number behind the last record known: where following begins.
    """

    records: int = 0
    bytes: int = 0
    fetched_bytes: int = 0
    missing: list[tuple[int, int]] = field(default_factory=list)
    end_seq: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all of the range is here."""
        return not self.missing


async def need(plans: list[SegmentPlan]) -> SyncNeed:
    """What the plans cost, and how much of it is here already."""
    total = SyncNeed()
    for each in plans:
        held = await _held_blocks(each.segment.reader.archive, each.plan.archive_blocks())
        total.records += each.plan.records
        total.bytes += each.plan.bytes
        total.chunks += len(each.plan.chunks)
        for ref in each.plan.chunks:
            if ref.block in held:
                total.held_records += ref.count
                total.held_bytes += ref.bytes
        if (tail := each.plan.tail) is not None:
            here = await _held_blocks(each.segment.reader.tail, each.plan.tail_blocks())
            blocks = tail.end_block - tail.start_block
            total.held_records += tail.count * len(here) // blocks
            total.held_bytes += each.plan.tail_bytes * len(here) // blocks
    return total


async def is_held(plans: list[SegmentPlan]) -> bool:
    """Whether every planned block is here."""
    for each in plans:
        for core, ranges in _parts(each):
            if len(await _held_blocks(core, ranges)) != sum(end - start for start, end in ranges):
                return False
    return True


async def sync_range(
    node: Node,
    feed: OpenFeed,
    plans: list[SegmentPlan],
    *,
    on_progress: Callable[[SyncProgress], None] = lambda progress: None,
    stall_s: float = STALL_S,
) -> SyncResult:
    """Fetch what the plans of a range need; what is here already is not fetched again.

    Peers that send nothing are waited for `stall_s` seconds.

    Raises
    ------
    NoPeerError, IncompleteError
        If not even the index of the range could be had.
    ForkError
        If the publisher's log contradicts what was seen before.
    """
    # first of all: a part is a holding too, served meanwhile and known after a kill
    node.holdings.add(Holding(feed.publisher.root, feed.feed))
    cost = await need(plans)
    result = SyncResult()
    counter = _Counter(node, cost, on_progress)
    fetched = await _fetch_all(plans, counter, stall_s)
    if not fetched and await _was_sealed(plans):
        with contextlib.suppress(IncompleteError):
            plans = await feed.plan(plans[0].plan.time_range)
            fetched = await _fetch_all(plans, counter, stall_s)
    # for others who ask this node: with its nodes, a log that was synced whole is whole
    nodes = _Counter(node, cost, lambda progress: None)
    await asyncio.gather(
        *(
            _fetch(each.segment.reader.archive, each.plan.node_blocks(), nodes, _NODES_STALL_S)
            for each in plans
        )
    )
    report = ReadReport()
    for each in plans:
        if fetched:
            # corrections that lie elsewhere, so that the range can be read without peers
            await each.segment.reader.corrections(each.plan, report)
        await _settle(each, result, report)
        await asyncio.gather(
            *map(node.remember, (each.segment.reader.archive, each.segment.reader.tail))
        )
    if plans:
        result.missing = report.missing_times(plans[0].plan.time_range)
    result.fetched_bytes = counter.fetched + nodes.fetched
    counter.settle(result.records)
    return result


class _Counter:
    """Adds up what several downloads report."""

    def __init__(
        self, node: Node, cost: SyncNeed, on_progress: Callable[[SyncProgress], None]
    ) -> None:
        self._node = node
        self._cost = cost
        self._on_progress = on_progress
        self._by_core: dict[bytes, int] = {}

    @property
    def fetched(self) -> int:
        return sum(self._by_core.values())

    def take(self, core: Core, fetched: int) -> None:
        self._by_core[core.key] = fetched
        self.show()

    def settle(self, records: int) -> None:
        """The end: what is here is counted now, the tail's bytes were only an estimate."""
        done = self._cost.bytes if records >= self._cost.records else self._done()
        self._report(records, done)

    def show(self) -> None:
        cost = self._cost
        share = self._done() / cost.bytes if cost.bytes else 1.0
        self._report(int(cost.records * share), self._done())

    def _done(self) -> int:
        return min(self._cost.held_bytes + self.fetched, self._cost.bytes)

    def _report(self, records: int, done: int) -> None:
        cost, pool = self._cost, self._node.pool
        self._on_progress(
            SyncProgress(
                records=records,
                total_records=cost.records,
                bytes=done,
                total_bytes=cost.bytes,
                peers=pool.connected if pool else 0,
            )
        )


def _parts(each: SegmentPlan) -> list[tuple[Core, list[tuple[int, int]]]]:
    reader = each.segment.reader
    return [(reader.archive, each.plan.archive_blocks()), (reader.tail, each.plan.tail_blocks())]


async def _fetch_all(plans: list[SegmentPlan], counter: _Counter, stall_s: float) -> bool:
    """Whether everything that is planned came."""
    came = await asyncio.gather(
        *(_fetch(core, blocks, counter, stall_s) for each in plans for core, blocks in _parts(each))
    )
    return all(came)


async def _was_sealed(plans: list[SegmentPlan]) -> bool:
    """Whether part of a planned tail may be in the archive by now, and nowhere else any more."""
    for each in plans:
        if each.plan.tail is not None:
            archive = await each.segment.reader.archive.info()
            if archive.length > each.plan.archive_length:
                return True
    return False


async def _fetch(
    core: Core,
    blocks: list[tuple[int, int]],
    counter: _Counter,
    stall_s: float,
) -> bool:
    """Whether all of it came; what is missing is found by looking at what is here."""
    if not blocks:
        return True
    try:
        async for progress in core.download(blocks, stall_s):
            counter.take(core, progress.bytes)
    except StalledError:
        return False
    return True


async def _settle(each: SegmentPlan, result: SyncResult, report: ReadReport) -> None:
    """Add up what is here now and what is not."""
    plan, reader = each.plan, each.segment.reader
    held = await _held_blocks(reader.archive, plan.archive_blocks())
    for ref in plan.chunks:
        if ref.block in held:
            result.records += ref.count
            result.bytes += ref.bytes
        else:
            report.note_missing(ref.first_seq, ref.end_seq, ref.min_ns, ref.max_ns)
    if (tail := plan.tail) is not None:
        here = await _held_blocks(reader.tail, plan.tail_blocks())
        if len(here) == tail.end_block - tail.start_block:
            result.records += tail.count
        else:
            report.note_missing(tail.first_seq, tail.end_seq, tail.min_ns, tail.max_ns)
    result.end_seq[each.segment.segment.name] = plan.end_seq


async def _held_blocks(core: Core, ranges: list[tuple[int, int]]) -> set[int]:
    if not ranges:
        return set()
    held: set[int] = set()
    for low, high in await core.held(ranges[0][0], ranges[-1][1]):
        held.update(range(low, high))
    return {block for start, end in ranges for block in range(start, end) if block in held}
