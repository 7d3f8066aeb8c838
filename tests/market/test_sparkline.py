"""A line of small bars."""

import numpy as np
import pytest

from tradercast.market.sparkline import sparkline


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([5], "▄"),
        ([5, 5], "▄▄"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([-1, 1, 0], "▁█▅"),
    ],
)
def test_bars_stand_between_the_lowest_and_the_highest(values: list[float], line: str) -> None:
    assert sparkline(np.array(values, np.float64)) == line
