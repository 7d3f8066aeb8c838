"""A feeder without Kafka: messages in memory, the real writer, the real sidecar."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from support.feeds import FEED, market, open_writer, witness_of
from support.stores import key_pair

from tradercast.feed.startup import is_behind
from tradercast.feed.writer import FeedWriter
from tradercast.feeds import FeedId
from tradercast.log import LogStore
from tradercast.pipeline.feeder import Feeder
from tradercast.pipeline.feeder_input import Envelope, Place
from tradercast.pipeline.feeder_positions import Positions
from tradercast.pipeline.messages import Message, encode_message
from tradercast.records import Trades

PLACE: Place = ("tradercast.bitfinex.trades", 0)
_AHEAD = 3  # batches at most that are read before the last one is dealt with: Kafka never ends


class ListSource:
    """A partition in memory, read from the offset asked for, in batches of these sizes."""

    def __init__(self, values: Sequence[bytes], sizes: Sequence[int], start: int = 0) -> None:
        self.values = values
        self.sizes = sizes
        self.start = start
        self.committed: dict[Place, int] = {}
        self.rewound = False

    async def batches(self) -> AsyncIterator[Sequence[Envelope]]:
        at, turn = self.start, 0
        while at < len(self.values) or self.rewound:
            at, self.rewound = 0 if self.rewound else at, False
            end = at + self.sizes[turn % len(self.sizes)]
            # offsets have holes: markers of transactions
            yield [Envelope(PLACE, 3 * n, value, n + 1) for n, value in enumerate(self.values)][
                at:end
            ]
            at, turn = end, turn + 1
            for _ in range(_AHEAD):
                yield []

    async def rewind(self, place: Place) -> None:
        self.rewound = True

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        self.committed = dict(offsets)


def numbered(
    runs: Sequence[Trades], *, feed: FeedId = FEED, first: int = 0, anywhere: bool = False
) -> list[Message]:
    """Messages of these records, numbered one after the other."""
    return [
        Message(feed, first + n, replace(run), repeats_anywhere=anywhere)
        for n, run in enumerate(runs)
    ]


def writers(
    store: LogStore, data_dir: Path, catch_up_s: float = 5.0
) -> Callable[[FeedId], AbstractAsyncContextManager[FeedWriter]]:
    """What a feeder opens its writers with."""

    @asynccontextmanager
    async def opened(feed: FeedId) -> AsyncIterator[FeedWriter]:
        async with open_writer(
            store, data_dir, feed=feed, catch_up_s=catch_up_s, derive_lost=True
        ) as writer:
            yield writer

    return opened


async def feed(
    store: LogStore,
    data_dir: Path,
    messages: Sequence[Message | bytes],
    *,
    sizes: Sequence[int] = (1_000,),
    accept_gaps: Collection[FeedId] = (),
    catch_up_s: float = 0.2,
    from_positions: bool = True,
    writer_s: float = 5.0,
    candles: bool = False,
    make_up: bool = False,
) -> Feeder:
    """Run a feeder over a partition of these messages to its end."""

    async def behind(feed: FeedId) -> bool:
        async with await store.core(signer=key_pair(f"{feed} tail")) as tail:
            return await is_behind(tail, witness_of(data_dir))

    path = data_dir / "feeder.json"
    positions = Positions.load(path) if from_positions else Positions()
    values = [m if isinstance(m, bytes) else encode_message(m) for m in messages]
    start = (positions.offsets.get(PLACE, 0) + 2) // 3
    source = ListSource(values, sizes, start)
    feeder = Feeder(
        source,
        writers(store, data_dir, writer_s),
        positions,
        path,
        accept_gaps=accept_gaps,
        catch_up_s=catch_up_s,
        candles=candles,
        is_behind=behind if make_up else None,
    )
    await feeder.run()
    return feeder


__all__ = ["FEED", "PLACE", "ListSource", "feed", "market", "numbered", "writers"]
