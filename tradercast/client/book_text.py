"""Book messages as lines of CSV or JSON; their text is made in columns, as that of trades.

CSV has a line a level, in the columns of tardis.dev's ``incremental_book_L2``: times in µs, an
amount of 0 removes the level; gaps have no line.  JSON has an object a message, its times in ns
and its levels as text, or the ``type`` gap where messages are missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tradercast.book_levels import BookSide
from tradercast.book_messages import NO_CHECKSUM, BookMessages
from tradercast.client import ascii_cells as cells
from tradercast.ids import ABSENT
from tradercast.records import NO_TIME
from tradercast.rows import I64, U8

CSV_HEADER = b"exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n"

_SLAB = 16_384  # levels whose text fits the processor's cache
_BOOLS = (b"false", b"true")
_SIDES = (b"", b"bid", b"ask")


def csv_rows(run: BookMessages, exchange: str, symbol: str) -> bytes:
    """One line a level, without a header."""
    names = f"{exchange},{symbol},".encode()
    return b"".join(_csv_slab(part, names) for part in _slabs(run))


def jsonl_rows(run: BookMessages) -> bytes:
    """One object a message or gap."""
    out: list[bytes] = []
    start = 0
    for at, row in enumerate(run.notes.row.tolist()):
        out += [_jsonl_slab(part) for part in _slabs(run[start:row])]
        notes = run.notes
        out.append(
            b'{"type":"gap","missing_from":%d,"missing_to":%d,"ts_before":%d,"ts_after":%d}\n'
            % (notes.ref_seq[at], notes.ref_end[at], notes.ref_ts[at], run.ts_event[row])
        )
        start = row + 1
    out += [_jsonl_slab(part) for part in _slabs(run[start:])]
    return b"".join(out)


def _slabs(run: BookMessages) -> Iterator[BookMessages]:
    """The run in pieces of about as many levels."""
    start = 0
    while start < len(run):
        end = int(np.searchsorted(run.offsets, run.offsets[start] + _SLAB, "right")) - 1
        end = max(end, start + 1)
        yield run[start:end]
        start = end


def _csv_slab(run: BookMessages, names: bytes) -> bytes:
    message = np.repeat(np.arange(len(run)), run.lengths())
    recv = run.filled("ts_recv")
    return cells.join(
        len(message),
        [
            names,
            cells.integers(run.ts_event // 1000)[message],
            b",",
            cells.times(np.where(recv == NO_TIME, recv, recv // 1000), b"")[message],
            b",",
            cells.words(run.is_snapshot.astype(np.uint8), _BOOLS)[message],
            b",",
            cells.words(run.levels.side, _SIDES),
            b",",
            cells.decimals(run.levels.price),
            b",",
            cells.decimals(run.levels.size),
            b"\n",
        ],
    )


def _jsonl_slab(run: BookMessages) -> bytes:
    """Each message is rows of text: its head, its bids, the middle, its asks, the end."""
    count, lengths, side = len(run), run.lengths(), run.levels.side
    message = np.repeat(np.arange(count), lengths)
    order = np.argsort(2 * message + side, kind="stable")
    levels = run.levels[order]
    is_ask = levels.side == BookSide.ASK
    bids = np.bincount(message[~is_ask], minlength=count)
    # rows before a message: three of its own kind and the levels of each message before it
    head = run.offsets[:-1] + 3 * np.arange(count)
    middle = head + 1 + bids
    place = np.arange(len(levels)) + 3 * message + 1 + is_ask
    is_first = np.ones(len(levels), np.bool_)
    is_first[1:] = (message[1:] != message[:-1]) | (is_ask[1:] != is_ask[:-1])
    comma = np.where(is_first, 0, ord(","))[:, None].astype(np.uint8)
    parts: list[U8 | bytes] = [
        comma,
        b'["',
        cells.decimals(levels.price),
        b'","',
        cells.decimals(levels.size),
        b'"',
        *_counts(levels.counts()),
        b"]",
    ]
    pieces = [
        (head, _matrix(count, _head(run))),
        (middle, _matrix(count, [b'],"asks":['])),
        (head + lengths + 2, _matrix(count, [b"]}\n"])),
        (place, _matrix(len(levels), parts)),
    ]
    out = np.zeros((len(levels) + 3 * count, max(text.shape[1] for _, text in pieces)), np.uint8)
    for rows, text in pieces:
        out[rows, : text.shape[1]] = text
    return bytes(out.reshape(-1)[out.reshape(-1) != 0])


def _head(run: BookMessages) -> list[U8 | bytes]:
    parts: list[U8 | bytes] = [b'{"type":"book","ts_event":', cells.integers(run.ts_event)]
    parts += [b',"ts_recv":', cells.times(run.filled("ts_recv"), b"null")]
    for name in ("first_id", "last_id", "prev_id"):
        parts += [f',"{name}":'.encode(), _integers(run.filled(name), ABSENT)]
    parts += [b',"checksum":', _integers(run.filled("checksum"), NO_CHECKSUM)]
    parts += [b',"is_snapshot":', cells.words(run.is_snapshot.astype(np.uint8), _BOOLS)]
    return [*parts, b',"bids":[']


def _counts(count: I64) -> list[U8 | bytes]:
    """The number of orders as a third member, where the source says it."""
    has = count != ABSENT
    if not has.any():
        return []
    comma = np.where(has, ord(","), 0)[:, None].astype(np.uint8)
    return [comma, _integers(count, ABSENT, b"")]


def _integers(values: I64, absent: int, text: bytes = b"null") -> U8:
    return cells.times(np.where(values == absent, NO_TIME, values), text)


def _matrix(count: int, parts: Sequence[U8 | bytes]) -> U8:
    return np.concatenate(
        [
            np.broadcast_to(np.frombuffer(part, np.uint8), (count, len(part)))
            if isinstance(part, bytes)
            else part
            for part in parts
        ],
        axis=1,
    )
