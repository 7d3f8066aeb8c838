"""Documents of books -> numbered messages.  Pure: what is missing is a gap, repeats are dropped.

A book is a chain: each document names the one before it.  Whatever is not there, because it was
rejected, deleted or never came, is a hole before the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tradercast.book_messages import BookMessages
from tradercast.feeds import FeedId
from tradercast.ids import ABSENT
from tradercast.pipeline.book_batches import BookBatch, encode_book_batch, gap_record
from tradercast.pipeline.book_documents import BookRun, read_book_documents
from tradercast.pipeline.listener_events import DeadLetter, LetterReason
from tradercast.pipeline.listener_messages import MAX_BYTES, MAX_RECORDS, Encoded, Outcome
from tradercast.pipeline.listener_state import BookPlace
from tradercast.pipeline.mapping import Document
from tradercast.pipeline.raw_inserts import Inserts

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BookOutcome(Outcome):
    """What a batch of documents gives.

    Attributes
    ----------
    places : mapping of FeedId to BookPlace
        The last document of every book.
    repeats : int
        Documents that were taken before.
    """

    places: Mapping[FeedId, BookPlace]
    repeats: int = 0


def split_books(
    events: Sequence[Event], books: frozenset[str]
) -> tuple[Sequence[Event], Sequence[Event]]:
    """Those about other collections, and those about books."""
    if not books:
        return events, ()
    if isinstance(events, Inserts):
        return ((), events) if events.collection in books else (events, ())
    about = [_collection(event) in books for event in events]
    others = [event for event, is_book in zip(events, about, strict=True) if not is_book]
    return others, [event for event, is_book in zip(events, about, strict=True) if is_book]


def changed_books(
    events: Sequence[Event],
) -> tuple[list[Document], list[str], list[DeadLetter]]:
    """What was inserted, where, and a letter for each change of it.

    A message of a book stays what it was when it was inserted; that old ones are deleted is
    nothing to tell.
    """
    documents, collections, letters = [], [], []
    for event in events:
        operation, document = event["operationType"], event.get("fullDocument")
        if operation == "insert" and document is not None:
            documents.append(document)
            collections.append(_collection(event))
        elif operation in ("update", "replace"):
            detail = "a message of a book was changed after it was inserted"
            letter = document or event.get("documentKey") or {}
            reason = LetterReason.BOOK_CHANGED
            letters.append(DeadLetter(_collection(event), reason, detail, letter))
    return documents, collections, letters


def to_book_messages(
    documents: Sequence[Document],
    collections: Sequence[str],
    numbers: Mapping[FeedId, int],
    places: Mapping[FeedId, BookPlace],
) -> BookOutcome:
    """Make messages of a batch.

    Parameters
    ----------
    documents : sequence of mappings
        In the order in which they were inserted, or by ``_id``.
    collections : sequence of str
        Of each.
    numbers : mapping of FeedId to int
        The next number of every feed; a feed that is missing begins at 0.
    places : mapping of FeedId to BookPlace
        The last document of every book that was taken.
    """
    runs, rejected = read_book_documents(documents)
    letters = tuple(
        DeadLetter(collections[one.row], one.reason, one.detail, documents[one.row])
        for one in rejected
    )
    following, known = dict(numbers), dict(places)
    messages: list[Encoded] = []
    repeats = 0
    for run in runs:
        records, dropped = _chained(run, known.get(run.feed))
        repeats += dropped
        if not len(records):
            continue
        known[run.feed] = _place(run, known.get(run.feed))
        for start in range(0, len(records), MAX_RECORDS):
            part = records[start : start + MAX_RECORDS]
            for encoded in _encoded(run.feed, following.get(run.feed, 0), part):
                messages.append(encoded)
                following[run.feed] = encoded.number + 1
    return BookOutcome(tuple(messages), letters, following, known, repeats)


def _place(run: BookRun, before: BookPlace | None) -> BookPlace:
    at = int(np.argmax(run.number))
    assert before is None or int(run.number[at]) > before.number
    messages = run.messages
    return BookPlace(
        int(run.number[at]), int(messages.ts_event[at]), int(messages.filled("last_id")[at])
    )


def _chained(run: BookRun, place: BookPlace | None) -> tuple[BookMessages, int]:
    """The documents that are new, with a gap wherever one is missing before; and how many are not.

    Before the first document of all nothing is missing that anybody knew.
    """
    number, after, messages = run.number, run.after, run.messages
    start = -1 if place is None else place.number
    newest = np.maximum.accumulate(np.concatenate(([start], number[:-1])))
    new = number > newest
    dropped = len(new) - int(new.sum())
    if dropped:
        number, after, messages = number[new], after[new], messages[new]
    if not len(number):
        return messages, dropped
    first = int(after[0]) if place is None else place.number
    holes = np.flatnonzero(after != np.concatenate(([first], number[:-1]))).tolist()
    if not holes:
        return messages, dropped
    event, last = messages.ts_event, messages.filled("last_id")
    first_id = messages.filled("first_id")
    parts: list[BookMessages] = []
    begin = 0
    for row in holes:
        if row:
            before_ns, before_id = int(event[row - 1]), int(last[row - 1])
        else:
            assert place is not None
            before_ns, before_id = place.ts_event, place.last_id
        next_id = int(last[row]) if first_id[row] == ABSENT else int(first_id[row])
        missing = 1 + max(0, before_id)
        gap = gap_record(missing, max(missing, next_id - 1), before_ns, int(event[row]))
        parts += [messages[begin:row], gap]
        begin = row
    return BookMessages.concat([*parts, messages[begin:]]), dropped


def _encoded(feed: FeedId, number: int, records: BookMessages) -> Iterator[Encoded]:
    """One message, or as many halves as it takes to be small enough."""
    payload = encode_book_batch(BookBatch(feed, number, records))
    count = len(records)
    if len(payload) <= MAX_BYTES or count == 1:
        yield Encoded(feed, number, count, payload, int(records.ts_event.max()))
        return
    half = count // 2
    for part in (records[:half], records[half:]):
        for encoded in _encoded(feed, number, part):
            yield encoded
            number = encoded.number + 1


def _collection(event: Event) -> str:
    namespace = event.get("ns") or {}
    return f"{namespace.get('db')}.{namespace.get('coll')}"
