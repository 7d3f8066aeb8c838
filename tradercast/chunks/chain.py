"""A running hash of the records themselves, whatever encoder wrote their blocks."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np
from nacl.encoding import RawEncoder
from nacl.hash import blake2b

from tradercast import decimal_form
from tradercast.book_messages import OPTIONAL, BookMessages
from tradercast.candles import PRICES, Candles
from tradercast.chunks.header import CHAIN_BYTES
from tradercast.errors import UsageError
from tradercast.records import ABSENT, NO_TIME, Decimals, Notes, Trades
from tradercast.rows import I64, U8
from tradercast.runs import Records

_PERSON = b"tradercast.chain"


def extend_chain(chain: bytes, records: Records) -> bytes:
    """The chain hash after one more cut run of records.

    Parameters
    ----------
    chain : bytes
        The hash before; empty at the beginning.
    records : Trades, BookMessages or Candles
        The records from one cut to the next; no records leave the hash as it is.

    Returns
    -------
    bytes
        16 bytes that depend on nothing but the records and the cuts.
    """
    if len(chain) not in (0, CHAIN_BYTES):
        raise UsageError(f"a chain hash has {CHAIN_BYTES} bytes, not {len(chain)}")
    if not len(records):
        return chain
    # libsodium's takes two thirds of the time of hashlib's, and all at once the interpreter's lock
    # is given away once
    data = b"".join((chain, *_parts(records)))
    return blake2b(data, CHAIN_BYTES, person=_PERSON, encoder=RawEncoder)


def _parts(records: Records) -> Iterable[bytes | memoryview]:
    if isinstance(records, Trades):
        return _trades(records)
    if isinstance(records, BookMessages):
        return _book(records)
    if isinstance(records, Candles):
        return _candles(records)
    raise UsageError(f"{type(records).__name__} have no chain hash")


def _trades(trades: Trades) -> Iterable[bytes | memoryview]:
    """The records' bytes in the order that FORMAT.md states; all numbers little-endian."""
    yield _numbers(len(trades))
    yield _plain(trades.ts_event)
    yield from _decimals(trades.price)
    yield from _decimals(trades.size)
    yield _plain(trades.side)
    yield from _optional(trades.ts_recv, NO_TIME)
    ids = trades.trade_id
    has_ids = ids is not None and ids.any()
    yield bytes([has_ids])
    if ids is not None and has_ids:
        yield _plain(ids.values)
        yield from _texts({row: text.encode("utf-8") for row, text in ids.escapes.items()})
    yield from _notes(trades.notes)


def _book(book: BookMessages) -> Iterable[bytes | memoryview]:
    yield _numbers(len(book))
    yield _plain(book.ts_event)
    yield _plain(book.is_snapshot.astype(np.uint8))
    yield _plain(book.lengths())
    levels = book.levels
    yield _numbers(len(levels))
    yield _plain(levels.side)
    yield from _decimals(levels.price)
    yield from _decimals(levels.size)
    yield from _optional(levels.count, ABSENT)
    for name, absent in OPTIONAL.items():
        yield from _optional(getattr(book, name), absent)
    yield from _notes(book.notes)


def _candles(candles: Candles) -> Iterable[bytes | memoryview]:
    yield _numbers(len(candles))
    yield _plain(candles.ts_open)
    yield from _decimals(Decimals.concat([getattr(candles, name) for name in PRICES]))
    yield from _decimals(candles.volume)
    yield bytes([candles.quote_volume is not None])
    if candles.quote_volume is not None:
        yield from _decimals(candles.quote_volume)
    yield from _optional(candles.trades, ABSENT)
    yield from _notes(candles.notes)


def _optional(column: I64 | None, absent: int) -> Iterable[bytes | memoryview]:
    has = column is not None and bool((column != absent).any())
    yield bytes([has])
    if column is not None and has:
        yield _plain(column)


def _notes(notes: Notes) -> Iterable[bytes | memoryview]:
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
