"""Which machine the figures are from, and how busy it was."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from tradercast.log.node import find_node

_PACKAGES = ("tradercast", "numpy", "pcodec", "pyarrow", "polars", "libtorrent", "arcticdb")


def describe() -> dict[str, Any]:
    """Processor, cores, memory, versions, and the load of the last minute."""
    return {
        "processor": _line("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory": _line("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "node": find_node().version,
        "packages": {name: _version(name) for name in _PACKAGES},
        "load": round(os.getloadavg()[0], 1),
    }


def _line(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
