"""The catalog of a publisher, as its log tells it."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from tradercast.errors import FormatError
from tradercast.feed.entries import FeedEntry, PublisherInfo, decode_entry
from tradercast.feed.symbols import resolve_symbol
from tradercast.feeds import FeedId

MAX_BLOCKS = 1_000_000
MAX_FEEDS = 100_000

log = logging.getLogger(__name__)


class Catalog:
    """What a publisher has, folded from the blocks of its catalog.

    The last entry of a feed counts.  Entries that are damaged, too large, or of a newer
    version are counted in `skipped` and otherwise ignored, so that one of them does not
    make the rest useless.
    """

    def __init__(self) -> None:
        self._feeds: dict[FeedId, FeedEntry] = {}
        self._length = 0
        self._skipped = 0
        self._publisher = PublisherInfo()

    @classmethod
    def of_blocks(cls, blocks: Iterable[bytes]) -> Catalog:
        """The catalog of these blocks, from block 0."""
        catalog = cls()
        for block in blocks:
            catalog.fold(block)
        return catalog

    @property
    def length(self) -> int:
        """How many blocks are folded in; the number of the next."""
        return self._length

    @property
    def skipped(self) -> int:
        """How many of them could not be used."""
        return self._skipped

    @property
    def publisher(self) -> PublisherInfo:
        """What the publisher says of itself."""
        return self._publisher

    def fold(self, block: bytes) -> None:
        """Take in the next block."""
        number = self._length
        self._length += 1
        try:
            entry = decode_entry(block)
        except FormatError as error:
            self._skip(number, error.message)
            return
        if isinstance(entry, PublisherInfo):
            self._publisher = entry
        elif entry.feed in self._feeds or len(self._feeds) < MAX_FEEDS:
            self._feeds[entry.feed] = entry
        else:
            self._skip(number, f"there are more than {MAX_FEEDS} feeds")

    def feeds(self) -> list[FeedEntry]:
        """All feeds, in the order of their names."""
        return [self._feeds[feed] for feed in sorted(self._feeds)]

    def get(self, feed: FeedId) -> FeedEntry | None:
        """The entry of a feed."""
        return self._feeds.get(feed)

    def resolve(
        self, text: str, *, exchange: str | None = None, channel: str | None = None
    ) -> FeedId:
        """The feed that is meant by what a person types; see `resolve_symbol`."""
        return resolve_symbol(self._feeds.values(), text, exchange=exchange, channel=channel)

    def _skip(self, number: int, why: str) -> None:
        self._skipped += 1
        log.warning("catalog entry %d is skipped: %s", number, why)
