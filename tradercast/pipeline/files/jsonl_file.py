"""JSON lines, one object a trade, to batches of Trades."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tradercast.errors import InputError
from tradercast.pipeline.files import layouts
from tradercast.pipeline.files.bad_rows import RowError
from tradercast.pipeline.files.cells import Cells
from tradercast.pipeline.files.columns import ColumnSpec
from tradercast.pipeline.files.convert import CELL_LIMIT, TIME_LIMIT, trades_from_text
from tradercast.pipeline.files.opening import ByteStream, Limits
from tradercast.pipeline.files.values import Bytes
from tradercast.pipeline.files.zones import with_day
from tradercast.records import Trades

BLOCK_BYTES = 4 << 20
# numbers stay the text that they are
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
_OPTIONAL = ("ts_recv", "trade_id", "side")


@dataclass(frozen=True, eq=False)
class JsonlFile:
    """An opened file of JSON lines whose members are known; blank lines are skipped."""

    spec: ColumnSpec
    _stream: ByteStream
    _limits: Limits
    _head: bytes

    def batches(self) -> Iterator[Trades]:
        """Every line, in order.

        Raises
        ------
        InputError
            At the first broken line; nothing comes after it.
        """
        lines = 0
        text, final = self._head, False
        while not final:
            part = self._stream.read(BLOCK_BYTES)
            final = len(part) < BLOCK_BYTES
            text += part
            end = len(text) if final else text.rfind(b"\n") + 1
            block = text[:end].split(b"\n")
            try:
                rows = [(at, _object(line, at)) for at, line in enumerate(block) if line.strip()]
                trades = self._convert(rows)
            except RowError as error:
                raise InputError(
                    f"{self._stream.name}: row {lines + error.row + 1}: {error.what}"
                ) from None
            if len(trades):
                yield trades
            lines += len(block) - 1
            text = text[end:]
            if len(text) > self._limits.max_row:
                raise InputError(
                    f"{self._stream.name}: row {lines + 1}: "
                    f"longer than {self._limits.max_row} bytes"
                )

    def _convert(self, rows: list[tuple[int, dict[str, Any]]]) -> Trades:
        if not rows:
            return Trades.empty()

        def column(field: str) -> Bytes:
            name = self.spec[field][0].name
            return _texts(field, name, [row.get(name, "") for _, row in rows])

        try:
            return trades_from_text(column, self.spec)
        except RowError as error:
            raise RowError(rows[error.row][0], error.what) from None


def open_jsonl(
    stream: ByteStream, head: bytes, columns: ColumnSpec | None, limits: Limits
) -> JsonlFile:
    """Find the mapping from the first object.

    Raises
    ------
    InputError
        If the first line is no object, or its members are not known.
    """
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    try:
        first = _object(head.partition(b"\n")[0], 0)
    except RowError as error:
        raise InputError(f"{stream.name}: row 1: {error.what}") from None
    names = list(first)
    spec = columns or layouts.recognise(names, [str(value) for value in first.values()])
    if spec is None:
        raise layouts.unknown_layout(stream.name, names, [str(v) for v in first.values()])
    for field, (source, _) in spec.items.items():
        if source.position:
            raise InputError(
                f"{stream.name} holds objects, whose members have no position {source}",
                hint="use the member's name",
            )
        if field not in _OPTIONAL:
            layouts.find_column(source, names, len(names), stream.name)
    return JsonlFile(with_day(spec, [stream.name, stream.member]), stream, limits, head)


def _object(line: bytes, row: int) -> dict[str, Any]:
    try:
        text = line.strip().decode("utf-8")
        value, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        raise RowError(row, "not a line of JSON") from None
    if end != len(text):
        raise RowError(row, "not a line of JSON")
    if not isinstance(value, dict):
        raise RowError(row, "not a JSON object")
    return value


def _texts(field: str, name: str, values: Sequence[Any]) -> Bytes:
    plain = ["" if value is None else value for value in values]
    for row, value in enumerate(plain):
        if type(value) is not str:
            if not isinstance(value, bool):
                raise RowError(row, f"{name!r} is not a plain value")
            plain[row] = "true" if value else "false"
    joined = "\0".join([*plain, ""]).encode("utf-8", "surrogatepass")
    buffer = np.frombuffer(joined, np.uint8)
    stop = np.flatnonzero(buffer == 0)
    if len(stop) != len(plain):
        row = next(row for row, text in enumerate(plain) if "\0" in text)
        raise RowError(row, f"{field} holds a NUL character")
    start = np.concatenate(([0], stop[:-1] + 1))
    return Cells(buffer, start, stop).texts(field, CELL_LIMIT.get(field, TIME_LIMIT))
