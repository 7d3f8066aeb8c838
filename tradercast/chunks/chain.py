"""A running hash of the records themselves, whatever encoder wrote their blocks."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

import numpy as np

from tradercast import decimal_form
from tradercast.chunks.header import CHAIN_BYTES
from tradercast.errors import UsageError
from tradercast.records import NO_TIME, Decimals, Trades
from tradercast.rows import I64, U8

_PERSON = b"tradercast.chain"


def extend_chain(chain: bytes, trades: Trades) -> bytes:
    """The chain hash after one more cut run of records.

    Parameters
    ----------
    chain : bytes
        The hash before; empty at the beginning.
    trades : Trades
        The records from one cut to the next; no records leave the hash as it is.

    Returns
    -------
    bytes
        16 bytes that depend on nothing but the records and the cuts.
    """
    if len(chain) not in (0, CHAIN_BYTES):
        raise UsageError(f"a chain hash has {CHAIN_BYTES} bytes, not {len(chain)}")
    if not len(trades):
        return chain
    hasher = hashlib.blake2b(chain, digest_size=CHAIN_BYTES, person=_PERSON)
    for part in _canonical(trades):
        hasher.update(part)
    return hasher.digest()


def _canonical(trades: Trades) -> Iterable[bytes | memoryview]:
    """The records' bytes in the order that FORMAT.md states; all numbers little-endian."""
    yield _numbers(len(trades))
    yield _plain(trades.ts_event)
    yield from _decimals(trades.price)
    yield from _decimals(trades.size)
    yield _plain(trades.side)
    recv = trades.ts_recv
    has_recv = recv is not None and bool((recv != NO_TIME).any())
    yield bytes([has_recv])
    if recv is not None and has_recv:
        yield _plain(recv)
    ids = trades.trade_id
    has_ids = ids is not None and ids.any()
    yield bytes([has_ids])
    if ids is not None and has_ids:
        yield _plain(ids.values)
        yield from _texts({row: text.encode("utf-8") for row, text in ids.escapes.items()})
    notes = trades.notes
    yield _numbers(len(notes))
    yield _plain(notes.row)
    yield _plain(notes.kind)
    for column in (notes.ref_seq, notes.ref_end, notes.ref_ts):
        yield _plain(column)


def _decimals(values: Decimals) -> Iterable[bytes | memoryview]:
    form = values.normalised()
    yield _numbers(form.exponent)
    yield _plain(form.mantissa)
    yield from _texts(
        {row: decimal_form.plain_text(value).encode() for row, value in form.escapes.items()}
    )


def _texts(texts: dict[int, bytes]) -> Iterable[bytes]:
    yield _numbers(len(texts))
    for row in sorted(texts):
        yield _numbers(row, len(texts[row])) + texts[row]


def _plain(column: I64 | U8) -> memoryview:
    """A column's bytes, without a copy where they lie so in memory."""
    order = "<i8" if column.dtype == np.int64 else "u1"
    return np.ascontiguousarray(column, order).data


def _numbers(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)
