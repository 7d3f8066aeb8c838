"""Source files, one after the other, as batches of Trades."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tradercast.errors import InputError
from tradercast.pipeline.files.columns import ColumnSpec, parse_columns
from tradercast.pipeline.files.csv_file import open_csv
from tradercast.pipeline.files.jsonl_file import open_jsonl
from tradercast.pipeline.files.opening import PARQUET, Limits, open_bytes, open_raw
from tradercast.pipeline.files.parquet_file import open_parquet
from tradercast.records import Trades
from tradercast.timerange import NS_PER_DAY, format_time_ns

logger = logging.getLogger(__name__)

MIN_ROWS = 65_536
HEAD_BYTES = 1 << 20
_EARLY = 3_650 * NS_PER_DAY  # before 1980: more likely a wrong unit than a trade

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a pass over source files found.

    Attributes
    ----------
    files : int
    rows : int
    bytes : int
        Size of the files as they lie on the disk.
    first_ns, last_ns : int or None
        Earliest and latest ``ts_event`` (ns UTC); `None` without rows.
    columns : tuple of str
        The ``--columns`` in use, a file each.
    gaps : int
        How many of the rows say that something is missing.
    """

    files: int
    rows: int
    bytes: int
    first_ns: int | None
    last_ns: int | None
    columns: tuple[str, ...]
    gaps: int = 0

    def __str__(self) -> str:
        files = f"{self.files} file{'s' * (self.files != 1)}"
        if self.first_ns is None or self.last_ns is None:
            return f"{files}, no rows"
        span = f"{format_time_ns(self.first_ns)} to {format_time_ns(self.last_ns)}"
        gaps = f", {self.gaps} of them gaps" if self.gaps else ""
        return f"{self.rows} rows in {files}{gaps}, {span}"


class TradeFile(Protocol):
    """An opened source file."""

    @property
    def spec(self) -> ColumnSpec:
        """The mapping in use."""

    def batches(self) -> Iterator[Trades]:
        """Every row, in order."""


def read_trades(
    paths: Sequence[str | Path],
    columns: str | ColumnSpec | None = None,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
    min_rows: int = MIN_ROWS,
) -> Iterator[Trades]:
    """The trades of source files in the order given.

    Parameters
    ----------
    paths : sequence of path
        CSV or JSON lines (plain, .gz, .zst, .zip with one member) or Parquet, told apart by
        content.
    columns : str or ColumnSpec, optional
        Which column is what (see `columns`); not needed for files that Tradercast exported and
        for those of tardis.dev and Binance's public archive.
    limits : Limits, optional
        What a file may cost to read.
    progress : callable, optional
        Called with (bytes read, bytes in all) of the files on disk.
    min_rows : int
        Batches but the last have at least so many rows.

    Raises
    ------
    InputError
        About the first broken row, naming file and row; nothing is yielded after it.
    UsageError
        If `columns` can not be read.
    """
    files = [Path(path) for path in paths]
    spec = parse_columns(columns) if isinstance(columns, str) else columns
    return merged(_all_batches(files, spec, limits or Limits(), progress, []), min_rows)


def survey(
    paths: Sequence[str | Path],
    columns: str | ColumnSpec | None = None,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> SourceInfo:
    """Read everything once, checking every row, and say what is there; raises as `read_trades`."""
    files = [Path(path) for path in paths]
    spec = parse_columns(columns) if isinstance(columns, str) else columns
    used: list[str] = []
    rows, first, last = 0, None, None
    for batch in _all_batches(files, spec, limits or Limits(), progress, used):
        low, high = batch.span()
        rows += len(batch)
        first = low if first is None else min(first, low)
        last = high if last is None else max(last, high)
    if first is not None and first < _EARLY:
        logger.warning("the first time is %s: is the unit right?", format_time_ns(first))
    return SourceInfo(len(files), rows, total_size(files), first, last, tuple(used))


def merged(batches: Iterable[Trades], min_rows: int) -> Iterator[Trades]:
    """The same rows in batches of at least `min_rows`, but for the last."""
    held: list[Trades] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= min_rows:
            yield Trades.concat(held)
            held = []
    if held:
        yield Trades.concat(held)


def _all_batches(
    files: Sequence[Path],
    spec: ColumnSpec | None,
    limits: Limits,
    progress: Progress | None,
    used: list[str],
) -> Iterator[Trades]:
    total, before = total_size(files), 0
    for path in files:
        with _opened(path, spec, limits) as (file, position):
            used.append(str(file.spec))
            for batch in file.batches():
                yield batch
                if progress:
                    progress(before + position(), total)
        before += path.stat().st_size
        if progress:
            progress(before, total)


@contextmanager
def _opened(
    path: Path, spec: ColumnSpec | None, limits: Limits
) -> Iterator[tuple[TradeFile, Callable[[], int]]]:
    with open_raw(path) as raw:
        is_parquet = raw.read(4) == PARQUET
    if is_parquet:
        with open_parquet(path, spec) as parquet:
            yield parquet, parquet.position
        return
    with open_bytes(path, limits) as stream:
        head = stream.read(HEAD_BYTES)
        if not head.strip():
            raise InputError(f"{path.name} is empty")
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if head.startswith(PARQUET):
            raise InputError(f"{path.name} is a packed Parquet file", hint="unpack it first")
        if start == b"[":
            raise InputError(
                f"{path.name} is one JSON array", hint="write one object a line: jq -c '.[]'"
            )
        opener = open_jsonl if start == b"{" else open_csv
        yield opener(stream, head, spec, limits), lambda: stream.bytes_in


def total_size(files: Sequence[Path]) -> int:
    """Bytes of files as they lie on the disk; raises `InputError` about one that is not there."""
    try:
        return sum(path.stat().st_size for path in files)
    except OSError as error:
        raise InputError(f"{error.filename} can not be read: {error.strerror}") from None
