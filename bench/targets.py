"""What the figures shall be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A floor to be met and a goal to be chased.

    Attributes
    ----------
    floor, goal : float or None
    most : bool
        Whether less is better, so that the floor is the most that there may be.
    """

    floor: float | None = None
    goal: float | None = None
    most: bool = False

    def met(self, value: float) -> bool:
        """Whether a value keeps to the floor."""
        if self.floor is None:
            return True
        return value <= self.floor if self.most else value >= self.floor


RATIOS = {
    "cold_vs_http_parquet_optimised": Target(0.9, 1.5),
    "cold_vs_http_parquet_optimised_2_threads": Target(),
    "cold_vs_http_parquet_default": Target(1.5, 3),
    "cold_vs_zip_csv": Target(),
    "cold_vs_rest_unthrottled": Target(20, 40),
    "cold_vs_libtorrent": Target(0.8, 1),
    "cold_vs_kafka_replay": Target(),
    "replicate_vs_2018_log": Target(1_000, 3_000),
    "warm_vs_local_parquet": Target(1.2, 2),
    "warm_vs_local_parquet_2_threads": Target(),
    "warm_vs_arcticdb": Target(1.2, 2),
    "link_vs_http_parquet_optimised": Target(1.15, 1.3),
    "link_vs_http_parquet_default": Target(1.9, 2.3),
    "link_vs_zip_csv": Target(4, 5),
    "bytes_vs_parquet_optimised": Target(1.25, 1.4),
}

FIGURES = {
    "bytes_per_trade": Target(3.05, most=True),
    "decode_full_trades_per_s": Target(80e6),
    "publish_parquet_trades_per_s": Target(3e6),
    "publish_arrays_trades_per_s": Target(3e6, 8e6),
    "book_lines_vs_chunks": Target(10),
    "book_apply_levels_per_s": Target(3e6),
    **{f"candles_{name}_trades_per_s": Target(300e6) for name in ("1m", "5m", "1h", "1d", "1M")},
    "round_trips_cold": Target(10, 5, most=True),
    "round_trips_open": Target(5, 3, most=True),
    "round_trips_known": Target(3, 2, most=True),
    "stream_peak_mb": Target(200, 100, most=True),
    "replay_merge_records_per_s": Target(30e6),
    "replay_merge_one_by_one_records_per_s": Target(1e6),
    "replay_records_per_s": Target(30e6),
    "replay_one_by_one_records_per_s": Target(1e6),
    "strategy_trades_per_s": Target(goal=1e6),
    "cold_peak_mb": Target(400, most=True),
}
