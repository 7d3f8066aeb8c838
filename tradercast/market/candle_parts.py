"""What is known of candles so far: each from some of its trades, to be put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tradercast.candles import Candles
from tradercast.decimals import Decimals
from tradercast.market.exact import run_sums, to_decimals, to_whole, unit_of
from tradercast.rows import I64, Rows


@dataclass(frozen=True, eq=False, slots=True)
class Parts:
    """Parts of candles, in the order in which their trades arrived.

    Attributes
    ----------
    candles : Candles
        Each as if the trades of the part were all of it; several may begin at one time.
    first_ns, last_ns : int64 arrays
        The times of the trades that opened and closed each.
    """

    candles: Candles
    first_ns: I64
    last_ns: I64

    @classmethod
    def empty(cls) -> Parts:
        """No parts."""
        none = np.zeros(0, np.int64)
        return cls(Candles.empty(), none, none)

    @classmethod
    def concat(cls, parts: Sequence[Parts]) -> Parts:
        """All of them, one after the other."""
        if len(parts) == 1:
            return parts[0]
        none = np.zeros(0, np.int64)
        return cls(
            Candles.concat([part.candles for part in parts]),
            np.concatenate([none, *(part.first_ns for part in parts)]),
            np.concatenate([none, *(part.last_ns for part in parts)]),
        )

    def __len__(self) -> int:
        return len(self.candles)

    def __getitem__(self, rows: Rows) -> Parts:
        return Parts(self.candles[rows], self.first_ns[rows], self.last_ns[rows])

    def at(self, starts: I64) -> Parts:
        """The same as parts of candles that begin at `starts`, a row each."""
        held = self.candles
        columns = (held.open, held.high, held.low, held.close, held.volume, held.quote_volume)
        return Parts(Candles(starts, *columns, held.trades), self.first_ns, self.last_ns)

    def merged(self) -> Parts:
        """One part a candle, by time.

        A candle opens with its earliest trade, of several at that time with the one that arrived
        first, and closes with the latest, of several with the one that arrived last.
        """
        starts = self.candles.ts_open
        steps = np.diff(starts)
        if (steps > 0).all():
            return self
        if (steps < 0).any():
            return self[np.argsort(starts, kind="stable")].merged()
        joins = steps == 0
        several = np.append(joins, False) | np.append(False, joins)
        if several.all():
            return self._joined()
        # mostly only the candles at the borders of batches come in parts
        both = Parts.concat([self[~several], self[several]._joined()])
        return both[np.argsort(both.candles.ts_open)]

    def _joined(self) -> Parts:
        """The same for parts that are sorted by candle."""
        starts = self.candles.ts_open
        at = np.concatenate(([0], np.flatnonzero(np.diff(starts)) + 1))
        held, sizes = self.candles, np.diff(at, append=len(starts))
        place = np.repeat(np.arange(len(at)), sizes)
        opens = np.lexsort((self.first_ns, place))[at]
        closes = np.lexsort((self.last_ns, place))[at + sizes - 1]
        counts = held.counts()
        unknown = np.minimum.reduceat(counts, at) < 0
        candles = Candles(
            starts[at],
            held.open[opens],
            _extremes(held.high, at, np.maximum),
            _extremes(held.low, at, np.minimum),
            held.close[closes],
            _sums(held.volume, at),
            None if held.quote_volume is None else _sums(held.quote_volume, at),
            None if held.trades is None else np.where(unknown, -1, np.add.reduceat(counts, at)),
        )
        return Parts(candles, self.first_ns[opens], self.last_ns[closes])


def _extremes(values: Decimals, at: I64, ufunc: np.ufunc) -> Decimals:
    unit = unit_of(values)
    return to_decimals(ufunc.reduceat(to_whole(values, unit), at), unit)


def _sums(values: Decimals, at: I64) -> Decimals:
    unit = unit_of(values)
    return to_decimals(run_sums(to_whole(values, unit), at), unit)
