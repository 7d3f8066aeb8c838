"""Best bid and ask at each change: read from a feed of books, as columns and as files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradercast.client import arrow_columns, extras
from tradercast.client import ascii_cells as cells
from tradercast.client.export import PARQUET_SCALE, Kind
from tradercast.client.feed import OpenFeed
from tradercast.client.numpy_columns import PriceType, numbers
from tradercast.decimals import Decimals
from tradercast.feed.book_at import BookReader
from tradercast.feed.reader import ReadReport
from tradercast.feeds import FeedId
from tradercast.market.bbo import Bbo, BestPrices
from tradercast.rows import U8
from tradercast.timerange import MIN_TIME_NS, TimeRange

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

CHANNEL = "bbo"
_SIDES = ("bid", "ask")
_COLUMNS = ("bid_price", "bid_size", "ask_price", "ask_size")
_SLAB = 16_384  # rows whose text fits the processor's cache


async def read_bbo(feed: OpenFeed, wanted: TimeRange, report: ReadReport) -> AsyncIterator[Bbo]:
    """The rows of a range of a feed of books; what nobody has is noted in `report`."""
    prices = BestPrices(wanted.start_ns, wanted.end_ns)
    # what happens at the start is a row of its own, and not only in the book that is there then
    span = TimeRange(max(wanted.start_ns - 1, MIN_TIME_NS), wanted.end_ns)
    for segment in feed.segments:
        prices.begin()
        async for first_seq, keyframe, messages in BookReader(segment.reader).runs(span, report):
            if len(messages):
                yield await asyncio.to_thread(prices.take, first_seq, keyframe, messages)


class BboResult:
    """Best bids and asks of a symbol, a row each time that one of them changes.

    Every conversion has the columns ``ts_event``, ``valid``, ``bid_price``, ``bid_size``,
    ``ask_price``, ``ask_size``.  Where a side is empty, or the book is not that of the exchange
    (`valid` is false, from a gap until the next snapshot), its price and size are null.

    Parameters
    ----------
    feed : FeedId
        Of the books.
    rows : Bbo
    """

    def __init__(self, feed: FeedId, rows: Bbo) -> None:
        self.feed = feed
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def to_numpy(self, price_type: PriceType = "float") -> dict[str, NDArray[Any]]:
        """A dict of arrays; a price that there is not is NaN, as a decimal or text None."""
        found: dict[str, NDArray[Any]] = {
            "ts_event": self.rows.ts_event,
            "valid": self.rows.valid,
        }
        for side, name, values in _columns(self.rows):
            column = numbers(values, price_type)
            none = _absent(self.rows, side)
            if price_type != "fixed":
                column[none] = np.nan if price_type == "float" else None
            found[name] = column
        return found

    def to_polars(self) -> pl.DataFrame:
        """A polars DataFrame of exact decimals; ``ts_event`` is ``Datetime("ns", "UTC")``."""
        polars = extras.load("polars", "polars")
        frame: pl.DataFrame = polars.from_arrow(self.to_arrow())
        return frame

    def to_pandas(self) -> pd.DataFrame:
        """A pandas DataFrame of floats with a UTC ns DatetimeIndex named ``ts_event``."""
        pandas = extras.load("pandas", "pandas")
        columns = self.to_numpy()
        times = columns.pop("ts_event").view("M8[ns]")
        index = pandas.DatetimeIndex(times, name="ts_event").tz_localize("UTC")
        frame: pd.DataFrame = pandas.DataFrame(columns, index=index)
        return frame

    def to_arrow(self) -> pa.Table:
        """A pyarrow Table of exact decimals, with the same schema whatever is in it."""
        table: pa.Table = _table(self.rows)
        return table

    def __repr__(self) -> str:
        return f"{self.feed} · {len(self):,} changes of the best bid or ask"


class BboWriter:
    """Writes rows to a file; see `open_export`."""

    def __init__(self, file: IO[bytes], kind: Kind) -> None:
        self._file = file
        self._kind = kind
        self._out: Any = None
        if kind == "parquet":
            parquet = extras.load("pyarrow.parquet", "arrow")
            self._out = parquet.ParquetWriter(
                file, _table(Bbo.concat([])).schema, compression="zstd"
            )
        elif kind == "csv":
            file.write(",".join(("ts_event", "valid", *_COLUMNS)).encode() + b"\n")

    def write(self, records: Bbo) -> None:
        """The next rows."""
        if self._out is not None:
            if len(records):
                self._out.write_table(_table(records))
            return
        lines = _csv if self._kind == "csv" else _jsonl
        for at in range(0, len(records), _SLAB):
            self._file.write(lines(records[at : at + _SLAB]))

    def finish(self) -> None:
        """Write the file's end."""
        if self._out is not None:
            self._out.close()

    def abort(self) -> None:
        """Let go of the file."""
        self.finish()


def _columns(rows: Bbo) -> list[tuple[str, str, Decimals]]:
    return [(name[:3], name, getattr(rows, name)) for name in _COLUMNS]


def _absent(rows: Bbo, side: str) -> NDArray[np.bool_]:
    size: Decimals = getattr(rows, f"{side}_size")
    none: NDArray[np.bool_] = size.mantissa == 0
    none[list(size.escapes)] = False
    return none


def _table(rows: Bbo) -> Any:
    arrow = extras.load("pyarrow", "arrow")
    number = arrow.decimal128(38, PARQUET_SCALE)
    columns = {
        "ts_event": arrow.array(rows.ts_event).view(arrow.timestamp("ns", "UTC")),
        "valid": arrow.array(rows.valid),
    }
    nothing = arrow.scalar(None, number)
    for side, name, values in _columns(rows):
        column = arrow_columns.numbers(name, values, number)
        none = arrow.array(_absent(rows, side))
        columns[name] = arrow.compute.if_else(none, nothing, column)
    return arrow.table(columns)


def _csv(rows: Bbo) -> bytes:
    parts: list[U8 | bytes] = [cells.integers(rows.ts_event), b",", _valid(rows)]
    for side, _, values in _columns(rows):
        parts += [b",", _numbers(values, _absent(rows, side), b"", b"")]
    return cells.join(len(rows), [*parts, b"\n"])


def _jsonl(rows: Bbo) -> bytes:
    parts: list[U8 | bytes] = [b'{"ts_event":', cells.integers(rows.ts_event)]
    parts += [b',"valid":', _valid(rows)]
    for side, name, values in _columns(rows):
        parts += [f',"{name}":'.encode(), _numbers(values, _absent(rows, side), b'"', b"null")]
    return cells.join(len(rows), [*parts, b"}\n"])


def _valid(rows: Bbo) -> U8:
    return cells.words(rows.valid.astype(np.uint8), (b"false", b"true"))


def _numbers(values: Decimals, none: NDArray[np.bool_], quote: bytes, absent: bytes) -> U8:
    """Exact numbers in quotes, or `absent`."""
    digits = cells.decimals(values)
    digits[none] = 0
    marks = cells.words(none.astype(np.uint8), (quote, absent))
    end = cells.words(none.astype(np.uint8), (quote, b""))
    return np.concatenate([marks, digits, end], axis=1)
