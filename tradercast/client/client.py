"""The synchronous Python client; made from `api.py` by ``scripts/make_client.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tradercast.client.api import AsyncClient
from tradercast.client.candle_results import CandlesResult
from tradercast.client.client_books import BookQueries
from tradercast.client.gaps import FeedGaps
from tradercast.client.missing import OnMissing
from tradercast.client.portal import Portal
from tradercast.client.results import TradesResult
from tradercast.client.sync import SyncProgress, SyncResult
from tradercast.client.verify import VerifiedLog
from tradercast.feed.entries import FeedEntry
from tradercast.links import Link
from tradercast.timerange import TimeLike


class Client(BookQueries):
    """Market history as columns.

    Use it as a context manager.  It goes online only when something is asked for that is not
    on this machine yet.

    Parameters
    ----------
    data_dir : str or Path, optional
        Where everything is kept (default: as the command line).
    link : str or Link, optional
        The publisher to ask; otherwise all that are known.
    bootstrap, peers : sequence of str
        ``HOST:PORT`` of directory nodes to ask and of nodes to connect to, beside those that
        are known of the publisher.

    Examples
    --------
    >>> with tradercast.connect() as client:  # doctest: +SKIP
    ...     trades = client.trades("btcusd", "2024-01-01", "2024-02-01")
    ...     frame = trades.to_polars()
    """

    def __init__(
        self,
        data_dir: str | Path | None = None,
        *,
        link: str | Link | None = None,
        bootstrap: Sequence[str] = (),
        peers: Sequence[str] = (),
    ) -> None:
        self._client: AsyncClient = AsyncClient(
            data_dir, link=link, bootstrap=bootstrap, peers=peers
        )
        self._portal = Portal()

    def __enter__(self) -> Self:
        self._portal.open()
        try:
            self._portal.call(self._client.__aenter__())
        except BaseException:
            self._portal.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._portal.call(self._client.__aexit__(kind, error, trace))
        finally:
            self._portal.close()

    def feeds(self, *, sync: bool = False) -> list[FeedEntry]:
        """The feeds of the publishers that are known here.

        Parameters
        ----------
        sync : bool
            Ask peers for news first.

        Raises
        ------
        NoPeerError
            If peers are to be asked and none is found.
        """
        return self._portal.call(self._client.feeds(sync=sync))

    def sync(
        self,
        symbol: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        *,
        exchange: str | None = None,
        channel: str = "trades",
        on_progress: Callable[[SyncProgress], None] = lambda progress: None,
    ) -> SyncResult:
        """Fetch a range from the swarm into the local store.

        Parameters
        ----------
        symbol : str
            ``btcusd``, ``BTC/USD``, ``bitfinex/btcusd/trades`` or a link.
        start, end : int, str, datetime or date, optional
            Half-open range of ``ts_event``; int is ns UTC, a time without a zone is UTC.
        exchange, channel : str
            When the symbol alone is ambiguous.
        on_progress : callable
            Told again and again how far it is.

        Raises
        ------
        NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError
        """
        return self._portal.call(
            self._client.sync(
                symbol, start, end, exchange=exchange, channel=channel, on_progress=on_progress
            )
        )

    def trades(
        self,
        symbol: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        *,
        exchange: str | None = None,
        sync: bool = True,
        on_missing: OnMissing = "raise",
    ) -> TradesResult:
        """The trades of a range, in memory.

        Parameters
        ----------
        symbol, start, end, exchange
            As of `sync`.
        sync : bool
            Fetch what is not here; otherwise only what is here is read.
        on_missing : {"raise", "warn", "ignore"}
            What to do about records that exist but nobody has.  A gap that the exchange
            itself left is never an error: it is in `TradesResult.gaps`.

        Raises
        ------
        MissingDataError
            With the missing time ranges.
        NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError
        """
        return self._portal.call(
            self._client.trades(
                symbol, start, end, exchange=exchange, sync=sync, on_missing=on_missing
            )
        )

    def iter_trades(
        self,
        symbol: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        *,
        exchange: str | None = None,
        sync: bool = True,
        on_missing: OnMissing = "raise",
    ) -> Iterator[TradesResult]:
        """The same trades in batches and constant memory, for ranges larger than memory.

        What is missing is raised at the end, behind everything that is there.
        """
        return self._portal.iterate(
            self._client.iter_trades(
                symbol, start, end, exchange=exchange, sync=sync, on_missing=on_missing
            )
        )

    def candles(
        self,
        symbol: str,
        interval: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        *,
        exchange: str | None = None,
        fill: bool = False,
        sync: bool = True,
        on_missing: OnMissing = "raise",
    ) -> CandlesResult:
        """The candles that begin in a range; the newest may still grow.

        They come from the publisher's feed of minute candles, if it has one and the interval is
        of whole minutes, and from trades where that ends.

        Parameters
        ----------
        symbol, exchange
            As of `sync`.
        interval : str
            ``1s 1m 3m 5m 15m 30m 1h 2h 3h 4h 6h 8h 12h 1d 3d 1w 1M``; all begin in UTC, weeks on
            Mondays.
        start, end : optional
            Half-open range of the candles' beginnings; the last is read to its own end.
        fill : bool
            Put a candle without volume where there was no trade between the first and the last.
        sync, on_missing
            As of `trades`.

        Raises
        ------
        UsageError
            If there is no such interval.
        MissingDataError, NoPeerError, UnknownSymbolError, AmbiguousSymbolError, ForkError
        """
        return self._portal.call(
            self._client.candles(
                symbol,
                interval,
                start,
                end,
                exchange=exchange,
                fill=fill,
                sync=sync,
                on_missing=on_missing,
            )
        )

    def gaps(
        self,
        symbol: str,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        *,
        exchange: str | None = None,
        channel: str = "trades",
    ) -> FeedGaps:
        """Holes that the source reported, and what is not on this machine."""
        return self._portal.call(
            self._client.gaps(symbol, start, end, exchange=exchange, channel=channel)
        )

    def verify(
        self, symbol: str, *, exchange: str | None = None, channel: str = "trades"
    ) -> list[VerifiedLog]:
        """Check every held block of a feed against the publisher's signature.

        Raises
        ------
        VerificationError
            At the first that does not match.
        """
        return self._portal.call(self._client.verify(symbol, exchange=exchange, channel=channel))
