"""A column of trade ids: integers where they are integers, other text aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tradercast import decimal_text
from tradercast.errors import EncodeError, InputError
from tradercast.rows import I64, Rows, as_i64, pick, shifted

ABSENT = -1
MAX_ID_BYTES = 128


@dataclass(frozen=True, eq=False)
class Ids:
    """Trade ids as the exchange spells them.

    Parameters
    ----------
    values : int64 array, shape (n,)
        The id where it is the canonical text of a non-negative int64, else `ABSENT`.
    escapes : mapping of int to str
        Rows with any other id (UUIDs, leading zeros), at most 128 bytes of UTF-8 each.
    """

    values: I64
    escapes: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def from_ints(cls, values: Sequence[int] | NDArray[Any]) -> Ids:
        """Integer ids; -1 where there is none.

        Raises
        ------
        InputError
            If an id is negative (other than -1); names the row.
        """
        array = as_i64(values, "an id")
        bad = np.flatnonzero(array < ABSENT)
        if len(bad):
            raise InputError(f"row {bad[0]}: the id {array[bad[0]]} is negative")
        return cls(array)

    @classmethod
    def from_strings(cls, texts: Sequence[str | None] | NDArray[Any]) -> Ids:
        """Ids as text; `None` or an empty text where there is none.

        Raises
        ------
        InputError
            If an id is longer than 128 bytes or is no valid Unicode; names the row.
        """
        plain: Any = texts
        is_text = isinstance(texts, decimal_text.Lines)
        if not is_text and (not isinstance(texts, np.ndarray) or texts.dtype.kind == "O"):
            plain = ["" if text is None else text for text in texts]
        parsed = decimal_text.parse(plain)
        values = np.where(parsed.digits_only, parsed.mantissa, ABSENT)
        escapes: dict[int, str] = {}
        for row in np.flatnonzero(~parsed.digits_only).tolist():
            text = plain[row]
            if len(text):
                escapes[row] = _checked(text, row)
        return cls(values, escapes)

    @classmethod
    def concat(cls, columns: Sequence[Ids]) -> Ids:
        """All rows of `columns`, one after the other."""
        escapes: dict[int, str] = {}
        at = 0
        for column in columns:
            escapes.update(shifted(column.escapes, at))
            at += len(column)
        if not columns:
            return cls(np.zeros(0, np.int64))
        return cls(np.concatenate([column.values for column in columns]), escapes)

    @classmethod
    def absent(cls, count: int) -> Ids:
        """`count` rows without an id."""
        return cls(np.full(count, ABSENT, np.int64))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Rows) -> Ids:
        """The rows of a slice, an index array or a boolean mask."""
        return Ids(self.values[rows], pick(self.escapes, rows, len(self)))

    def to_strings(self) -> list[str | None]:
        """The ids as text, `None` where there is none."""
        texts: list[str | None] = [
            None if value == ABSENT else str(value) for value in self.values.tolist()
        ]
        for row, text in self.escapes.items():
            texts[row] = text
        return texts

    def to_lines(self) -> str:
        """The same as one text, with a line break between the rows; nothing where there is none.

        Raises
        ------
        EncodeError
            If an id has a line break.
        """
        if not self.escapes and not (self.values == ABSENT).any():
            return decimal_text.format_lines(self.values, 0)
        text = "\n".join([one or "" for one in self.to_strings()])
        if text.count("\n") != len(self) - 1:
            raise EncodeError("an id of a message has a line break")
        return text

    def any(self) -> bool:
        """Whether any row has an id."""
        return bool(self.escapes) or bool((self.values != ABSENT).any())

    def equals(self, other: Ids) -> bool:
        """Whether both hold the same ids."""
        return bool(np.array_equal(self.values, other.values)) and dict(self.escapes) == dict(
            other.escapes
        )


def _checked(text: Any, row: int) -> str:
    try:
        raw = text if isinstance(text, bytes) else text.encode("utf-8")
        text = raw.decode("utf-8")
    except (UnicodeError, AttributeError):
        raise InputError(f"row {row}: the id {text!r:.80} is not text") from None
    if len(raw) > MAX_ID_BYTES:
        raise InputError(f"row {row}: the id {text[:40]!r}… is longer than {MAX_ID_BYTES} bytes")
    return str(text)
