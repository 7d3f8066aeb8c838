"""Lists of short texts as integer columns: by position where all are equally long, else in a row.

Texts of one length are mostly UUIDs or prefixed numbers: most of their positions are constant
or hexadecimal, and a column a position costs 4 bits a hexadecimal digit and nothing a hyphen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tradercast.chunks.columns import ColumnReader, ColumnWriter
from tradercast.errors import FormatError

MIN_BY_POSITION = 64  # below this, the columns' own overhead is larger than the gain


def text_columns(prefix: str, count: int, longest: int) -> list[tuple[str, int]]:
    """The names and largest counts of the columns that hold `count` texts."""
    positions = [(f"{prefix}_{at}", count) for at in range(longest)]
    return [(f"{prefix}_len", count), (f"{prefix}_text", count * longest), *positions]


def write_texts(
    writer: ColumnWriter, prefix: str, texts: Sequence[bytes], *, by_position: bool = True
) -> None:
    """Append the columns of `texts`, each of 1 to 255 bytes."""
    lengths = np.fromiter(map(len, texts), np.uint8, len(texts))
    writer.add(f"{prefix}_len", lengths)
    joined = np.frombuffer(b"".join(texts), np.uint8)
    uniform = len(texts) >= MIN_BY_POSITION and not (lengths != lengths[0]).any()
    if not (by_position and uniform):
        writer.add(f"{prefix}_text", joined)
        return
    for at, column in enumerate(np.ascontiguousarray(joined.reshape(len(texts), -1).T)):
        writer.add(f"{prefix}_{at}", column)


def read_texts(reader: ColumnReader, prefix: str, longest: int) -> list[str]:
    """The texts that `write_texts` wrote.

    Raises
    ------
    FormatError
        If lengths and bytes do not agree, or a text is not UTF-8.
    """
    lengths = reader.read(f"{prefix}_len", np.uint8)
    if not len(lengths):
        return []
    if not lengths.all() or int(lengths.max()) > longest:
        raise FormatError(f"a text of {prefix!r} has no or too many bytes")
    if f"{prefix}_text" in reader.columns:
        joined = reader.read(f"{prefix}_text", np.uint8)
    else:
        joined = _by_position(reader, prefix, lengths)
    ends = np.cumsum(lengths, dtype=np.int64)
    if len(joined) != ends[-1]:
        raise FormatError(f"the texts of {prefix!r} have {len(joined)} bytes, not {ends[-1]}")
    return _split(joined.tobytes(), ends.tolist(), prefix)


def _by_position(reader: ColumnReader, prefix: str, lengths: np.ndarray) -> np.ndarray:
    length = int(lengths[0])
    if (lengths != length).any():
        raise FormatError(f"the texts of {prefix!r} are not of one length")
    matrix = np.empty((length, len(lengths)), np.uint8)
    for at in range(length):
        reader.into(f"{prefix}_{at}", matrix[at])
    return np.ascontiguousarray(matrix.T).reshape(-1)


def _split(joined: bytes, ends: list[int], prefix: str) -> list[str]:
    starts = [0, *ends[:-1]]
    try:
        if joined.isascii():
            text = joined.decode("ascii")
            return [text[start:end] for start, end in zip(starts, ends, strict=True)]
        return [joined[start:end].decode() for start, end in zip(starts, ends, strict=True)]
    except UnicodeDecodeError:
        raise FormatError(f"a text of {prefix!r} is not UTF-8") from None
