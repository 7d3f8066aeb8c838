"""From messages to tail blocks: each block a function of the records and nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np

from tradercast.chunks import MAX_BLOCK, MAX_RECORDS, TailInfo
from tradercast.errors import EncodeError
from tradercast.feed.channel import channel_of
from tradercast.feed.sealing import Run, Sealer
from tradercast.feeds import FeedId
from tradercast.runs import Records


class TailBlocks:
    """Derives the next blocks of a tail.

    Parameters
    ----------
    feed : FeedId
    sealer : Sealer
        Holds the records that are in no finished run; it is fed by `derive`.
    next_block : int
        Number of the next tail block.
    open_blocks : iterable of (int, int)
        Number and end seq of the blocks that hold the sealer's open records, in order.
    message : int, optional
        The source's message that the newest block came in.
    """

    def __init__(
        self,
        feed: FeedId,
        sealer: Sealer,
        next_block: int = 0,
        open_blocks: Iterable[tuple[int, int]] = (),
        message: int | None = None,
    ) -> None:
        self.feed = feed
        self._encode_tail = channel_of(feed).encode_tail
        self.sealer = sealer
        self.next_block = next_block
        self.message = message
        self._open_blocks = deque(open_blocks)

    @property
    def open_block(self) -> int:
        """The first block that holds a record of no finished run; every earlier one is sealed."""
        return self._open_blocks[0][0] if self._open_blocks else self.next_block

    def continued(self, sealer: Sealer) -> TailBlocks:
        """A tail with the same blocks whose open records are those of `sealer`."""
        still_open = ((block, end) for block, end in self._open_blocks if end > sealer.open_seq)
        return TailBlocks(self.feed, sealer, self.next_block, still_open, self.message)

    def copy(self) -> TailBlocks:
        """The same state, to be able to come back to it."""
        made = TailBlocks(self.feed, self.sealer.copy(), self.next_block, message=self.message)
        made._open_blocks = self._open_blocks.copy()
        return made

    def derive(self, message: Records, number: int | None = None) -> tuple[list[bytes], list[Run]]:
        """The blocks of one message, and the runs that its records finish.

        A message becomes one block; one that is over a block's limits is split by count.  Every
        block says the number of its message; without one, that of the last that had any.

        Raises
        ------
        EncodeError
            If a record fits into no block.
        """
        blocks: list[bytes] = []
        runs: list[Run] = []
        if number is not None and len(message):
            self.message = number
        parts = _parts(message)
        while parts:
            part = parts.pop(0)
            saved = (self.sealer.copy(), self._open_blocks.copy())
            finished = self.sealer.push(part)
            block = self._encode(part)
            if len(block) > MAX_BLOCK:
                self.sealer, self._open_blocks = saved
                parts[:0] = _halves(part, self.feed, self.sealer.end_seq)
                continue
            self.next_block += 1
            blocks.append(block)
            runs += finished
        return blocks, runs

    def _encode(self, part: Records) -> bytes:
        sealer = self.sealer
        self._open_blocks.append((self.next_block, sealer.end_seq))
        while self._open_blocks[0][1] <= sealer.open_seq:
            self._open_blocks.popleft()
        assert sealer.running_max_ns is not None
        return self._encode_tail(
            part,
            feed=self.feed,
            first_seq=sealer.end_seq - len(part),
            running_max_ns=sealer.running_max_ns,
            tail=TailInfo(sealer.open_seq, self.open_block, *sealer.open_span()),
            message=self.message,
        )


def _parts(message: Records) -> list[Records]:
    """The message in runs that weigh no more than a chunk may, but for a single record."""
    weights = message.weights()
    if weights is None:
        weights = np.ones(len(message), np.int64)
    ends, parts, start = np.cumsum(weights), [], 0
    while start < len(message):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + MAX_RECORDS, "right")))
        parts.append(message[start:stop])
        start = stop
    return parts


def _halves(part: Records, feed: FeedId, first_seq: int) -> list[Records]:
    if len(part) < 2:
        raise EncodeError(f"record {first_seq} of {feed} does not fit into a block")
    middle = (len(part) + 1) // 2
    return [part[:middle], part[middle:]]
