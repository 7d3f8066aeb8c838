"""A decoder written from docs/FORMAT.md alone: plain Python, one value at a time.

It shares no code with the package.  `chunk` and `index_node` return plain dictionaries, `chain`
computes the chain hash of decoded rows.
"""

from __future__ import annotations

import hashlib
import struct
from decimal import Decimal
from typing import Any

import msgpack
import numpy as np
from pcodec.wrapped import FileDecompressor

U8_COLUMNS = {"side", "id_kind", "note_kind", "snap", "gone"}
LOWEST = -(2**63)


def frame(block: bytes, kind: bytes) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Section 1 and 2: the header, and every column as a list of integers."""
    assert len(block) <= 1_048_576
    assert block[:2] == b"TC"
    assert block[2] == 1
    assert block[3:4] == kind
    (length,) = struct.unpack("<H", block[4:6])
    header = msgpack.unpackb(block[6 : 6 + length])
    assert header["enc"] == "pco-1.1.0"
    at = 6 + length
    columns = {}
    for name, (count, size, *value) in header["cols"].items():
        if size == 0:
            columns[name] = value * count
            continue
        columns[name] = section(block[at : at + size], count, is_u8(name))
        at += size
    assert at == len(block)
    return header, columns


def is_u8(name: str) -> bool:
    return (
        name in U8_COLUMNS
        or name.endswith(("_len", "_text", "_has"))
        or (name.startswith("id_") and name[3:].isdigit())
    )


def section(data: bytes, count: int, u8: bool) -> list[int]:
    """pcodec's wrapped format without its file header."""
    files, _ = FileDecompressor.new(b"\x04\x01")
    meta, used = files.chunk_decompressor(data, "u8" if u8 else "i64")
    # pcodec wants a multiple of 256
    out = np.zeros(-(-count // 256) * 256, np.uint8 if u8 else np.int64)
    _, more = meta.read_page_into(data[used:], count, out)
    assert used + more == len(data)
    return out[:count].tolist()


def signed(value: int) -> int:
    """Modulo 2**64, taken as signed."""
    return (value + 2**63) % 2**64 - 2**63


def texts(columns: dict[str, list[int]], name: str) -> list[bytes]:
    lengths = columns.get(f"{name}_len", [])
    if lengths and f"{name}_text" not in columns:
        positions = [columns[f"{name}_{k}"] for k in range(lengths[0])]
        return [bytes(row) for row in zip(*positions, strict=True)]
    rest = bytes(columns.get(f"{name}_text", []))
    found = []
    for length in lengths:
        found.append(rest[:length])
        rest = rest[length:]
    assert not rest
    return found


def decimals(columns: dict[str, list[int]], name: str, exponent: int) -> list[Decimal]:
    rows = columns.get(f"{name}_row", [])
    return with_aside(columns[name], exponent, rows, texts(columns, name))


def with_aside(
    mantissas: list[int], exponent: int, rows: list[int], aside: list[bytes]
) -> list[Decimal]:
    values = [Decimal(m).scaleb(exponent) for m in mantissas]
    for row, text in zip(rows, aside, strict=True):
        assert mantissas[row] == 0
        values[row] = Decimal(text.decode("ascii"))
    return values


def chunk(block: bytes) -> dict[str, Any]:
    """Section 3: the header's fields, and ``rows``: one dictionary a record."""
    header, columns = frame(block, b"c")
    assert header["feed"].split("/")[2] == "trades"
    count = header["n"]
    u, v = header["unit"]
    price, size = header["exp"]
    times = [value * 10**u for value in columns["ts"]]
    sides = columns.get("side", [0] * count)
    receives: list[int | None] = [None] * count
    if "recv" in columns:
        has = columns.get("recv_has", [1] * count)
        differences = iter(columns["recv"])
        receives = [
            signed(times[row] + next(differences) * 10**v) if has[row] else None
            for row in range(count)
        ]
    ids: list[str | None] = [None] * count
    if "id_kind" in columns:
        numbers, words = iter(columns.get("id", [])), iter(texts(columns, "id"))
        for row, kind in enumerate(columns["id_kind"]):
            if kind != 1:
                ids[row] = str(next(numbers)) if kind == 0 else next(words).decode("utf-8")
    rows = [
        {"ts_event": t, "price": p, "size": s, "side": d, "ts_recv": r, "trade_id": i, "note": None}
        for t, p, s, d, r, i in zip(
            times,
            decimals(columns, "px", price),
            decimals(columns, "sz", size),
            sides,
            receives,
            ids,
            strict=True,
        )
    ]
    assert len(rows) == count
    names = ("note_row", "note_kind", "note_seq", "note_end", "note_ts")
    for row, *note in zip(*(columns.get(name, []) for name in names), strict=True):
        rows[row]["note"] = note
    spans = times + [r["note"][3] for r in rows if r["note"] and r["note"][3] != LOWEST]
    assert header["t"][:2] == [min(spans), max(spans)]
    assert header["t"][2] >= max(spans)
    keys = ("feed", "n", "seq", "t", "chain", "tail", "msg", "exp")
    return {key: header[key] for key in keys if key in header} | {"rows": rows}


def index_node(block: bytes) -> dict[str, Any]:
    """Section 5: the header's fields, ``chunks`` and ``groups``."""
    header, columns = frame(block, b"i")
    unit = 10 ** header["unit"]

    def entries(prefix: str) -> list[tuple[int, ...]]:
        names = ("min", "max", "run", "n", "size")
        required = [columns.get(prefix + name, []) for name in names]
        notes = columns.get(f"{prefix}notes", [0] * len(required[0]))
        found = []
        for low, high, run, n, size, noted in zip(*required, notes, strict=True):
            high = signed(low + high)
            found.append((low * unit, high * unit, signed(high + run) * unit, n, size, noted))
        return found

    j = header["node"]
    chunks, groups = entries(""), entries("g_")
    assert len(chunks) == j % 64 + 1
    assert len(groups) == (j // 64 + 1 if j % 64 == 63 else 0)
    return {
        "feed": header["feed"],
        "node": j,
        "seq": header["seq"],
        "chunks": chunks,
        "groups": groups,
    }


def exponent_of(values: list[Decimal]) -> tuple[int, list[int], dict[int, str]]:
    """Section 3, "Exponents": the exponent, the mantissas, the texts of what stands aside."""
    parts = []
    for value in values:
        sign, digits, e = value.as_tuple()
        m = int("".join(map(str, digits)))
        while m and m % 10 == 0:
            m, e = m // 10, e + 1
        parts.append((-m if sign else m, e))

    def fits(m: int, e: int, exponent: int) -> bool:
        return m == 0 or (e >= exponent and abs(m) * 10 ** (e - exponent) < 2**63)

    candidates = {e for m, e in parts if m and abs(m) < 2**63}
    ranked = sorted((-sum(fits(m, e, c) for m, e in parts), c) for c in candidates)
    exponent = ranked[0][1] if ranked else 0
    mantissas, aside = [], {}
    for row, (m, e) in enumerate(parts):
        if fits(m, e, exponent):
            mantissas.append(m * 10 ** (e - exponent) if m else 0)
        else:
            mantissas.append(0)
            aside[row] = f"{Decimal((int(m < 0), tuple(map(int, str(abs(m)))), e)):f}"
    return exponent, mantissas, aside


def numbers(*values: int) -> bytes:
    return b"".join(struct.pack("<q", value) for value in values)


def chain(before: bytes, rows: list[dict[str, Any]]) -> bytes:
    """Section 7."""

    def aside(found: dict[int, bytes]) -> bytes:
        parts = [numbers(row, len(text)) + text for row, text in sorted(found.items())]
        return numbers(len(found)) + b"".join(parts)

    def integer(text: str | None) -> int:
        digits = text is not None and text.isascii() and text.isdigit() and str(int(text)) == text
        return int(text) if digits and int(text) < 2**63 else -1  # type: ignore[arg-type]

    data = before + numbers(len(rows), *(row["ts_event"] for row in rows))
    for name in ("price", "size"):
        exponent, mantissas, others = exponent_of([row[name] for row in rows])
        data += numbers(exponent, *mantissas)
        data += aside({row: text.encode() for row, text in others.items()})
    data += bytes(row["side"] for row in rows)
    received = [row["ts_recv"] for row in rows]
    data += bytes([any(r is not None for r in received)])
    if any(r is not None for r in received):
        data += numbers(*(LOWEST if r is None else r for r in received))
    ids = [row["trade_id"] for row in rows]
    data += bytes([any(i is not None for i in ids)])
    if any(i is not None for i in ids):
        data += numbers(*map(integer, ids))
        words = {r: i.encode() for r, i in enumerate(ids) if i is not None and integer(i) < 0}
        data += aside(words)
    notes = [(row, *entry["note"]) for row, entry in enumerate(rows) if entry["note"]]
    data += numbers(len(notes), *(note[0] for note in notes)) + bytes(note[1] for note in notes)
    for k in (2, 3, 4):
        data += numbers(*(note[k] for note in notes))
    return hashlib.blake2b(data, digest_size=16, person=b"tradercast.chain").digest()
