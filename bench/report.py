"""The figures as lines while they come, as Markdown and as JSON in the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.compare import Comparison, summary
from bench.targets import FIGURES, RATIOS, Target


class Report:
    """Everything that a run found.

    Parameters
    ----------
    machine, settings : dict
    quiet : bool
        Print nothing on the way.
    """

    def __init__(
        self, machine: dict[str, Any], settings: dict[str, Any], *, quiet: bool = False
    ) -> None:
        self._quiet = quiet
        self.found: dict[str, Any] = {
            "machine": machine,
            "settings": settings,
            "ratios": {},
            "spread": {},
            "figures": {},
            "sides": {},
            "skipped": {},
        }

    def figures(self, figures: Mapping[str, float]) -> None:
        """Take figures that are no ratios."""
        self.found["figures"].update(figures)
        for name, value in figures.items():
            self._say(name, _shown(value), _verdict(FIGURES.get(name), value))

    def ratio(self, key: str, value: float) -> None:
        """Take a ratio that was not measured in pairs."""
        self.found["ratios"][key] = value
        self._say(key, f"{value:.2f}", _verdict(RATIOS[key], value))

    def comparison(self, comparison: Comparison, own_title: str) -> None:
        """Take the runs of a pair of sides."""
        ratios, key = comparison.ratios, comparison.key
        self.found["ratios"][key] = comparison.median
        self.found["spread"][key] = {"least": ratios[0], "most": ratios[-1], "pairs": len(ratios)}
        ours = {**summary(comparison.ours), "title": own_title}
        theirs = {**summary(comparison.theirs), "title": comparison.title}
        self.found["sides"][key] = {"ours": ours, "theirs": theirs}
        shown = f"{comparison.median:.2f}  [{ratios[0]:.2f}, {ratios[-1]:.2f}] of {len(ratios)}"
        self._say(key, shown, _verdict(RATIOS[key], comparison.median))

    def skipped(self, key: str, why: str) -> None:
        """Note what was not measured."""
        self.found["skipped"][key] = why
        self._say(key, "skipped:", why)

    def write(self, folder: Path, name: str) -> list[Path]:
        """Write ``NAME.md`` and ``NAME.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{name}.md", folder / f"{name}.json"]
        paths[0].write_text("\n".join(self._markdown()) + "\n")
        paths[1].write_text(json.dumps(self.found, indent=2) + "\n")
        return paths

    def _say(self, *cells: str) -> None:
        if not self._quiet:
            print(f"{cells[0]:<42}{cells[1]:<34}{cells[2]}", flush=True)

    def _markdown(self) -> Iterable[str]:
        found = self.found
        yield "# Figures\n\nMade by `make bench`; the method is in [NOTES.md](../NOTES.md).\n"
        for title in ("machine", "settings"):
            yield f"- {title}: {_listed(found[title])}"
        yield "\n## Ratios\n\nAbove 1 is better for us; medians of pairs that alternate.\n"
        yield from _table(
            ("ratio", "median", "least to most", "floor", "goal", "floor met"),
            (self._ratio_row(key, value) for key, value in found["ratios"].items()),
        )
        yield "\n## Sides\n\nThe same runs: medians, and the highest peak of memory.\n"
        yield from _table(
            ("ratio", "side", "trades/s", "seconds", "CPU s", "peak MB", "bytes"),
            (
                _side_row(key, side)
                for key, both in found["sides"].items()
                for side in both.values()
            ),
        )
        yield "\n## Figures\n"
        yield from _table(
            ("figure", "value", "target"),
            (
                (key, _shown(value), _verdict(FIGURES.get(key), value))
                for key, value in found["figures"].items()
            ),
        )
        if found["skipped"]:
            yield "\n## Skipped\n"
            yield from (f"- {key}: {why}" for key, why in found["skipped"].items())

    def _ratio_row(self, key: str, value: float) -> tuple[str, ...]:
        spread = self.found["spread"].get(key)
        target = RATIOS[key]
        between = f"{spread['least']:.2f} to {spread['most']:.2f}" if spread else ""
        met = "" if target.floor is None else "yes" if target.met(value) else "**no**"
        return key, f"{value:.2f}", between, _number(target.floor), _number(target.goal), met


def _side_row(key: str, side: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        key,
        side["title"],
        _shown(side["trades_per_s"]),
        f"{side['seconds']:.3f}",
        f"{side['cpu_s']:.2f}",
        f"{side['peak_mb']:.0f}",
        _shown(side["bytes"]) if "bytes" in side else "",
    )


def _verdict(target: Target | None, value: float) -> str:
    if target is None or target.floor is None:
        return ""
    word = "at most" if target.most else "at least"
    return f"{word} {_shown(target.floor)}: {'met' if target.met(value) else 'NOT MET'}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {_listed(value) if isinstance(value, dict) else value}"
        for name, value in values.items()
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,g}"


def _shown(value: float) -> str:
    return f"{value:,.3f}" if value < 1_000 and value % 1 else f"{value:,.0f}"
