"""Two ways to the same arrays, one after the other, again and again."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.children import child

Result = dict[str, Any]
Run = Callable[[], Awaitable[Result]]


@dataclass
class Comparison:
    """What the runs of a pair of sides took.

    Attributes
    ----------
    key : str
        The ratio's name.
    title : str
        The other side, with its threads.
    ours, theirs : list of dict
        A result for each pair.
    """

    key: str
    title: str
    ours: list[Result] = field(default_factory=list)
    theirs: list[Result] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Our trades a second by theirs, pair by pair, in order of size."""
        return sorted(rate(a) / rate(b) for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def median(self) -> float:
        """The middle of the ratios."""
        return statistics.median(self.ratios)


def rate(result: Result) -> float:
    """Trades a second of one run."""
    return float(result["records"] / result["seconds"])


def summary(results: Sequence[Result]) -> dict[str, float]:
    """Medians of a side: seconds, trades a second, CPU seconds, bytes; the highest peak in MB."""
    found = {
        "trades_per_s": statistics.median(map(rate, results)),
        "seconds": statistics.median(result["seconds"] for result in results),
        "cpu_s": statistics.median(_sum(result, "cpu_") for result in results),
        "peak_mb": max(
            result["peak_mb"] + result.get("sidecar_peak_mb", 0.0) for result in results
        ),
    }
    if "bytes" in results[0]:
        found["bytes"] = statistics.median(result["bytes"] for result in results)
    return found


async def alternate(
    comparison: Comparison, ours: Run, theirs: Run, pairs: int, expected: Callable[[int], str]
) -> None:
    """Run both sides in turns, and compare what they end with.

    Parameters
    ----------
    comparison : Comparison
        Takes the results.
    ours, theirs : callable
        One run each, in a fresh process.
    pairs : int
        How often.
    expected : callable
        The digest of the first so many trades.
    """
    for _ in range(pairs):
        for run, results in ((ours, comparison.ours), (theirs, comparison.theirs)):
            result = await run()
            if result.pop("digest") != expected(result["records"]):
                raise SystemExit(f"{comparison.key}: a side ended with other values")
            results.append(result)


async def run(command: Sequence[str], **environ: str) -> Result:
    """One run of a side in a process of its own."""
    async with child(command, **environ) as process:
        return await process.go()


def _sum(result: Result, prefix: str) -> float:
    return sum(value for name, value in result.items() if name.startswith(prefix))
