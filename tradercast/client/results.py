"""What a read of trades gives: columns for numpy, pandas, polars and Arrow, and their origin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tradercast.client import arrow_columns, frames, show
from tradercast.client.batches import BATCH_ROWS, split
from tradercast.client.candle_results import CandlesResult
from tradercast.client.export import export
from tradercast.client.manifest import Origin, manifest
from tradercast.client.numpy_columns import PriceType, to_numpy
from tradercast.errors import UsageError
from tradercast.feed.piece import Numbers, Piece
from tradercast.market.candles import candles_of, filled
from tradercast.market.interval import Interval
from tradercast.notes import Gap
from tradercast.records import Trades
from tradercast.rows import I64

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class TradesResult:
    """Trades of one range of one feed, in memory.

    Every conversion has the same six columns ``ts_event, ts_recv, trade_id, side, price,
    size``; what a feed does not have is null.  Times are ns UTC, in the order of the feed.

    Parameters
    ----------
    trades : Trades
        Plain trades: corrections are applied already.
    seq : int64 array, shape (n,), or list of ranges and arrays
        The number of each record in its segment.
    gaps : sequence of Gap
        What is missing at the source itself.
    origin : Origin, optional
        Where the trades are from.

    Notes
    -----
    `price_type` is how prices and sizes come: ``"float"`` the nearest float64; ``"decimal"``
    exact; ``"fixed"`` int64 counts of ``10**price_exponent`` and ``10**size_exponent``;
    ``"str"`` exact text.
    """

    def __init__(
        self,
        trades: Trades,
        seq: I64 | Numbers,
        *,
        gaps: tuple[Gap, ...] | list[Gap] = (),
        origin: Origin | None = None,
    ) -> None:
        if len(trades.notes):
            raise UsageError("corrections must be applied first", hint="use corrections.apply")
        self._piece = Piece(trades, seq)
        self.gaps = tuple(gaps)
        self.origin = origin or Origin()

    @property
    def trades(self) -> Trades:
        """The trades."""
        return self._piece.trades

    @property
    def seq(self) -> I64:
        """The number of each trade."""
        return self._piece.seq

    @property
    def price_exponent(self) -> int:
        """``fixed`` prices count units of ten to this power."""
        return self.trades.price.exponent

    @property
    def size_exponent(self) -> int:
        """``fixed`` sizes count units of ten to this power."""
        return self.trades.size.exponent

    def __len__(self) -> int:
        return len(self.trades)

    def __iter__(self) -> Iterator[TradesResult]:
        return self.batches()

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[TradesResult]:
        """The same trades in runs of at most `rows`."""
        if rows < 1:
            raise UsageError(f"a batch can not have {rows} rows")
        for trades, seq in split(self.trades, self.seq, rows):
            assert seq is not None
            yield TradesResult(trades, seq, origin=self.origin)

    def __getitem__(self, rows: slice) -> TradesResult:
        """The trades of a slice; gaps are not kept."""
        if not isinstance(rows, slice):
            raise UsageError("a result takes slices only", hint="use to_numpy() for single values")
        return TradesResult(self.trades[rows], self.seq[rows], origin=self.origin)

    def head(self, rows: int = 5) -> TradesResult:
        """The first trades."""
        return self[:rows]

    def to_numpy(self, price_type: PriceType = "float") -> dict[str, NDArray[Any]]:
        """A dict of arrays, without a copy where there need be none.

        Returns
        -------
        dict
            ``ts_event`` int64 ns; ``ts_recv`` int64 ns, the lowest int64 (numpy's NaT) where
            absent; ``trade_id`` int64 with -1 where absent, or objects if an id is no integer;
            ``side`` uint8 (0 unknown, 1 buy, 2 sell); ``price``, ``size`` by `price_type`.
        """
        return to_numpy(self.trades, price_type)

    def to_polars(self, price_type: PriceType = "float") -> pl.DataFrame:
        """A polars DataFrame; times are ``Datetime("ns", "UTC")``, side is an Enum."""
        frame: pl.DataFrame = frames.to_polars(self.trades, price_type)
        return frame

    def to_pandas(self, price_type: PriceType = "float") -> pd.DataFrame:
        """A pandas DataFrame with a UTC ns DatetimeIndex named ``ts_event``."""
        return frames.to_pandas(self.trades, price_type)

    def to_arrow(self, price_type: PriceType = "float") -> Any:
        """A ``pyarrow.Table``; decimals have as many places as the values need."""
        return frames.to_arrow(self.trades, price_type)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The Arrow PyCapsule interface, with prices as float64."""
        return frames.capsule(self.trades, requested_schema)

    def __arrow_c_schema__(self) -> Any:
        """The schema of `__arrow_c_stream__`."""
        return arrow_columns.schema("float").__arrow_c_schema__()

    def to_csv(self, path: str | Path) -> None:
        """Write ``ts_event,ts_recv,trade_id,side,price,size``: ns, exact decimals."""
        export(path, split(self.trades, None, BATCH_ROWS), kind="csv")

    def to_jsonl(self, path: str | Path) -> None:
        """Write one JSON object a trade."""
        export(path, split(self.trades, None, BATCH_ROWS), kind="jsonl")

    def to_parquet(self, path: str | Path) -> None:
        """Write Parquet with exact decimals."""
        export(path, split(self.trades, None, BATCH_ROWS), kind="parquet")

    def manifest(self) -> dict[str, Any]:
        """What this is and where it is from, with a hash to compare it by.

        Returns
        -------
        dict
            ``feed``, ``start``, ``end``, ``records``, ``first_seq``, ``end_seq``, ``root``,
            ``checkpoints``, ``gaps``, and ``blake2b_256``: the BLAKE2b-256 of the trades as
            CSV, so ``b2sum -l 256`` of what `to_csv` writes.
        """
        return manifest(self.origin, self.gaps, [(self.trades, self.seq)])

    def candles(self, interval: str, *, fill: bool = False) -> CandlesResult:
        """The candles of these trades; the first and the last are of no others."""
        step = Interval.parse(interval)
        made = candles_of(self.trades, step)
        made = filled(made, step) if fill else made
        return CandlesResult(made, interval, gaps=self.gaps, origin=self.origin)

    def equals(self, other: TradesResult) -> bool:
        """Whether both hold the same trades under the same numbers."""
        return bool(np.array_equal(self.seq, other.seq)) and self.trades.equals(other.trades)

    def __repr__(self) -> str:
        return show.text(self.trades, self.origin, self.gaps)

    def _repr_html_(self) -> str:
        return show.html(self.trades, self.origin, self.gaps)
