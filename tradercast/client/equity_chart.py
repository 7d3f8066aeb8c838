"""A chart of an account's equity and positions, drawn by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tradercast.client import extras
from tradercast.client.candle_chart import DOWN, UP, save, style, time_axis
from tradercast.errors import UsageError
from tradercast.timerange import NS_PER_DAY

if TYPE_CHECKING:
    from tradercast.client.strategy_result import StrategyResult


def draw(result: StrategyResult, path: str | Path, title: str | None = None) -> None:
    """Write a chart; the file's name says which kind: ``.png``, ``.svg``, ``.pdf``.

    Raises
    ------
    UsageError
        If matplotlib is not installed, there is nothing to draw, or the file can not be made.
    """
    figure_module = extras.load("matplotlib.figure", "plot")
    if not len(result.equity):
        raise UsageError("the strategy has seen no records, so there is nothing to draw")
    figure = figure_module.Figure(figsize=(12, 7), dpi=110, layout="constrained")
    worth, held = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    columns = result.equity.to_numpy()
    days, equity = columns["ts"] / NS_PER_DAY, columns["equity"]
    worth.plot(days, equity, color="#20507a", linewidth=1.2, drawstyle="steps-post")
    highest = np.maximum.accumulate(equity)
    worth.fill_between(days, equity, highest, color=DOWN, alpha=0.15, linewidth=0, step="post")
    _positions(held, result, float(days[-1]))
    worth.set_title(title or _title(result), loc="left", fontsize=12, fontweight="bold")
    worth.set_ylabel("equity")
    held.set_ylabel("position")
    time_axis(held)
    style(worth)
    style(held)
    save(figure, path)


def _positions(axes: Any, result: StrategyResult, end: float) -> None:
    """Steps of each market, and a mark for each fill: up for a buy, down for a sell."""
    fills = result.to_numpy()
    for market in dict.fromkeys(fills["market"].tolist()):
        mine = fills["market"] == market
        days, position = fills["ts"][mine] / NS_PER_DAY, fills["position"][mine]
        x, y = np.append(days, end), np.append(position, position[-1])
        axes.step(x, y, where="post", linewidth=1, label=market)
        buys = fills["side"][mine] == "buy"
        for rows, marker, colour in ((buys, "^", UP), (~buys, "v", DOWN)):
            axes.plot(days[rows], position[rows], marker, color=colour, markersize=3.5)
    axes.axhline(0, color="#888888", linewidth=0.6)
    if len(fills["ts"]):
        axes.legend(loc="upper left", fontsize=8, frameon=False)


def _title(result: StrategyResult) -> str:
    told = result.summary()
    return f"pnl {told['pnl']:,.8g} · {told['fills']:,} fills · fees {told['fees']:,.8g}"
