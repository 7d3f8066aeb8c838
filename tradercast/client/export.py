"""Records to files: CSV, JSON lines, Parquet; whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Protocol, TypeAlias, cast, get_args

from tradercast.candles import Candles
from tradercast.client import (
    arrow_columns,
    book_parquet,
    book_text,
    candle_frames,
    candle_text,
    extras,
)
from tradercast.client.text_rows import CSV_HEADER, csv_rows, jsonl_rows
from tradercast.errors import DiskFullError, UsageError
from tradercast.market.minute_candles import last_of_each
from tradercast.records import Trades
from tradercast.rows import I64
from tradercast.runs import Records

Kind: TypeAlias = Literal["csv", "jsonl", "parquet"]

# 18 decimals and 20 digits before them: fixed, so that any two exported files have one schema
PARQUET_SCALE = 18
_GROUP_ROWS = 524_288
_TIMES = ("ts_event", "ts_recv", "timestamp", "local_timestamp")
_ENCODINGS = dict.fromkeys(_TIMES, "DELTA_BINARY_PACKED") | {"trade_id": "DELTA_BYTE_ARRAY"}


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    path : Path
    records : int
    bytes : int
    """

    path: Path
    records: int
    bytes: int


class Writer(Protocol):
    """Takes records for one file."""

    def write(self, records: Any) -> None:
        """Add records; corrections must be applied already."""

    def finish(self) -> None:
        """Write what is still held."""

    def abort(self) -> None:
        """Let go of the file, which will not be kept."""


class Export:
    """A file in the making; see `open_export`."""

    def __init__(self, path: Path, writer: Writer) -> None:
        self.path = path
        self.records = 0
        self._writer = writer

    def write(self, records: Sized) -> None:
        """Add the next records.

        Raises
        ------
        UsageError
            If there are corrections among them, or a value that the format can not hold.
        EncodeError
            If an id can not be written as text.
        DiskFullError
            If the disk is full.
        """
        with _disk_errors(self.path):
            self._writer.write(records)
        self.records += len(records)


def kind_of(path: str | Path) -> Kind:
    """The format that a file's name asks for.

    Raises
    ------
    UsageError
        If it ends in none of ``.csv``, ``.jsonl``, ``.parquet``.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in get_args(Kind):
        raise UsageError(
            f"{str(path)!r} names no known format", hint="end it with .csv, .parquet or .jsonl"
        )
    return cast(Kind, suffix)


@contextmanager
def open_export(
    path: str | Path,
    kind: Kind | None = None,
    *,
    book: tuple[str, str] | None = None,
    candles: bool = False,
    writer: Callable[[IO[bytes]], Writer] | None = None,
) -> Iterator[Export]:
    """Open a file to export to: it appears, complete, when the block ends without an error.

    Until then it is ``PATH.part``, which an error removes.  An existing file is replaced.

    Parameters
    ----------
    path : path
        The file to make.
    kind : str, optional
        ``csv``, ``jsonl`` or ``parquet``; by default what the name ends with.
    book : (exchange, symbol), optional
        What the rows of a book say they are of; without it the records are trades.
    candles : bool
        The records are candles: the last of each time is written, by time.
    writer : callable, optional
        Makes what writes into the file, in the place of all these.

    Raises
    ------
    UsageError
        If the format is not known or its package not installed, or the file can not be made.
    DiskFullError
        If the disk is full.
    """
    target = Path(path)
    if writer is None:
        kind = kind or kind_of(target)
    part = target.with_name(target.name + ".part")
    with _disk_errors(target):
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        file = part.open("wb")
    try:
        with file:
            with _disk_errors(target):
                if writer is not None:
                    made = writer(file)
                else:
                    made = _writer(file, kind or kind_of(target), book, candles)
            out = Export(target, made)
            try:
                yield out
            except BaseException:
                made.abort()
                raise
            with _disk_errors(target):
                made.finish()
                file.flush()
                os.fsync(file.fileno())
        with _disk_errors(target):
            part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def export(
    path: str | Path,
    batches: Iterable[tuple[Trades, I64 | None]],
    *,
    kind: Kind | None = None,
) -> Exported:
    """Write all batches, ``(trades, seq)`` pairs, holding one at a time; else as `open_export`."""
    with open_export(path, kind) as out:
        for trades, _ in batches:
            out.write(trades)
    return Exported(out.path, out.records, out.path.stat().st_size)


class TextWriter:
    """Writes the lines that records become behind a header."""

    def __init__(self, file: IO[bytes], lines: Callable[[Any], bytes], header: bytes = b"") -> None:
        self._file = file
        self._lines = lines
        file.write(header)

    def write(self, records: Records) -> None:
        """As `Writer`."""
        self._file.write(self._lines(records))

    def finish(self) -> None:
        """As `Writer`."""

    def abort(self) -> None:
        """As `Writer`."""


class _ParquetWriter:
    """Parquet with exact decimals, in row groups of half a million rows."""

    def __init__(self, file: IO[bytes], schema: Any, batch_of: Callable[[Any], Any]) -> None:
        parquet = extras.load("pyarrow.parquet", "arrow")
        self._arrow = extras.load("pyarrow", "arrow")
        self._schema = schema
        self._batch_of = batch_of
        self._held: list[Any] = []
        self._rows = 0
        self._out = parquet.ParquetWriter(
            file,
            self._schema,
            compression="zstd",
            use_dictionary=[name for name in schema.names if name not in _ENCODINGS],
            column_encoding={n: way for n, way in _ENCODINGS.items() if n in schema.names},
        )

    def write(self, records: Records) -> None:
        batch = self._batch_of(records)
        self._held.append(batch)
        self._rows += batch.num_rows
        if self._rows >= _GROUP_ROWS:
            self._flush()

    def finish(self) -> None:
        if self._rows:
            self._flush()
        self._out.close()

    def abort(self) -> None:
        # let go later, it would write its end into a closed file
        with suppress(OSError, self._arrow.ArrowException):
            self._out.close()

    def _flush(self) -> None:
        table = self._arrow.Table.from_batches(self._held, self._schema)
        self._out.write_table(table, row_group_size=max(self._rows, 1))
        self._held, self._rows = [], 0


class _CandleWriter:
    """What a feed of candles comes to is known at its end only; a year of minutes is 50 MB."""

    def __init__(self, file: IO[bytes], kind: Kind) -> None:
        self._file = file
        self._kind = kind
        self._parquet = extras.load("pyarrow.parquet", "arrow") if kind == "parquet" else None
        self._held: list[Candles] = []

    def write(self, run: Candles) -> None:
        self._held.append(run)

    def finish(self) -> None:
        candles = last_of_each(Candles.concat(self._held))
        if self._parquet is not None:
            table = candle_frames.to_arrow(candles, "decimal")
            self._parquet.write_table(table, self._file, compression="zstd")
        elif self._kind == "csv":
            self._file.write(candle_text.CSV_HEADER + candle_text.csv_rows(candles))
        else:
            self._file.write(candle_text.jsonl_rows(candles))

    def abort(self) -> None:
        pass


def _writer(file: IO[bytes], kind: Kind, book: tuple[str, str] | None, is_candles: bool) -> Writer:
    if is_candles:
        return _CandleWriter(file, kind)
    if book is not None:
        return _book_writer(file, kind, *book)
    if kind == "parquet":
        schema = arrow_columns.schema("decimal", PARQUET_SCALE, PARQUET_SCALE)
        return _ParquetWriter(file, schema, lambda trades: _trade_batch(trades, schema))
    if kind == "csv":
        return TextWriter(file, csv_rows, CSV_HEADER)
    return TextWriter(file, jsonl_rows)


def _trade_batch(trades: Trades, schema: Any) -> Any:
    if len(trades.notes):
        raise UsageError(
            "corrections and gaps have no row of their own", hint="use corrections.apply first"
        )
    return arrow_columns.record_batch(trades, schema)


def _book_writer(file: IO[bytes], kind: Kind, exchange: str, symbol: str) -> Writer:
    if kind == "parquet":
        schema = book_parquet.schema(PARQUET_SCALE)
        batch = book_parquet.record_batch
        return _ParquetWriter(file, schema, lambda run: batch(run, schema, exchange, symbol))
    if kind == "csv":
        rows = book_text.csv_rows
        return TextWriter(file, lambda run: rows(run, exchange, symbol), book_text.CSV_HEADER)
    return TextWriter(file, book_text.jsonl_rows)


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"the disk has no room for {path}", hint="free some space or choose another disk"
            ) from None
        raise UsageError(f"{path} can not be written: {error.strerror or error}") from None
