"""Files of freqtrade's data directory: Feather (its default), Parquet, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import IO, Any

import numpy as np

from tradercast.candles import Candles
from tradercast.client import arrow_columns, candle_frames, extras
from tradercast.market.candles import CandleBuilder
from tradercast.market.interval import Interval
from tradercast.market.minute_candles import last_of_each
from tradercast.records import Side, Trades

ENDINGS = (".feather", ".parquet", ".json")  # the first where none is named
_CANDLE_COLUMNS = ("open", "high", "low", "close", "volume")


class FreqtradeTrades:
    """``timestamp`` (ms), ``id, type, side, price, amount, cost``."""

    def __init__(self, file: IO[bytes], ending: str) -> None:
        pa = self._arrow = extras.load("pyarrow", "arrow")
        text, number = pa.string(), pa.float64()
        names = {"timestamp": pa.int64(), "id": text, "type": text, "side": text}
        fields = names | dict.fromkeys(("price", "amount", "cost"), number)
        self._file = _KINDS[ending](file, pa.schema([*fields.items()]))

    def write(self, run: Trades) -> None:
        """The next trades."""
        pa, price, size = self._arrow, run.price.to_float(), run.size.to_float()
        sides = pa.DictionaryArray.from_arrays(
            pa.array(run.side.astype(np.int8) - 1, mask=run.side == Side.UNKNOWN),
            pa.array(["buy", "sell"]),
        )
        self._file.add(
            [
                pa.array(run.ts_event // 1_000_000),
                arrow_columns.ids(run.trade_id, len(run)),
                pa.nulls(len(run), pa.string()),
                sides.cast(pa.string()),
                pa.array(price),
                pa.array(size),
                pa.array(price * size),
            ]
        )

    def finish(self) -> None:
        """Write the file's end."""
        self._file.close()

    def abort(self) -> None:
        """Let go of the file."""
        self._file.close()


class FreqtradeCandles:
    """``date`` (UTC), ``open, high, low, close, volume``; in JSON the date is ms.

    Trades are folded as they come; of minute candles the last of each minute counts.
    """

    def __init__(self, file: IO[bytes], ending: str, interval: Interval) -> None:
        pa = self._arrow = extras.load("pyarrow", "arrow")
        numbers = [(name, pa.float64()) for name in _CANDLE_COLUMNS]
        self._file = _KINDS[ending](
            file, pa.schema([("date", pa.timestamp("ms", "UTC")), *numbers])
        )
        self._builder = CandleBuilder(interval)
        self._minutes: list[Candles] = []

    def write(self, run: Trades | Candles) -> None:
        """The next records."""
        if isinstance(run, Candles):
            self._minutes.append(run)  # what they come to is known at the end
        else:
            self._builder.add(run)

    def finish(self) -> None:
        """Write all of it."""
        if self._minutes:
            self._builder.add_candles(last_of_each(Candles.concat(self._minutes)))
        candles = self._builder.candles()
        columns = candle_frames.to_numpy(candles, "float")
        times = self._arrow.array(candles.ts_open // 1_000_000)
        self._file.add(
            [
                times.cast(self._arrow.timestamp("ms", "UTC")),
                *(self._arrow.array(columns[name]) for name in _CANDLE_COLUMNS),
            ]
        )
        self._file.close()

    def abort(self) -> None:
        """Let go of the file."""
        self._file.close()


class _Arrow:
    """A file that takes record batches."""

    def __init__(self, out: Any, schema: Any) -> None:
        self._out, self._schema = out, schema
        self._batch = extras.load("pyarrow", "arrow").RecordBatch.from_arrays

    def add(self, columns: list[Any]) -> None:
        self._out.write_batch(self._batch(columns, schema=self._schema))

    def close(self) -> None:
        self._out.close()


def _feather(file: IO[bytes], schema: Any) -> _Arrow:
    """Packed with lz4 as pandas' feather is."""
    ipc = extras.load("pyarrow.ipc", "arrow")
    options = ipc.IpcWriteOptions(compression="lz4")
    return _Arrow(ipc.new_file(file, schema, options=options), schema)


def _parquet(file: IO[bytes], schema: Any) -> _Arrow:
    return _Arrow(extras.load("pyarrow.parquet", "arrow").ParquetWriter(file, schema), schema)


class _Json:
    """A list of rows, without names."""

    def __init__(self, file: IO[bytes], schema: Any) -> None:
        self._file = file
        whole = extras.load("pyarrow", "arrow").int64()
        self._types = [whole if str(each).startswith("time") else each for each in schema.types]
        self._before = b"["

    def add(self, columns: list[Any]) -> None:
        named = zip(columns, self._types, strict=True)
        rows = [*zip(*(column.cast(kind).to_pylist() for column, kind in named), strict=True)]
        if rows:
            self._file.write(self._before + json.dumps(rows, separators=(",", ":"))[1:-1].encode())
            self._before = b","

    def close(self) -> None:
        self._file.write(b"[]" if self._before == b"[" else b"]")


_KINDS: dict[str, Callable[[IO[bytes], Any], _Arrow | _Json]] = {
    ".feather": _feather,
    ".parquet": _parquet,
    ".json": _Json,
}
