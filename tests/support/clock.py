"""Processes that think it is another year."""

from __future__ import annotations

from pathlib import Path

from support.directories import ROOT

from tradercast.log.node import find_node

YEARS_20_S = 20 * 365 * 86_400
_PYTHON = """
import time
_time, _time_ns = time.time, time.time_ns
time.time = lambda: _time() + {seconds}
time.time_ns = lambda: _time_ns() + {seconds} * 10**9
"""
_NODE = """
const now = Date.now
Date.now = () => now() + {seconds} * 1000
"""


def shifted(folder: Path, seconds: int = YEARS_20_S) -> dict[str, str]:
    """What to set in the environment of Python and Node processes that are to be so far ahead."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_PYTHON.format(seconds=seconds))
    (folder / "clock.js").write_text(_NODE.format(seconds=seconds))
    node = folder / "node"
    node.write_text(f'#!/bin/sh\nexec {find_node().path} --require {folder / "clock.js"} "$@"\n')
    node.chmod(0o755)
    return {"PYTHONPATH": f"{folder}:{ROOT}", "TRADERCAST_NODE": str(node)}
