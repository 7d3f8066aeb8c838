"""From a message of a book to the records that it adds to a feed: all of them, as they are.

Repeats are dropped by the listener, which knows the documents' numbers; a message that comes again
is known by its own.
"""

from __future__ import annotations

import numpy as np

from tradercast.book_messages import BookMessages
from tradercast.pipeline.book_batches import BookBatch, gap_record
from tradercast.pipeline.feeder_records import Counts


class BookMaker:
    """Derives the records of a book's messages, one message after the other.

    Parameters
    ----------
    last_ns : int or None
        ``ts_event`` of the newest record of the log (ns UTC).
    counts : Counts
        Counted up.
    """

    def __init__(self, last_ns: int | None, counts: Counts) -> None:
        self._last_ns = last_ns
        self._counts = counts

    async def make(self, message: BookBatch, lost: tuple[int, int] | None = None) -> BookMessages:
        """The records of the next message.

        Parameters
        ----------
        message : BookBatch
            The next one of the feed.
        lost : (int, int), optional
            First and last number of messages right before it that are lost for ever: from there
            on the book is not valid until its next snapshot.
        """
        records = message.records
        self._counts.messages += 1
        self._counts.received += len(records)
        if lost is not None:
            after_ns = int(records.ts_event[0])
            before_ns = after_ns if self._last_ns is None else self._last_ns
            records = BookMessages.concat([gap_record(*lost, before_ns, after_ns), records])
        self._counts.gaps += int(np.count_nonzero(~records.notes.plain(len(records))))
        self._last_ns = int(records.ts_event[-1])
        return records
