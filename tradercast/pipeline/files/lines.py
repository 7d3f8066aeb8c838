"""The lines of a source file, however long it is."""

from __future__ import annotations

from collections.abc import Iterator

from tradercast.errors import InputError
from tradercast.pipeline.files.opening import ByteStream, Limits

_BLOCK_BYTES = 1 << 20


def lines_of(stream: ByteStream, limits: Limits) -> Iterator[bytes]:
    """Every line, without its end.

    Raises
    ------
    InputError
        If one is longer than the limits allow.
    """
    rest, count = b"", 0
    while part := stream.read(_BLOCK_BYTES):
        *lines, rest = (rest + part).split(b"\n")
        yield from lines
        count += len(lines)
        if len(rest) > limits.max_row:
            raise InputError(f"{stream.name}: line {count + 1}: longer than {limits.max_row} bytes")
    if rest:
        yield rest
