"""A chart of candles and their volume, drawn by matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tradercast.client import extras
from tradercast.errors import UsageError
from tradercast.market.interval import Interval
from tradercast.timerange import NS_PER_DAY

if TYPE_CHECKING:
    from tradercast.client.candle_results import CandlesResult

UP, DOWN = "#26866f", "#c8413c"
_BODY = 0.7  # of the interval


def draw(candles: CandlesResult, path: str | Path, title: str | None = None) -> None:
    """Write a chart; the file's name says which kind: ``.png``, ``.svg``, ``.pdf``.

    Raises
    ------
    UsageError
        If matplotlib is not installed, there is nothing to draw, or the file can not be made.
    """
    figure_module = extras.load("matplotlib.figure", "plot")
    if not len(candles):
        raise UsageError("there are no candles to draw")
    figure = figure_module.Figure(figsize=(12, 7), dpi=110, layout="constrained")
    prices, volumes = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    columns = candles.to_numpy()
    days = columns["ts_open"] / NS_PER_DAY
    width = _width(candles)
    rises = columns["close"] >= columns["open"]
    colours = np.where(rises, UP, DOWN).tolist()
    _bodies(prices, columns, days, width, colours)
    middle = days + width / 2
    volumes.bar(middle, columns["volume"], width * _BODY, color=colours, linewidth=0)
    prices.set_title(title or _title(candles), loc="left", fontsize=12, fontweight="bold")
    prices.set_ylabel("price")
    volumes.set_ylabel("volume")
    _axes(prices, volumes, days, width)
    save(figure, path)


def save(figure: Any, path: str | Path) -> None:
    """Write a figure; raises `UsageError` if the file can not be made."""
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{path} can not be drawn: {error}", hint="end it with .png, .svg or .pdf"
        ) from None


def time_axis(axes: Any) -> None:
    """Days since 1970 along the bottom, as dates in UTC."""
    dates = extras.load("matplotlib.dates", "plot")
    locator = dates.AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    axes.set_xlabel("UTC")


def style(axes: Any) -> None:
    """The look that all charts have."""
    axes.yaxis.set_major_formatter("{x:,.10g}")
    axes.grid(True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _width(candles: CandlesResult) -> float:
    """Days of one candle."""
    first = int(candles.candles.ts_open[0])
    return (Interval.parse(candles.interval).end_of(first) - first) / NS_PER_DAY


def _bodies(
    axes: Any, columns: dict[str, Any], days: Any, width: float, colours: list[str]
) -> None:
    collections = extras.load("matplotlib.collections", "plot")
    left, right = days + width * (1 - _BODY) / 2, days + width * (1 + _BODY) / 2
    middle = days + width / 2
    wicks = np.stack([middle, columns["low"], middle, columns["high"]], 1).reshape(-1, 2, 2)
    corners = [left, columns["open"], left, columns["close"]]
    corners += [right, columns["close"], right, columns["open"]]
    bodies = np.stack(corners, 1).reshape(-1, 4, 2)
    axes.add_collection(collections.LineCollection(wicks, colors=colours, linewidths=0.9))
    # an edge as well, so that a candle that closes where it opened is seen
    axes.add_collection(
        collections.PolyCollection(bodies, facecolors=colours, edgecolors=colours, linewidths=0.7)
    )


def _axes(prices: Any, volumes: Any, days: Any, width: float) -> None:
    prices.autoscale_view()
    span = days[-1] + width - days[0]
    prices.set_xlim(days[0] - 0.01 * span, days[-1] + width + 0.01 * span)
    time_axis(volumes)
    style(prices)
    style(volumes)
    volumes.set_ylim(bottom=0)


def _title(candles: CandlesResult) -> str:
    feed = candles.origin.feed
    what = "candles" if feed is None else f"{feed.exchange} {feed.symbol}"
    return f"{what} · {candles.interval}"
