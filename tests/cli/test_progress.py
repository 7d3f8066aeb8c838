"""Progress: a line every few seconds, or a bar where there is a terminal."""

import io

import pytest
from rich.console import Console

from tradercast.cli.output import Output
from tradercast.cli.progress import BarProgress, LineProgress, Progress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_line_comes_every_few_seconds_and_at_the_end(clock):
    lines = []
    with LineProgress("btcusd", 1000, write=lines.append, clock=clock, every_s=2) as progress:
        for done in range(0, 500, 100):
            clock.now += 1
            progress.update(done, note="3.2 MB/s from 3 peers")
        progress.update(1000)
    assert lines == [
        "btcusd: 10%, 100 of 1,000 records, 50/s, 3.2 MB/s from 3 peers, ETA 18 s",
        "btcusd: 30%, 300 of 1,000 records, 75/s, 3.2 MB/s from 3 peers, ETA 9.3 s",
        "btcusd: 100%, 1,000 of 1,000 records, 200/s, 3.2 MB/s from 3 peers",
    ]


def test_the_total_may_become_known_later(clock):
    lines = []
    with LineProgress("x", unit="rows", write=lines.append, clock=clock, every_s=0) as progress:
        progress.update(5)
        progress.update(10, total=20)
    assert lines == ["x: 5 rows", "x: 50%, 10 of 20 rows"]


def test_the_last_state_is_shown_also_when_the_work_fails(clock):
    lines = []

    def work():
        with LineProgress("x", 10, write=lines.append, clock=clock) as progress:
            progress.update(7)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        work()
    assert lines == ["x: 70%, 7 of 10 records"]


def test_a_bar_shows_what_is_done_and_a_note():
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    with BarProgress("btcusd", 1000, console=console) as progress:
        progress.update(250, note="3 [peers]")
    assert "250 of 1,000 records" in screen.getvalue()
    assert "3 [peers]" in screen.getvalue()


def test_the_kind_depends_on_the_stream():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    assert type(Output(quiet=True).progress("x")) is Progress
    assert type(Output(stderr=io.StringIO()).progress("x")) is LineProgress
    with Output(stderr=Terminal()).progress("x") as progress:
        assert type(progress) is BarProgress
