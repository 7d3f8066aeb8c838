"""What ``python -m bench NAME`` measures."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import books, candles, codec, replay
from bench.children import python
from bench.compare import Comparison, Run, alternate, run, summary
from bench.link import LinkMissingError, delayed, slow_line
from bench.publishing import publish_arrays
from bench.report import Report
from bench.rivals import Rival, rivals_of_cold, rivals_of_link, rivals_of_warm
from bench.stage import Stage

COLD = "cold sync and load, one peer"
LINK = "cold sync and load, one static peer"
WARM = "warm load from the disk"


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    Attributes
    ----------
    file : Path
        The real trades.
    pairs : int
        Of each comparison.
    old_trades : int
        For the log of 2018, which is slow.
    only : frozenset of str
        Names of comparisons; empty means all.
    """

    file: Path
    pairs: int
    old_trades: int
    only: frozenset[str] = frozenset()

    def wanted(self, rivals: Iterable[Rival]) -> list[Rival]:
        """Those that shall be compared."""
        return [rival for rival in rivals if not self.only or rival.key in self.only]


async def codec_section(stage: Stage, report: Report, settings: Settings) -> None:
    """Bytes, encoding and decoding of the real file, one thread."""
    figures = codec.measure(settings.file)
    report.figures(figures)
    ratio = figures["parquet_optimised_bytes_per_trade"] / figures["bytes_per_trade"]
    report.ratio("bytes_vs_parquet_optimised", ratio)


async def books_section(stage: Stage, report: Report, settings: Settings) -> None:
    """Bytes and rates of an order book, one thread."""
    capture = books.default_capture()
    if not capture.is_file():
        report.skipped("books", f"no capture at {capture}")
        return
    report.figures(books.measure(capture))


async def candles_section(stage: Stage, report: Report, settings: Settings) -> None:
    """Candles of trades in memory."""
    report.figures(candles.measure(stage.market))


async def replay_section(stage: Stage, report: Report, settings: Settings) -> None:
    """Feeds as one stream, in batches and one by one."""
    report.figures(await replay.measure(stage.market, stage.new_folder("replay")))


async def publish_section(stage: Stage, report: Report, settings: Settings) -> None:
    """Publishing from a file and from arrays, durable."""
    report.figures(await stage.publish())
    report.figures(await publish_arrays(stage.market, stage.new_folder("arrays")))


async def sync_section(stage: Stage, report: Report, settings: Settings) -> None:
    """A cold sync beside everything that fetches."""
    async with stage.serving():
        peaks: list[float] = []
        for rival in settings.wanted(rivals_of_cold(settings.old_trades)):
            found = await _measured(stage, report, settings, rival, stage.cold, COLD)
            peaks += [] if found is None else [result["peak_mb"] for result in found.ours]
        if peaks:
            report.figures({"cold_peak_mb": max(peaks)})


async def link_section(stage: Stage, report: Report, settings: Settings) -> None:
    """A cold sync beside downloads over a line of 100 Mbit/s and 20 ms there and back."""
    rivals = settings.wanted(rivals_of_link())
    try:
        async with slow_line() as line, stage.serving(line):
            for rival in rivals:
                await _measured(stage, report, settings, rival, stage.cold, LINK)
    except LinkMissingError as error:
        for rival in rivals:
            report.skipped(rival.key, str(error))


async def hours_section(stage: Stage, report: Report, settings: Settings) -> None:
    """Round trips of 50 ms until the first records of an hour are there, work included."""
    found: list[dict[str, float]] = []
    async with delayed(25) as line, stage.serving(line, second_feed=True):
        for _ in range(settings.pairs):
            found.append(await stage.hours())
    for name in ("cold", "open", "known"):
        trips = statistics.median(each[f"{name}_s"] for each in found) / 0.05
        report.figures({f"round_trips_{name}": trips})


async def local_section(stage: Stage, report: Report, settings: Settings) -> None:
    """A warm load beside everything that reads from the disk."""
    async with stage.serving():
        streamed = await stage.stream()
        assert streamed["records"] == len(stage.market)
        report.figures({"stream_peak_mb": streamed["peak_mb"] + streamed["sidecar_peak_mb"]})
        for rival in settings.wanted(rivals_of_warm()):
            await _measured(stage, report, settings, rival, stage.warm, WARM)
            if rival.key == "warm_vs_arcticdb" and not rival.missing():
                command = python("bench.sides.arctic_write", stage.parquet("optimised"))
                written = await run([*command, str(stage.new_folder("arctic"))])
                rate = summary([written])["trades_per_s"]
                report.figures({"arcticdb_write_trades_per_s": rate})


SECTIONS: dict[str, Callable[[Stage, Report, Settings], Awaitable[None]]] = {
    "codec": codec_section,
    "books": books_section,
    "candles": candles_section,
    "replay": replay_section,
    "publish": publish_section,
    "sync": sync_section,
    "link": link_section,
    "hours": hours_section,
    "local": local_section,
}


async def _measured(
    stage: Stage, report: Report, settings: Settings, rival: Rival, ours: Run, own_title: str
) -> Comparison | None:
    if missing := rival.missing():
        why = f"{', '.join(missing)} not installed: pip install -e '.[bench]'"
        report.skipped(rival.key, why)
        return None
    comparison = Comparison(rival.key, rival.title)
    async with rival.begin(stage) as theirs:
        await alternate(comparison, ours, theirs, settings.pairs, stage.expected)
    report.comparison(comparison, own_title)
    return comparison
