"""The book at fixed steps as columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradercast.book_levels import BookSide, Levels
from tradercast.client import extras
from tradercast.client.book_flow import Traded
from tradercast.decimals import Decimals
from tradercast.errors import UsageError
from tradercast.feeds import FeedId
from tradercast.ids import ABSENT
from tradercast.market.book_steps import BookSteps
from tradercast.records import Side
from tradercast.rows import I64
from tradercast.timerange import TimeLike, TimeRange, parse_time_ns

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

MAX_CELLS = 200_000_000  # prices of one table: 6 GB with sizes, counts and notionals
_EVERY = re.compile(r"(\d+)(ms|s|m|h|d)")
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86_400 * 10**9}
_PREFIX = {BookSide.BID: "bid", BookSide.ASK: "ask"}


@dataclass(frozen=True, slots=True)
class Steps:
    """Fixed steps of time, and how deep to look at each.

    Attributes
    ----------
    time_range : TimeRange
        The first step is at its start.
    times : int64 array
        ns UTC.
    depth : int
        Levels of each side.
    """

    time_range: TimeRange
    times: I64
    depth: int

    @classmethod
    def parse(cls, start: TimeLike, end: TimeLike, every: str | int, depth: int) -> Steps:
        """Read what a person says.

        Raises
        ------
        UsageError
            If `every` is no step, the range is empty, or this is more than fits into memory.
        """
        step = every if isinstance(every, int) else 0
        if isinstance(every, str) and (found := _EVERY.fullmatch(every.strip())):
            step = int(found[1]) * _UNITS[found[2]]
        if step <= 0:
            raise UsageError(f"{every!r} is no step", hint="write 100ms, 1s, 5m, 1h, or ns")
        wanted = TimeRange(parse_time_ns(start), parse_time_ns(end))
        count = -(-(wanted.end_ns - wanted.start_ns) // step)
        if not depth > 0 or count * depth * 2 > MAX_CELLS:
            raise UsageError(
                f"{count:,} steps of {depth} levels are not one table", hint="ask for less at once"
            )
        return cls(wanted, wanted.start_ns + step * np.arange(count, dtype=np.int64), depth)


class BookSnapshots:
    """An order book at fixed steps, in memory.

    Every conversion has the columns ``ts``, ``valid``, ``mid``, ``spread``, and for each level
    from the best one ``bid_px_00, bid_sz_00, bid_ct_00, bid_notional_00, ask_px_00, …``: price,
    size, number of orders, price times size.  What there is not is null: deeper levels, numbers
    of orders that the source does not say, and everything where the book is not that of the
    exchange (see `valid`).

    With trades there is the order flow since the step before: ``buys`` and ``sells``, what takers
    paid and got, and for each level ``bid_limit_00, bid_market_00, bid_cancel_00``: what was
    placed, traded and cancelled at its price, all as price times size (see `Traded.at`).  It is
    null at the first step, and where messages or trades are missing since the step before.

    Parameters
    ----------
    feed : FeedId
    ts : int64 array
        ns UTC.
    depth : int
    taken : BookSteps
        What was taken at these times.
    traded : Traded, optional
        The trades between them.
    """

    def __init__(
        self, feed: FeedId, ts: I64, depth: int, taken: BookSteps, traded: Traded | None = None
    ) -> None:
        self.feed = feed
        self.ts = ts
        self.depth = depth
        self.valid: NDArray[np.bool_] = taken.valid
        self._columns: dict[str, NDArray[Any]] = {}
        best: dict[BookSide, tuple[I64, Decimals]] = {}
        for side, found in taken.sides.items():
            lengths = np.array([len(levels) for levels in found.levels], np.int64)
            starts = np.cumsum(lengths) - lengths
            row = np.repeat(np.array(found.step, np.int64), lengths)
            place = np.arange(len(row)) - np.repeat(starts, lengths)
            levels = Levels.concat(found.levels)
            self._add(_PREFIX[side], row, place, levels)
            if traded is not None:
                changes = Decimals.concat(found.added), Decimals.concat(found.removed)
                flow = traded.at(side, row, levels, *changes)
                known = taken.flow_known & traded.known
                self._add_flow(_PREFIX[side], row, place, known, levels.price.to_float(), flow)
            best[side] = row[place == 0], levels.price[place == 0]
        self._add_between(best)
        if traded is not None:
            self._columns["buys"] = traded.notional(Side.BUY)
            self._columns["sells"] = traded.notional(Side.SELL)

    def _add(self, prefix: str, row: I64, place: I64, levels: Levels) -> None:
        shape = (self.depth, len(self.ts))
        price, size = np.full(shape, np.nan), np.full(shape, np.nan)
        count = np.full(shape, ABSENT, np.int64)
        price[place, row] = levels.price.to_float()
        size[place, row] = levels.size.to_float()
        count[place, row] = levels.counts()
        for at in range(self.depth):
            self._columns[f"{prefix}_px_{at:02d}"] = price[at]
            self._columns[f"{prefix}_sz_{at:02d}"] = size[at]
            self._columns[f"{prefix}_ct_{at:02d}"] = count[at]
            self._columns[f"{prefix}_notional_{at:02d}"] = price[at] * size[at]

    def _add_flow(
        self,
        prefix: str,
        row: I64,
        place: I64,
        known: NDArray[np.bool_],
        price: NDArray[np.float64],
        flow: Sequence[NDArray[np.float64]],
    ) -> None:
        for name, sizes in zip(("limit", "market", "cancel"), flow, strict=True):
            column = np.full((self.depth, len(self.ts)), np.nan)
            column[place, row] = price * sizes
            column[:, ~known] = np.nan
            for at in range(self.depth):
                self._columns[f"{prefix}_{name}_{at:02d}"] = column[at]

    def _add_between(self, best: dict[BookSide, tuple[I64, Decimals]]) -> None:
        """Mid and spread, exact before they become floats."""
        (bid_row, bids), (ask_row, asks) = best[BookSide.BID], best[BookSide.ASK]
        row, at_bid, at_ask = np.intersect1d(bid_row, ask_row, True, return_indices=True)
        both = Decimals.concat([bids[at_bid], asks[at_ask]])
        mid, spread = np.full(len(self.ts), np.nan), np.full(len(self.ts), np.nan)
        bid, ask = both.mantissa[: len(row)], both.mantissa[len(row) :]
        if both.escapes or (len(row) and int(np.abs(both.mantissa).max()) > 2**59):
            price = both.to_float()
            bid_float, ask_float = price[: len(row)], price[len(row) :]
            mid[row], spread[row] = (bid_float + ask_float) / 2, ask_float - bid_float
        else:
            mid[row] = Decimals((bid + ask) * 5, both.exponent - 1).to_float()
            spread[row] = Decimals(ask - bid, both.exponent).to_float()
        self._columns = {"mid": mid, "spread": spread} | self._columns

    def __len__(self) -> int:
        return len(self.ts)

    def to_numpy(self) -> dict[str, NDArray[Any]]:
        """A dict of arrays.

        Returns
        -------
        dict
            ``ts`` int64 ns, ``valid`` bool; prices and sizes float64, NaN where there is none;
            counts int64, -1 where there is none.
        """
        return {"ts": self.ts, "valid": self.valid, **self._columns}

    def to_arrow(self) -> pa.Table:
        """A pyarrow Table; ``ts`` is ``timestamp("ns", "UTC")``."""
        arrow = extras.load("pyarrow", "arrow")
        time = arrow.array(self.ts).view(arrow.timestamp("ns", "UTC"))
        columns = {"ts": time, "valid": arrow.array(self.valid)}
        for name, values in self._columns.items():
            absent = values == ABSENT if values.dtype == np.int64 else np.isnan(values)
            columns[name] = arrow.array(values, mask=absent)
        table: pa.Table = arrow.table(columns)
        return table

    def __getitem__(self, rows: slice) -> BookSnapshots:
        """Some of the steps."""
        found = copy(self)
        found.ts, found.valid = self.ts[rows], self.valid[rows]
        found._columns = {name: column[rows] for name, column in self._columns.items()}
        return found

    def to_polars(self) -> pl.DataFrame:
        """A polars DataFrame; ``ts`` is ``Datetime("ns", "UTC")``."""
        polars = extras.load("polars", "polars")
        time = polars.Series("ts", self.ts.view("M8[ns]")).dt.replace_time_zone("UTC")
        numbers = polars.DataFrame(self._columns).with_columns(
            polars.col(polars.Float64).fill_nan(None),
            polars.col(polars.Int64).replace(ABSENT, None),
        )
        valid = polars.Series("valid", self.valid)
        frame: pl.DataFrame = polars.DataFrame([time, valid]).hstack(numbers)
        return frame

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame with a UTC ns DatetimeIndex named ``ts``; counts as of `to_numpy`."""
        pandas = extras.load("pandas", "pandas")
        index = pandas.DatetimeIndex(self.ts.view("M8[ns]"), name="ts").tz_localize("UTC")
        frame: pd.DataFrame = pandas.DataFrame({"valid": self.valid, **self._columns}, index=index)
        return frame

    def __repr__(self) -> str:
        known = int(np.count_nonzero(self.valid))
        return f"{self.feed} · {len(self):,} steps of {self.depth} levels, {known:,} of them valid"
