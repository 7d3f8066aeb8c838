"""How a collection's own fields are read: ``--map price=data.px,size=data.qty,ts_event=t:ms``.

A map turns any document into one of the form that `documents` reads.  It never raises because of
a document: what can not be read is left as it is found, and rejected there with its reason.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tradercast.errors import TradercastError, UsageError
from tradercast.feeds import check_name, normalise_symbol
from tradercast.timerange import parse_time_ns

Document = Mapping[str, Any]

FIELDS = ("exchange", "symbol", "trade_id", "ts_event", "ts_recv", "side", "price", "size")
OPTIONAL = frozenset(("ts_recv", "side"))
COLLECTION = "@collection"
PRESETS = ("tradercast", "bitfinex-2018")
_TIMES = ("ts_event", "ts_recv")
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_RAW = "trade"  # the one field of a document of 2018
_MAX_RAW = 4_096
_SIDES = {"b": "buy", "s": "sell", "bid": "buy", "ask": "sell"}
_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,2})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Field:
    """Where a field comes from.

    Attributes
    ----------
    path : tuple of str
        The names down to the value; empty for a constant.
    constant : str or None
    unit : str or None
        Of a time: ``s``, ``ms``, ``us``, ``ns`` or ``iso``; None takes it as it is.
    """

    path: tuple[str, ...]
    constant: str | None = None
    unit: str | None = None


@dataclass(frozen=True)
class FieldMap:
    """The fields of documents.

    Attributes
    ----------
    fields : mapping of str to Field
        Without an entry a field has its own name; empty for documents that need no change.
    raw_bitfinex : bool
        Documents hold the exchange's raw message, as those of 2018 do.
    """

    fields: Mapping[str, Field]
    raw_bitfinex: bool = False

    @classmethod
    def parse(cls, text: str) -> FieldMap:
        """Read ``field=path,…``, a preset, or both: ``bitfinex-2018,symbol==btcusd``.

        ``field=a.b`` is the field ``b`` of the object ``a``; ``field=path:ms`` a time in that
        unit (s, ms, us, ns, iso); ``field==text`` is the same text for all; ``@collection`` is
        the collection's name.

        Raises
        ------
        UsageError
            If a part is none of these.
        """
        fields: dict[str, Field] = {}
        raw = False
        for part in filter(None, (each.strip() for each in text.split(","))):
            if part == "bitfinex-2018":
                raw = True
            elif part != "tradercast":
                name, field = _parse_field(part)
                if name in fields:
                    raise UsageError(f"the map says twice where {name} comes from")
                fields[name] = field
        return cls(fields, raw)

    @property
    def changes_nothing(self) -> bool:
        """Whether documents are read as they are."""
        return not self.fields and not self.raw_bitfinex

    @property
    def roots(self) -> frozenset[str]:
        """The names at the top of a document whose change changes a trade."""
        if self.raw_bitfinex:
            return frozenset((_RAW,))
        return frozenset(self._root(name) for name in FIELDS)

    @property
    def identity(self) -> frozenset[str]:
        """The names at the top whose change makes it another trade, or another time of it."""
        if self.raw_bitfinex:
            return frozenset((_RAW,))
        return frozenset(self._root(name) for name in FIELDS[:4])

    def _root(self, name: str) -> str:
        field = self.fields.get(name)
        return name if field is None else (field.path or ("",))[0]

    def read(self, documents: Sequence[Document], collection: str) -> list[Document | None]:
        """The documents as `documents.read_documents` takes them.

        Parameters
        ----------
        documents : sequence of mappings
            As the driver decodes them.
        collection : str
            Where they are from.

        Returns
        -------
        list of mappings or None
            None for a document that is no trade and is not meant to be one: the heartbeats and
            the repetitions (``tu``) among raw messages.
        """
        if self.raw_bitfinex:
            return [self._raw(document, collection) for document in documents]
        if not self.fields:
            return list(documents)
        readers = [(name, self._reader(name, collection)) for name in FIELDS]
        return [{name: read(document) for name, read in readers} for document in documents]

    def _reader(self, name: str, collection: str) -> Callable[[Document], Any]:
        field = self.fields.get(name, Field((name,)))
        if not field.path:
            constant = field.constant
            return lambda document: constant
        if field.path == (COLLECTION,):
            found = _name(collection.rsplit(".", 1)[-1], name)
            return lambda document: found
        path, convert = field.path, _converter(name, field.unit)
        return lambda document: convert(_at(document, path))

    def _raw(self, document: Document, collection: str) -> Document | None:
        """``[channel, "te", [id, ms, amount, price]]``, as text."""
        text = document.get(_RAW)
        names = {"exchange": "bitfinex", "symbol": _name(collection.rsplit(".", 1)[-1], "symbol")}
        for name in names.keys() & self.fields.keys():
            names[name] = self._reader(name, collection)(document)
        try:
            if type(text) is not str or len(text) > _MAX_RAW:
                return names
            message = json.loads(text, parse_float=_Digits, parse_int=_Digits)
            kind = message[1]
            if kind in ("hb", "tu"):
                return None
            trade_id, ms, amount, price = message[2][:4]
            numbers = all(type(each) is _Digits for each in (trade_id, ms, amount, price))
            if kind != "te" or not numbers or not all(map(_NUMBER.fullmatch, (amount, price))):
                return names
            return names | {
                "trade_id": str(trade_id),
                "ts_event": int(ms) * 1_000_000,
                "side": "sell" if amount.startswith("-") else "buy",
                "price": str(price),
                "size": amount.removeprefix("-"),
            }
        except (ValueError, TypeError, LookupError, RecursionError):
            return names


class _Digits(str):
    """A JSON number with its digits, which a JSON string is not."""

    __slots__ = ()


def _parse_field(part: str) -> tuple[str, Field]:
    name, sign, source = part.partition("=")
    if name not in FIELDS or not sign or source in ("", "="):
        raise UsageError(
            f"{part!r:.100} does not say where a field comes from",
            hint=f"write field=path; fields are {', '.join(FIELDS)}; presets {', '.join(PRESETS)}",
        )
    if source.startswith("="):
        constant = source[1:]
        if name in ("exchange", "symbol"):
            check_name(constant, name)
        return name, Field((), constant)
    unit = None
    if name in _TIMES:
        source, colon, unit_text = source.partition(":")
        unit = unit_text if colon else None
        if unit is not None and unit not in (*_UNITS, "iso"):
            raise UsageError(f"{unit!r} is no unit of time", hint="write s, ms, us, ns or iso")
    return name, Field(
        (COLLECTION,) if source == COLLECTION else tuple(source.split(".")), "", unit
    )


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if isinstance(document, Mapping):
            document = document.get(name)
        elif isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        else:
            return None
    return document


def _converter(name: str, unit: str | None) -> Callable[[Any], Any]:
    if name in _TIMES:
        return lambda value: _time(value, unit)
    if name in ("exchange", "symbol"):
        return lambda value: _name(value, name)
    if name == "side":
        return _side
    if name == "trade_id":
        # An ObjectId is its text; what is no id stays as it is, and is told as such.
        return lambda value: str(value) if type(value).__name__ == "ObjectId" else value
    return lambda value: value


def _name(value: Any, name: str) -> Any:
    try:
        return normalise_symbol(value) if name == "symbol" else value.lower()
    except (TradercastError, TypeError, AttributeError):
        return value


def _side(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    lower = value.lower()
    return _SIDES.get(lower, lower)


def _time(value: Any, unit: str | None) -> Any:
    """A time in ns, or the value itself if it is none."""
    try:
        if isinstance(value, bool) or value is None:
            return value
        if type(value).__name__ == "DatetimeMS":  # a date of BSON, as int milliseconds
            return int(value) * 1_000_000
        if unit is None or unit == "iso":
            return value if isinstance(value, int) else parse_time_ns(value)
        if isinstance(value, int):
            return value * _UNITS[unit]
        exact = value.to_decimal() if hasattr(value, "to_decimal") else Decimal(str(value))
        return int(exact * _UNITS[unit]) if math.isfinite(exact) else value
    except (TradercastError, ValueError, ArithmeticError, TypeError):
        return value
