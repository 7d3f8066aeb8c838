"""What `publish` is given: files, what they hold, and how it is written in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tradercast.errors import UsageError
from tradercast.feeds import FeedId, normalise_symbol
from tradercast.pipeline.files.binance_raw import read_book
from tradercast.pipeline.files.binance_trades import read_capture_trades
from tradercast.pipeline.files.bitfinex_raw import read_bitfinex_book, read_bitfinex_trades
from tradercast.pipeline.files.candle_rows import read_candles
from tradercast.pipeline.files.columns import CANDLE_EXAMPLE, parse_candle_columns, parse_columns
from tradercast.pipeline.files.lines import lines_of
from tradercast.pipeline.files.opening import Limits, open_bytes
from tradercast.pipeline.files.reading import SourceInfo, read_trades, survey, total_size
from tradercast.pipeline.files.tardis_book import read_tardis
from tradercast.records import Trades
from tradercast.runs import Records

FORMATS: dict[str, tuple[str, ...]] = {
    "trades": ("binance-raw", "bitfinex-raw"),
    "book": ("binance-raw", "bitfinex-raw", "tardis-csv"),
    "candles-1m": (),
}
"""Per channel the formats that have to be named."""


class Files(Protocol):
    """Source files of one feed."""

    def batches(self) -> Iterator[Records]:
        """All records, in order; raises `InputError` at the first broken one."""

    def survey(self) -> SourceInfo:
        """Read everything once, checking it, and say what is there."""


@dataclass(frozen=True, slots=True)
class TradeFiles:
    """Files of trades: their format shows in their content."""

    paths: Sequence[Path]
    columns: str | None = None

    def batches(self) -> Iterator[Trades]:
        """All trades, in order."""
        return read_trades(self.paths, self.columns)

    def survey(self) -> SourceInfo:
        """What is there."""
        return survey(self.paths, self.columns)


@dataclass(frozen=True, slots=True)
class NamedFiles:
    """Files of one of the `FORMATS`.

    Attributes
    ----------
    paths : sequence of Path
    read : callable
        All records of them, in order.
    """

    paths: Sequence[Path]
    read: Callable[[Sequence[Path]], Iterator[Records]]

    def batches(self) -> Iterator[Records]:
        """All records and gaps, in order."""
        return self.read(self.paths)

    def survey(self) -> SourceInfo:
        """What is there."""
        spans, rows, gaps = [], 0, 0
        for batch in self.batches():
            spans.append(batch.span())
            rows += len(batch)
            gaps += len(batch.notes)
        first = min((low for low, _ in spans), default=None)
        last = max((high for _, high in spans), default=None)
        size = total_size(self.paths)
        return SourceInfo(len(self.paths), rows, size, first, last, (), gaps)


def _captures(paths: Sequence[Path]) -> Iterator[tuple[str, Iterator[bytes]]]:
    limits = Limits()
    for path in paths:
        with open_bytes(path, limits) as stream:
            yield path.name, lines_of(stream, limits)


_READERS: dict[tuple[str, str], Callable[[Sequence[Path], str], Iterator[Records]]] = {
    ("trades", "binance-raw"): lambda paths, of: read_capture_trades(_captures(paths), of),
    ("book", "binance-raw"): lambda paths, of: read_book(_captures(paths), of),
    ("trades", "bitfinex-raw"): lambda paths, of: read_bitfinex_trades(_captures(paths), of),
    ("book", "bitfinex-raw"): lambda paths, of: read_bitfinex_book(_captures(paths), of),
    ("book", "tardis-csv"): read_tardis,
}


def source_files(
    feed: FeedId,
    paths: Sequence[Path],
    *,
    columns: str | None = None,
    form: str | None = None,
    native_symbol: str | None = None,
) -> Files:
    """The source files of a feed.

    Parameters
    ----------
    feed : FeedId
        Its channel decides what may be read.
    paths : sequence of Path
        In order.
    columns : str, optional
        Which column is what, of files of trades or candles.
    form : str, optional
        One of `FORMATS`.
    native_symbol : str, optional
        The exchange's spelling, if it is not that of the feed.

    Raises
    ------
    UsageError
        If the channel can not be published from files, the format is not one of it, or it
        needs one and none is given.
    """
    known = FORMATS.get(feed.channel)
    if known is None:
        raise UsageError(
            f"files of {feed.channel!r} can not be published",
            hint=f"there are: {', '.join(FORMATS)}",
        )
    if form is not None and form not in known:
        raise _wrong_format(feed.channel, form, known)
    if form is None and feed.channel == "trades":
        if columns is not None:
            parse_columns(columns)
        return TradeFiles(paths, columns)
    if feed.channel == "candles-1m":
        if columns is None:
            raise UsageError(
                "files of candles do not say by themselves which column is what",
                hint=f"say --columns '{CANDLE_EXAMPLE}'",
            )
        spec = parse_candle_columns(columns)
        return NamedFiles(paths, lambda paths: read_candles(paths, spec))
    if form is None:
        raise UsageError(
            f"files of {feed.channel!r} do not say by themselves what their format is",
            hint=f"say --format {'|'.join(known)}",
        )
    if columns is not None:
        raise UsageError(f"--columns says nothing of {form}", hint="leave it out")
    symbol, read = normalise_symbol(native_symbol or feed.symbol), _READERS[feed.channel, form]
    return NamedFiles(paths, lambda paths: read(paths, symbol))


def _wrong_format(channel: str, form: str, known: Sequence[str]) -> UsageError:
    hint = f"formats of {channel} are: {', '.join(known)}" if known else "leave it out"
    if channel == "trades":
        hint += "; leave it out where the files show theirs"
    others = [each for each, forms in FORMATS.items() if form in forms]
    if others:
        hint += f"; {form} goes with --channel {'|'.join(others)}"
    return UsageError(f"{form!r} is no format of {channel}", hint=hint)
