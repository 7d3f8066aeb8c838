"""A replay's records as objects, one by one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from itertools import chain, repeat
from typing import Any, TypeAlias, TypeVar

import numpy as np
from msgspec import Struct

from tradercast.book_levels import BookSide
from tradercast.book_messages import NO_CHECKSUM, BookMessages
from tradercast.candles import Candles
from tradercast.corrections import gaps_of
from tradercast.decimals import Decimals
from tradercast.feeds import FeedId
from tradercast.ids import ABSENT
from tradercast.market.book import Book
from tradercast.market.replay_merge import ReplayBatch
from tradercast.market.replay_times import Part
from tradercast.records import NO_TIME, Gap, Kind, Side, Trades

_T = TypeVar("_T")
_SIDES = [side.name.lower() for side in sorted(Side)]
# Structs with gc=False: however many a program keeps, the garbage collector does not go through
# them; they refer to nothing that could refer back.
_FEW = 1 << 11
_KEPT = 1 << 17
_EXACT = Context(prec=40, Emin=MIN_EMIN, Emax=MAX_EMAX)  # whatever the program's own rounds to


class ReplayTrade(Struct, frozen=True, gc=False):
    """A trade; times in ns UTC, price and size exact."""

    ts_event: int
    ts_recv: int | None
    trade_id: str | int | None
    side: str
    price: Decimal
    size: Decimal


class ReplayCorrection(Struct, frozen=True, gc=False):
    """What became of an earlier trade: ``bust`` or ``amend``; only among new records."""

    action: str
    ref_seq: int
    trade: ReplayTrade


class ReplayCandle(Struct, frozen=True, gc=False):
    """A candle; of several that begin at one time the last counts."""

    ts_open: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal | None
    trades: int | None


class ReplayBook(Struct, frozen=True, eq=False, gc=False):
    """A message of a book.

    Attributes
    ----------
    valid : bool
        Whether the book after it is the exchange's: not before the first snapshot, and not after
        a gap until the next one.
    """

    _run: BookMessages
    _row: int
    valid: bool

    @property
    def messages(self) -> BookMessages:
        """The message as a run of one, which `Book.apply` takes."""
        return self._run[self._row : self._row + 1]

    def apply_to(self, book: Book) -> None:
        """`Book.apply` of the message, at less cost."""
        book.apply_row(self._run, self._row)

    @property
    def ts_event(self) -> int:
        """When it was, ns UTC."""
        return int(self._run.ts_event[self._row])

    @property
    def ts_recv(self) -> int | None:
        """When it was, ns UTC."""
        return self._number("ts_recv", NO_TIME)

    @property
    def last_id(self) -> int | None:
        """The source's number of its last update."""
        return self._number("last_id", ABSENT)

    @property
    def checksum(self) -> int | None:
        """The source's checksum of the book after it."""
        return self._number("checksum", NO_CHECKSUM)

    @property
    def is_snapshot(self) -> bool:
        """Whether it is the whole book, not changes of it."""
        return bool(self._run.is_snapshot[self._row])

    @property
    def bids(self) -> list[tuple[Decimal, Decimal]]:
        """Prices and sizes, in the order of the source; size 0 removes the level."""
        return self._levels(BookSide.BID)

    @property
    def asks(self) -> list[tuple[Decimal, Decimal]]:
        """As `bids`."""
        return self._levels(BookSide.ASK)

    def _levels(self, side: BookSide) -> list[tuple[Decimal, Decimal]]:
        levels = self.messages.levels
        levels = levels[levels.side == side]
        return list(zip(levels.price.to_decimals(), levels.size.to_decimals(), strict=True))

    def _number(self, name: str, absent: int) -> int | None:
        column = getattr(self._run, name)
        value = absent if column is None else int(column[self._row])
        return None if value == absent else value

    def __repr__(self) -> str:
        kind = "snapshot" if self.is_snapshot else "change"
        levels = int(self._run.offsets[self._row + 1] - self._run.offsets[self._row])
        return f"<book {kind} of {levels} levels{'' if self.valid else ', not valid'}>"


Payload: TypeAlias = "ReplayTrade | ReplayBook | ReplayCandle | ReplayCorrection | Gap"


class ReplayEvent(Struct, frozen=True, gc=False):
    """One record of a replay.

    Attributes
    ----------
    feed : FeedId
    seq : int
        Its number in the feed's segment.
    ts : int
        ns UTC at which it comes.
    kind : str
        ``trade``, ``book``, ``candle``, ``gap`` or ``correction``.
    data : ReplayTrade, ReplayBook, ReplayCandle, Gap or ReplayCorrection
    """

    feed: FeedId
    seq: int
    ts: int
    kind: str
    data: Payload


def events(batches: Iterable[ReplayBatch]) -> Iterator[ReplayEvent]:
    """The records of batches, one by one."""
    for batch in batches:
        yield from events_of(batch)


def events_of(batch: ReplayBatch) -> Iterator[ReplayEvent]:
    """The records of a batch, in their order; each is made when it is asked for."""
    return _in_order(batch, functools.partial(map, ReplayEvent))


def rows_of(batch: ReplayBatch) -> Iterator[tuple[FeedId, int, int, str, Payload]]:
    """The same as tuples of what an event has: for who keeps no events."""
    return _in_order(batch, zip)


def _in_order(batch: ReplayBatch, make: Callable[..., Iterator[_T]]) -> Iterator[_T]:
    made = [_each(part, make) for part in batch.parts]
    if batch.is_in_turn:
        return chain.from_iterable(made)
    return map(next, map(made.__getitem__, batch.part.tolist()))


def _each(part: Part, make: Callable[..., Iterator[_T]]) -> Iterator[_T]:
    """A few at a time: what they are made of stays in the processor's cache."""
    starts = range(0, len(part), _FEW)
    return chain.from_iterable(make(*_columns(part[start : start + _FEW])) for start in starts)


def _columns(part: Part) -> tuple[Iterable[Any], ...]:
    """Feed, number, time, kind and data of each record."""
    times = part.ts.tolist()
    kind, payloads = _payloads(part, times)
    count, notes = len(part), part.records.notes
    kinds: Iterable[str] = repeat(kind, count)
    if len(notes):
        payloads, kinds = iter(noted := list(payloads)), (names := [kind] * count)
        gaps = {gap.seq: gap for gap in gaps_of(part.records, part.seq)}
        for at, row in enumerate(notes.row.tolist()):
            if notes.kind[at] == Kind.GAP:
                names[row], noted[row] = "gap", gaps[int(part.numbers[row])]
            else:
                action = Kind(int(notes.kind[at])).name.lower()
                trade, ref = noted[row], int(notes.ref_seq[at])
                assert isinstance(trade, ReplayTrade)
                names[row], noted[row] = "correction", ReplayCorrection(action, ref, trade)
    numbers = part.numbers if isinstance(part.numbers, range) else part.numbers.tolist()
    return repeat(part.feed), numbers, times, kinds, payloads


def _payloads(part: Part, times: list[int]) -> tuple[str, Iterator[Payload]]:
    records = part.records
    if isinstance(records, Trades):
        if not np.array_equal(part.ts, records.ts_event):
            times = records.ts_event.tolist()
        return "trade", _trades(records, times)
    count = len(part)
    if isinstance(records, BookMessages):
        assert part.valid is not None
        return "book", map(ReplayBook, repeat(records), range(count), part.valid.tolist())
    assert isinstance(records, Candles)
    return "candle", _candles(records)


def _trades(run: Trades, times: list[int]) -> Iterator[Payload]:
    received: Iterable[Any] = repeat(None, len(run))
    if run.ts_recv is not None:
        received = run.ts_recv.tolist()
        if (run.ts_recv == NO_TIME).any():
            received = [None if time == NO_TIME else time for time in received]
    ids: Iterable[Any] = (
        repeat(None, len(run)) if run.trade_id is None else run.trade_id.to_strings()
    )
    sides = map(_SIDES.__getitem__, run.side.tolist())
    return map(ReplayTrade, times, received, ids, sides, _decimals(run.price), _decimals(run.size))


def _candles(run: Candles) -> Iterator[Payload]:
    numbers = [_decimals(getattr(run, name)) for name in ("open", "high", "low", "close")]
    quote: Iterable[Any] = repeat(None, len(run))
    if run.quote_volume is not None:
        quote = _decimals(run.quote_volume)
    counts = [None if count == ABSENT else count for count in run.counts().tolist()]
    volume = _decimals(run.volume)
    return map(ReplayCandle, run.ts_open.tolist(), *numbers, volume, quote, counts)


def _decimals(column: Decimals) -> Iterable[Decimal]:
    """Exact values, with as many decimals as the finest of a run has."""
    if column.escapes:
        return column.to_decimals()
    return map(_made(column.exponent).__getitem__, column.mantissa.tolist())


class _Made(dict[int, Decimal]):
    """The values that were made last: prices and sizes come again and again."""

    def __init__(self, exponent: int) -> None:
        self._unit = Decimal((0, (1,), exponent))

    def __missing__(self, mantissa: int) -> Decimal:
        if len(self) >= _KEPT:
            self.clear()
        value = self[mantissa] = _EXACT.multiply(mantissa, self._unit)
        return value


_made = functools.lru_cache(16)(_Made)
