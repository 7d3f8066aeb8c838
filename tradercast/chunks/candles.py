"""Chunks of candles: encoding."""

from __future__ import annotations

from typing import Unpack

import numpy as np

from tradercast.candles import PRICES, Candles
from tradercast.chunks.block import MAX_RECORDS, require_room
from tradercast.chunks.columns import ColumnWriter, Layout, layout_of
from tradercast.chunks.fields import (
    NOTE_COLUMNS,
    add_aside,
    add_notes,
    add_present,
    aside_columns,
    canonical,
    refuse,
)
from tradercast.chunks.frame import Frame, begin_chunk, finish_chunk
from tradercast.decimals import Decimals
from tradercast.errors import EncodeError
from tradercast.feeds import FeedId
from tradercast.ids import ABSENT
from tradercast.rows import I64

CHANNEL = "candles-1m"

_N = MAX_RECORDS
LAYOUT: Layout = layout_of(
    ("ts", _N),
    ("op", _N),
    ("cl", _N),
    ("hi", _N),
    ("lo", _N),
    *aside_columns("px"),
    ("vol", _N),
    *aside_columns("vol"),
    ("qv_exp", 1),
    ("qv", _N),
    *aside_columns("qv"),
    ("cnt_has", _N),
    ("cnt", _N),
    *NOTE_COLUMNS,
)


def encode_candles(candles: Candles, **frame: Unpack[Frame]) -> bytes:
    """One block that holds 1 to 65,536 candles; parameters and errors as of `encode_trades`."""
    block = encode_candles_any_size(candles, **frame)
    require_room(block, frame["first_seq"], len(candles))
    return block


def encode_candles_any_size(candles: Candles, **frame: Unpack[Frame]) -> bytes:
    """`encode_candles` without the limit of 1 MiB."""
    writer, unit = begin_chunk(candles, CHANNEL, frame)
    first_seq = frame["first_seq"]
    refuse(candles.counts() < ABSENT, "has a negative number of trades", first_seq)
    price_exponent, close = _add_prices(writer, candles, first_seq)
    volume = canonical(candles.volume, "volume", lambda row: first_seq + row)
    writer.add("vol", volume.mantissa)
    add_aside(writer, "vol", volume)
    if candles.quote_volume is not None:
        quote = canonical(candles.quote_volume, "quote volume", lambda row: first_seq + row)
        writer.add("qv_exp", np.array([quote.exponent]))
        expected = quote.exponent == price_exponent + volume.exponent
        writer.add("qv", quote.mantissa - (close * volume.mantissa if expected else 0))
        add_aside(writer, "qv", quote)
    counts = candles.counts()
    add_present(writer, "cnt", counts, counts != ABSENT, delta=0)
    add_notes(writer, candles.notes)
    return finish_chunk(
        writer,
        candles,
        frame,
        price_exponent=price_exponent,
        size_exponent=volume.exponent,
        time_unit=unit,
    )


def _add_prices(writer: ColumnWriter, candles: Candles, first_seq: int) -> tuple[int, I64]:
    """The four prices at one exponent, each by its distance to another (modulo 2**64)."""
    count = len(candles)
    every = Decimals.concat([getattr(candles, name) for name in PRICES])
    form = canonical(every, "price", lambda row: first_seq + row % count)
    if len(form.escapes) > MAX_RECORDS:
        raise EncodeError(
            f"{len(form.escapes)} prices fit no int64 at one exponent",
            hint="encode fewer records at once",
        )
    opens, high, low, close = form.mantissa.reshape(4, count)
    writer.add("op", opens - np.concatenate(([0], close[:-1])))
    writer.add("cl", close - opens)
    writer.add("hi", high - np.maximum(opens, close))
    writer.add("lo", np.minimum(opens, close) - low)
    add_aside(writer, "px", form)
    return form.exponent, close


class CandlesEncoder:
    """Of candles: a block of them depends on nothing before it."""

    def encode(
        self,
        records: Candles,
        *,
        feed: FeedId,
        first_seq: int,
        running_max_ns: int,
        chain: bytes,
    ) -> bytes:
        """A block of any size."""
        return encode_candles_any_size(
            records, feed=feed, first_seq=first_seq, running_max_ns=running_max_ns, chain=chain
        )

    def after(self, records: Candles) -> CandlesEncoder:
        """The same."""
        return self
