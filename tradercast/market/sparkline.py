"""A line of small bars."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: NDArray[np.float64]) -> str:
    """A character a value, the lowest ``▁`` and the highest ``█``; all alike are ``▄``."""
    if not len(values):
        return ""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return "▄" * len(values)
    steps = np.floor((values - low) / (high - low) * len(_BARS)).astype(np.int64)
    return "".join(_BARS[step] for step in np.minimum(steps, len(_BARS) - 1))
