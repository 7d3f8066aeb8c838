"""What records of every channel have in common: a run of them, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

from tradercast.notes import Notes
from tradercast.rows import I64, Rows


class Records(Protocol):
    """A run of records of one feed, a row each; never changed."""

    @property
    def ts_event(self) -> I64:
        """Per row ns UTC."""

    @property
    def notes(self) -> Notes:
        """The rows that are no plain records."""

    @classmethod
    def empty(cls) -> Self:
        """No records."""

    @classmethod
    def concat(cls, runs: Sequence[Self]) -> Self:
        """All records of `runs`, one after the other."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Rows) -> Self: ...

    def equals(self, other: Self) -> bool:
        """Whether both hold the same records."""

    def times(self) -> I64:
        """Per row the time that chunks are cut by."""

    def span(self) -> tuple[int, int]:
        """Minimum and maximum time, those of notes included."""

    def weights(self) -> I64 | None:
        """Per row what it weighs when chunks are cut; None if each weighs 1."""

    def without_notes(self) -> Self:
        """The rows that are plain records."""
