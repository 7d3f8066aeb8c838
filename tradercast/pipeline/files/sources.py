"""What `publish` is given: files, what they hold, and how it is written in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tradercast.book_messages import BookMessages
from tradercast.errors import UsageError
from tradercast.feeds import FeedId, normalise_symbol
from tradercast.pipeline.files.binance_raw import read_book
from tradercast.pipeline.files.columns import parse_columns
from tradercast.pipeline.files.lines import lines_of
from tradercast.pipeline.files.opening import Limits, open_bytes
from tradercast.pipeline.files.reading import SourceInfo, read_trades, survey, total_size
from tradercast.pipeline.files.tardis_book import read_tardis
from tradercast.records import Trades
from tradercast.runs import Records

FORMATS = {"trades": (), "book": ("binance-raw", "tardis-csv")}
"""Per channel the formats that files say nothing of by themselves."""


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
class BookFiles:
    """Files of a book in one of its formats; `symbol` is what they must be of."""

    paths: Sequence[Path]
    symbol: str
    form: str

    def batches(self) -> Iterator[BookMessages]:
        """All messages and gaps, in the order in which they make the book."""
        if self.form == "tardis-csv":
            return read_tardis(self.paths, self.symbol)
        return read_book(self._captures(), self.symbol)

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

    def _captures(self) -> Iterator[tuple[str, Iterator[bytes]]]:
        limits = Limits()
        for path in self.paths:
            with open_bytes(path, limits) as stream:
                yield path.name, lines_of(stream, limits)


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
        Which column is what, of files of trades.
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
    if feed.channel == "trades":
        if columns is not None:
            parse_columns(columns)
        return TradeFiles(paths, columns)
    if form is None:
        raise UsageError(
            f"files of {feed.channel!r} do not say by themselves what their format is",
            hint=f"say --format {'|'.join(known)}",
        )
    if columns is not None:
        raise UsageError(f"--columns says nothing of {form}", hint="leave it out")
    return BookFiles(paths, normalise_symbol(native_symbol or feed.symbol), form)


def _wrong_format(channel: str, form: str, known: Sequence[str]) -> UsageError:
    if known:
        hint = f"formats of {channel} are: {', '.join(known)}"
    else:
        hint = (
            f"leave it out: the files of {channel} show theirs; --columns helps where they do not"
        )
    others = [each for each, forms in FORMATS.items() if form in forms]
    if others:
        hint += f"; {form} goes with --channel {'|'.join(others)}"
    return UsageError(f"{form!r} is no format of {channel}", hint=hint)
