"""Files in the layouts of other programs: tardis.dev, freqtrade, hftbacktest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias, cast, get_args

import numpy as np

from tradercast.client import book_text, freqtrade_files, text_rows
from tradercast.client.engines import hftbacktest_events
from tradercast.client.export import TextWriter, Writer
from tradercast.client.freqtrade_files import FreqtradeCandles, FreqtradeTrades
from tradercast.errors import UsageError
from tradercast.feed.channel import BOOK, CANDLES, TRADES
from tradercast.feed.entries import FeedEntry
from tradercast.market.interval import Interval
from tradercast.runs import Records

Format: TypeAlias = Literal["tardis-csv", "freqtrade", "hftbacktest"]
_ENDINGS = {"tardis-csv": (".csv",), "freqtrade": freqtrade_files.ENDINGS, "hftbacktest": (".npz",)}


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
    endings, feed = _ENDINGS[layout], entry.feed
    ending = endings[0]
    if not out.is_dir():
        if out.suffix not in endings:
            hint = f"end it with {' or '.join(endings)}"
            raise UsageError(f"{str(out)!r} is no file of {layout}", hint=hint)
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
    layout: Format, entry: FeedEntry, interval: str | None, ending: str = ""
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
    ending : str
        Of the file, where the layout has several; by default the first of them.

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
        return partial(FreqtradeTrades, ending=ending or freqtrade_files.ENDINGS[0])
    if layout == "freqtrade" and channel in (TRADES.name, CANDLES.name):
        return partial(
            FreqtradeCandles,
            ending=ending or freqtrade_files.ENDINGS[0],
            interval=Interval.parse(interval or "1m"),
        )
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
