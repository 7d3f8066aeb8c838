"""Archive blocks of a book, each with the book that it begins with."""

from __future__ import annotations

from dataclasses import dataclass

from tradercast.book_levels import Keyframe
from tradercast.book_messages import BookMessages
from tradercast.chunks import decode_book
from tradercast.chunks.book import encode_book_any_size
from tradercast.errors import FormatError
from tradercast.feeds import FeedId
from tradercast.market.book import Book


@dataclass(frozen=True, slots=True)
class BookEncoder:
    """Makes archive blocks of the messages at one place of a segment.

    Parameters
    ----------
    keyframe : Keyframe
        The book before them.
    """

    keyframe: Keyframe

    @classmethod
    def behind(cls, block: bytes) -> BookEncoder:
        """The encoder behind a chunk of the archive.

        Raises
        ------
        FormatError
            If it is no such chunk.
        """
        header, keyframe, messages = decode_book(block)
        if keyframe is None:
            raise FormatError(f"the chunk at record {header.first_seq} does not begin with a book")
        return cls(keyframe).after(messages)

    def encode(
        self,
        records: BookMessages,
        *,
        feed: FeedId,
        first_seq: int,
        running_max_ns: int,
        chain: bytes,
    ) -> bytes:
        """A block of any size of messages that begin here."""
        return encode_book_any_size(
            records,
            feed=feed,
            first_seq=first_seq,
            running_max_ns=running_max_ns,
            chain=chain,
            keyframe=self.keyframe,
        )

    def after(self, records: BookMessages) -> BookEncoder:
        """The encoder behind these messages."""
        book = Book.from_keyframe(self.keyframe)
        book.apply(records)
        return BookEncoder(book.keyframe())
