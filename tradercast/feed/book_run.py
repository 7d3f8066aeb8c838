"""One cut run of book messages as archive blocks, each with the book that it begins with."""

from __future__ import annotations

from tradercast.book_messages import BookMessages
from tradercast.chunks import MAX_BLOCK, extend_chain
from tradercast.chunks.book import encode_book_any_size
from tradercast.errors import EncodeError
from tradercast.feeds import FeedId
from tradercast.market.book import Book
from tradercast.records import NO_TIME


def encode_book_run(
    messages: BookMessages,
    book: Book,
    *,
    feed: FeedId,
    first_seq: int,
    running_max_ns: int = NO_TIME,
    chain: bytes = b"",
) -> list[bytes]:
    """The archive blocks of the messages between two cuts.

    A run whose block would be over 1 MiB is halved by count (the first half takes the odd
    message), and each half again.  The last block carries the chain hash after the run.

    Parameters
    ----------
    messages : BookMessages
        At most 65,536 records; none gives no block.
    book : Book
        The book before them; after them when this returns.
    feed : FeedId
        A feed of the channel ``book``.
    first_seq : int
        The number of the first record.
    running_max_ns : int
        The largest time of the segment before this run; `NO_TIME` at its beginning.
    chain : bytes
        The chain hash before this run; empty at the segment's beginning.

    Raises
    ------
    EncodeError
        If a record can not be held exactly, or does not fit into a block together with the
        book before it; names it.
    """
    if not len(messages):
        return []
    after = extend_chain(chain, messages)
    return _halved(messages, book, feed, first_seq, running_max_ns, after)


def _halved(
    messages: BookMessages, book: Book, feed: FeedId, first_seq: int, before_ns: int, chain: bytes
) -> list[bytes]:
    highest = max(before_ns, messages.span()[1])
    block = encode_book_any_size(
        messages,
        feed=feed,
        first_seq=first_seq,
        running_max_ns=highest,
        keyframe=book.keyframe(),
        chain=chain,
    )
    if len(block) <= MAX_BLOCK:
        book.apply(messages)
        return [block]
    if len(messages) == 1:
        raise EncodeError(
            f"record {first_seq} and the book before it take {len(block)} bytes, over {MAX_BLOCK}"
        )
    half = (len(messages) + 1) // 2
    left, right = messages[:half], messages[half:]
    middle = max(before_ns, left.span()[1])
    return [
        *_halved(left, book, feed, first_seq, before_ns, b""),
        *_halved(right, book, feed, first_seq + half, middle, chain),
    ]
