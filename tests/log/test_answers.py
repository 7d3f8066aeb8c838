"""Small pure parts: answers of a wrong shape, places in ranges, events for slow listeners."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.errors import (
    DiskFullError,
    ForkError,
    NoPeerError,
    PortInUseError,
    SidecarError,
    SidecarLostError,
    StalledError,
    TradercastError,
    UsageError,
)
from tradercast.log import OVERFLOW, RESTART, Event, EventStream, answers, note, spans
from tradercast.log.events import MAX_WAITING
from tradercast.log.failures import SidecarRefusedError, failure

NAMES = st.sampled_from(
    [
        "length",
        "fork",
        "roots",
        "signature",
        "manifest",
        "handle",
        "key",
        "discovery_key",
        "ranges",
        "incidents",
        "blocks",
        "bytes",
        "root",
        "data",
        "public_key",
        "peer",
        "code",
    ]
)
SCALARS = st.none() | st.integers() | st.binary(max_size=40) | st.text(max_size=5) | st.floats()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=8)
)
RANGES = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 5)).map(lambda pair: (pair[0], sum(pair))),
    max_size=8,
)

READERS: list[Callable[[Any], object]] = [
    answers.mapping,
    answers.opened,
    answers.core_info,
    answers.appended,
    answers.progress,
    answers.ranges,
    answers.checkpoint,
    answers.proofs,
    answers.tree_nodes,
    lambda item: answers.blocks(item, spans.Cursor([(0, 3)])),
    lambda item: note(answers.mapping(item)),
]


@pytest.mark.parametrize("reader", READERS)
@given(answer=VALUES)
def test_an_answer_of_any_shape_is_read_or_refused(
    reader: Callable[[Any], object], answer: Any
) -> None:
    with contextlib.suppress(SidecarError):
        reader(answer)


@given(VALUES)
def test_a_failure_of_any_shape_is_an_error(answer: Any) -> None:
    assert isinstance(failure(answer), TradercastError)


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("PORT_IN_USE", "x", PortInUseError),
        ("STALLED", "x", StalledError),
        ("DISK_FULL", "x", DiskFullError),
        ("WRITE_FAILED", "x", SidecarLostError),
        ("CONFLICT", "x", ForkError),
        ("CONNECT_FAILED", "x", NoPeerError),
        ("WRONG_KEY", "x", NoPeerError),
        ("A_NEW_ONE", "x", SidecarRefusedError),
    ],
)
def test_what_the_codes_mean(code: str, message: str, expected: type[TradercastError]) -> None:
    error = failure({"code": code, "message": message})
    assert type(error) is expected
    assert error.message.startswith(message)


@given(RANGES, st.integers(0, 60))
def test_a_cursor_knows_what_is_still_to_come(ranges: list[tuple[int, int]], steps: int) -> None:
    checked = spans.check(ranges)
    blocks = [index for start, end in ranges for index in range(start, end)]
    cursor = spans.Cursor(checked)

    for index in blocks[:steps]:
        assert not cursor.take(index + 1)
        assert cursor.take(index)

    rest = [index for start, end in cursor.rest() for index in range(start, end)]
    assert rest == blocks[steps:]


@pytest.mark.parametrize("pair", [(-1, 1), (2, 1), (0, 2**53 + 1)])
def test_what_is_no_range_is_refused(pair: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="not a range"):
        spans.check([pair])


async def test_a_slow_listener_loses_the_oldest_and_is_told() -> None:
    closed = []
    stream = EventStream(frozenset({"core.append"}), closed.append)
    for n in range(MAX_WAITING + 5):
        stream.put(Event("core.append", {"length": n}))
        stream.put(Event("peer.open"))
    stream.put(Event(RESTART))
    stream.close()
    stream.put(Event("core.append"))

    seen = [event async for event in stream]

    assert seen[0].topic == OVERFLOW
    assert seen[1].data == {"length": 6}
    assert seen[-1].topic == RESTART
    assert len(seen) == 1 + MAX_WAITING
    assert closed == [stream]


async def test_closing_ends_whoever_waits() -> None:
    stream = EventStream(frozenset(), lambda closed: None)
    waiting = asyncio.create_task(anext(stream, "ended"))
    await asyncio.sleep(0)
    stream.close()
    assert await waiting == "ended"
