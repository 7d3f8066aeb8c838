"""What a read of candles gives: columns for numpy, pandas, polars and Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tradercast.candles import PRICES, Candles
from tradercast.client import candle_chart, extras, show
from tradercast.client import candle_frames as frames
from tradercast.client.export import Kind, open_export
from tradercast.client.manifest import Origin
from tradercast.client.numpy_columns import PriceType
from tradercast.errors import UsageError
from tradercast.ids import ABSENT
from tradercast.notes import Gap
from tradercast.timerange import format_time_ns

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class CandlesResult:
    """Candles of one interval, in memory, by time.

    Every conversion has the columns ``ts_open, open, high, low, close, volume, quote_volume,
    trades``; what a source does not say is null.  Times are ns UTC.

    Parameters
    ----------
    candles : Candles
        Without gaps.
    interval : str
        ``1h`` …
    gaps : sequence of Gap
        What is missing at the source: a candle beside one may be of some of its trades only.
    origin : Origin, optional
        Which feed they are from.

    Notes
    -----
    `price_type` is as of `TradesResult`; ``"fixed"`` prices count units of
    ``10**price_exponent``.
    """

    def __init__(
        self,
        candles: Candles,
        interval: str,
        *,
        gaps: Sequence[Gap] = (),
        origin: Origin | None = None,
    ) -> None:
        if len(candles.notes):
            raise UsageError("gaps are no candles")
        self.candles = frames.aligned(candles)
        self.interval = interval
        self.gaps = tuple(gaps)
        self.origin = origin or Origin()

    @property
    def price_exponent(self) -> int:
        """``fixed`` prices count units of ten to this power."""
        return self.candles.open.exponent

    @property
    def volume_exponent(self) -> int:
        """``fixed`` volumes count units of ten to this power."""
        return self.candles.volume.exponent

    def __len__(self) -> int:
        return len(self.candles)

    def __getitem__(self, rows: slice) -> CandlesResult:
        """The candles of a slice; gaps are not kept."""
        if not isinstance(rows, slice):
            raise UsageError("a result takes slices only", hint="use to_numpy() for single values")
        return CandlesResult(self.candles[rows], self.interval, origin=self.origin)

    def head(self, rows: int = 5) -> CandlesResult:
        """The first candles."""
        return self[:rows]

    def to_numpy(self, price_type: PriceType = "float") -> dict[str, NDArray[Any]]:
        """A dict of arrays.

        Returns
        -------
        dict
            ``ts_open`` int64 ns; prices and volumes by `price_type`; ``trades`` int64, -1 where
            not known.
        """
        return frames.to_numpy(self.candles, price_type)

    def to_polars(self, price_type: PriceType = "float") -> pl.DataFrame:
        """A polars DataFrame; ``ts_open`` is ``Datetime("ns", "UTC")``."""
        frame: pl.DataFrame = frames.to_polars(self.candles, price_type)
        return frame

    def to_pandas(self, price_type: PriceType = "float") -> pd.DataFrame:
        """A pandas DataFrame with a UTC ns DatetimeIndex named ``ts_open``."""
        return frames.to_pandas(self.candles, price_type)

    def to_arrow(self, price_type: PriceType = "float") -> Any:
        """A ``pyarrow.Table``; decimals have as many places as the values need."""
        return frames.to_arrow(self.candles, price_type)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The Arrow PyCapsule interface, with float64; made by pyarrow or else polars."""
        if extras.find("pyarrow") or not extras.find("polars"):
            return self.to_arrow().__arrow_c_stream__(requested_schema)
        return self.to_polars().__arrow_c_stream__(requested_schema)

    def to_csv(self, path: str | Path) -> None:
        """Write ``ts_open,open,high,low,close,volume,quote_volume,trades``: ns, exact decimals."""
        self._export(path, "csv")

    def to_jsonl(self, path: str | Path) -> None:
        """Write one JSON object a candle."""
        self._export(path, "jsonl")

    def to_parquet(self, path: str | Path) -> None:
        """Write Parquet with exact decimals."""
        self._export(path, "parquet")

    def _export(self, path: str | Path, kind: Kind) -> None:
        with open_export(path, kind, candles=True) as out:
            out.write(self.candles)

    def rows(self) -> list[dict[str, Any]]:
        """The candles as plain values for JSON: times in ns, exact decimals as text."""
        return candle_objects(self.candles)

    def plot(self, path: str | Path, *, title: str | None = None) -> None:
        """Draw candles and volume into a ``.png``, ``.svg`` or ``.pdf``; needs matplotlib."""
        candle_chart.draw(self, path, title)

    def equals(self, other: CandlesResult) -> bool:
        """Whether both hold the same candles of the same interval."""
        return self.interval == other.interval and self.candles.equals(other.candles)

    def __repr__(self) -> str:
        return show.text_table(*self._shown())

    def _repr_html_(self) -> str:
        return show.html_table(*self._shown())

    def _shown(self) -> tuple[str, tuple[str, ...], list[list[str]]]:
        some = CandlesResult(self.candles[show.shown_of(len(self))], self.interval)
        cells = [
            [
                format_time_ns(row.pop("ts_open")),
                *("" if v is None else str(v) for v in row.values()),
            ]
            for row in some.rows()
        ]
        caption = show.title(self.candles, self.origin, self.gaps, f"candles of {self.interval}")
        return caption, frames.COLUMNS, show.shown_rows(cells, len(self))


def candle_objects(candles: Candles) -> list[dict[str, Any]]:
    """As of `CandlesResult.rows`."""
    columns = {"ts_open": candles.ts_open.tolist()}
    columns |= {name: getattr(candles, name).to_strings() for name in (*PRICES, "volume")}
    quote, counts = candles.quote_volume, candles.counts().tolist()
    columns["quote_volume"] = [None] * len(candles) if quote is None else quote.to_strings()
    columns["trades"] = [None if count == ABSENT else count for count in counts]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
