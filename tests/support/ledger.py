"""The one check of a whole chain: what MongoDB acknowledged against what strangers read.

A stranger is a fresh node that knows nothing but a link and syncs from peers only.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from support.listening import ids_of
from support.stores import blocks_of, open_store

import tradercast
from tradercast.errors import NoPeerError, UnknownSymbolError
from tradercast.pipeline.messages import Message

LISTED_S = 40.0

Blocks: TypeAlias = dict[tuple[str, int], str]
"""Of a feed: by log (``tail`` or ``archive``) and number, the hash of what is held."""


@dataclass(frozen=True)
class Reading:
    """What a stranger has of some feeds, by their names."""

    ids: Mapping[str, list[str]]
    blocks: Mapping[str, Blocks]
    gaps: Mapping[str, list[tuple[int, int, int]]]
    """Number of the gap record, and the first and the last message that are missing."""


def read_as_a_stranger(data_dir: Path, link: str, feeds: Iterable[str]) -> Reading:
    """Sync feeds from peers into a new data directory, verify them, and read all of them."""
    return asyncio.run(_read(data_dir, link, list(feeds)))


async def _read(data_dir: Path, link: str, feeds: Sequence[str]) -> Reading:
    ids: dict[str, list[str]] = {}
    gaps: dict[str, list[tuple[int, int, int]]] = {}
    logs: dict[str, tuple[bytes, bytes]] = {}
    async with tradercast.aio.connect(data_dir, link=link) as client:
        for feed in feeds:
            await _sync(client, feed)
            found = await client.trades(feed)
            assert found.trades.trade_id is not None
            ids[feed] = [one or "" for one in found.trades.trade_id.to_strings()]
            gaps[feed] = [(gap.seq, gap.first, gap.last) for gap in found.gaps]
            await client.verify(feed)
        for entry in await client.feeds():
            [segment] = entry.segments
            logs[str(entry.feed)] = (segment.tail_key, segment.archive_key)
    blocks: dict[str, Blocks] = {}
    async with open_store(data_dir) as store:
        for feed in ids:
            blocks[feed] = {}
            for name, key in zip(("tail", "archive"), logs[feed], strict=True):
                core = await store.core(key=key)
                held = await blocks_of(core, 0, (await core.info()).length)
                blocks[feed] |= {
                    (name, number): hashlib.blake2b(block, digest_size=16).hexdigest()
                    for number, block in enumerate(held)
                    if block is not None
                }
    return Reading(ids, blocks, gaps)


async def _sync(client: tradercast.aio.AsyncClient, feed: str) -> None:
    """A feeder that was killed before it listed a feed has its turn to do so ten seconds later."""
    until = time.monotonic() + LISTED_S
    while True:
        try:
            await client.sync(feed)
            return
        except (NoPeerError, UnknownSymbolError):
            if time.monotonic() > until:
                raise


def in_kafka(messages: Sequence[Message]) -> dict[str, list[str]]:
    """The ids of each feed in Kafka's order, each where it is first."""
    found: dict[str, dict[str, None]] = {}
    for message in messages:
        found.setdefault(str(message.feed), {}).update(dict.fromkeys(ids_of(message)))
    return {feed: list(ids) for feed, ids in found.items()}


def check_ledger(
    acked: set[str], messages: Sequence[Message], first: Reading, second: Reading
) -> None:
    """Lost 0, twice 0, in Kafka's order, and the same blocks at two strangers."""
    for reading in (first, second):
        count = Counter(one for ids in reading.ids.values() for one in ids)
        lost = acked - count.keys()
        assert not lost, f"{len(lost)} of {len(acked)} lost, such as {sorted(lost)[:3]}"
        twice = {one: times for one, times in count.items() if times > 1}
        assert not twice, f"{len(twice)} more than once, such as {sorted(twice)[:3]}"
        assert not count.keys() - acked, "records of which nobody knows"
        assert reading.ids == in_kafka(messages), "not in Kafka's order"
    check_blocks(first, second)


def check_blocks(first: Reading, second: Reading) -> None:
    """Where two strangers hold a block, they hold the same one; and they do hold some."""
    for feed, mine in first.blocks.items():
        both = mine.keys() & second.blocks[feed].keys()
        assert both, f"no block of {feed} is at both"
        differing = [place for place in both if mine[place] != second.blocks[feed][place]]
        assert not differing, f"{feed}: blocks {sorted(differing)[:3]} are not the same"
