"""Memory for columns that is used again when nobody looks at it any more."""

from __future__ import annotations

from collections import deque

import numpy as np

from tradercast.chunks import TradeBuffers
from tradercast.rows import U8


class Spare:
    """Gives out columns, and their memory once more when the last view of them is gone.

    To touch new memory takes half as long as to decode into it.  May be used by several threads.

    Parameters
    ----------
    most : int
        How many pieces of memory may wait to be used again.
    """

    def __init__(self, most: int) -> None:
        self._idle: deque[U8] = deque(maxlen=most)

    def columns(
        self, count: int, price_exponent: int, size_exponent: int, recv: bool, ids: bool
    ) -> TradeBuffers:
        """Columns of `count` rows, which hold whatever was in that memory."""
        wide = 3 + recv + ids
        whole = self._bytes(count * (8 * wide + 1))
        end = 8 * wide * count
        numbers = whole[:end].view(np.int64).reshape(wide, count)
        return TradeBuffers(
            numbers[0],
            numbers[1],
            numbers[2],
            whole[end:],
            price_exponent,
            size_exponent,
            numbers[3] if recv else None,
            numbers[-1] if ids else None,
        )

    def _bytes(self, size: int) -> U8:
        try:
            memory = self._idle.pop()
        except IndexError:
            memory = np.empty(size, np.uint8)
        if len(memory) < size:
            memory = np.empty(size, np.uint8)
        return np.asarray(_Lease(memory, self._idle))[:size]


class _Lease:
    """What all views of some memory refer to in the end: it lives as long as they do."""

    def __init__(self, memory: U8, idle: deque[U8]) -> None:
        self._memory = memory
        self._idle = idle
        self.__array_interface__ = memory.__array_interface__

    def __del__(self) -> None:
        self._idle.append(self._memory)
