"""Columns of exact decimals: scaled int64 and one exponent, the few others kept aside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradercast import decimal_form as form
from tradercast import decimal_text as text
from tradercast.decimal_floats import of_one_scale, shortest
from tradercast.decimal_text import TextColumn
from tradercast.errors import InputError
from tradercast.rows import I64, Rows, as_i64, pick, shifted

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,9})?", re.ASCII)
_EXACT_FLOAT = 2**53
_EXACT_POWER = 22  # 10**22 is the largest power of ten that a float64 holds exactly


@dataclass(frozen=True, eq=False)
class Decimals:
    """A column of exact decimals; row i is ``mantissa[i] * 10**exponent``.

    They are numbers: ``1.50`` and ``1.5`` are the same, and come back as ``1.5``.

    Parameters
    ----------
    mantissa : int64 array, shape (n,)
        Read-only by convention.
    exponent : int
    escapes : mapping of int to Decimal
        Rows whose value fits no int64 at `exponent`; their mantissa is 0.
    """

    mantissa: I64
    exponent: int = 0
    escapes: Mapping[int, Decimal] = field(default_factory=dict)

    @classmethod
    def from_ints(cls, mantissa: Sequence[int] | NDArray[Any], exponent: int = 0) -> Decimals:
        """Integers that count units of ``10**exponent``."""
        if not -form.MAX_EXPONENT <= exponent <= form.MAX_EXPONENT:
            raise InputError(f"the exponent {exponent} is outside ±{form.MAX_EXPONENT}")
        return cls(as_i64(mantissa, "a mantissa"), int(exponent))

    @classmethod
    def from_strings(cls, texts: TextColumn) -> Decimals:
        """Read text such as ``1.50``, ``-3``, ``+1`` or ``3.844E-5``.

        Parameters
        ----------
        texts : sequence of str, or numpy array of bytes or str
            One number a row.

        Raises
        ------
        InputError
            If a row is not a finite number in plain or exponent notation, or is longer than
            128 digits; names the row.
        """
        parsed = text.parse(texts)
        odd = {
            int(row): _read(text.row_text(texts, row), row)
            for row in np.flatnonzero(~parsed.plain).tolist()
        }
        return cls(*form.common(parsed.mantissa, -parsed.places, odd))

    @classmethod
    def from_decimals(cls, values: Iterable[Decimal]) -> Decimals:
        """Exact values of the standard library's type.

        Raises
        ------
        InputError
            If a row is not finite or has too many digits; names the row.
        """
        checked = {row: _check(value, str(value), row) for row, value in enumerate(values)}
        nothing = np.zeros(len(checked), np.int64)
        return cls(*form.common(nothing, nothing, checked))

    @classmethod
    def from_floats(cls, values: NDArray[np.float64] | Sequence[float]) -> Decimals:
        """The shortest decimals that read back as the given float64.

        Raises
        ------
        InputError
            If a row is NaN or infinite; names the row.
        """
        floats = np.asarray(values, np.float64)
        plain = of_one_scale(floats) if len(floats) else None
        if plain is not None:
            return cls(*form.common_at(*plain, {}))
        bad = np.flatnonzero(~np.isfinite(floats))
        if len(bad):
            raise InputError(f"row {bad[0]}: {floats[bad[0]]} is not a finite number")
        mantissa, exponents, left = shortest(floats)
        odd = {row: _read(repr(float(floats[row])), row) for row in left.tolist()}
        return cls(*form.common(mantissa, exponents, odd))

    @classmethod
    def concat(cls, columns: Sequence[Decimals]) -> Decimals:
        """All rows of `columns`, one after the other, at one exponent."""
        columns = [column for column in columns if len(column)]
        if not columns:
            return cls(np.zeros(0, np.int64))
        mantissa = np.concatenate([column.mantissa for column in columns])
        escapes: dict[int, Decimal] = {}
        at = 0
        for column in columns:
            escapes.update(shifted(column.escapes, at))
            at += len(column)
        if len({column.exponent for column in columns}) == 1:
            return cls(mantissa, columns[0].exponent, escapes)
        lengths = [len(column) for column in columns]
        exponents = np.repeat([column.exponent for column in columns], lengths)
        return cls(*form.common(mantissa, exponents.astype(np.int64), escapes))

    def __len__(self) -> int:
        return len(self.mantissa)

    def __getitem__(self, rows: Rows) -> Decimals:
        """The rows of a slice, an index array or a boolean mask."""
        return Decimals(self.mantissa[rows], self.exponent, pick(self.escapes, rows, len(self)))

    def normalised(self) -> Decimals:
        """The same numbers in the one form that depends on nothing but the numbers.

        The exponent is that of the value with the most decimals, so that the mantissas are the
        smallest integers possible.  If not all values fit int64 there, it is, among the
        exponents of the values without their trailing zeros, the one that leaves the fewest
        escapes, and of several the smallest.
        """
        return self._normalised

    @cached_property
    def _normalised(self) -> Decimals:
        return Decimals(*form.common_at(self.mantissa, self.exponent, self.escapes))

    def equals(self, other: Decimals) -> bool:
        """Whether both hold the same numbers."""
        if len(self) != len(other):
            return False
        one, two = self.normalised(), other.normalised()
        return (
            one.exponent == two.exponent
            and bool(np.array_equal(one.mantissa, two.mantissa))
            and dict(one.escapes) == dict(two.escapes)
        )

    def to_scaled(self, exponent: int) -> I64:
        """The numbers as int64 counts of ``10**exponent``.

        Raises
        ------
        InputError
            If a row is no whole number of these or does not fit int64; names the row.
        """
        scaled, fits = form.rescale_at(self.mantissa, self.exponent, exponent)
        if self.escapes:
            scaled = scaled.copy()
        for row, value in self.escapes.items():
            number, power = form.canonical(value)
            part, fit = form.rescale_one(number, power, exponent)
            scaled[row], fits[row] = part, fit
        bad = np.flatnonzero(~fits)
        if len(bad):
            row = int(bad[0])
            shown = self[row : row + 1].to_strings()[0]
            raise InputError(f"row {row}: {shown} is no int64 count of 1e{exponent}")
        return scaled

    def to_float(self) -> NDArray[np.float64]:
        """The nearest float64 of every row."""
        floats = self.mantissa.astype(np.float64)
        if not -_EXACT_POWER <= self.exponent <= 0:
            rough = np.ones(len(floats), np.bool_)
        else:
            floats /= 10.0**-self.exponent
            rough = (self.mantissa > _EXACT_FLOAT) | (self.mantissa < -_EXACT_FLOAT)
        for row in np.flatnonzero(rough).tolist():
            floats[row] = float(f"{self.mantissa[row]}e{self.exponent}")
        for row, value in self.escapes.items():
            floats[row] = float(value)
        return floats

    def to_strings(self) -> list[str]:
        """Plain text without exponent notation and without trailing zeros."""
        if self.exponent <= 0:
            texts = text.format_fixed(self.mantissa, self.exponent)
        else:
            zeros = "0" * self.exponent
            texts = [f"{m}{zeros}" if m else "0" for m in self.mantissa.tolist()]
        for row, value in self.escapes.items():
            texts[row] = form.plain_text(value)
        return texts

    def to_lines(self) -> str:
        """The same as one text, with a line break between the rows."""
        if self.escapes or self.exponent > 0:
            return "\n".join(self.to_strings())
        return text.format_lines(self.mantissa, self.exponent)

    def to_decimals(self) -> list[Decimal]:
        """The standard library's exact type, a row each."""
        return [Decimal(plain) for plain in self.to_strings()]


def _read(plain: str, row: int) -> Decimal:
    if not _NUMBER.fullmatch(plain):
        shown = repr(plain if len(plain) <= 60 else plain[:60] + "…")
        raise InputError(
            f"row {row}: {shown} is not a decimal number", hint="write it as 1234.5 or 1.2345e3"
        )
    return _check(Decimal(plain), plain, row)


def _check(value: Decimal, plain: str, row: int) -> Decimal:
    if not form.is_storable(value):
        raise InputError(
            f"row {row}: {plain[:60]} is not a finite number of at most {form.MAX_DIGITS} digits"
        )
    return value
