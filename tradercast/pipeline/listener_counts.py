"""What a listener has done, for its metrics, its health and its log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tradercast.pipeline.listener_events import DeadLetter
from tradercast.pipeline.listener_messages import Encoded
from tradercast.pipeline.mongo_source import SourceBatch


@dataclass
class ListenerCounts:
    """Counted since the start.

    Attributes
    ----------
    read : int
        Documents and changes that came from MongoDB.
    records, messages, bytes : int
        Committed to Kafka.
    repeats : int
        Messages of books that were taken before.
    letters : Counter
        Dead letters by reason.
    transactions, aborted, restarts : int
        A restart is a new producer that reads the state again.
    connected : bool
        The state was read, and no connection has been given up since.
    trouble : str or None
        What Kafka is waited for, in one sentence.
    committed_at : float
        When the last transaction was committed, seconds since 1970.
    position_s : int
        Up to which second of MongoDB's history all is in Kafka.
    lag_s : float
        From the last change to its commit.
    waiting : int
        Read, and not yet committed.
    scanning : bool
        Collections are being read as they are.
    """

    read: int = 0
    records: int = 0
    messages: int = 0
    bytes: int = 0
    repeats: int = 0
    letters: Counter[str] = field(default_factory=Counter)
    transactions: int = 0
    aborted: int = 0
    restarts: int = 0
    connected: bool = False
    trouble: str | None = None
    committed_at: float = 0.0
    position_s: int = 0
    lag_s: float = 0.0
    waiting: int = 0
    scanning: bool = False

    def taken(self, count: int) -> None:
        """So many came from MongoDB."""
        self.read += count
        self.waiting += count

    def committed(
        self,
        batch: SourceBatch,
        messages: Sequence[Encoded],
        letters: Sequence[DeadLetter],
        now: float,
    ) -> None:
        """A transaction is in Kafka."""
        self.trouble = None
        self.transactions += 1
        self.messages += len(messages)
        self.records += sum(message.records for message in messages)
        self.bytes += sum(len(message.payload) for message in messages)
        self.letters.update(letter.reason for letter in letters)
        self.waiting -= len(batch.documents) + len(batch.events)
        self.committed_at = now
        self.position_s = batch.position.at[0]
        self.scanning = batch.position.scan is not None
        if batch.events:
            self.lag_s = max(now - self.position_s, 0.0)
