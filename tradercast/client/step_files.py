"""A book at fixed steps as a file: CSV or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tradercast.client import ascii_cells as cells
from tradercast.client import extras
from tradercast.client.book_snapshots import BookSnapshots
from tradercast.client.export import kind_of, open_export
from tradercast.ids import ABSENT
from tradercast.rows import U8

_SLAB = 4_096  # rows of text at a time: some hundred columns each


def write_steps(path: Path, found: BookSnapshots) -> None:
    """Write a whole file, or none.

    Raises
    ------
    UsageError
        If its name is that of no table, or of Parquet without pyarrow.
    """
    maker = _Csv if kind_of(path) == "csv" else _Parquet
    with open_export(path, writer=maker) as out:
        out.write(found)


class _Csv:
    """``ts`` in ns; what there is not is an empty cell."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, records: BookSnapshots) -> None:
        columns = records.to_numpy()
        self._file.write(",".join(columns).encode() + b"\n")
        for at in range(0, len(records), _SLAB):
            parts: list[U8 | bytes] = []
            for column in columns.values():
                parts += [b",", _text(column[at : at + _SLAB])]
            self._file.write(cells.join(len(parts[1]), [*parts[1:], b"\n"]))

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass


class _Parquet:
    """``ts`` as a timestamp."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._format = extras.load("pyarrow.parquet", "arrow")

    def write(self, records: BookSnapshots) -> None:
        self._format.write_table(records.to_arrow(), self._file, compression="zstd")

    def finish(self) -> None:
        pass

    def abort(self) -> None:
        pass


def _text(values: NDArray[Any]) -> U8:
    """Numbers in as few digits as say them exactly."""
    if values.dtype == np.bool_:
        return cells.words(values.astype(np.uint8), (b"false", b"true"))
    if values.dtype == np.int64:
        absent = values == ABSENT
        text = cells.integers(values)
    else:
        absent = np.isnan(values)
        text = cells.texts([repr(value).removesuffix(".0") for value in values.tolist()])
    text[absent] = 0
    return text
