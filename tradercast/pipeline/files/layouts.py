"""Files that need no ``--columns``, and a guess at one for those that do; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tradercast.errors import InputError
from tradercast.pipeline.files.columns import (
    EXAMPLE,
    FIELDS,
    ColumnSpec,
    Source,
    parse_columns,
)

_INT = r"\d{1,19}"
_DEC = r"\d+(\.\d+)?"
_TIME = r"(\d{13}|\d{16})"
_BOOL = r"(?i:true|false)"
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}.*", re.ASCII)
_UNIT_OF_DIGITS = {10: "s", 13: "ms", 16: "us", 19: "ns"}

# Binance's public archives have no header; what each column must look like, and what it is
_SHAPES: tuple[tuple[tuple[str, ...], int, str], ...] = (
    ((_INT, _DEC, _DEC, _DEC, _TIME, _BOOL, _BOOL), 5, "side=#6:buyer_maker"),  # spot trades
    ((_INT, _DEC, _DEC, _DEC, _TIME, _BOOL), 5, "side=#6:buyer_maker"),  # futures trades
    ((_INT, _DEC, _DEC, _INT, _INT, _TIME, _BOOL, _BOOL), 6, "side=#7:buyer_maker"),  # spot agg.
    ((_INT, _DEC, _DEC, _INT, _INT, _TIME, _BOOL), 6, "side=#7:buyer_maker"),  # futures aggregates
)
# headers that are unmistakable: the names that must be there, the time column, the rest
_HEADERS: tuple[tuple[frozenset[str], str, str], ...] = (
    (  # tardis.dev
        frozenset(
            ("exchange", "symbol", "timestamp", "local_timestamp", "side", "price", "amount")
        ),
        "timestamp",
        "ts_recv=local_timestamp:us,trade_id=id,side=side,price=price,size=amount",
    ),
    (  # Binance futures trades
        frozenset(("id", "price", "qty", "time", "is_buyer_maker")),
        "time",
        "trade_id=id,side=is_buyer_maker:buyer_maker,price=price,size=qty",
    ),
    (  # Binance futures aggregates
        frozenset(("agg_trade_id", "price", "quantity", "transact_time", "is_buyer_maker")),
        "transact_time",
        "trade_id=agg_trade_id,side=is_buyer_maker:buyer_maker,price=price,size=quantity",
    ),
)
_GUESSES = {
    "ts_event": ("timestamp_ms", "timestamp", "time", "datetime", "date", "ts", "t", "trade_time"),
    "trade_id": ("trade_id", "id", "tradeid", "tid"),
    "side": ("side", "taker_side", "type"),
    "price": ("price", "px", "p", "rate"),
    "size": ("size", "quantity", "qty", "amount", "volume", "vol", "q"),
}


def is_header(cells: Sequence[str]) -> bool:
    """Whether a first row is names: no cell is a number or a date, some cell is something."""
    return any(cells) and not any(_NUMBER.fullmatch(c) or _DATE.fullmatch(c) for c in cells)


def recognise(names: Sequence[str] | None, first: Sequence[str]) -> ColumnSpec | None:
    """The mapping of a file whose header or first row is unmistakable, else `None`.

    Parameters
    ----------
    names : sequence of str or None
        The header, if there is one.
    first : sequence of str
        The cells of the first row of data.
    """
    if names is None:
        return _recognise_shape(first)
    if {"ts_event", "price", "size"} <= set(names) <= set(FIELDS):
        return own_layout(names)
    lower = [name.lower() for name in names]
    for needed, time, rest in _HEADERS:
        if needed <= set(lower) and len(first) == len(names):
            unit = _unit(first[lower.index(time)])
            if unit:
                kept = [item for item in rest.split(",") if _source(item) in lower]
                return parse_columns(f"ts_event={time}:{unit}," + ",".join(kept))
    return None


def own_layout(names: Sequence[str]) -> ColumnSpec:
    """The mapping of a file that Tradercast exported: integer ns, exact decimals."""
    units = {"ts_event": ":ns", "ts_recv": ":ns"}
    return parse_columns(",".join(f"{n}={n}{units.get(n, '')}" for n in FIELDS if n in names))


def unknown_layout(file: str, names: Sequence[str] | None, first: Sequence[str]) -> InputError:
    """The error for a file that nothing here knows: its columns, and an example for it."""
    if names is None:
        found = ", ".join(f"#{i} {cell[:24]!r}" for i, cell in enumerate(first[:12], 1))
    else:
        found = ", ".join(name[:40] for name in names[:24])
    return InputError(
        f"{file} has columns that are not known: {found}",
        hint=f"say which is which: --columns '{_guess(names, first)}'",
    )


def find_column(source: Source, names: Sequence[str] | None, count: int, file: str) -> int:
    """The index, from 0, of a source column.

    Raises
    ------
    InputError
        If the file has no such column, or two.
    """
    if source.position:
        if source.position > count:
            raise InputError(f"{file} has {count} columns, so there is no {source}")
        return source.position - 1
    if names is None:
        raise InputError(
            f"{file} has no header, so no column is called {source.name!r}",
            hint="name columns by position, such as #2",
        )
    for spelling in (lambda name: name, str.lower):
        hits = [i for i, name in enumerate(names) if spelling(name) == spelling(source.name)]
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise InputError(
                f"{file} has {len(hits)} columns called {source.name!r}",
                hint=f"name it by position, such as #{hits[0] + 1}",
            )
    raise InputError(
        f"{file} has no column {source.name!r}", hint=f"its columns are: {', '.join(names[:24])}"
    )


def _recognise_shape(first: Sequence[str]) -> ColumnSpec | None:
    for shape, time, side in _SHAPES:
        if len(first) == len(shape) and all(
            re.fullmatch(pattern, cell, re.ASCII)
            for pattern, cell in zip(shape, first, strict=True)
        ):
            unit = _unit(first[time - 1])
            return parse_columns(f"ts_event=#{time}:{unit},trade_id=#1,{side},price=#2,size=#3")
    return None


def _unit(text: str) -> str | None:
    return _UNIT_OF_DIGITS.get(len(text)) if text.isascii() and text.isdigit() else None


def _source(item: str) -> str:
    return item.partition("=")[2].partition(":")[0]


def _guess(names: Sequence[str] | None, first: Sequence[str]) -> str:
    if names is None:
        return f"ts_event=#1:{_unit(first[0]) or 'ms'},price=#2,size=#3"
    lower = [name.lower() for name in names]
    parts = []
    for field, known in _GUESSES.items():
        index = next((lower.index(name) for name in known if name in lower), None)
        if index is None:
            if field in ("ts_event", "price", "size"):
                return EXAMPLE
            continue
        unit = ""
        if field == "ts_event":
            unit = ":" + ((_unit(first[index]) or "iso") if index < len(first) else "ms")
        parts.append(f"{field}={names[index]}{unit}")
    return ",".join(parts)
