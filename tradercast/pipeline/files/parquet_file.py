"""Parquet to batches of Trades, through pyarrow, a few row groups' worth at a time."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradercast.errors import InputError
from tradercast.pipeline.files import layouts
from tradercast.pipeline.files.arrow_values import convert_field
from tradercast.pipeline.files.bad_rows import RowError
from tradercast.pipeline.files.columns import ColumnSpec
from tradercast.pipeline.files.convert import assemble
from tradercast.pipeline.files.zones import with_day
from tradercast.records import Trades

BATCH_ROWS = 262_144
_MAX_THRIFT = 64 << 20


@dataclass(eq=False)
class ParquetTrades:
    """An opened Parquet file whose columns are known."""

    spec: ColumnSpec
    rows: int
    _file: Any
    _name: str
    _columns: dict[str, str]
    _size: int
    _done: int = 0

    def position(self) -> int:
        """About how many bytes of the file were read so far."""
        return self._size * self._done // max(self.rows, 1)

    def batches(self) -> Iterator[Trades]:
        """Every row, in order.

        Raises
        ------
        InputError
            At the first broken row; nothing comes after it.
        """
        arrow = _pyarrow()
        wanted = list(dict.fromkeys(self._columns.values()))
        source = self._file.iter_batches(batch_size=BATCH_ROWS, columns=wanted)
        while True:
            try:
                batch = next(source, None)
            except (arrow.ArrowException, OSError) as error:
                raise _damaged(self._name, error) from None
            if batch is None:
                return
            try:
                trades = self._convert(batch)
            except RowError as error:
                raise InputError(
                    f"{self._name}: row {self._done + error.row + 1}: {error.what}"
                ) from None
            self._done += len(batch)
            if len(trades):
                yield trades

    def _convert(self, batch: Any) -> Trades:
        found: dict[str, Any] = {}
        first: RowError | None = None
        for field, name in self._columns.items():
            try:
                found[field] = convert_field(field, batch.column(name), self.spec)
            except RowError as error:
                if first is None or error.row < first.row:
                    first = error
        if first is not None:
            raise first
        return assemble(found)


@contextmanager
def open_parquet(path: Path, columns: ColumnSpec | None) -> Iterator[ParquetTrades]:
    """Open a Parquet file and find its mapping.

    Raises
    ------
    InputError
        If pyarrow is not installed, the file is damaged, or its columns are not known.
    """
    arrow = _pyarrow(path.name)
    parquet = importlib.import_module("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(
            str(path),
            thrift_string_size_limit=_MAX_THRIFT,
            thrift_container_size_limit=_MAX_THRIFT,
            buffer_size=1 << 20,
        )
    except (arrow.ArrowException, OSError) as error:
        raise _damaged(path.name, error) from None
    with file:
        names = list(file.schema_arrow.names)
        spec = columns or layouts.recognise(names, [])
        if spec is None:
            raise layouts.unknown_layout(path.name, names, [])
        spec = with_day(spec, [path.name])
        index = {
            field: names[layouts.find_column(source, names, len(names), path.name)]
            for field, (source, _) in spec.items.items()
        }
        doubled = [name for name in index.values() if names.count(name) > 1]
        if doubled:
            raise InputError(f"{path.name} has two columns called {doubled[0]!r}")
        size = path.stat().st_size
        yield ParquetTrades(spec, file.metadata.num_rows, file, path.name, index, size)


def _pyarrow(name: str = "Parquet") -> Any:
    try:
        return importlib.import_module("pyarrow")
    except ImportError:
        raise InputError(
            f"{name} can not be read: Parquet needs pyarrow",
            hint="pip install 'tradercast[arrow]'",
        ) from None


def _damaged(name: str, error: BaseException) -> InputError:
    return InputError(f"{name} is damaged or not Parquet: {str(error).splitlines()[0][:160]}")
