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
from tradercast.rows import I64
from tradercast.runs import Records
from tradercast.timerange import format_time_ns

_ENDS = 3  # rows shown of each end
_WIDEST = 40


def text(trades: Trades, origin: Origin, gaps: Sequence[Gap]) -> str:
    """A small table of the first and last rows."""
    return text_table(title(trades, origin, gaps), COLUMNS, _rows(trades))


def html(trades: Trades, origin: Origin, gaps: Sequence[Gap]) -> str:
    """The same as a table for notebooks."""
    return html_table(title(trades, origin, gaps), COLUMNS, _rows(trades))


def text_table(caption: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines of text: a caption, names of columns, and rows."""
    rows = [names, *rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(names))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join([caption, *(line.rstrip() for line in lines)])


def html_table(caption: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same in HTML."""
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{markup.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<table><caption>{markup.escape(caption)}</caption><tr>{head}</tr>{body}</table>"


def title(records: Records, origin: Origin, gaps: Sequence[Gap], what: str = "trades") -> str:
    """Feed, count and range in one line."""
    parts = [str(origin.feed or what), f"{len(records):,} {what}"]
    if len(records):
        low, high = records.span()
        parts.append(f"{format_time_ns(low)} to {format_time_ns(high)}")
    if gaps:
        parts.append(f"{len(gaps)} gap{'s' * (len(gaps) != 1)}")
    return " · ".join(parts)


def _rows(trades: Trades) -> list[list[str]]:
    return shown_rows(_cells(trades[shown_of(len(trades))]), len(trades))


def shown_of(count: int) -> I64:
    """The rows of so many that are shown: all of a few, or the first and the last."""
    if count <= 2 * _ENDS + 1:
        return np.arange(count)
    return np.concatenate([np.arange(_ENDS), np.arange(count - _ENDS, count)])


def shown_rows(cells: list[list[str]], count: int) -> list[list[str]]:
    """The cells of these rows, with dots where some of the `count` are left out."""
    if len(cells) == count:
        return cells
    return [*cells[:_ENDS], ["…"] * len(cells[0]), *cells[_ENDS:]]


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
