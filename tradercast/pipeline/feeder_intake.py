"""What comes out of a source: read and decoded while what came before is being written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeAlias, TypeVar

from tradercast.errors import FormatError, UnknownVersionError
from tradercast.pipeline.book_batches import FeedMessage, decode_any
from tradercast.pipeline.feeder_input import Envelope, MessageSource, Place

_FEW_BYTES = 32 << 10

T = TypeVar("T")
Arrival: TypeAlias = "tuple[Envelope, FeedMessage | None]"
"""A message and what it says; None if it is no message."""

log = logging.getLogger(__name__)


class Intake:
    """Reads ahead: while the caller has one batch, the next is decoded and a third is read.

    Parameters
    ----------
    source : MessageSource

    Attributes
    ----------
    malformed : int
        Messages that were no messages.
    """

    def __init__(self, source: MessageSource) -> None:
        self.malformed = 0
        self._source = source
        self._reads = 0  # that have begun
        self._stale: dict[Place, int] = {}  # what this read and those before it gave is old

    async def batches(self) -> AsyncGenerator[list[Arrival], None]:
        """All messages, as they come; an empty batch now and then while none do.

        Raises
        ------
        UnknownVersionError
            If a newer program wrote one.
        """
        async with aclosing(_ahead(self._decoded())) as batches:
            async for number, arrivals in batches:
                yield [one for one in arrivals if number > self._stale.get(one[0].place, 0)]

    async def rewind(self, place: Place) -> None:
        """Have a place read again from its beginning: nothing from before comes any more."""
        self._stale[place] = self._reads
        await self._source.rewind(place)

    async def _read(self) -> AsyncGenerator[tuple[int, Sequence[Envelope]], None]:
        batches = self._source.batches()
        self._reads += 1
        async for envelopes in batches:
            yield self._reads, envelopes
            self._reads += 1

    async def _decoded(self) -> AsyncGenerator[tuple[int, list[Arrival]], None]:
        async with aclosing(_ahead(self._read())) as batches:
            async for number, envelopes in batches:
                if sum(len(envelope.value) for envelope in envelopes) < _FEW_BYTES:
                    yield number, self._decode(envelopes)  # a thread's turn would take longer
                else:
                    yield number, await asyncio.to_thread(self._decode, envelopes)

    def _decode(self, envelopes: Sequence[Envelope]) -> list[Arrival]:
        return [(envelope, self._decode_one(envelope)) for envelope in envelopes]

    def _decode_one(self, envelope: Envelope) -> FeedMessage | None:
        try:
            return decode_any(envelope.value)
        except UnknownVersionError:
            raise
        except FormatError as error:
            # If it was one of the listener's, its number is missing at the next message.
            self.malformed += 1
            log.error("offset %d of %s: %s", envelope.offset, envelope.place, error.message)
            return None


async def _ahead(batches: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same batches; the next one is made while the caller is busy with one."""
    async with aclosing(batches):
        following = asyncio.ensure_future(anext(batches, None))
        try:
            while (batch := await following) is not None:
                following = asyncio.ensure_future(anext(batches, None))
                yield batch
        finally:
            following.cancel()
            await asyncio.wait([following])
