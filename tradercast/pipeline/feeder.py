"""The feeder: numbered messages of many feeds into their signed logs, each record once."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import (
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradercast.durable import os_errors
from tradercast.errors import FeedBusyError, SourceHoleError
from tradercast.feed.channel import BOOK, TRADES
from tradercast.feeds import FeedId
from tradercast.pipeline.book_batches import FeedMessage
from tradercast.pipeline.feeder_feed import CATCH_UP_S, FedFeed, OpenWriter
from tradercast.pipeline.feeder_input import MessageSource, Place
from tradercast.pipeline.feeder_intake import Arrival, Intake
from tradercast.pipeline.feeder_positions import Positions

_SAVE_S = 1.0
_FEEDS_AT_ONCE = 8
_CHANNELS = (TRADES.name, BOOK.name)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a feeder is.

    Attributes
    ----------
    malformed : int
        Messages that were no messages, since the start; passed over.
    durable_ms : int
        When the source got the newest message that is durable now (ms UTC); 0 if none is.
    """

    malformed: int = 0
    durable_ms: int = 0


class Feeder:
    """Feeds all feeds that come up in a source.

    Parameters
    ----------
    source : MessageSource
    open_writer : callable
        Opens the writer of a feed.
    path : Path
        The file of positions.
    accept_gaps : collection of FeedId
        Feeds whose next hole is given up, if no sibling fills it.
    renewed : collection of str
        Topics that are not the ones that positions were kept for: they must not begin to number
        messages again.
    catch_up_s : float
        How long siblings are waited for at a hole.
    on_feed : callable, optional
        Called with each feed once it is open.
    is_behind : callable, optional
        Whether the logs of a feed lost blocks, so that they are made up for at once and not at
        the feed's next message.
    candles : bool
        Keep a feed of minute candles beside each.
    """

    def __init__(
        self,
        source: MessageSource,
        open_writer: OpenWriter,
        positions: Positions,
        path: Path,
        *,
        accept_gaps: Collection[FeedId] = (),
        renewed: Collection[str] = (),
        catch_up_s: float = CATCH_UP_S,
        on_feed: Callable[[FedFeed], None] = lambda fed: None,
        is_behind: Callable[[FeedId], Awaitable[bool]] | None = None,
        candles: bool = False,
    ) -> None:
        self.feeds: dict[FeedId, FedFeed] = {}
        self.progress = Progress()
        self._source = source
        self._intake = Intake(source)
        self._open_writer = open_writer
        self.positions = positions
        self._path = path
        self._accept_gaps = frozenset(accept_gaps)
        self._renewed = renewed
        self._catch_up_s = catch_up_s
        self._on_feed = on_feed
        self._is_behind = is_behind
        self._candles = candles
        self._foreign: set[FeedId] = set()
        self._dirty = False
        self._saved_at = 0.0

    async def run(self) -> None:
        """Feed until the source ends or this is cancelled; what was done is durable then.

        Raises
        ------
        SourceHoleError
            If messages are missing.
        """
        try:
            await self._make_up()
            async with aclosing(self._intake.batches()) as batches:
                async for arrivals in batches:
                    await self._write(arrivals)
                    if self._dirty and time.monotonic() - self._saved_at >= _SAVE_S:
                        await self._save()
        finally:
            if self._dirty:
                await self._save()
            for fed in self.feeds.values():
                await fed.close()

    async def _write(self, arrivals: Sequence[Arrival]) -> None:
        groups: dict[FeedId, list[FeedMessage]] = {}
        places: dict[FeedId, Place] = {}
        for envelope, message in arrivals:
            if message is not None and self._is_ours(message):
                groups.setdefault(message.feed, []).append(message)
                places[message.feed] = envelope.place
        await self._open(groups)
        for feed, group in groups.items():
            self._check_renewed(places[feed][0], group[0])
        if groups and not self._saved_at:
            await self._save()  # from here on these are the topics that are known
        results = await self._take(groups, places)
        self._dirty |= bool(arrivals)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        for envelope, _ in arrivals:
            self.positions.offsets[envelope.place] = envelope.offset + 1
        await self._rewind({place for feed, place in places.items() if self.feeds[feed].lost})
        durable_ms = next(
            (
                envelope.time_ms
                for envelope, message in reversed(arrivals)
                if message is None or not self._owes(message.feed)
            ),
            self.progress.durable_ms,
        )
        self.progress = Progress(self._intake.malformed, durable_ms)

    async def _take(
        self, groups: Mapping[FeedId, Sequence[FeedMessage]], places: Mapping[FeedId, Place]
    ) -> list[BaseException | None]:
        """Let every feed take its messages to the end, also when another one fails."""
        results = await _together(self.feeds[feed].take(group) for feed, group in groups.items())
        for feed in groups:
            if self.feeds[feed].last >= 0:
                self.positions.feeds[feed] = self.feeds[feed].seen
                self.positions.places[feed] = places[feed]
        return results

    async def _make_up(self) -> None:
        """Before anything is read: have what the logs of quiet feeds lost read again."""
        if self._is_behind is None:
            return
        behind = [feed for feed in self.positions.feeds if await self._is_behind(feed)]
        await self._open(behind)
        lost = [feed for feed in behind if self.feeds[feed].lost]
        every = self.positions.offsets.keys()
        places = {at for feed in lost for at in _one_or(self.positions.places.get(feed), every)}
        await self._rewind(places)

    @property
    def trouble(self) -> str | None:
        """What is wrong with the logs, in one sentence."""
        for feed, fed in self.feeds.items():
            if fed.owes:
                return f"{feed} has not all blocks that were signed before: reading them again"
        return None

    async def _rewind(self, places: Collection[Place]) -> None:
        """Have places read again from their beginning, for logs that lost what they had."""
        for place in places:
            await self._intake.rewind(place)
            self.positions.offsets.pop(place, None)
        for fed in self.feeds.values():
            fed.lost = False

    def _owes(self, feed: FeedId) -> bool:
        return feed in self.feeds and self.feeds[feed].owes

    def _is_ours(self, message: FeedMessage) -> bool:
        if message.feed.channel in _CHANNELS:
            return True
        if message.feed not in self._foreign:
            self._foreign.add(message.feed)
            log.warning("%s is passed over: only trades and books can be fed yet", message.feed)
        return False

    async def _open(self, feeds: Iterable[FeedId]) -> None:
        """Open those that are not open: together, as each may have to wait for siblings."""
        new = [feed for feed in feeds if feed not in self.feeds]
        for feed in new:
            self.feeds[feed] = FedFeed(
                feed,
                self._open_writer,
                accept_gap=feed in self._accept_gaps,
                catch_up_s=self._catch_up_s,
                candles=self._candles,
            )
        opened = await _together(
            self.feeds[feed].open(self.positions.feeds.get(feed)) for feed in new
        )
        for result in opened:
            if isinstance(result, BaseException):
                raise result
        for feed in new:
            self._on_feed(self.feeds[feed])

    def _check_renewed(self, topic: str, message: FeedMessage) -> None:
        if topic in self._renewed and message.number <= self.feeds[message.feed].last:
            raise SourceHoleError(
                f"topic {topic} was made again and counts the messages of {message.feed} from "
                f"{message.number}; the log has {self.feeds[message.feed].last} already",
                hint="give the listener its state topic back, or feed under another symbol",
            )

    async def _save(self) -> None:
        # Also while a feed owes: the next start misses again what its log lost, and reads it again.
        positions = self.positions
        await asyncio.to_thread(positions.save, self._path)
        self._dirty = False
        self._saved_at = time.monotonic()
        await self._source.commit(positions.offsets)


def _one_or(known: Place | None, every: Iterable[Place]) -> Iterable[Place]:
    return every if known is None else [known]


async def _together(work: Iterable[Coroutine[Any, Any, None]]) -> list[BaseException | None]:
    """Do all of it to the end, some at a time; what failed is in the answer."""
    limit = asyncio.Semaphore(_FEEDS_AT_ONCE)

    async def one(each: Coroutine[Any, Any, None]) -> None:
        async with limit:
            await each

    return await asyncio.gather(*map(one, work), return_exceptions=True)


def lock_positions(path: Path) -> int:
    """Keep other feeders off this data directory for as long as the descriptor is open.

    Raises
    ------
    FeedBusyError
        If one runs.
    """
    with os_errors(path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise FeedBusyError(
            "another feeder runs on this data directory",
            hint="stop it; a standby needs a data directory of its own",
        ) from None
    return fd
