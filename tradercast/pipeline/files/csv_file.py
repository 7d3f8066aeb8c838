"""Delimited text to batches of records, a block of bytes at a time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tradercast.errors import InputError
from tradercast.pipeline.files import layouts
from tradercast.pipeline.files.bad_rows import RowError
from tradercast.pipeline.files.cells import Grid, split
from tradercast.pipeline.files.columns import ColumnSpec
from tradercast.pipeline.files.convert import CELL_LIMIT, TIME_LIMIT, ColumnOf, trades_from_text
from tradercast.pipeline.files.opening import ByteStream, Limits
from tradercast.pipeline.files.values import Bytes
from tradercast.pipeline.files.zones import with_day
from tradercast.records import Trades

BLOCK_BYTES = 4 << 20
T = TypeVar("T")

_DELIMITERS = (b",", b";", b"\t", b"|")
_BOM = b"\xef\xbb\xbf"
_NOT_TEXT = "give CSV or JSON lines (plain, .gz, .zst or .zip) or Parquet"


@dataclass(frozen=True, eq=False)
class Rows(Generic[T]):
    """An opened delimited file whose columns are known.

    Attributes
    ----------
    make : callable
        Makes a batch of the columns of some rows; raises `RowError`.
    """

    make: Callable[[ColumnOf], T]
    _stream: ByteStream
    _limits: Limits
    _delimiter: bytes
    _width: int
    _index: dict[str, int]
    _head: bytes
    _header_lines: int

    def batches(self) -> Iterator[T]:
        """Every row, in order, some ten thousand at a time.

        Raises
        ------
        InputError
            At the first broken row; nothing comes after it.
        """
        text, rows, lines = self._head, 0, self._header_lines
        final = False
        while not final:
            part = self._stream.read(BLOCK_BYTES)
            final = len(part) < BLOCK_BYTES
            text += part
            block = whole_rows(text, final)
            self._refuse_nul(block, rows, lines)
            try:
                grid, used = split(block, self._delimiter, self._width)
                batch = self._batch(grid) if len(grid) else None
            except RowError as error:
                raise self._broken(error, block, rows, lines) from None
            if batch is not None:
                yield batch
            rows += len(grid)
            lines += block.count(b"\n", 0, used)
            text = text[used:]
            if final and text.strip(b"\r\n"):
                raise self._error(rows + 1, lines + 1, "a quote is never closed")
            if len(text) > self._limits.max_row:
                what = f"longer than {self._limits.max_row} bytes, or a quote is never closed"
                raise self._error(rows + 1, lines + 1, what)

    def _batch(self, grid: Grid) -> T:
        return self.make(lambda field: self._texts(grid, field))

    def _texts(self, grid: Grid, field: str) -> Bytes:
        cells = grid.column(self._index[field])
        return cells.texts(field, CELL_LIMIT.get(field, TIME_LIMIT))

    def _refuse_nul(self, block: bytes, rows: int, lines: int) -> None:
        at = block.find(b"\0")
        if at >= 0:
            ahead = block.count(b"\n", 0, at)
            raise self._error(rows + ahead + 1, lines + ahead + 1, "holds a NUL byte")

    def _broken(self, error: RowError, block: bytes, rows: int, lines: int) -> InputError:
        start = _row_start(block, error.row)
        return self._error(
            rows + error.row + 1, lines + block.count(b"\n", 0, start) + 1, error.what
        )

    def _error(self, row: int, line: int, what: str) -> InputError:
        return InputError(f"{self._stream.name}: row {row} (line {line}): {what}")


@dataclass(frozen=True, eq=False)
class CsvFile:
    """An opened delimited file of trades.

    Attributes
    ----------
    spec : ColumnSpec
        The mapping in use, given or recognised.
    """

    spec: ColumnSpec
    _rows: Rows[Trades]

    def batches(self) -> Iterator[Trades]:
        """As `Rows.batches`."""
        return self._rows.batches()


def open_named(
    stream: ByteStream,
    head: bytes,
    names: Sequence[str],
    make: Callable[[ColumnOf], T],
    limits: Limits,
) -> Rows[T]:
    """A file of comma-separated values with a header that has these columns.

    Raises
    ------
    InputError
        If the file is no text, has no rows, or a column is not there.
    """
    line, rest = _first_line(head.removeprefix(_BOM), stream.name, limits)
    found = _cells(line, b",", stream.name)
    for name in names:
        if name not in found:
            raise InputError(
                f"{stream.name} has no column {name!r}", hint=f"it needs {','.join(names)}"
            )
    index = {name: found.index(name) for name in names}
    return Rows(make, stream, limits, b",", len(found), index, rest, 1)


def open_csv(
    stream: ByteStream, head: bytes, columns: ColumnSpec | None, limits: Limits
) -> CsvFile:
    """A delimited file of trades; parameters and errors as of `open_mapped`."""
    return CsvFile(*open_mapped(stream, head, columns, limits, trades_from_text))


def open_mapped(
    stream: ByteStream,
    head: bytes,
    columns: ColumnSpec | None,
    limits: Limits,
    make: Callable[[ColumnOf, ColumnSpec], T],
) -> tuple[ColumnSpec, Rows[T]]:
    """Find out delimiter, header and mapping from the first rows.

    Parameters
    ----------
    stream : ByteStream
        The file, behind `head`.
    head : bytes
        What was already read from `stream`.
    columns : ColumnSpec or None
        The mapping, if the user gave one; without it that of a known layout of trades.
    limits : Limits
        For the length of a row.
    make : callable
        Makes a batch; raises `RowError`.

    Raises
    ------
    InputError
        If the file is no text, has no rows, or its columns are not known.
    """
    blank = len(head) - len(head.removeprefix(_BOM).lstrip(b"\r\n"))
    lines = head.count(b"\n", 0, blank)
    head = head[blank:]
    line, rest = _first_line(head, stream.name, limits)
    delimiter = max(_DELIMITERS, key=lambda mark: line.count(mark))
    cells = _cells(line, delimiter, stream.name)
    names: Sequence[str] | None = None
    first = cells
    if layouts.is_header(cells):
        names = cells
        try:
            first = _cells(_first_line(rest, stream.name, limits)[0], delimiter, stream.name)
        except InputError:
            first = []
    spec = columns or layouts.recognise(names, first)
    if spec is None:
        raise layouts.unknown_layout(stream.name, names, first)
    index = {
        field: layouts.find_column(source, names, len(cells), stream.name)
        for field, (source, _) in spec.items.items()
    }
    dated = with_day(spec, [stream.name, stream.member])
    rows = Rows(
        lambda column: make(column, dated),
        stream,
        limits,
        delimiter,
        len(cells),
        index,
        rest if names else head,
        lines + (names is not None),
    )
    return dated, rows


def whole_rows(text: bytes, final: bool) -> bytes:
    """The part of `text` that ends a row that is not blank; all of it, ended, if `final`."""
    filled = len(text.rstrip(b"\r\n"))
    if final:
        return text[:filled] + b"\n" if filled else b""
    end = text.find(b"\n", filled)
    return text[: (end if end >= 0 else text.rfind(b"\n", 0, filled)) + 1]


def _first_line(head: bytes, name: str, limits: Limits) -> tuple[bytes, bytes]:
    line, _, rest = head.partition(b"\n")
    if not line:
        raise InputError(f"{name} has no rows")
    if len(line) > limits.max_row or b"\0" in line:
        raise InputError(f"{name} is not a text file of rows", hint=_NOT_TEXT)
    return line.rstrip(b"\r"), rest


def _cells(line: bytes, delimiter: bytes, name: str) -> list[str]:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name} is not UTF-8 text", hint=_NOT_TEXT) from None
    if any(ord(char) < 32 and char != "\t" for char in text):
        raise InputError(f"{name} is not a text file of rows", hint=_NOT_TEXT)
    try:
        return [cell.strip() for cell in next(csv.reader([text], delimiter=delimiter.decode()))]
    except (csv.Error, StopIteration):
        raise InputError(f"{name} is not a text file of rows", hint=_NOT_TEXT) from None


def _row_start(block: bytes, row: int) -> int:
    """Where row `row` begins, by walking: only for the one error that ends the reading."""
    at, quoted = 0, False
    for line in block.split(b"\n"):
        if row == 0:
            break
        quoted ^= bool(line.count(b'"') & 1)
        row -= not quoted
        at += len(line) + 1
    return at
