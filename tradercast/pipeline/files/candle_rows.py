"""Delimited files of minute candles that somebody else made, as records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tradercast.candles import DECIMALS, Candles
from tradercast.errors import InputError
from tradercast.market.interval import MINUTE
from tradercast.pipeline.files.bad_rows import RowError
from tradercast.pipeline.files.columns import ColumnSpec
from tradercast.pipeline.files.convert import ColumnOf, checked, fields_from_text
from tradercast.pipeline.files.csv_file import open_mapped
from tradercast.pipeline.files.opening import Limits, open_bytes
from tradercast.pipeline.files.reading import HEAD_BYTES
from tradercast.rows import I64


def read_candles(paths: Sequence[Path], columns: ColumnSpec) -> Iterator[Candles]:
    """All candles of files, in order.

    Raises
    ------
    InputError
        About the first broken row, naming file and row; nothing is yielded after it.
    """
    limits = Limits()
    for path in paths:
        with open_bytes(path, limits) as stream:
            head = stream.read(HEAD_BYTES)
            if not head.strip():
                raise InputError(f"{path.name} is empty")
            _, rows = open_mapped(stream, head, columns, limits, _candles)
            yield from rows.batches()


def _candles(column: ColumnOf, spec: ColumnSpec) -> Candles:
    found = fields_from_text(column, spec)
    label = "ts_open" if "ts_open" in found else "ts_close"
    times: I64 = found[label]
    odd = np.flatnonzero(times % MINUTE.step_ns)
    if len(odd):
        raise RowError(int(odd[0]), f"{label} is not on a whole minute")
    if label == "ts_close":
        times = times - MINUTE.step_ns
    counts = found.get("trades")
    if counts is not None:
        counts = checked("trades", counts, lambda n: n.to_scaled(0), "is not a whole number")
    numbers = {name: found[name] for name in DECIMALS if name in found}
    return Candles(times, **numbers, trades=counts)
