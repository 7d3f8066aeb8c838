"""Records of a feed of candles as plain rows, and any of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tradercast.candles import DECIMALS, Candles
from tradercast.decimals import Decimals
from tradercast.ids import ABSENT
from tradercast.notes import Kind, Notes

Row = dict[str, Any]
START = 1_704_492_600_000_000_000
LAST = 2**63 - 1
MINUTE = 60 * 10**9


def candle(
    at: int, prices: str, volume: str, quote: str | None = None, trades: int | None = None
) -> Row:
    """A candle `at` minutes after the start; its prices are ``open high low close``."""
    columns = zip(DECIMALS, [*prices.split(), volume, quote], strict=True)
    row: Row = {"ts_open": START + at * MINUTE, "trades": trades, "gap": None}
    return row | dict(columns)


def gap(ts: int, first: int, last: int, before: int, *, quote: bool = True) -> Row:
    """A gap whose event times are `ts` and `before`."""
    nothing = dict.fromkeys(DECIMALS, "0") | {"quote_volume": "0" if quote else None}
    return {"ts_open": ts, "trades": None, "gap": (first, last, before)} | nothing


def candles_of_rows(rows: list[Row]) -> Candles:
    """The run of some rows; the first decides whether there are quote volumes."""
    texts = {name: [row[name] for row in rows] for name in DECIMALS}
    columns = {
        name: Decimals.from_decimals(map(Decimal, column))
        for name, column in texts.items()
        if column[0] is not None
    }
    gaps = [(row, Kind.GAP, *entry["gap"]) for row, entry in enumerate(rows) if entry["gap"]]
    counts = [ABSENT if row["trades"] is None else row["trades"] for row in rows]
    return Candles(
        np.array([row["ts_open"] for row in rows], np.int64),
        **columns,
        trades=np.array(counts, np.int64),
        notes=Notes.of(gaps),
    )


def rows_of_candles(candles: Candles) -> list[Row]:
    """The reverse, with exact decimals."""
    gaps = {
        int(row): (int(first), int(last), int(before))
        for row, first, last, before in zip(
            candles.notes.row,
            candles.notes.ref_seq,
            candles.notes.ref_end,
            candles.notes.ref_ts,
            strict=True,
        )
    }
    values = {
        name: [None] * len(candles) if column is None else column.to_decimals()
        for name in DECIMALS
        for column in [getattr(candles, name)]
    }
    counts = candles.counts().tolist()
    return [
        {"ts_open": int(candles.ts_open[row]), **{name: values[name][row] for name in DECIMALS}}
        | {"trades": None if counts[row] == ABSENT else counts[row], "gap": gaps.get(row)}
        for row in range(len(candles))
    ]


NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6).map(lambda n: f"{n / 100:.2f}"),
    st.sampled_from(["1000000000000", "0.000000000000000001", "0", "-1", str(LAST)]),
    st.builds("{}e{}".format, st.integers(-(10**20), 10**20), st.integers(-30, 30)),
)
TIMES = st.one_of(
    st.integers(0, 3_000).map(lambda minute: START + minute * MINUTE), st.integers(-LAST, LAST)
)
INTS = st.integers(-(2**63), LAST)


@st.composite
def candles(draw: st.DrawFn, max_size: int = 20) -> Candles:
    """1 to `max_size` records, as hostile as the format allows."""
    quoted = draw(st.booleans())
    counts = draw(st.sampled_from([st.none(), st.one_of(st.none(), st.integers(0, LAST))]))
    rows = []
    for _ in range(draw(st.integers(1, max_size))):
        if draw(st.integers(0, 7)) == 0:
            rows.append(gap(draw(TIMES), draw(INTS), draw(INTS), draw(INTS), quote=quoted))
        else:
            row = {name: draw(NUMBERS) for name in DECIMALS}
            row |= {"ts_open": draw(TIMES), "trades": draw(counts), "gap": None}
            rows.append(row if quoted else row | {"quote_volume": None})
    return candles_of_rows(rows)
