"""Records to files: CSV, JSON lines, Parquet; whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, Protocol, TypeAlias, cast, get_args

from tradercast.book_messages import BookMessages
from tradercast.client import arrow_columns, book_text, extras
from tradercast.client.text_rows import CSV_HEADER, csv_rows, jsonl_rows
from tradercast.errors import DiskFullError, UsageError
from tradercast.records import Trades
from tradercast.rows import I64
from tradercast.runs import Records

Kind: TypeAlias = Literal["csv", "jsonl", "parquet"]

# 18 decimals and 20 digits before them: fixed, so that any two exported files have one schema
PARQUET_SCALE = 18
_GROUP_ROWS = 524_288


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

    def write(self, records: Records) -> None:
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
    path: str | Path, kind: Kind | None = None, *, book: tuple[str, str] | None = None
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
        What the rows of a book's CSV say they are of; without it the records are trades.

    Raises
    ------
    UsageError
        If the format is not known, its package not installed, it is not made of books, or the
        file can not be made.
    DiskFullError
        If the disk is full.
    """
    target = Path(path)
    chosen = kind or kind_of(target)
    part = target.with_name(target.name + ".part")
    with _disk_errors(target):
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        file = part.open("wb")
    try:
        with file:
            with _disk_errors(target):
                writer = _writer(file, chosen, book)
            out = Export(target, writer)
            try:
                yield out
            except BaseException:
                writer.abort()
                raise
            with _disk_errors(target):
                writer.finish()
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


class _TextWriter:
    def __init__(self, file: IO[bytes], kind: Kind) -> None:
        self._file = file
        self._lines = csv_rows if kind == "csv" else jsonl_rows
        if kind == "csv":
            file.write(CSV_HEADER)

    def write(self, trades: Trades) -> None:
        self._file.write(self._lines(trades))

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass


class _BookWriter:
    def __init__(self, file: IO[bytes], kind: Kind, names: tuple[str, str]) -> None:
        self._file = file
        if kind == "parquet":
            raise UsageError(
                "books are not exported as Parquet", hint="end the name with .csv or .jsonl"
            )
        self._lines = (
            (lambda run: book_text.csv_rows(run, *names)) if kind == "csv" else book_text.jsonl_rows
        )
        if kind == "csv":
            file.write(book_text.CSV_HEADER)

    def write(self, run: BookMessages) -> None:
        self._file.write(self._lines(run))

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass


class _ParquetWriter:
    """Parquet with exact decimals, in row groups of half a million trades."""

    def __init__(self, file: IO[bytes]) -> None:
        parquet = extras.load("pyarrow.parquet", "arrow")
        self._arrow = extras.load("pyarrow", "arrow")
        self._schema = arrow_columns.schema("decimal", PARQUET_SCALE, PARQUET_SCALE)
        self._held: list[Any] = []
        self._rows = 0
        self._out = parquet.ParquetWriter(
            file,
            self._schema,
            compression="zstd",
            use_dictionary=["side", "price", "size"],
            column_encoding={
                "ts_event": "DELTA_BINARY_PACKED",
                "ts_recv": "DELTA_BINARY_PACKED",
                "trade_id": "DELTA_BYTE_ARRAY",
            },
        )

    def write(self, trades: Trades) -> None:
        if len(trades.notes):
            raise UsageError(
                "corrections and gaps have no row of their own", hint="use corrections.apply first"
            )
        self._held.append(arrow_columns.record_batch(trades, self._schema))
        self._rows += len(trades)
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


def _writer(file: IO[bytes], kind: Kind, book: tuple[str, str] | None) -> Writer:
    if book is not None:
        return _BookWriter(file, kind, book)
    return _ParquetWriter(file) if kind == "parquet" else _TextWriter(file, kind)


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
