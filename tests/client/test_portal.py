"""The event loop in a thread, and the client that runs on it when things go wrong."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.markets import ETHUSD, Publisher
from support.stores import line_of, program

import tradercast
from tradercast.client.portal import Portal
from tradercast.errors import MissingDataError, UnknownSymbolError, UsageError


@pytest.fixture
def portal() -> Iterator[Portal]:
    made = Portal()
    made.open()
    yield made
    made.close()


# --- the portal alone --------------------------------------------------------------------------


def test_results_and_errors_pass_through_as_they_are(portal: Portal) -> None:
    error = MissingDataError("gone", missing=[(1, 2)], hint="wait")

    async def fails() -> None:
        raise error

    async def works() -> str:
        return threading.current_thread().name

    assert portal.call(works()) == "tradercast"
    with pytest.raises(MissingDataError) as caught:
        portal.call(fails())
    assert caught.value is error
    assert (caught.value.missing, caught.value.hint) == ([(1, 2)], "wait")
    assert caught.traceback[-1].name == "fails"


def test_a_stream_that_is_left_early_is_closed_at_once(portal: Portal) -> None:
    closed = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(10):
                yield number
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    stream = portal.iterate(numbers())
    assert [next(stream), next(stream)] == [0, 1]
    assert closed == []
    stream.close()
    assert closed == [True]
    assert list(portal.iterate(numbers())) == list(range(10))


def test_an_error_in_a_stream_comes_behind_what_was_before_it(portal: Portal) -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1
        raise UnknownSymbolError("no more")

    seen = []
    with pytest.raises(UnknownSymbolError):
        seen.extend(portal.iterate(numbers()))
    assert seen == [1]


@pytest.mark.parametrize("begun", [False, True])
def test_ctrl_c_while_work_is_being_handed_over_leaves_nothing_running(
    portal: Portal, begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            seen.append("closed")

    stream = portal.iterate(numbers())
    seen.append(next(stream))
    hand_over = asyncio.BaseEventLoop.call_soon_threadsafe

    def interrupted(loop: Any, *arguments: Any) -> None:
        monkeypatch.undo()
        if begun:
            hand_over(loop, *arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_soon_threadsafe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert seen == [1, "closed"]


def test_closing_cancels_what_runs_in_another_thread() -> None:
    portal = Portal()
    portal.open()
    began, tidied, errors = threading.Event(), [], []

    async def endless() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            tidied.append(True)

    def run() -> None:
        try:
            portal.call(endless())
        except UsageError as error:
            errors.append(error.message)

    thread = threading.Thread(target=run)
    thread.start()
    assert began.wait(5)
    portal.close()
    thread.join(5)
    assert (tidied, errors) == ([True], ["the client is not open"])
    assert "tradercast" not in {each.name for each in threading.enumerate()}


def test_one_that_is_closed_refuses_and_may_be_closed_again(portal: Portal) -> None:
    async def never() -> None:
        raise AssertionError

    portal.close()
    portal.close()
    with pytest.raises(UsageError, match="not open"):
        portal.call(never())
    portal.open()


# --- a client that is not open ------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_client_outside_its_block_says_so(
    when: str, publisher: Publisher, tmp_path: Path
) -> None:
    client = tradercast.connect(tmp_path / "data", link=publisher.link)
    if when == "after":
        with client:
            pass
    uses = (
        client.feeds,
        lambda: client.trades("ethusd"),
        lambda: client.sync("ethusd"),
        lambda: client.gaps("ethusd"),
        lambda: client.verify("ethusd"),
        lambda: list(client.iter_trades("ethusd")),
        lambda: list(client.follow("ethusd")),
    )
    for use in uses:
        with pytest.raises(UsageError, match="not open") as caught:
            use()
        assert "with tradercast.connect()" in (caught.value.hint or "")
    assert (tmp_path / "data").exists() == (when == "after")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_asynchronous_client_outside_its_block_says_so(
    when: str, publisher: Publisher, tmp_path: Path
) -> None:
    client = tradercast.aio.connect(tmp_path / "data", link=publisher.link)
    if when == "after":
        async with client:
            pass
    for use in (client.feeds, client.trades, client.sync, client.gaps, client.verify):
        with pytest.raises(UsageError, match="not open"):
            await (use() if use == client.feeds else use("ethusd"))  # type: ignore[operator]
    for stream in (client.iter_trades("ethusd"), client.follow("ethusd")):
        with pytest.raises(UsageError, match="not open"):
            await anext(stream)


def test_a_client_is_opened_once(publisher: Publisher, tmp_path: Path) -> None:
    with tradercast.connect(tmp_path / "data", link=publisher.link) as client:
        with pytest.raises(UsageError, match="once"), client:
            pass
        assert len(client.trades("ethusd")) == 2_000  # as if nobody had tried
    with pytest.raises(UsageError, match="once"), client:
        pass


def test_a_client_works_in_threads_and_beside_a_running_loop(
    publisher: Publisher, tmp_path: Path
) -> None:
    """As in a notebook, whose cells run inside an event loop."""
    with tradercast.connect(tmp_path / "data", link=publisher.link) as client:
        client.sync("ethusd")
        counts: list[int] = []
        threads = [
            threading.Thread(target=lambda: counts.append(len(client.trades("ethusd"))))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

        async def cell() -> int:
            return len(client.trades("ethusd"))

        counts.append(asyncio.run(cell()))
    assert counts == [2_000] * 5


def test_an_error_of_a_callback_ends_the_call_and_nothing_else(
    publisher: Publisher, tmp_path: Path
) -> None:
    with tradercast.connect(tmp_path / "data", link=publisher.link) as client:

        def impatient(progress: object) -> None:
            raise TimeoutError("this takes too long")

        with pytest.raises(TimeoutError, match="too long"):
            client.sync("ethusd", on_progress=impatient)
        with pytest.raises(UsageError, match="callback"):
            client.sync("ethusd", on_progress=lambda progress: print(client.feeds()))
        assert client.trades("ethusd").trades.equals(ETHUSD)


# --- Ctrl-C ---------------------------------------------------------------------------------------

FOLLOWING = """
import sys, tradercast
with tradercast.connect(sys.argv[1], link=sys.argv[2]) as client:
    try:
        rows = 0
        for piece in client.follow("ethusd", start="2024-01-01"):
            rows += len(piece.trades)
            if rows == 2000:
                print("all", flush=True)
    except KeyboardInterrupt:
        # the client is as good as before
        print(len(client.trades("ethusd")), flush=True)
        raise
"""

WAITING = """
import sys, tradercast
with tradercast.connect(sys.argv[1], link=sys.argv[2]) as client:
    print("begun", flush=True)
    client.sync("ethusd")
"""


async def test_ctrl_c_ends_following_and_the_client_goes_on(
    publisher: Publisher, tmp_path: Path
) -> None:
    async with program(FOLLOWING, tmp_path / "data", publisher.link) as reader:
        assert await line_of(reader) == "all"
        reader.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert await line_of(reader) == "2000"
        assert await reader.wait() == -signal.SIGINT
        assert time.monotonic() - began < 5


async def test_ctrl_c_while_nobody_answers_ends_at_once(
    publisher: Publisher, tmp_path: Path
) -> None:
    link = f"{publisher.link.partition('?')[0]}?bootstrap=127.0.0.1:9"
    async with program(WAITING, tmp_path / "data", link) as reader:
        assert await line_of(reader) == "begun"
        began = time.monotonic()
        reader.send_signal(signal.SIGINT)
        assert await reader.wait() == -signal.SIGINT
        assert time.monotonic() - began < 5
    with tradercast.connect(tmp_path / "data", link=publisher.link) as client:
        assert client.trades("ethusd").trades.equals(ETHUSD)
