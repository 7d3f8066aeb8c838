"""Candles as lines of CSV or JSON: integer ns, exact decimals, empty or null where not known."""

from __future__ import annotations

from tradercast.candles import PRICES, Candles
from tradercast.client import ascii_cells as cells
from tradercast.ids import ABSENT
from tradercast.notes import NO_TIME
from tradercast.rows import U8

CSV_HEADER = b"ts_open,open,high,low,close,volume,quote_volume,trades\n"
_SLAB = 16_384  # rows whose text fits the processor's cache


def csv_rows(candles: Candles) -> bytes:
    """One line a candle, without a header."""
    return b"".join(_csv_slab(candles[at : at + _SLAB]) for at in range(0, len(candles), _SLAB))


def jsonl_rows(candles: Candles) -> bytes:
    """One object a candle; decimals are text, so that no reader makes floats of them."""
    return b"".join(_jsonl_slab(candles[at : at + _SLAB]) for at in range(0, len(candles), _SLAB))


def _csv_slab(run: Candles) -> bytes:
    parts: list[U8 | bytes] = [cells.times(run.ts_open, b"")]
    for name in (*PRICES, "volume"):
        parts += [b",", cells.decimals(getattr(run, name))]
    quote = run.quote_volume
    parts += [b","] if quote is None else [b",", cells.decimals(quote)]
    return cells.join(len(run), [*parts, b",", _counts(run, b""), b"\n"])


def _jsonl_slab(run: Candles) -> bytes:
    parts: list[U8 | bytes] = [b'{"ts_open":', cells.times(run.ts_open, b"")]
    for name in (*PRICES, "volume"):
        parts += [f',"{name}":"'.encode(), cells.decimals(getattr(run, name)), b'"']
    quote = run.quote_volume
    parts.append(b',"quote_volume":')
    parts += [b"null"] if quote is None else [b'"', cells.decimals(quote), b'"']
    return cells.join(len(run), [*parts, b',"trades":', _counts(run, b"null"), b"}\n"])


def _counts(run: Candles, absent: bytes) -> U8:
    counts = run.counts().copy()
    counts[counts == ABSENT] = NO_TIME
    return cells.times(counts, absent)
