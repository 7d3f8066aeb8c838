"""The part of the asynchronous client that gives records one behind the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Literal, overload

from tradercast.client.live import follow_feed
from tradercast.client.missing import OnMissing
from tradercast.client.node import Node
from tradercast.client.opening import Opener
from tradercast.client.replaying import Replays, each_event
from tradercast.feed.reader import Piece, ReadReport
from tradercast.market.replay_events import ReplayEvent
from tradercast.market.replay_merge import ReplayBatch
from tradercast.timerange import TimeLike, TimeRange


class AsyncStreams:
    """Replays, and records as they arrive."""

    _node: Node
    _opener: Opener
    _replays: Replays

    async def follow(
        self,
        symbol: str,
        *,
        exchange: str | None = None,
        channel: str = "trades",
        start: TimeLike | None = None,
    ) -> AsyncIterator[Piece]:
        """New records as they arrive, for ever.

        Parameters
        ----------
        symbol, exchange, channel
            As of `sync`.
        start : optional
            Begin with the records since then; otherwise with the next one.

        Yields
        ------
        Piece
            Records and their numbers.  Corrections and gaps come as they are, in
            ``piece.records.notes``.
        """
        feed = await self._opener.remote(symbol, exchange, channel)
        plans = await feed.plan(TimeRange.parse(start, None))
        ends = {each.segment.segment.name: each.plan.end_seq for each in plans}
        if start is not None:
            async for piece in feed.read(plans, ReadReport()):
                yield piece
        async for piece in follow_feed(self._node, feed, ends):
            yield piece

    @overload
    def replay(
        self,
        symbols: str | Sequence[str],
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        channels: str | Sequence[str] = ("trades",),
        *,
        exchange: str | None = None,
        sync: bool = True,
        on_missing: OnMissing = "raise",
        speed: float | None = None,
        in_order: bool = False,
        batches: Literal[False] = False,
    ) -> AsyncIterator[ReplayEvent]: ...

    @overload
    def replay(
        self,
        symbols: str | Sequence[str],
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        channels: str | Sequence[str] = ("trades",),
        *,
        exchange: str | None = None,
        sync: bool = True,
        on_missing: OnMissing = "raise",
        speed: float | None = None,
        in_order: bool = False,
        batches: Literal[True],
    ) -> AsyncIterator[ReplayBatch]: ...

    def replay(
        self,
        symbols: str | Sequence[str],
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        channels: str | Sequence[str] = ("trades",),
        *,
        exchange: str | None = None,
        sync: bool = True,
        on_missing: OnMissing = "raise",
        speed: float | None = None,
        in_order: bool = False,
        batches: bool = False,
    ) -> AsyncIterator[ReplayEvent] | AsyncIterator[ReplayBatch]:
        """Several feeds as one stream in the order of time, then what is new.

        Records come by the time at which they were received, if all feeds say it: so those of one
        capture come in its order.  Otherwise by the time of their events; a candle at the end of
        its minute.  Those of one feed stay in its order: one that is late comes right behind the
        one before it, and a gap, or a snapshot that was received later than where it belongs,
        with the record behind it.  At one time trades come before books, and these before
        candles; of one channel in the order of `symbols`.

        Parameters
        ----------
        symbols : str or sequence of str
            As of `sync`.
        start, end : optional
            Half-open range of the events' times.  Without an end the replay goes on with new
            records as they arrive, for ever: none is missing, none comes twice.
        channels : str or sequence of str
            ``trades``, ``book``, ``candles-1m``.
        exchange, on_missing
            As of `trades`; what is missing is raised behind everything that is there.
        sync : bool
            Fetch what is not here; otherwise it ends with what is here.
        speed : float, optional
            10 is ten times as fast as it was; by default as fast as it can.
        in_order : bool
            What is new comes in the order of history too: each record when every feed has one as
            late, so a quiet feed holds up the others.  By default it comes as it arrives.
        batches : bool
            Give columns: many records at once.

        Yields
        ------
        ReplayEvent or ReplayBatch
            In history corrections are applied.  Books are messages; of one that the exchange had
            before `start` the first is a snapshot of it, with the number of its last record.

        Raises
        ------
        MissingDataError, NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError
        """
        made = self._replays.batches(
            symbols,
            TimeRange.parse(start, end),
            channels,
            exchange=exchange,
            sync=sync,
            on_missing=on_missing,
            speed=speed,
            in_order=in_order,
        )
        return made if batches else each_event(made)
