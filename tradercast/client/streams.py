"""Trades that pass by in batches, for ranges larger than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tradercast.client import arrow_columns, extras
from tradercast.client.export import Exported, Kind, export
from tradercast.client.manifest import Origin, manifest
from tradercast.client.results import TradesResult
from tradercast.notes import Gap
from tradercast.records import Trades
from tradercast.rows import I64


class TradesStream:
    """Trades of one range of one feed, a batch in memory at a time.

    It can be read once, in one of these ways: iterating, `read`, `export`, or as an Arrow
    stream (``pl.DataFrame(stream)``, ``pa.table(stream)``, DuckDB …).

    Parameters
    ----------
    batches : iterable of (Trades, int64 array)
        Plain trades and their numbers.
    gaps : sequence of Gap
        May grow while the batches are read.
    origin : Origin, optional
        Where the trades are from.
    """

    def __init__(
        self,
        batches: Iterable[tuple[Trades, I64]],
        *,
        gaps: Sequence[Gap] = (),
        origin: Origin | None = None,
    ) -> None:
        self._batches = iter(batches)
        self._gaps = gaps
        self.origin = origin or Origin()

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What is missing at the source, as far as was read."""
        return tuple(self._gaps)

    def __iter__(self) -> Iterator[TradesResult]:
        for trades, seq in self._batches:
            yield TradesResult(trades, seq, origin=self.origin)

    def read(self) -> TradesResult:
        """All that is left, in memory."""
        runs = list(self._batches)
        trades = Trades.concat([run for run, _ in runs])
        seq = np.concatenate([np.zeros(0, np.int64), *(numbers for _, numbers in runs)])
        return TradesResult(trades, seq, gaps=self.gaps, origin=self.origin)

    def export(self, path: str | Path, kind: Kind | None = None) -> Exported:
        """Write all that is left to a CSV, JSON lines or Parquet file."""
        return export(path, self._batches, kind=kind)

    def manifest(self) -> dict[str, Any]:
        """As `TradesResult.manifest`, of all that is left."""
        # the gaps are complete only once the batches have passed
        return manifest(self.origin, self._gaps, self._batches)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The Arrow PyCapsule interface, with prices as float64; needs pyarrow."""
        pa = extras.load("pyarrow", "arrow")
        schema = arrow_columns.schema("float")
        batches = (arrow_columns.record_batch(trades, schema) for trades, _ in self._batches)
        reader = pa.RecordBatchReader.from_batches(schema, batches)
        return reader.__arrow_c_stream__(requested_schema)
