"""The second decoder's part about books, written from docs/FORMAT.md alone like the rest."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

from second_decoder import LOWEST, exponent_of, frame, numbers, signed, texts, with_aside

Rows = list[dict[str, Any]]


def chunk(block: bytes) -> dict[str, Any]:
    """Section 3: the header's fields, ``rows`` and ``keyframe`` (a list of levels, or None)."""
    header, columns = frame(block, b"c")
    assert header["feed"].split("/")[2] == "book"
    n = header["n"]
    u, v = header["unit"]
    times = [value * 10**u for value in columns["ts"]]
    received = some(columns, "recv", n)
    last = some(columns, "last", n)
    bases, base = [], 0
    for number in last:
        bases.append(base)
        base = base if number is None else number
    keyframe, levels = all_levels(header, columns)
    rows, at = [], 0
    for row in range(n):
        length = columns["len"][row]
        rows.append(
            {
                "ts_event": times[row],
                "snapshot": bool(columns.get("snap", [0] * n)[row]),
                "levels": levels[at : at + length],
                "gap": None,
                "ts_recv": plus(received[row], times[row], 10**v),
                "first_id": plus(some(columns, "first", n)[row], bases[row]),
                "last_id": last[row],
                "prev_id": plus(some(columns, "prev", n)[row], bases[row]),
                "checksum": some(columns, "sum", n)[row],
            }
        )
        at += length
    assert at == len(levels)
    names = ("note_row", "note_kind", "note_seq", "note_end", "note_ts")
    for row, kind, *note in zip(*(columns.get(name, []) for name in names), strict=True):
        assert kind == 3
        rows[row]["gap"] = tuple(note)
    return {**header, "rows": rows, "keyframe": keyframe}


def plus(value: int | None, base: int, unit: int = 1) -> int | None:
    return None if value is None else signed(value * unit + base)


def some(columns: dict[str, list[int]], name: str, count: int) -> list[int | None]:
    """A column of which only some rows have a value."""
    if name not in columns:
        return [None] * count
    values = iter(columns[name])
    found = [next(values) if has else None for has in columns.get(f"{name}_has", [1] * count)]
    assert len(found) == count
    assert next(values, None) is None
    return found


def all_levels(header: dict[str, Any], columns: dict[str, list[int]]) -> tuple[Any, Any]:
    sides, before = columns.get("side", []), columns.get("k_px", [])
    m, k = len(sides), len(before)
    sizes = iter(columns.get("sz", []))
    changed = [0 if gone else next(sizes) for gone in columns.get("gone", [0] * m)]
    changed_prices = prices(columns, sides)
    mantissas = {"px": before + changed_prices, "sz": columns.get("k_sz", []) + changed}
    values = {
        name: with_aside(column, exponent, columns.get(f"{name}_row", []), texts(columns, name))
        for (name, column), exponent in zip(mantissas.items(), header["exp"], strict=True)
    }
    counts = some(columns, "k_cnt", k) + some(columns, "cnt", m)
    valid, bids, asks = header.get("key", (0, 0, 0))
    assert bids + asks == k
    sides = [1] * bids + [2] * asks + sides
    levels = list(zip(sides, values["px"], values["sz"], counts, strict=True))
    return (bool(valid), levels[:k]) if "key" in header else None, levels[k:]


def prices(columns: dict[str, list[int]], sides: list[int]) -> list[int]:
    """Mantissas: of the first of a list from the last such one, of others from the one before."""
    edges = {sum(columns["len"][:row]) for row in range(len(columns["len"]))}
    firsts = iter(columns.get("px", []))
    steps = {1: iter(columns.get("px_bid", [])), 2: iter(columns.get("px_ask", []))}
    began = {1: 0, 2: 0}
    found: list[int] = []
    for at, side in enumerate(sides):
        if at in edges or sides[at - 1] != side:
            began[side] = signed(began[side] + next(firsts))
            found.append(began[side])
        else:
            found.append(signed(found[-1] + next(steps[side])))
    assert [*firsts, *steps[1], *steps[2]] == []
    return found


def chain(before: bytes, rows: Rows) -> bytes:
    """Section 7, for books."""
    levels = [level for row in rows for level in row["levels"]]
    data = before + numbers(len(rows), *(row["ts_event"] for row in rows))
    data += bytes(row["snapshot"] for row in rows)
    data += numbers(*(len(row["levels"]) for row in rows), len(levels))
    data += bytes(level[0] for level in levels)
    for k in (1, 2):
        exponent, mantissas, others = exponent_of([Decimal(level[k]) for level in levels])
        data += numbers(exponent, *mantissas, len(others))
        for row, text in sorted(others.items()):
            data += numbers(row, len(text)) + text.encode()
    data += likewise([level[3] for level in levels], -1)
    data += likewise([row["ts_recv"] for row in rows], LOWEST)
    for name in ("first_id", "last_id", "prev_id"):
        data += likewise([row[name] for row in rows], -1)
    data += likewise([row["checksum"] for row in rows], LOWEST)
    gaps = [(row, *entry["gap"]) for row, entry in enumerate(rows) if entry["gap"]]
    data += numbers(len(gaps), *(gap[0] for gap in gaps)) + b"\x03" * len(gaps)
    for k in (1, 2, 3):
        data += numbers(*(gap[k] for gap in gaps))
    return hashlib.blake2b(data, digest_size=16, person=b"tradercast.chain").digest()


def likewise(values: list[int | None], absent: int) -> bytes:
    if all(value is None for value in values):
        return b"\x00"
    return b"\x01" + numbers(*(absent if value is None else value for value in values))


def book(rows: Rows) -> tuple[bool, list[tuple[Any, ...]]]:
    """Section 3, "Keyframe": what the records make of an empty book."""
    valid: bool = False
    sides: dict[int, dict[Decimal, Any]] = {1: {}, 2: {}}
    for row in rows:
        valid = (valid or row["snapshot"]) and not row["gap"]
        sides = {1: {}, 2: {}} if row["snapshot"] else sides
        for side, price, size, count in row["levels"]:
            sides[side].pop(price, None)
            if size:
                sides[side][price] = (size, count)
    return valid, [(k, p, *level) for k in (1, 2) for p, level in sorted(sides[k].items())]
