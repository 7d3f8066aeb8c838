"""Figures: ``python -m bench [NAME…] [--quick]``; a NAME is a section or a comparison in one."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
from pathlib import Path

from bench.machine import describe
from bench.market import bootstrap, default_file, load
from bench.report import Report
from bench.rivals import rivals_of_cold, rivals_of_link, rivals_of_warm
from bench.sections import SECTIONS, Settings
from bench.stage import Stage

COMPARISONS = {
    **{rival.key: "sync" for rival in rivals_of_cold(0)},
    **{rival.key: "link" for rival in rivals_of_link()},
    **{rival.key: "local" for rival in rivals_of_warm()},
}
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Parse, measure, print; a run of everything is also written to ``bench/results``."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", default=[], help=f"{', '.join(SECTIONS)}, cold_vs_…, link_vs_…"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    parser.add_argument("--quick", action="store_true", help="1 M trades, 3 pairs: some minutes")
    parser.add_argument("--file", type=Path, default=None, help="the real trades (CSV)")
    parser.add_argument("--trades", type=int, default=None, help="made by block bootstrap")
    parser.add_argument("--pairs", type=int, default=None, help="of each comparison")
    options = parser.parse_args()
    only = {name for name in options.names if name in COMPARISONS}
    names = dict.fromkeys(COMPARISONS.get(name, name) for name in options.names or SECTIONS)
    if unknown := set(names) - set(SECTIONS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    file = options.file or default_file()
    if not file.is_file():
        parser.error(f"no real trades at {file}: set TRADERCAST_DATA or give --file")
    trades = options.trades or (1_000_000 if options.quick else 10_000_000)
    pairs = options.pairs or (3 if options.quick else 9)
    settings = Settings(file, pairs, 5_000 if options.quick else 50_000, frozenset(only))

    told = {"trades": trades, "pairs": pairs, "own threads": os.cpu_count()}
    report = Report(describe(), told, quiet=options.json)
    asyncio.run(measure(list(names), trades, settings, report))
    if options.json:
        print(json.dumps(report.found))
    elif not options.names:
        paths = report.write(RESULTS, "quick" if options.quick else "latest")
        print("written: " + ", ".join(os.path.relpath(path) for path in paths))


async def measure(names: list[str], trades: int, settings: Settings, report: Report) -> None:
    """Measure what was asked for; each figure is told as soon as it is known."""
    with tempfile.TemporaryDirectory(prefix="tradercast-bench-") as folder:
        stage = Stage(Path(folder), bootstrap(load(settings.file), trades))
        for name in names:
            await SECTIONS[name](stage, report, settings)


if __name__ == "__main__":
    main()
