"""Text in columns without a Python object a row: where each cell lies in a block of bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tradercast.pipeline.files.bad_rows import RowError
from tradercast.rows import I64, U8

_QUOTE, _COMMA, _LF, _CR = 34, 44, 10, 13
_SLAB = 16_384


@dataclass(frozen=True, eq=False)
class Cells:
    """One column of text: row i is ``buffer[start[i]:stop[i]]``.

    `quotes` counts the quote characters of each cell; `None` where quotes mean nothing.
    """

    buffer: U8
    start: I64
    stop: I64
    quotes: I64 | None = None

    def __len__(self) -> int:
        return len(self.start)

    def texts(self, field: str, limit: int) -> NDArray[np.bytes_]:
        """The column as a numpy array of bytes, quotes removed.

        Raises
        ------
        RowError
            If a cell has more than `limit` bytes (one long cell must not make a huge array).
        """
        start, stop = self.start, self.stop
        odd = np.zeros(0, np.int64)
        if self.quotes is not None and self.quotes.any():
            quoted = (self.quotes >= 2) & (stop - start >= 2)
            quoted &= (self.buffer[start] == _QUOTE) & (self.buffer[stop - 1] == _QUOTE)
            start, stop = start + quoted, stop - quoted
            odd = np.flatnonzero(quoted & (self.quotes > 2))
        length = stop - start
        long = np.flatnonzero(length > limit)
        if len(long):
            raise RowError(int(long[0]), f"{field} is longer than {limit} bytes")
        texts = gather(self.buffer, start, length)
        for row in odd.tolist():
            texts[row] = bytes(texts[row]).replace(b'""', b'"')
        return texts


def gather(buffer: U8, start: I64, length: I64) -> NDArray[np.bytes_]:
    """``buffer[start:start+length]`` of every row as one array of bytes, padded with zeros."""
    count = len(start)
    width = max(int(length.max(initial=0)), 1)
    out = np.zeros((count, width), np.uint8)
    if not len(buffer):
        return out.view(f"S{width}").reshape(count)
    padded = np.concatenate((buffer, np.zeros(width, np.uint8)))
    # every position of the buffer seen as an item of `width` bytes, so that a row is one copy
    items = np.ndarray((len(buffer) + 1,), f"V{width}", padded, strides=(1,))
    steps = np.arange(width)
    for at in range(0, count, _SLAB):
        rows = slice(at, at + _SLAB)
        part = items[start[rows]].view(np.uint8).reshape(-1, width)
        sizes = length[rows]
        if len(sizes) and int(sizes.min()) < width:
            part *= steps < sizes[:, None]
        out[rows] = part
    return out.view(f"S{width}").reshape(count)


@dataclass(frozen=True, eq=False)
class Grid:
    """The cells of whole rows, all with the same number of columns.

    Attributes
    ----------
    ends : int64 array, shape (rows, columns)
        Where each cell's delimiter or line end lies.
    """

    buffer: U8
    ends: I64
    quotes: I64 | None

    def __len__(self) -> int:
        return len(self.ends)

    def column(self, index: int) -> Cells:
        """Column `index`, from 0."""
        ends = self.ends
        stop = ends[:, index].copy()
        before = ends[:, index - 1] if index else np.concatenate(([-1], ends[:-1, -1]))
        start = before + 1
        if index == ends.shape[1] - 1:
            stop -= (stop > start) & (self.buffer[stop - 1] == _CR)
        quotes = None
        if self.quotes is not None:
            quotes = self.quotes[stop] - self.quotes[start]
        return Cells(self.buffer, start, stop, quotes)

    def row_start(self, row: int) -> int:
        """Where row `row` begins."""
        return int(self.ends[row - 1, -1]) + 1 if row else 0


def split(block: bytes, delimiter: bytes, columns: int | None) -> tuple[Grid, int]:
    """Cut a block of delimited text at its delimiters and line ends.

    Parameters
    ----------
    block : bytes
        Begins at the start of a row; the text after its last line end is left over.
    delimiter : bytes
        One ASCII character.
    columns : int or None
        How many every row must have; `None` takes the first row's.

    Returns
    -------
    grid : Grid
    used : int
        Bytes up to the end of the last whole row.

    Raises
    ------
    RowError
        At the first row with another number of columns.
    """
    buffer = np.frombuffer(block, np.uint8)
    line_end = buffer == _LF
    mark = line_end | (buffer == delimiter[0])
    quotes: I64 | None = None
    if b'"' in block:
        # before[i] is the number of quotes before byte i: odd means inside a quoted cell
        quotes = np.zeros(len(buffer) + 1, np.int64)
        np.cumsum(buffer == _QUOTE, out=quotes[1:])
        outside = (quotes[:-1] & 1) == 0
        mark &= outside
        line_end &= outside
    ends = np.flatnonzero(mark)
    last = np.flatnonzero(line_end[ends])
    if not len(last):
        return Grid(buffer, np.zeros((0, columns or 1), np.int64), quotes), 0
    ends = ends[: last[-1] + 1]
    width = columns or int(last[0]) + 1
    regular = len(last) * width == len(ends) and bool((last % width == width - 1).all())
    if not regular:
        counts = np.diff(last, prepend=-1)
        row = int(np.flatnonzero(counts != width)[0])
        raise RowError(row, f"{counts[row]} columns instead of {width}")
    return Grid(buffer, ends.reshape(-1, width), quotes), int(ends[-1]) + 1
