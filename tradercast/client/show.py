"""How a result looks at a prompt and in a notebook."""

from __future__ import annotations

import html as markup
from collections.abc import Sequence

import numpy as np

from tradercast.client.manifest import Origin
from tradercast.client.numpy_columns import COLUMNS
from tradercast.client.text_rows import SIDES
from tradercast.notes import Gap
from tradercast.records import NO_TIME, Trades
from tradercast.timerange import format_time_ns

_ENDS = 3  # rows shown of each end
_WIDEST = 40


def text(trades: Trades, origin: Origin, gaps: Sequence[Gap]) -> str:
    """A small table of the first and last rows."""
    rows = [list(COLUMNS), *_rows(trades)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([title(trades, origin, gaps), *(line.rstrip() for line in lines)])


def html(trades: Trades, origin: Origin, gaps: Sequence[Gap]) -> str:
    """The same as a table for notebooks."""
    head = "".join(f"<th>{name}</th>" for name in COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{markup.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in _rows(trades)
    )
    caption = markup.escape(title(trades, origin, gaps))
    return f"<table><caption>{caption}</caption><tr>{head}</tr>{body}</table>"


def title(trades: Trades, origin: Origin, gaps: Sequence[Gap]) -> str:
    """Feed, count and range in one line."""
    parts = [str(origin.feed or "trades"), f"{len(trades):,} trades"]
    if len(trades):
        low, high = trades.span()
        parts.append(f"{format_time_ns(low)} to {format_time_ns(high)}")
    if gaps:
        parts.append(f"{len(gaps)} gap{'s' * (len(gaps) != 1)}")
    return " · ".join(parts)


def _rows(trades: Trades) -> list[list[str]]:
    count = len(trades)
    if count <= 2 * _ENDS + 1:
        return _cells(trades)
    shown = _cells(trades[np.r_[0:_ENDS, count - _ENDS : count]])
    return [*shown[:_ENDS], ["…"] * len(COLUMNS), *shown[_ENDS:]]


def _cells(trades: Trades) -> list[list[str]]:
    recv = [NO_TIME] * len(trades) if trades.ts_recv is None else trades.ts_recv.tolist()
    ids = [None] * len(trades) if trades.trade_id is None else trades.trade_id.to_strings()
    columns = (
        [format_time_ns(time) for time in trades.ts_event.tolist()],
        ["" if time == NO_TIME else format_time_ns(time) for time in recv],
        ["" if value is None else value[:_WIDEST] for value in ids],
        [SIDES[code].decode() for code in trades.side.tolist()],
        trades.price.to_strings(),
        trades.size.to_strings(),
    )
    return [list(row) for row in zip(*columns, strict=True)]
