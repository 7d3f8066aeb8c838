"""Order flow at the levels of a book: placed, traded and cancelled since the step before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradercast.book_levels import BookSide, Levels
from tradercast.decimals import Decimals
from tradercast.market.exact import Whole, sums_at, to_decimals
from tradercast.records import Gap, Side, Trades
from tradercast.rows import I64

F64 = NDArray[np.float64]
_TAKER = {BookSide.BID: Side.SELL, BookSide.ASK: Side.BUY}


@dataclass(frozen=True, eq=False, slots=True)
class Traded:
    """The trades between steps.

    Attributes
    ----------
    trades : Trades
    step : int64 array
        Of each trade: the first step at its time or after it.
    count : int
        How many steps there are.
    known : bool array
        The steps before which no trade is missing since the step before.
    """

    trades: Trades
    step: I64
    count: int
    known: NDArray[np.bool_]

    @classmethod
    def between(cls, times: I64, trades: Trades, gaps: Sequence[Gap]) -> Traded:
        """The trades after the first of the steps, up to the last."""
        trades = trades[trades.notes.plain(len(trades))]
        step = np.searchsorted(times, trades.ts_event)
        within = (step > 0) & (step < len(times))
        known = np.ones(len(times), np.bool_)
        known[:1] = False
        for gap in gaps:
            known[
                np.searchsorted(times, gap.before_ns) : 1 + np.searchsorted(times, gap.after_ns)
            ] = False
        return cls(trades[within], step[within], len(times), known)

    def notional(self, taker: Side) -> F64:
        """What takers of one side paid or got in each step, NaN where that is not known."""
        rows = self.trades.side == taker
        paid = self.trades.price[rows].to_float() * self.trades.size[rows].to_float()
        found = np.bincount(self.step[rows], paid, self.count).astype(np.float64)
        found[~self.known] = np.nan
        return found

    def at(
        self, side: BookSide, row: I64, levels: Levels, added: Decimals, removed: Decimals
    ) -> tuple[F64, F64, F64]:
        """Sizes that were placed, traded and cancelled at levels.

        What was traded is that of the takers of the other side at the price; it left the level,
        so what else left was cancelled.  More traded than left means that as much was placed
        meanwhile.  So ``placed - traded - cancelled`` is always the change of the level's size.

        Parameters
        ----------
        side, row, levels
            The side and the step of each of the levels.
        added, removed : Decimals
            The sums of the changes up and down.
        """
        rows = self.trades.side == _TAKER[side]
        prices = Decimals.concat([levels.price, self.trades.price[rows]])
        sizes = Decimals.concat([added, removed, self.trades.size[rows]])
        unit = None if prices.escapes or sizes.escapes else sizes.exponent
        price: Whole = prices.to_float() if unit is None else prices.mantissa
        size: Whole = sizes.to_float() if unit is None else sizes.mantissa
        _, rank = np.unique(price, return_inverse=True)
        key = rank * self.count + np.concatenate([row, self.step[rows]])
        count = len(levels)
        up, down = size[:count], size[count : 2 * count]
        [market] = sums_at(key[:count], key[count:], [size[2 * count :]])
        over = np.maximum(market - down, 0)
        found = (up + over, market, np.maximum(down - market, 0))
        limit, traded, cancel = (
            values.astype(np.float64) if unit is None else to_decimals(values, unit).to_float()
            for values in found
        )
        return limit, traded, cancel
