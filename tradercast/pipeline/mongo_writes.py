"""Writing to a MongoDB in order, until a majority has it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence

from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    PyMongoError,
    WTimeoutError,
)
from pymongo.write_concern import WriteConcern

from tradercast.errors import ServiceError
from tradercast.pipeline.mongo_cursor import Document

_log = logging.getLogger(__name__)

CONCERN = WriteConcern(w="majority", j=True, wtimeout=10_000)
_DUPLICATE = 11000
_WAIT_S = 0.5
_MOST_WAIT_S = 15.0

Collection = AsyncCollection[Document]


class AwayError(Exception):
    """The write may succeed later, and may have happened."""


async def insert_in_order(
    collection: Collection,
    documents: Sequence[Document],
    unsettled: Callable[[Sequence[Document]], Awaitable[Sequence[Document]]],
    sleep: Callable[[float], Awaitable[None]],
) -> int:
    """Insert; goes on trying as long as the database is away.

    A write that may have happened is made again until it is acknowledged; a unique index makes
    that harmless.

    Parameters
    ----------
    collection : AsyncCollection
        With `CONCERN`.
    documents : sequence of dict
        Each with an id that is its own.
    unsettled : callable
        Which of some documents have to be written yet, after a write that may have happened or
        met a duplicate.  The last stays: being told that it is a duplicate takes until a majority
        has it and all before it.
    sleep : callable
        Waits between two tries.

    Returns
    -------
    int
        How many duplicates were met.

    Raises
    ------
    ServiceError
        If the database refuses the documents for another reason.
    """
    wait_s = _WAIT_S
    known_to_be_new = True
    duplicates = 0
    while documents:
        try:
            if not known_to_be_new:
                with translated():
                    documents = await unsettled(documents)
            settled = await _insert(collection, documents)
            known_to_be_new = False
            rest = documents[settled:]
            if rest:  # the first is a duplicate
                duplicates += 1
                with translated():
                    left = await unsettled(rest)
                rest = [each for each in left if each is not rest[0]]
            documents = rest
            known_to_be_new = True
            wait_s = _WAIT_S
        except AwayError as error:
            _log.warning("the MongoDB is away, next try in %.1f s: %s", wait_s, error)
            await sleep(wait_s)
            known_to_be_new = False
            wait_s = min(wait_s * 2, _MOST_WAIT_S)
    return duplicates


async def _insert(collection: Collection, documents: Sequence[Document]) -> int:
    """Insert up to the first duplicate; its place, or how many there are."""
    with translated():
        try:
            await collection.insert_many(documents, ordered=True)
        except BulkWriteError as error:
            details = error.details
            if details.get("writeConcernErrors"):
                raise AwayError("a majority did not acknowledge it in time") from None
            first = details["writeErrors"][0]
            if first["code"] != _DUPLICATE:
                raise ServiceError(
                    f"the MongoDB refuses a document ({short(first.get('errmsg'))})"
                ) from None
            return int(first["index"])
    return len(documents)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """The driver's errors as: later it may work, or it never will."""
    try:
        yield
    except (ConnectionFailure, ExecutionTimeout, WTimeoutError) as error:
        raise AwayError(short(error)) from None
    except BulkWriteError:
        raise
    except PyMongoError as error:
        if error.has_error_label("RetryableWriteError"):
            raise AwayError(short(error)) from None
        raise ServiceError(f"the MongoDB refuses to go on ({short(error)})") from None


def short(error: object) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split())[:200]
