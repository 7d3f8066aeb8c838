"""Source files (CSV, JSON lines, Parquet) to batches of Trades."""

from tradercast.pipeline.files.columns import ColumnSpec, parse_columns
from tradercast.pipeline.files.opening import Limits
from tradercast.pipeline.files.reading import SourceInfo, read_trades, survey

__all__ = ["ColumnSpec", "Limits", "SourceInfo", "parse_columns", "read_trades", "survey"]
