"""Logs of services, for machines."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

LogJsonOption = Annotated[
    bool, typer.Option("--log-json", help="Log on stderr, a JSON object a line.")
]
MetricsOption = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="HOST:PORT",
        envvar="TRADERCAST_METRICS",
        help="Serve /metrics for Prometheus, and /health.",
    ),
]


@contextlib.contextmanager
def json_log(wanted: bool = True) -> Iterator[None]:
    """Log everything of this package on stderr as JSON as long as this lasts."""
    if not wanted:
        yield
        return
    from tradercast.pipeline.telemetry import JsonLog

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLog())
    root, own = logging.getLogger(), logging.getLogger("tradercast")
    others, level = root.handlers[:], own.level
    root.handlers[:] = [handler]
    own.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.handlers[:] = others
        own.setLevel(level)
