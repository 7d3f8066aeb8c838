"""What a run of a strategy gives: fills, position, equity curve, numbers, a plot."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradercast.client import equity_chart, extras
from tradercast.client.numpy_columns import PriceType, numbers
from tradercast.decimal_form import plain_text
from tradercast.decimals import Decimals
from tradercast.market.orders import EXACT, ZERO, Fill
from tradercast.market.strategy_run import EquityPoint, StrategyRun
from tradercast.timerange import format_time_ns

if TYPE_CHECKING:
    import pandas as pd


class EquityCurve:
    """An account's worth: at the whole minutes that had records, after each fill, at the end.

    Parameters
    ----------
    points : sequence of EquityPoint
    """

    def __init__(self, points: Sequence[EquityPoint]) -> None:
        self.points = list(points)

    def __len__(self) -> int:
        return len(self.points)

    def to_numpy(self, price_type: PriceType = "float") -> dict[str, NDArray[Any]]:
        """Columns ``ts`` (int64 ns), ``cash``, ``equity``; `price_type` as of `TradesResult`."""
        return {
            "ts": np.array([point.ts for point in self.points], np.int64),
            "cash": _column([point.cash for point in self.points], price_type),
            "equity": _column([point.equity for point in self.points], price_type),
        }

    def to_pandas(self, price_type: PriceType = "float") -> pd.DataFrame:
        """A pandas DataFrame with a UTC ns DatetimeIndex named ``ts``."""
        return _frame(self.to_numpy(price_type))

    def max_drawdown(self) -> Decimal:
        """The largest fall from a height to a later point of the curve, exact, never negative."""
        highest, worst = None, ZERO
        for point in self.points:
            highest = point.equity if highest is None else max(highest, point.equity)
            worst = max(worst, EXACT.subtract(highest, point.equity))
        return worst


class StrategyResult:
    """The outcome of `tradercast.backtest` or `tradercast.live`; all numbers are exact.

    Attributes
    ----------
    fills : list of Fill
    positions : dict of str to Decimal
        What is held of each market, without those of which nothing is.
    cash, fees : Decimal
    equity : EquityCurve
    records : int
        How many the strategy has seen.
    """

    def __init__(self, run: StrategyRun) -> None:
        run.finish()
        desk = run.desk
        self.fills: list[Fill] = list(desk.fills)
        self.positions = {name: held for name, held in desk.positions.items() if held}
        self.cash = desk.cash
        self.fees = desk.fees
        self.equity = EquityCurve(run.curve)
        self.records = run.records

    @property
    def pnl(self) -> Decimal:
        """Profit, or loss, of the whole run: fees paid, positions at their last price."""
        points = self.equity.points
        return EXACT.subtract(points[-1].equity, points[0].equity) if points else ZERO

    def summary(self) -> dict[str, Any]:
        """The numbers that people ask for first.

        Returns
        -------
        dict
            ``start, end`` (ns UTC or None), ``records, fills, buys, sells, maker_fills``, and as
            exact decimals ``turnover`` (price times size of all fills), ``fees, pnl,
            max_drawdown, cash, equity``; ``positions`` by market.
        """
        points = self.equity.points
        turnover = ZERO
        for fill in self.fills:
            turnover = EXACT.add(turnover, EXACT.multiply(fill.price, fill.size))
        return {
            "start": points[0].ts if points else None,
            "end": points[-1].ts if points else None,
            "records": self.records,
            "fills": len(self.fills),
            "buys": sum(fill.side == "buy" for fill in self.fills),
            "sells": sum(fill.side == "sell" for fill in self.fills),
            "maker_fills": sum(fill.is_maker for fill in self.fills),
            "turnover": turnover,
            "fees": self.fees,
            "pnl": self.pnl,
            "max_drawdown": self.equity.max_drawdown(),
            "cash": self.cash,
            "equity": points[-1].equity if points else self.cash,
            "positions": dict(self.positions),
        }

    def rows(self) -> list[dict[str, Any]]:
        """The fills as plain values for JSON: times in ns, exact decimals as text."""
        return [
            {
                name: plain_text(value) if isinstance(value, Decimal) else value
                for name, value in fill._asdict().items()
            }
            for fill in self.fills
        ]

    def to_numpy(self, price_type: PriceType = "float") -> dict[str, NDArray[Any]]:
        """The fills as columns; `price_type` as of `TradesResult`."""
        columns = list(zip(*self.fills, strict=True)) or [()] * len(Fill._fields)
        named = dict(zip(Fill._fields, columns, strict=True))
        plain: dict[str, Any] = {"ts": np.int64, "order": np.int64, "is_maker": np.bool_}
        return {
            name: np.array(values, plain.get(name, object))
            if name in (*plain, "market", "side")
            else _column(values, price_type)
            for name, values in named.items()
        }

    def to_pandas(self, price_type: PriceType = "float") -> pd.DataFrame:
        """The fills as a pandas DataFrame with a UTC ns DatetimeIndex named ``ts``."""
        return _frame(self.to_numpy(price_type))

    def plot(self, path: str | Path, *, title: str | None = None) -> None:
        """Draw equity and position into a ``.png``, ``.svg`` or ``.pdf``; needs matplotlib."""
        equity_chart.draw(self, path, title)

    def __repr__(self) -> str:
        told = self.summary()
        if told["start"] is None:
            return "no records"
        span = f"{format_time_ns(told['start'])} to {format_time_ns(told['end'])}"
        return (
            f"{span}: {told['records']:,} records, {told['fills']:,} fills, "
            f"pnl {told['pnl']:,f} after {told['fees']:,f} of fees, "
            f"largest drawdown {told['max_drawdown']:,f}"
        )


def _column(values: Sequence[Decimal], price_type: PriceType) -> NDArray[Any]:
    return numbers(Decimals.from_decimals(values), price_type)


def _frame(columns: dict[str, NDArray[Any]]) -> pd.DataFrame:
    pandas = extras.load("pandas", "pandas")
    times = pandas.DatetimeIndex(columns.pop("ts").view("M8[ns]"), name="ts").tz_localize("UTC")
    frame: pd.DataFrame = pandas.DataFrame(columns, index=times)
    return frame
