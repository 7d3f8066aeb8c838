"""What a feeder reads from: batches of messages, wherever they come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Place: TypeAlias = "tuple[str, int]"
"""A topic and one of its partitions."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message as its partition holds it.

    Attributes
    ----------
    place : (str, int)
        Topic and partition.
    offset : int
        Where in the partition; greater than that of the message before, with holes.
    value : bytes
    time_ms : int
        When the source got it (ms UTC), 0 if it does not say.
    """

    place: Place
    offset: int
    value: bytes
    time_ms: int = 0


class MessageSource(Protocol):
    """Messages, in order within a place."""

    def batches(self) -> AsyncIterator[Sequence[Envelope]]:
        """What there is to read, as it comes; an empty batch now and then while nothing does."""
        ...

    async def rewind(self, place: Place) -> None:
        """Begin a place again from what is the oldest there, from the next batch asked for on."""
        ...

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Tell where the feeder is: these offsets are the next it needs.  For people to look at."""
        ...
