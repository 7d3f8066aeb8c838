"""The second decoder's part about candles, written from docs/FORMAT.md alone like the rest."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

from second_decoder import LOWEST, exponent_of, frame, numbers, signed, texts, with_aside

Rows = list[dict[str, Any]]
PRICES = ("open", "high", "low", "close")


def chunk(block: bytes) -> dict[str, Any]:
    """Section 3: the header's fields, and ``rows``: one dictionary a record."""
    header, columns = frame(block, b"c")
    assert header["feed"].split("/")[2] == "candles-1m"
    n = header["n"]
    times = [value * 10 ** header["unit"][0] for value in columns["ts"]]
    price_exponent, volume_exponent = header["exp"]
    opens, highs, lows, closes = mantissas(columns)
    prices = aside(columns, "px", opens + highs + lows + closes, price_exponent)
    volume = aside(columns, "vol", columns["vol"], volume_exponent)
    quote: list[Decimal | None] = [None] * n
    if "qv" in columns:
        (exponent,) = columns["qv_exp"]
        values = columns["qv"]
        if exponent == price_exponent + volume_exponent:
            added = zip(values, closes, columns["vol"], strict=True)
            values = [signed(value + close * vol) for value, close, vol in added]
        quote = list(aside(columns, "qv", values, exponent))
    rows = []
    counts = iter(columns.get("cnt", []))
    has = columns.get("cnt_has", [1 if "cnt" in columns else 0] * n)
    for row in range(n):
        four = {name: prices[k * n + row] for k, name in enumerate(PRICES)}
        rows.append(
            {
                "ts_open": times[row],
                **four,
                "volume": volume[row],
                "quote_volume": quote[row],
                "trades": next(counts) if has[row] else None,
                "gap": None,
            }
        )
    assert not list(counts)
    names = ("note_row", "note_kind", "note_seq", "note_end", "note_ts")
    for row, kind, *gap in zip(*(columns.get(name, []) for name in names), strict=True):
        assert kind == 3
        rows[row]["gap"] = tuple(gap)
    spans = times + [row["gap"][2] for row in rows if row["gap"] and row["gap"][2] != LOWEST]
    assert header["t"][:2] == [min(spans), max(spans)]
    keys = ("feed", "n", "seq", "t", "chain", "tail", "msg", "exp")
    return {key: header[key] for key in keys if key in header} | {"rows": rows}


def mantissas(columns: dict[str, list[int]]) -> tuple[list[int], ...]:
    """Each open by its distance to the close before, the others by theirs to open and close."""
    found: tuple[list[int], ...] = ([], [], [], [])
    close = 0
    for op, cl, hi, lo in zip(*(columns[name] for name in ("op", "cl", "hi", "lo")), strict=True):
        start = signed(close + op)
        close = signed(start + cl)
        high, low = signed(max(start, close) + hi), signed(min(start, close) - lo)
        for column, value in zip(found, (start, high, low, close), strict=True):
            column.append(value)
    return found


def aside(
    columns: dict[str, list[int]], name: str, values: list[int], exponent: int
) -> list[Decimal]:
    return with_aside(values, exponent, columns.get(f"{name}_row", []), texts(columns, name))


def chain(before: bytes, rows: Rows) -> bytes:
    """Section 7, for candles."""

    def decimals(values: list[Decimal]) -> bytes:
        exponent, whole, others = exponent_of(values)
        data = numbers(exponent, *whole, len(others))
        for row, text in sorted(others.items()):
            data += numbers(row, len(text)) + text.encode()
        return data

    data = before + numbers(len(rows), *(row["ts_open"] for row in rows))
    data += decimals([row[name] for name in PRICES for row in rows])
    data += decimals([row["volume"] for row in rows])
    if rows[0]["quote_volume"] is None:
        data += b"\x00"
    else:
        data += b"\x01" + decimals([row["quote_volume"] for row in rows])
    counts = [row["trades"] for row in rows]
    if all(count is None for count in counts):
        data += b"\x00"
    else:
        data += b"\x01" + numbers(*(-1 if count is None else count for count in counts))
    gaps = [(row, *entry["gap"]) for row, entry in enumerate(rows) if entry["gap"]]
    data += numbers(len(gaps), *(gap[0] for gap in gaps)) + b"\x03" * len(gaps)
    for k in (1, 2, 3):
        data += numbers(*(gap[k] for gap in gaps))
    return hashlib.blake2b(data, digest_size=16, person=b"tradercast.chain").digest()
