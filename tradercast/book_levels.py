"""Levels of an order book in columns, and a whole book as the start of a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from tradercast.decimals import Decimals
from tradercast.errors import UsageError
from tradercast.ids import ABSENT
from tradercast.rows import I64, U8, Rows


class BookSide(IntEnum):
    """The side of a level: who waits there."""

    BID = 1
    ASK = 2


@dataclass(frozen=True, eq=False)
class Levels:
    """Price levels, a row each; arrays are read-only by convention.

    Parameters
    ----------
    side : uint8 array, shape (m,)
        Values of `BookSide`.
    price : Decimals
    size : Decimals
        Never negative; in a change, 0 removes the level.
    count : int64 array or None
        Number of orders at the level, `ABSENT` where the source does not say.

    Raises
    ------
    UsageError
        If the columns differ in length or type, or a value is out of its range.
    """

    side: U8
    price: Decimals
    size: Decimals
    count: I64 | None = None

    def __post_init__(self) -> None:
        rows = len(self.side)
        for name, column, dtype in (
            ("side", self.side, np.uint8),
            ("price", self.price.mantissa, np.int64),
            ("size", self.size.mantissa, np.int64),
            ("count", self.count, np.int64),
        ):
            if column is None:
                continue
            if column.dtype != dtype or column.ndim != 1:
                raise UsageError(f"{name} must be a one-dimensional {dtype.__name__} array")
            if len(column) != rows:
                raise UsageError(f"{name} has {len(column)} rows, side has {rows}")
        if not rows:
            return
        if int(self.side.min()) < BookSide.BID or int(self.side.max()) > BookSide.ASK:
            raise UsageError("a level's side is neither bid nor ask")
        if int(self.size.mantissa.min()) < 0 or any(v < 0 for v in self.size.escapes.values()):
            raise UsageError("a level's size is negative")
        if self.count is not None and int(self.count.min()) < ABSENT:
            raise UsageError("a level's count of orders is negative")

    @classmethod
    def empty(cls) -> Levels:
        """No levels."""
        none = np.zeros(0, np.int64)
        return cls(np.zeros(0, np.uint8), Decimals(none), Decimals(none))

    @classmethod
    def concat(cls, parts: Sequence[Levels]) -> Levels:
        """All levels of `parts`, one after the other."""
        parts = [part for part in parts if len(part)]
        if len(parts) <= 1:
            return parts[0] if parts else cls.empty()
        counted = any(part.count is not None for part in parts)
        return cls(
            np.concatenate([part.side for part in parts]),
            Decimals.concat([part.price for part in parts]),
            Decimals.concat([part.size for part in parts]),
            np.concatenate([part.counts() for part in parts]) if counted else None,
        )

    def __len__(self) -> int:
        return len(self.side)

    def __getitem__(self, rows: Rows) -> Levels:
        """The rows of a slice, an index array or a boolean mask."""
        return Levels(
            self.side[rows],
            self.price[rows],
            self.size[rows],
            None if self.count is None else self.count[rows],
        )

    def counts(self) -> I64:
        """Orders at each level, `ABSENT` where the source does not say."""
        return np.full(len(self), ABSENT, np.int64) if self.count is None else self.count

    def equals(self, other: Levels) -> bool:
        """Whether both hold the same levels in the same order."""
        return (
            bool(np.array_equal(self.side, other.side))
            and self.price.equals(other.price)
            and self.size.equals(other.size)
            and bool(np.array_equal(self.counts(), other.counts()))
        )


@dataclass(frozen=True, eq=False)
class Keyframe:
    """A whole book between two messages.

    Parameters
    ----------
    levels : Levels
        Bids, then asks, each by rising price; every price once, no size 0.
    valid : bool
        Whether it is the exchange's book: false before the first snapshot, and after a gap
        until the next one.
    """

    levels: Levels
    valid: bool

    @classmethod
    def empty(cls) -> Keyframe:
        """The book before any message."""
        return cls(Levels.empty(), valid=False)

    def equals(self, other: Keyframe) -> bool:
        """Whether both are the same book."""
        return self.valid == other.valid and self.levels.equals(other.levels)
