"""The ``--columns`` grammar: which column of a source file is which field of a trade.

::

    spec   = item {"," item}
    item   = field "=" source ["*" factor] [":" how]
    field  = "ts_event" | "ts_recv" | "trade_id" | "side" | "price" | "size"
    source = column name | "#" position          (position from 1; for odd names too)

===================  ==================================================================
field                what may follow the source
===================  ==================================================================
ts_event, ts_recv    ``:s`` ``:ms`` ``:us`` ``:ns`` a count since 1970 UTC (decimals allowed);
                     ``:iso`` ISO 8601, without a zone UTC (the default);
                     ``:ms@America/New_York`` a count since local midnight of the day in the
                     file's name, ``:ms@America/New_York/2013-10-07`` of the day given;
                     ``:iso@America/New_York`` local time
price, size          ``*0.0001`` an exact factor; ``:abs`` drops the sign
side                 nothing: the words buy/sell, b/s, in any case; empty, any, unknown,
                     none, null are unknown; ``:maker`` the words name the maker;
                     ``:buyer_maker`` a truth value; ``:sign`` the sign of a number,
                     negative is sell; ``:bid/ask`` your own words for buy and sell
trade_id             nothing
===================  ==================================================================

``ts_event``, ``price`` and ``size`` are needed.  Of candles the fields are ``ts_open``, or
``ts_close`` where rows are labelled with the end, ``open``, ``high``, ``low``, ``close``,
``volume``, and perhaps ``quote_volume`` and ``trades``; times and numbers are as above.  This
module is pure: text in, rules out.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal, TypeAlias, cast

from tradercast.errors import UsageError

Unit: TypeAlias = Literal["s", "ms", "us", "ns", "iso"]
FIELDS = ("ts_event", "ts_recv", "trade_id", "side", "price", "size")
EXAMPLE = "ts_event=time:ms,price=price,size=amount"
TIMES = ("ts_event", "ts_recv", "ts_open", "ts_close")
PRICES = ("price", "open", "high", "low", "close")
CANDLE_FIELDS = (*TIMES[2:], *PRICES[1:], "volume", "quote_volume", "trades")
CANDLE_EXAMPLE = "ts_open=time:iso,open=open,high=high,low=low,close=close,volume=volume"

_NEEDED = ("ts_event", "price", "size")
_NEEDED_OF_CANDLES = (*PRICES[1:], "volume")
_UNITS = ("s", "ms", "us", "ns", "iso")
_MAX_SPEC = 4096
_MAX_POSITION = 1000
_ITEM = re.compile(r"(?P<source>[^:*]*)(?:\*(?P<factor>[^:]*))?(?::(?P<how>.*))?", re.DOTALL)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z][A-Za-z0-9_+-]*)*", re.ASCII)
_DAY = re.compile(r"/(\d{4})-?(\d{2})-?(\d{2})$", re.ASCII)
_FACTOR = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_HINT = "write it like '{}'"


@dataclass(frozen=True, slots=True)
class Source:
    """A column of the file: its name, or its position counted from 1."""

    name: str = ""
    position: int = 0

    def __str__(self) -> str:
        return f"#{self.position}" if self.position else self.name


@dataclass(frozen=True, slots=True)
class TimeRule:
    """How a column becomes int64 ns UTC."""

    unit: Unit = "iso"
    zone: str | None = None
    day: dt.date | None = None

    def __str__(self) -> str:
        if self.zone is None:
            return f":{self.unit}"
        return f":{self.unit}@{self.zone}" + (f"/{self.day}" if self.day else "")


@dataclass(frozen=True, slots=True)
class NumberRule:
    """How a column becomes exact decimals: times `factor`, then perhaps without its sign."""

    factor: Decimal = Decimal(1)
    absolute: bool = False

    def __str__(self) -> str:
        return (f"*{self.factor}" if self.factor != 1 else "") + (":abs" if self.absolute else "")


@dataclass(frozen=True, slots=True)
class SideRule:
    """How a column becomes the side of the taker."""

    how: Literal["words", "maker", "buyer_maker", "sign"] = "words"
    buy: str = ""
    sell: str = ""

    def __str__(self) -> str:
        if self.buy:
            return f":{self.buy}/{self.sell}"
        return "" if self.how == "words" else f":{self.how}"


@dataclass(frozen=True, slots=True)
class IdRule:
    """Trade ids are taken as they are."""

    def __str__(self) -> str:
        return ""


Rule: TypeAlias = TimeRule | NumberRule | SideRule | IdRule


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """Every mapped field with its source column and its rule, in the order of `FIELDS`."""

    items: Mapping[str, tuple[Source, Rule]]

    def __getitem__(self, field: str) -> tuple[Source, Rule]:
        return self.items[field]

    def __contains__(self, field: str) -> bool:
        return field in self.items

    def __str__(self) -> str:
        return ",".join(f"{field}={source}{rule}" for field, (source, rule) in self.items.items())

    def time(self, field: str) -> TimeRule:
        """The rule of a time field."""
        return cast(TimeRule, self.items[field][1])

    def number(self, field: str) -> NumberRule:
        """The rule of a field that is a number."""
        return cast(NumberRule, self.items[field][1])

    def side(self) -> SideRule:
        """The rule of ``side``."""
        return cast(SideRule, self.items["side"][1])


def parse_columns(text: str) -> ColumnSpec:
    """Read a ``--columns`` text about trades.

    Raises
    ------
    UsageError
        With the part of the text that is wrong.
    """
    return _parse(text, FIELDS, _NEEDED, EXAMPLE)


def parse_candle_columns(text: str) -> ColumnSpec:
    """Read a ``--columns`` text about candles; raises as `parse_columns`."""
    spec = _parse(text, CANDLE_FIELDS, _NEEDED_OF_CANDLES, CANDLE_EXAMPLE)
    if ("ts_open" in spec) == ("ts_close" in spec):
        raise UsageError(
            f"--columns {text!r} must map ts_open or ts_close", hint=_HINT.format(CANDLE_EXAMPLE)
        )
    return spec


def _parse(text: str, fields: tuple[str, ...], needed: tuple[str, ...], like: str) -> ColumnSpec:
    if len(text) > _MAX_SPEC:
        raise UsageError(f"--columns is longer than {_MAX_SPEC} characters")
    items: dict[str, tuple[Source, Rule]] = {}
    for item in text.split(","):
        field, equals, right = item.strip().partition("=")
        field = field.strip()
        if not equals:
            raise _bad(item, "has no '='", like)
        if field not in fields:
            raise _bad(item, f"{field!r} is not one of {', '.join(fields)}", like)
        if field in items:
            raise _bad(item, f"{field} is mapped twice", like)
        items[field] = _parse_item(item, field, right)
    missing = [field for field in needed if field not in items]
    if missing:
        raise UsageError(
            f"--columns {text!r} does not map {' and '.join(missing)}", hint=_HINT.format(like)
        )
    return ColumnSpec({field: items[field] for field in fields if field in items})


def _parse_item(item: str, field: str, right: str) -> tuple[Source, Rule]:
    match = _ITEM.fullmatch(right.strip())
    if match is None:
        raise _bad(item, "can not be read")
    source = _parse_source(item, match["source"].strip())
    factor, how = match["factor"], match["how"]
    if factor is not None and field in (*TIMES, "side", "trade_id"):
        raise _bad(item, f"a factor makes no sense for {field}; write a column named so as #3")
    if field in TIMES:
        return source, _parse_time(item, how)
    if field == "side":
        return source, _parse_side(item, how)
    if field == "trade_id":
        if how is not None:
            raise _bad(item, f"nothing may follow a trade_id, not ':{how}'")
        return source, IdRule()
    if how not in (None, "abs"):
        raise _bad(item, f"':{how}' is not ':abs'")
    return source, NumberRule(_parse_factor(item, factor), how == "abs")


def _parse_source(item: str, text: str) -> Source:
    if not text:
        raise _bad(item, "names no column")
    if not text.startswith("#"):
        return Source(name=text)
    digits = text[1:]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 4):
        raise _bad(item, f"{text!r} is not a position such as #3")
    if not 1 <= int(digits) <= _MAX_POSITION:
        raise _bad(item, f"{text!r} is not between #1 and #{_MAX_POSITION}")
    return Source(position=int(digits))


def _parse_time(item: str, how: str | None) -> TimeRule:
    if how is None:
        return TimeRule()
    unit, at, where = how.partition("@")
    if unit not in _UNITS:
        raise _bad(item, f"the unit {unit!r} is not one of {', '.join(_UNITS)}")
    if not at:
        return TimeRule(cast(Unit, unit))
    day = None
    found = _DAY.search(where)
    if found:
        where = where[: found.start()]
        try:
            day = dt.date(int(found[1]), int(found[2]), int(found[3]))
        except ValueError:
            raise _bad(item, f"{found[0][1:]!r} is not a day") from None
        if unit == "iso":
            raise _bad(item, "an ISO time has its own day")
    if not _ZONE.fullmatch(where):
        raise _bad(item, f"{where!r} is not a time zone such as America/New_York")
    return TimeRule(cast(Unit, unit), where, day)


def _parse_side(item: str, how: str | None) -> SideRule:
    if how is None:
        return SideRule()
    if how in ("maker", "buyer_maker", "sign"):
        return SideRule(cast(Literal["maker", "buyer_maker", "sign"], how))
    buy, slash, sell = how.partition("/")
    if not slash or not buy or not sell or buy == sell or "/" in sell:
        raise _bad(
            item, f"':{how}' is not ':maker', ':buyer_maker', ':sign' or ':BUYWORD/SELLWORD'"
        )
    return SideRule("words", buy, sell)


def _parse_factor(item: str, text: str | None) -> Decimal:
    if text is None:
        return Decimal(1)
    if len(text) <= 40 and _FACTOR.fullmatch(text):
        try:
            factor = Decimal(text)
        except InvalidOperation:  # pragma: no cover - the pattern admits only numbers
            factor = Decimal(0)
        if factor > 0 and len(factor.normalize().as_tuple().digits) <= 18:
            return factor
    raise _bad(item, f"{text!r} is not a factor such as 0.0001")


def _bad(item: str, what: str, like: str = EXAMPLE) -> UsageError:
    hint = _HINT.format(like)
    return UsageError(f"--columns: in {item.strip()[:80]!r}: {what}", hint=hint)
