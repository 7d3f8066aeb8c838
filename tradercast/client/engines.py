"""Records as other engines take them: hftbacktest, backtesting.py, nautilus_trader.

``tradercast.engines`` is this module.  None of them is needed here, and none is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradercast.book_levels import BookSide
from tradercast.book_messages import BookMessages
from tradercast.client import extras
from tradercast.client.bbo import BboResult
from tradercast.client.book_snapshots import BookSnapshots
from tradercast.client.candle_results import CandlesResult
from tradercast.client.results import TradesResult
from tradercast.errors import UsageError
from tradercast.feeds import FeedId
from tradercast.market.interval import Interval
from tradercast.market.replay_merge import ReplayBatch
from tradercast.market.replay_times import FeedTimes
from tradercast.records import NO_TIME, Side, Trades
from tradercast.rows import I64
from tradercast.runs import Records

if TYPE_CHECKING:
    import pandas as pd

# of hftbacktest 2: https://hftbacktest.readthedocs.io/en/latest/data.html
EVENT = np.dtype(
    [
        ("ev", "u8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),
        ("qty", "f8"),
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ],
    align=True,
)
DEPTH, TRADE, CLEAR, SNAPSHOT = 1, 2, 3, 4
EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
_SIDES = np.array([0, BUY, SELL], np.uint64)  # by `Side`, and by `BookSide`


def hftbacktest(batches: Iterable[ReplayBatch], *, base_latency_ns: int = 0) -> NDArray[Any]:
    """Event array of one symbol's trades and book for hftbacktest 2.

    Parameters
    ----------
    batches : iterable of ReplayBatch
        ``client.replay(symbol, start, end, ["trades", "book"], batches=True)``.  It should begin
        with a snapshot of the book.
    base_latency_ns : int
        As in hftbacktest's converters: where local times are before those of the exchange, all
        are moved behind them, and by this much more; where there are none, they are so much later.

    Returns
    -------
    structured array
        Of `EVENT`.  A snapshot clears what is in its range before it.  Nothing stands for a gap:
        until the next snapshot the book goes on without what is missing.

    Raises
    ------
    UsageError
        If there are several symbols.
    """
    runs: dict[FeedId, list[Records]] = {}
    for batch in batches:
        for part in batch.parts:
            runs.setdefault(part.feed, []).append(part.records)
    if len({(feed.exchange, feed.symbol) for feed in runs}) > 1:
        raise UsageError("an event array is of one symbol", hint="make one for each")
    return hftbacktest_events([_joined(each) for each in runs.values()], base_latency_ns)


def hftbacktest_events(feeds: Sequence[Records], base_latency_ns: int = 0) -> NDArray[Any]:
    """The same from the records of each feed; candles are passed over."""
    # trades first: at one time hftbacktest wants them before the change of the book
    parts = [_trade_events(each) for each in feeds if isinstance(each, Trades)]
    parts += [_book_events(each) for each in feeds if isinstance(each, BookMessages)]
    events = np.concatenate([np.zeros(0, EVENT), *parts])
    if not len(events):
        return events
    least = int((events["local_ts"] - events["exch_ts"]).min())
    if least < 0:
        events["local_ts"] += base_latency_ns - least
    elif not any(_are_received(each) for each in feeds):
        events["local_ts"] += base_latency_ns
    return _ordered(events[np.argsort(events["local_ts"], kind="stable")])


def ohlcv(candles: CandlesResult) -> pd.DataFrame:
    """Candles for backtesting.py: ``Open, High, Low, Close, Volume``, indexed by their start."""
    frame = candles.to_pandas()[["open", "high", "low", "close", "volume"]]
    renamed: pd.DataFrame = frame.rename(columns=str.capitalize)
    return renamed


def nautilus_trades(trades: TradesResult) -> pd.DataFrame:
    """Trades for nautilus_trader's ``TradeTickDataWrangler``.

    Columns ``price, quantity, trade_id``, and ``side`` if it is known of every trade (otherwise
    none has an aggressor); a trade without an id has the number of its record.
    """
    frame = trades.to_pandas()
    ids = trades.trades.trade_id
    texts = [None] * len(trades) if ids is None else ids.to_strings()
    numbers = trades.seq.tolist()
    made = {
        "price": frame["price"],
        "quantity": frame["size"],
        "trade_id": [str(n) if t is None else t for t, n in zip(texts, numbers, strict=True)],
    }
    side = trades.trades.side
    if (side != Side.UNKNOWN).all():
        made["side"] = np.where(side == Side.BUY, "BUY", "SELL")
    pandas = extras.load("pandas", "pandas")
    ready: pd.DataFrame = pandas.DataFrame(made, index=frame.index)
    return ready


def nautilus_quotes(books: BboResult | BookSnapshots) -> pd.DataFrame:
    """Best bids and asks for nautilus_trader's ``QuoteTickDataWrangler``.

    Columns ``bid_price, ask_price, bid_size, ask_size``: a row for each change of `client.bbo`, or
    for each step of `client.book_snapshots`, at which the book is that of the exchange and has
    both sides.
    """
    names = {
        "bid_px_00": "bid_price",
        "ask_px_00": "ask_price",
        "bid_sz_00": "bid_size",
        "ask_sz_00": "ask_size",
    }
    frame = books.to_pandas().rename(columns=names)
    ready: pd.DataFrame = frame[frame["valid"]][[*names.values()]].dropna()
    return ready.rename_axis("timestamp")


def nautilus_bars(candles: CandlesResult) -> pd.DataFrame:
    """Candles for nautilus_trader's ``BarDataWrangler``, indexed by their end, when they are known.

    Columns ``open, high, low, close, volume``.
    """
    frame = candles.to_pandas()[["open", "high", "low", "close", "volume"]]
    ends = Interval.parse(candles.interval).ends_of(candles.candles.ts_open)
    pandas = extras.load("pandas", "pandas")
    times = ends.view("M8[ns]")
    frame.index = pandas.DatetimeIndex(times, name="timestamp").tz_localize("UTC")
    return frame


def _joined(runs: list[Records]) -> Records:
    made: Records = type(runs[0]).concat(runs)
    return made.without_notes()


def _times(records: Records, rows: I64) -> tuple[I64, I64]:
    """When each row was, at the exchange and here; neither goes back within a feed."""
    feed, seq = FeedId("any", "any"), np.arange(len(records))
    at = FeedTimes(feed, by_receipt=False).take(records, seq, more=False).ts
    here = FeedTimes(feed, by_receipt=True).take(records, seq, more=False).ts
    return at[rows], (here if _are_received(records) else at)[rows]


def _are_received(records: Records) -> bool:
    """Whether there are receive times; a book that a replay opens with has none."""
    received = getattr(records, "ts_recv", None)
    return received is not None and bool((received != NO_TIME).any())


def _trade_events(trades: Trades) -> NDArray[Any]:
    events = np.zeros(len(trades), EVENT)
    events["ev"] = TRADE | _SIDES[trades.side]
    events["exch_ts"], events["local_ts"] = _times(trades, np.arange(len(trades)))
    events["px"], events["qty"] = trades.price.to_float(), trades.size.to_float()
    return events


def _book_events(book: BookMessages) -> NDArray[Any]:
    message = np.repeat(np.arange(len(book)), book.lengths())
    events = np.zeros(len(message), EVENT)
    kind = np.where(book.is_snapshot[message], SNAPSHOT, DEPTH).astype(np.uint64)
    events["ev"] = kind | _SIDES[book.levels.side]
    events["exch_ts"], events["local_ts"] = _times(book, message)
    events["px"], events["qty"] = book.levels.price.to_float(), book.levels.size.to_float()
    places: list[int] = []
    clears: list[NDArray[Any]] = []
    for row in np.flatnonzero(book.is_snapshot).tolist():
        start, end = book.offsets[row : row + 2].tolist()
        for side, farthest in ((BookSide.BID, np.min), (BookSide.ASK, np.max)):
            prices = events["px"][start:end][book.levels.side[start:end] == side]
            if len(prices):
                clear = events[start : start + 1].copy()
                clear["ev"], clear["px"], clear["qty"] = CLEAR | _SIDES[side], farthest(prices), 0
                places.append(start)
                clears.append(clear)
    return np.insert(events, places, np.concatenate(clears)) if places else events


def _ordered(events: NDArray[Any]) -> NDArray[Any]:
    """Events by local time, so that those of the exchange are by its time, too.

    Those that it had before others which arrived sooner are put twice: once for each side.
    """
    newest = np.maximum.accumulate(events["exch_ts"])
    late = np.flatnonzero(events["exch_ts"] < newest)
    events["ev"] |= LOCAL | EXCH
    if not len(late):
        return events
    twins = events[late].copy()
    twins["ev"] &= ~np.uint64(LOCAL)
    events["ev"][late] &= ~np.uint64(EXCH)
    order = np.argsort(twins["exch_ts"], kind="stable")
    twins = twins[order]
    return np.insert(events, np.searchsorted(newest, twins["exch_ts"], "right"), twins)
