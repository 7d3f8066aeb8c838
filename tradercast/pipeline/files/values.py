"""One column of source values to one column of trades, by its rule; pure."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact

import numpy as np
from numpy.typing import NDArray

from tradercast.decimals import Decimals
from tradercast.errors import InputError
from tradercast.pipeline.files.columns import NumberRule, SideRule, TimeRule
from tradercast.pipeline.files.iso import parse_iso
from tradercast.pipeline.files.zones import load_zone, since_midnight
from tradercast.records import NO_TIME, Side
from tradercast.rows import I64, U8

Bytes = NDArray[np.bytes_]

UNIT_EXPONENT = {"s": -9, "ms": -6, "us": -3, "ns": 0}  # of one ns, counted in the unit
_LIMIT = 2**63 - 1
_EXACT = Context(prec=400, traps=[Inexact])
_BUY = (b"buy", b"b", b"buyer", b"bid")
_SELL = (b"sell", b"s", b"seller", b"ask")
_UNKNOWN = (b"", b"any", b"unknown", b"none", b"null", b"n/a", b"nan", b"-")
_TRUE = (b"true", b"1", b"t", b"yes")
_FALSE = (b"false", b"0", b"f", b"no")


def times_from_text(texts: Bytes, rule: TimeRule) -> I64:
    """Text in the rule's unit as ns UTC.

    Raises
    ------
    InputError
        If a row is no such time, is outside int64 ns, or is finer than a nanosecond.
    """
    if rule.unit == "iso":
        return parse_iso(texts, load_zone(rule.zone) if rule.zone else None)
    return times_from_numbers(Decimals.from_strings(texts), rule)


def times_from_numbers(numbers: Decimals, rule: TimeRule) -> I64:
    """Counts of the rule's unit as ns UTC; raises as `times_from_text`."""
    if rule.unit == "iso":
        raise InputError("a number is not an ISO time", hint="say the unit: :s, :ms, :us or :ns")
    times = numbers.to_scaled(UNIT_EXPONENT[rule.unit])
    if rule.zone is None:
        return times
    if rule.day is None:
        raise InputError("the day that the times count from is not known")
    return since_midnight(times, rule.day, load_zone(rule.zone))


def optional_times(texts: Bytes, rule: TimeRule) -> I64:
    """As `times_from_text`, with `NO_TIME` where the text is empty."""
    there = texts != b""
    if there.all():
        return times_from_text(texts, rule)
    times = np.full(len(texts), NO_TIME, np.int64)
    times[there] = times_from_text(texts[there], rule)
    return times


def numbers(values: Decimals, rule: NumberRule, *, allow_negative: bool) -> Decimals:
    """Apply a rule's factor and sign, exactly.

    Raises
    ------
    InputError
        If a result is negative and may not be, or has too many digits.
    """
    if rule.factor != 1:
        values = _scaled(values, rule.factor)
    negative = bool((values.mantissa < 0).any()) or any(v < 0 for v in values.escapes.values())
    if negative and rule.absolute:
        return _absolute(values)
    if negative and not allow_negative:
        raise InputError("a size is negative", hint="use ':abs' if the sign means the side")
    return values


def sides_from_text(texts: Bytes, rule: SideRule) -> U8:
    """The taker's side a row.

    Raises
    ------
    InputError
        If a row is none of the words that the rule knows.
    """
    if rule.how == "sign":
        return signs(Decimals.from_strings(texts))
    if rule.buy:
        table: dict[Side, tuple[bytes, ...]] = {
            Side.BUY: (rule.buy.encode(),),
            Side.SELL: (rule.sell.encode(),),
            Side.UNKNOWN: (b"",),
        }
        return _lookup(texts, table)
    lower = lower_case(texts)
    if rule.how == "buyer_maker":
        return _lookup(lower, {Side.SELL: _TRUE, Side.BUY: _FALSE, Side.UNKNOWN: _UNKNOWN})
    sides = _lookup(lower, {Side.BUY: _BUY, Side.SELL: _SELL, Side.UNKNOWN: _UNKNOWN})
    return swapped(sides) if rule.how == "maker" else sides


def signs(values: Decimals) -> U8:
    """Buy for positive, sell for negative numbers."""
    sides = np.where(values.mantissa > 0, Side.BUY, np.where(values.mantissa < 0, Side.SELL, 0))
    for row, value in values.escapes.items():
        sides[row] = Side.BUY if value > 0 else Side.SELL
    return sides.astype(np.uint8)


def swapped(sides: U8) -> U8:
    """Buy for sell and the reverse."""
    return np.array([Side.UNKNOWN, Side.SELL, Side.BUY], np.uint8)[sides]


def lower_case(texts: Bytes) -> Bytes:
    """ASCII lower case."""
    chars = np.ascontiguousarray(texts).view(np.uint8)
    upper = (chars >= 65) & (chars <= 90)
    return (chars + upper * np.uint8(32)).view(texts.dtype)


def _lookup(texts: Bytes, table: dict[Side, tuple[bytes, ...]]) -> U8:
    sides = np.zeros(len(texts), np.uint8)
    left = np.ones(len(texts), np.bool_)
    words = [(side, word) for side, known in table.items() for word in known]
    # the first word of every side is by far the commonest
    for side, word in sorted(words, key=lambda pair: table[pair[0]].index(pair[1])):
        hit = texts == word
        sides[hit] = side
        left &= ~hit
        if not left.any():
            return sides
    known = ", ".join(sorted({word.decode() for _, word in words if word}))
    raise InputError("a side is not one of the words known", hint=f"known are: {known}")


def _scaled(values: Decimals, factor: Decimal) -> Decimals:
    _, digits, exponent = factor.normalize().as_tuple()
    number = int("".join(map(str, digits)))
    assert isinstance(exponent, int)
    magnitude = np.abs(values.mantissa)
    room = not len(magnitude) or (
        int(magnitude.min()) >= 0 and int(magnitude.max()) <= _LIMIT // number
    )
    if room and not values.escapes and abs(values.exponent + exponent) <= 100:
        return Decimals.from_ints(values.mantissa * number, values.exponent + exponent)
    try:
        return Decimals.from_decimals(_EXACT.multiply(v, factor) for v in values.to_decimals())
    except Inexact:
        raise InputError("a number has too many digits") from None


def _absolute(values: Decimals) -> Decimals:
    if values.escapes or int(values.mantissa.min()) == -_LIMIT - 1:
        return Decimals.from_decimals(abs(v) for v in values.to_decimals())
    return Decimals(np.abs(values.mantissa), values.exponent)
