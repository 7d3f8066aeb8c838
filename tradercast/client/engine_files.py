"""Files in the layouts of other programs: tardis.dev, freqtrade, hftbacktest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias, cast, get_args

import numpy as np

from tradercast.candles import Candles
from tradercast.client import arrow_columns, book_text, candle_frames, extras, text_rows
from tradercast.client.engines import hftbacktest_events
from tradercast.client.export import TextWriter, Writer
from tradercast.errors import UsageError
from tradercast.feed.channel import BOOK, CANDLES, TRADES
from tradercast.feed.entries import FeedEntry
from tradercast.market.candles import CandleBuilder
from tradercast.market.interval import Interval
from tradercast.market.minute_candles import last_of_each
from tradercast.records import Side, Trades
from tradercast.runs import Records

Format: TypeAlias = Literal["tardis-csv", "freqtrade", "hftbacktest"]
_ENDINGS = {"tardis-csv": ".csv", "freqtrade": ".feather", "hftbacktest": ".npz"}
_CANDLE_COLUMNS = ("open", "high", "low", "close", "volume")


def check_format(text: str) -> Format:
    """One of `Format`.

    Raises
    ------
    UsageError
        If it is none.
    """
    if text not in get_args(Format):
        raise UsageError(
            f"{text!r} is no format of files", hint=f"there are: {', '.join(get_args(Format))}"
        )
    return cast(Format, text)


def target_of(out: Path, layout: Format, entry: FeedEntry, interval: str | None) -> Path:
    """The file to make: in a directory it is named as the layout has it.

    Raises
    ------
    UsageError
        If the name ends otherwise than the layout's files do, or the pair is not known.
    """
    ending, feed = _ENDINGS[layout], entry.feed
    if not out.is_dir():
        if out.suffix != ending:
            raise UsageError(f"{str(out)!r} is no file of {layout}", hint=f"end it with {ending}")
        return out
    if layout == "tardis-csv":
        what = "trades" if feed.channel == TRADES.name else "incremental_book_L2"
        return out / f"{feed.exchange}_{what}_{native_symbol(entry)}{ending}"
    if layout == "hftbacktest":
        return out / f"{feed.exchange}_{native_symbol(entry)}{ending}"
    if not entry.base or not entry.quote:
        raise UsageError(
            f"the publisher does not say which pair {feed.symbol} is",
            hint="name the file: --out BTC_USDT-1m.feather",
        )
    what = "trades" if _is_trades(entry, interval) else (interval or "1m").replace("M", "Mo")
    return out / f"{entry.base.upper()}_{entry.quote.upper()}-{what}{ending}"


def engine_writer(
    layout: Format, entry: FeedEntry, interval: str | None
) -> Callable[[IO[bytes]], Writer]:
    """Makes what writes the records of a feed into a file.

    Parameters
    ----------
    layout : Format
        Whose files.
    entry : FeedEntry
        For hftbacktest the book may follow in the same file as the trades.
    interval : str, optional
        Of freqtrade's candles, from trades or minute candles.

    Raises
    ------
    UsageError
        If the layout has no place for the records.
    """
    channel, named = entry.feed.channel, (entry.feed.exchange, native_symbol(entry))
    if interval is not None and layout != "freqtrade":
        raise UsageError("only freqtrade's files have candles of an interval")
    if layout == "tardis-csv" and channel == TRADES.name:
        rows = partial(text_rows.tardis_rows, exchange=named[0], symbol=named[1])
        return lambda file: TextWriter(file, rows, text_rows.TARDIS_HEADER)
    if layout == "tardis-csv" and channel == BOOK.name:
        lines = partial(book_text.csv_rows, exchange=named[0], symbol=named[1])
        return lambda file: TextWriter(file, lines, book_text.CSV_HEADER)
    if layout == "hftbacktest" and channel in (TRADES.name, BOOK.name):
        return _EventWriter
    if layout == "freqtrade" and _is_trades(entry, interval):
        return _FreqtradeTrades
    if layout == "freqtrade" and channel in (TRADES.name, CANDLES.name):
        return partial(_FreqtradeCandles, interval=Interval.parse(interval or "1m"))
    raise UsageError(f"{layout} has no files of the channel {channel}")


def native_symbol(entry: FeedEntry) -> str:
    """How the exchange spells the symbol, as far as it is known."""
    return entry.native_symbol or entry.feed.symbol


def _is_trades(entry: FeedEntry, interval: str | None) -> bool:
    return entry.feed.channel == TRADES.name and interval is None


class _EventWriter:
    """``.npz`` with the array ``data``; what it is made of has to fit into memory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._held: dict[type[Any], list[Any]] = {}

    def write(self, records: Records) -> None:
        self._held.setdefault(type(records), []).append(records.without_notes())

    def finish(self) -> None:
        feeds = [kind.concat(runs) for kind, runs in self._held.items()]
        np.savez_compressed(self._file, data=hftbacktest_events(feeds))

    def abort(self) -> None:
        pass


class _Feather:
    """An Arrow file, packed with lz4 as pandas' feather is."""

    def __init__(self, file: IO[bytes], fields: list[tuple[str, Any]]) -> None:
        pa = extras.load("pyarrow", "arrow")
        ipc = extras.load("pyarrow.ipc", "arrow")
        self._schema = pa.schema(fields)
        self._batch = pa.RecordBatch.from_arrays
        options = ipc.IpcWriteOptions(compression="lz4")
        self._out = ipc.new_file(file, self._schema, options=options)

    def add(self, columns: list[Any]) -> None:
        self._out.write_batch(self._batch(columns, schema=self._schema))

    def close(self) -> None:
        self._out.close()


class _FreqtradeTrades:
    """``timestamp`` (ms), ``id, type, side, price, amount, cost``."""

    def __init__(self, file: IO[bytes]) -> None:
        pa = self._arrow = extras.load("pyarrow", "arrow")
        text, number = pa.string(), pa.float64()
        names = {"timestamp": pa.int64(), "id": text, "type": text, "side": text}
        self._file = _Feather(
            file, [*(names | dict.fromkeys(("price", "amount", "cost"), number)).items()]
        )

    def write(self, run: Trades) -> None:
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
        self._file.close()

    def abort(self) -> None:
        self._file.close()


class _FreqtradeCandles:
    """``date`` (UTC), ``open, high, low, close, volume``."""

    def __init__(self, file: IO[bytes], interval: Interval) -> None:
        pa = self._arrow = extras.load("pyarrow", "arrow")
        fields = [("date", pa.timestamp("ms", "UTC"))]
        self._file = _Feather(file, fields + [(name, pa.float64()) for name in _CANDLE_COLUMNS])
        self._builder = CandleBuilder(interval)
        self._minutes: list[Candles] = []

    def write(self, run: Trades | Candles) -> None:
        if isinstance(run, Candles):
            self._minutes.append(run)  # what they come to is known at the end
        else:
            self._builder.add(run)

    def finish(self) -> None:
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
        self._file.close()
