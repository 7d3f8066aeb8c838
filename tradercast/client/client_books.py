"""The synchronous Python client; made from `api_books.py` by ``scripts/make_client.py``."""

from __future__ import annotations

from tradercast.client.api_books import AsyncBookQueries
from tradercast.client.bbo import BboResult
from tradercast.client.book import BookAt
from tradercast.client.book_snapshots import BookSnapshots
from tradercast.client.client_streams import Streams
from tradercast.client.missing import OnMissing
from tradercast.client.portal import Portal
from tradercast.timerange import TimeLike


class BookQueries(Streams):
    """Books at a time and at fixed steps, and their best prices."""

    _portal: Portal
    _client: AsyncBookQueries

    def book_at(
        self,
        symbol: str,
        time: TimeLike | None = None,
        *,
        exchange: str | None = None,
        sync: bool = True,
    ) -> BookAt:
        """The order book at a time, after every message up to it.

        Parameters
        ----------
        symbol, exchange
            As of `sync`.
        time : optional
            Int is ns UTC, a time without a zone is UTC; by default the newest book.
        sync : bool
            Fetch what is not here: at most one chunk and two index blocks, and the tail if the
            time is that recent.

        Returns
        -------
        BookAt
            Check its `valid`: where messages are missing it is no book of the exchange.

        Raises
        ------
        IncompleteError
            If nobody has the part that is needed.
        NoPeerError, UnknownSymbolError, AmbiguousSymbolError
        """
        return self._portal.call(self._client.book_at(symbol, time, exchange=exchange, sync=sync))

    def book_snapshots(
        self,
        symbol: str,
        start: TimeLike,
        end: TimeLike,
        *,
        every: str | int = "1s",
        depth: int = 15,
        flow: bool = False,
        exchange: str | None = None,
        sync: bool = True,
        on_missing: OnMissing = "raise",
    ) -> BookSnapshots:
        """The order book at fixed steps, as columns: the best levels of both sides.

        Parameters
        ----------
        symbol, start, end, exchange, sync, on_missing
            As of `trades`; the book at each step is that of `book_at`.
        every : str or int
            ``100ms``, ``1s``, ``5m``, ``1h`` …, or ns.  The first step is at `start`.
        depth : int
            Levels of each side.
        flow : bool
            Also the order flow since the step before, see `BookSnapshots`; reads the trades of
            the symbol, too.

        Raises
        ------
        MissingDataError, NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError
        """
        return self._portal.call(
            self._client.book_snapshots(
                symbol,
                start,
                end,
                every=every,
                depth=depth,
                flow=flow,
                exchange=exchange,
                sync=sync,
                on_missing=on_missing,
            )
        )

    def bbo(
        self,
        symbol: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        *,
        exchange: str | None = None,
        sync: bool = True,
        on_missing: OnMissing = "raise",
    ) -> BboResult:
        """The best bid and ask at each change of one of them, from the feed of books.

        The first row is that of the first message of the range.

        Parameters
        ----------
        symbol, start, end, exchange, sync, on_missing
            As of `trades`.

        Raises
        ------
        MissingDataError, NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError
        """
        return self._portal.call(
            self._client.bbo(
                symbol, start, end, exchange=exchange, sync=sync, on_missing=on_missing
            )
        )
