"""From what a person types to a feed: ``BTC/USD`` -> ``bitfinex/btcusd/trades``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from tradercast.errors import AmbiguousSymbolError, BadNameError, UnknownSymbolError
from tradercast.feed.entries import FeedEntry
from tradercast.feeds import FeedId, check_name, normalise_symbol

_SHOWN = 10


def resolve_symbol(
    entries: Iterable[FeedEntry],
    text: str,
    *,
    exchange: str | None = None,
    channel: str | None = None,
) -> FeedId:
    """The one feed that is meant, of those in one or several catalogs.

    A feed's full name, or its exact symbol, wins over a spelling that is only similar
    (``BTC/USD``, ``tBTCUSD``, the exchange's own).

    Parameters
    ----------
    entries : iterable of FeedEntry
        What there is.
    text : str
        A symbol, or ``exchange/symbol[/channel]``.
    exchange, channel : str, optional
        Narrow the choice; the channel is ``trades`` unless `text` or this says otherwise.

    Raises
    ------
    BadNameError
        If `text` can not be a symbol.
    AmbiguousSymbolError
        If several feeds match; the message lists them.
    UnknownSymbolError
        If none does; the hint lists those that are near.
    """
    present = {entry.feed: entry for entry in entries}
    named = _full_name(text, channel)
    if named is not None and named in present and exchange in (None, named.exchange):
        return named
    if text.count("/") == 2 and _full_name(text, None) is not None:
        raise UnknownSymbolError(f"there is no feed {text}", hint=_near(present, text, text))
    # Refuses what can not be a symbol, such as ../x, before anything else is said.
    wanted = normalise_symbol(text)
    if exchange is not None:
        check_name(exchange, "exchange")
    channel = "trades" if channel is None else check_name(channel, "channel")
    matches = _matches(present.values(), text, wanted)
    chosen = [
        feed for feed in matches if feed.channel == channel and exchange in (None, feed.exchange)
    ]
    exact = [feed for feed in chosen if feed.symbol == text]
    chosen = exact or chosen
    if len(chosen) == 1:
        return chosen[0]
    if chosen:
        raise AmbiguousSymbolError(
            f"{text!r} may mean {_listed(chosen)}",
            hint="name one in full, or its exchange with --exchange",
        )
    raise _unknown(present, matches, text, wanted, exchange, channel)


def check_target(text: str) -> None:
    """Refuse what can be neither a symbol nor a feed's full name, before anything is touched.

    Raises
    ------
    BadNameError
        For ``../x``, an empty text, odd characters.
    """
    if _full_name(text, None) is None:
        normalise_symbol(text)


def _full_name(text: str, channel: str | None) -> FeedId | None:
    try:
        feed = FeedId.parse(text)
        if channel is not None and text.count("/") == 1:
            return FeedId(feed.exchange, feed.symbol, channel)
    except BadNameError:
        return None
    return feed if channel in (None, feed.channel) else None


def _matches(entries: Iterable[FeedEntry], text: str, wanted: str) -> list[FeedId]:
    return sorted(
        entry.feed
        for entry in entries
        if entry.feed.symbol == text
        or entry.native_symbol == text
        or _folded(entry.feed.symbol) == wanted
    )


def _folded(symbol: str) -> str:
    # Names are legal already, so only the separators that a symbol may keep are left.
    return symbol.replace("-", "").replace("_", "")


def _unknown(
    present: Iterable[FeedId],
    matches: Sequence[FeedId],
    text: str,
    wanted: str,
    exchange: str | None,
    channel: str,
) -> UnknownSymbolError:
    what = f"no {channel} of {text!r}" + (f" at {exchange}" if exchange else "")
    if matches:
        return UnknownSymbolError(f"there are {what}", hint=f"there is {_listed(matches)}")
    return UnknownSymbolError(f"there are {what}", hint=_near(present, text, wanted))


def _near(present: Iterable[FeedId], text: str, wanted: str) -> str:
    """What may have been meant: symbols, or feeds where one was named with its exchange."""
    feeds = sorted(present)
    near = difflib.get_close_matches(wanted, sorted({feed.symbol for feed in feeds}), n=5)
    if not near and "/" in text:
        named = {f"{f.exchange}/{f.symbol}": f for f in feeds} | {str(f): f for f in feeds}
        found = difflib.get_close_matches(text, sorted(named), n=5)
        near = list(dict.fromkeys(str(named[name]) for name in found))
    return f"did you mean {', '.join(near)}?" if near else "`tradercast ls` lists what there is"


def _listed(feeds: Sequence[FeedId]) -> str:
    more = f" and {len(feeds) - _SHOWN} more" if len(feeds) > _SHOWN else ""
    return ", ".join(str(feed) for feed in feeds[:_SHOWN]) + more
