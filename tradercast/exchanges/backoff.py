"""How long to wait before connecting again."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double from try to try, each shortened at random by up to a half.

    Parameters
    ----------
    rng : random.Random
        So that many collectors do not come back in the same moment.
    first_s, most_s : float
        The bounds of the wait before it is shortened.
    """

    def __init__(self, rng: random.Random, *, first_s: float = 1.0, most_s: float = 60.0) -> None:
        self._rng = rng
        self._first_s = first_s
        self._most_s = most_s
        self._tries = 0

    def next_s(self) -> float:
        """The wait before the next try."""
        wait = min(self._most_s, self._first_s * 2.0 ** min(self._tries, 32))
        self._tries += 1
        return wait * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It worked for a while: the next wait is a short one."""
        self._tries = 0
