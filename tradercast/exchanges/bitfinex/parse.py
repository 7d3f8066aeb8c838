"""Bitfinex's frames, read without any state: bytes -> one message.  Numbers keep their digits."""

from __future__ import annotations

import json
import re
from collections.abc import Container
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn, TypeAlias

from tradercast.errors import ExchangeError
from tradercast.exchanges.connector import ExchangeTrade
from tradercast.records import Side
from tradercast.timerange import NS_PER_S

_NS_PER_MS = NS_PER_S // 1_000
_MAX_SNAPSHOT = 10_000
_MAX_I64 = 2**63 - 1
_MAX_MS = _MAX_I64 // _NS_PER_MS
_TIMES_FROM_MS = 1_300_000_000_000  # in 2011; no connection lives for so many messages
_PLAIN = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", re.ASCII)
_EXPONENT = re.compile(r"-?[0-9](\.[0-9]{1,30})?[eE][+-]?[0-9]{1,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TradeMessage:
    """Trades of a channel, the oldest first.

    Attributes
    ----------
    channel : int
    number : int or None
        Of the message on its connection.
    kind : str
        ``te`` (executed), ``tu`` (the same trade again, once it is settled), ``snapshot``.
    trades : tuple of ExchangeTrade
    """

    channel: int
    number: int | None
    kind: str
    trades: tuple[ExchangeTrade, ...]


class Level(NamedTuple):
    """A price level; numbers with the text in which they came, for the checksum.

    Attributes
    ----------
    price, amount : str
        A negative amount is one of an ask.
    orders : int
        How many there are at the price; 0 removes the level.
    """

    price: str
    orders: int
    amount: str


@dataclass(frozen=True, slots=True)
class BookMessage:
    """Levels of a book, or the checksum of it.

    Attributes
    ----------
    channel : int
    number : int or None
        Of the message on its connection.
    ts_event : int or None
        The exchange's time (ns UTC), if it sends it.
    levels : tuple of Level
    is_list : bool
        Whether the levels came as a list, as those of a snapshot do.
    checksum : int or None
        Then there are no levels.
    """

    channel: int
    number: int | None
    ts_event: int | None
    levels: tuple[Level, ...] = ()
    is_list: bool = False
    checksum: int | None = None


@dataclass(frozen=True, slots=True)
class ChannelMessage:
    """A heartbeat, or anything else of a channel."""

    channel: int
    number: int | None


@dataclass(frozen=True, slots=True)
class EventMessage:
    """``{"event": …}``; fields that are missing, or of another type, are None."""

    event: str
    channel: int | None = None
    kind: str | None = None
    symbol: str | None = None
    code: int | None = None
    text: str | None = None
    version: int | None = None
    operative: bool | None = None
    flags: int | None = None
    precision: str | None = None


Message: TypeAlias = TradeMessage | BookMessage | ChannelMessage | EventMessage


class _Number(str):
    """The text of a JSON number, which a JSON string is not."""

    __slots__ = ()


def parse(
    frame: bytes,
    ts_recv: int,
    channels: Container[int] | None = None,
    books: Container[int] = (),
) -> Message:
    """Read a frame.

    Parameters
    ----------
    frame : bytes
        One WebSocket message; its size is limited by who received it.
    ts_recv : int
        When it arrived, ns UTC.
    channels : container of int, optional
        Those of trades: only their messages are looked into.  All others by default.
    books : container of int
        Channels of books.

    Raises
    ------
    ExchangeError
        If it is no message of this protocol.
    """
    try:
        value = json.loads(
            frame, parse_float=_Number, parse_int=_Number, parse_constant=_not_a_number
        )
    except (ValueError, RecursionError):
        raise _error("no JSON", frame) from None
    if isinstance(value, dict):
        return _event(value, frame)
    if isinstance(value, list) and len(value) >= 2:
        if _int_of(value[0]) in books:
            return _book(value, frame)
        return _channel(value, ts_recv, channels, frame)
    raise _error("neither an event nor a message of a channel", frame)


def _event(value: dict[str, Any], frame: bytes) -> EventMessage:
    event = value.get("event")
    if type(event) is not str:
        raise _error("an event without a name", frame)
    platform = value.get("platform")
    status = _int_of(platform.get("status")) if isinstance(platform, dict) else None
    return EventMessage(
        event,
        _int_of(value.get("chanId")),
        _text_of(value.get("channel")),
        _text_of(value.get("symbol")),
        _int_of(value.get("code")),
        _text_of(value.get("msg")),
        _int_of(value.get("version")),
        None if status is None else status == 1,
        _int_of(value.get("flags")),
        _text_of(value.get("prec")),
    )


def _channel(
    value: list[Any], ts_recv: int, channels: Container[int] | None, frame: bytes
) -> TradeMessage | ChannelMessage:
    channel = _int_of(value[0])
    if channel is None:
        raise _error("a message without a channel", frame)
    kind = value[1]
    if channels is None or channel in channels:
        if type(kind) is str and kind in ("te", "tu"):
            if len(value) < 3:
                raise _error("an update without a trade", frame)
            number, _ = _ending(value, 3)
            return TradeMessage(channel, number, kind, (_trade(value[2], ts_recv, frame),))
        if type(kind) is list:
            number, _ = _ending(value, 2)
            return TradeMessage(channel, number, "snapshot", _snapshot(kind, ts_recv, frame))
    plain = kind == "hb" or type(kind) is list
    return ChannelMessage(channel, _ending(value, 2 if plain else 3)[0])


def _book(value: list[Any], frame: bytes) -> BookMessage | ChannelMessage:
    """``[channel, level]``, ``[channel, [level, …]]`` or ``[channel, "cs", checksum]``."""
    channel, content = int(value[0]), value[1]
    if type(content) is list:
        is_list = not content or type(content[0]) is list
        rows = content if is_list else [content]
        if len(rows) > _MAX_SNAPSHOT:
            raise _error(f"a book of {len(rows)} levels", frame)
        levels = tuple(_level(row, frame) for row in rows)
        return BookMessage(channel, *_ending(value, 2), levels, is_list)
    if content == "cs":
        checksum = _nth(value, 2)
        if checksum is None:
            raise _error("a checksum that is no number", frame)
        return BookMessage(channel, *_ending(value, 3), checksum=checksum)
    return ChannelMessage(channel, _ending(value, 2 if content == "hb" else 3)[0])


def _level(row: Any, frame: bytes) -> Level:
    """``[price, count, amount]``."""
    if type(row) is not list or len(row) != 3:
        raise _error("a level that is not [price, count, amount]", frame)
    count = _int_of(row[1])
    if count is None or not 0 <= count <= _MAX_I64 or not _digits(row[2], frame).strip("-0."):
        raise _error("a level with an impossible count or amount", frame)
    _digits(row[0], frame)
    return Level(str(row[0]), count, str(row[2]))


def _ending(value: list[Any], place: int) -> tuple[int | None, int | None]:
    """The number and the time (ns) behind a message's content; it may have one, both or none."""
    number, ms = _nth(value, place), _nth(value, place + 1)
    if number is not None and number >= _TIMES_FROM_MS:
        number, ms = None, number
    if ms is not None and not _TIMES_FROM_MS <= ms <= _MAX_MS:
        ms = None
    return number, None if ms is None else ms * _NS_PER_MS


def _snapshot(rows: list[Any], ts_recv: int, frame: bytes) -> tuple[ExchangeTrade, ...]:
    if len(rows) > _MAX_SNAPSHOT:
        raise _error(f"a snapshot of {len(rows)} trades", frame)
    trades = [_trade(row, ts_recv, frame) for row in rows]
    return tuple(sorted(trades, key=lambda trade: (trade.ts_event, trade.trade_id)))


def _trade(row: Any, ts_recv: int, frame: bytes) -> ExchangeTrade:
    """``[id, ms, amount, price, …]``; a negative amount is a sale by the taker."""
    if type(row) is not list or len(row) < 4:
        raise _error("a trade that is not [id, time, amount, price]", frame)
    trade_id, ms = _int_of(row[0]), _int_of(row[1]) or 0
    if trade_id is None or not 0 < ms <= _MAX_MS or not 0 <= trade_id <= _MAX_I64:
        raise _error("a trade with an impossible id or time", frame)
    amount, price = _digits(row[2], frame), _digits(row[3], frame)
    side = Side.SELL if amount.startswith("-") else Side.BUY
    size = amount.removeprefix("-")
    if not size.strip("0."):
        raise _error("a trade of nothing", frame)
    return ExchangeTrade(trade_id, ms * _NS_PER_MS, ts_recv, side, price, size)


def plain(text: str) -> str:
    """A number's text without exponent notation: ``2.516e-05`` -> ``0.00002516``."""
    return format(Decimal(text), "f") if "e" in text or "E" in text else text


def _digits(value: Any, frame: bytes) -> str:
    if type(value) is _Number and (_PLAIN.fullmatch(value) or _EXPONENT.fullmatch(value)):
        return plain(str(value))
    raise _error(f"{value!r:.60} is no price or amount", frame)


def _int_of(value: Any) -> int | None:
    """The value of a JSON integer of a sane size."""
    if type(value) is _Number and len(value) <= 20 and value.lstrip("-").isdecimal():
        return int(value)
    return None


def _text_of(value: Any) -> str | None:
    return value if type(value) is str and len(value) <= 1_000 else None


def _nth(value: list[Any], place: int) -> int | None:
    return _int_of(value[place]) if len(value) > place else None


def _not_a_number(text: str) -> NoReturn:
    raise ValueError(text)


def _error(why: str, frame: bytes) -> ExchangeError:
    shown = bytes(frame[:80]).decode("utf-8", "replace")
    return ExchangeError(f"Bitfinex sent {why}: {shown!r}")
