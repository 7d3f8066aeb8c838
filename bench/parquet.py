"""Parquet into numpy arrays, as fast as a careful user can with pyarrow."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

_BATCH = 131_072
_COLUMNS = ("ms", "price", "size")


def prepare(threads: int) -> None:
    """Let pyarrow use so many, and read a first small file: it loads pandas then, in 0.3 s."""
    pa.set_cpu_count(threads)
    pa.set_io_thread_count(threads)
    buffer = io.BytesIO()
    parquet.write_table(pa.table({name: np.arange(3) for name in _COLUMNS}), buffer)
    decode(buffer, threads)


def decode(source: Any, threads: int) -> list[Any]:
    """Times in ns, prices and sizes of a file, in arrays allocated once.

    Batches are copied into place: `read_table` and `to_numpy` hold everything twice, and took
    1.5 to 3 times as long on the machines tried.
    """
    file = parquet.ParquetFile(source)
    arrays = [np.empty(file.metadata.num_rows, np.int64) for _ in _COLUMNS]
    at = 0
    for batch in file.iter_batches(_BATCH, columns=list(_COLUMNS), use_threads=threads > 1):
        for array, name in zip(arrays, _COLUMNS, strict=True):
            array[at : at + len(batch)] = batch.column(name).to_numpy()
        at += len(batch)
    arrays[0] *= 1_000_000
    return arrays
