"""Strategies and replays over history and live, in processes of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import live_market
from support.commands import Line, Script, machine, unused_address
from support.live_market import KINDS, STEPS
from support.relay import relay

import tradercast


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What traders and watchers saw, and the link for whoever comes later.

    All hear of it over a line that is dropped once, and then while the publisher is killed.
    """
    root, address = tmp_path_factory.mktemp("live"), unused_address()
    with contextlib.ExitStack() as stack:
        own, *others = (
            stack.enter_context(machine(root / name))
            for name in ("publisher", *(f"{role} {kind}" for role in ROLES for kind in KINDS))
        )
        publisher = own.start_script(live_market.HERE, "publish", address)
        link = str(publisher.event("ready")["link"])
        publisher.tell({"to_step": 250})
        publisher.event("written")
        line = stack.enter_context(relay(address))
        through = f"{link.partition('?')[0]}?peer={line.address}"
        names = [(role, kind) for role in ROLES for kind in KINDS]
        started = {
            name: each.start_script(live_market.HERE, name[0], through, name[1])
            for name, each in zip(names, others, strict=True)
        }
        all_are_past(started, 0)
        publisher.tell({"to_step": STEPS})
        all_are_past(started, 500)
        line.drop()  # all connect again
        all_are_past(started, 800)
        line.unplug()
        own.kill()
        publisher = own.start_script(live_market.HERE, "publish", address)
        publisher.event("ready")
        line.mend()
        publisher.tell({"to_step": STEPS})
        seen: dict[str, Any] = {
            " ".join(name): each.event(ROLES[name[0]][1]) for name, each in started.items()
        }
        publisher.event("written")
        yield seen | {"link": link}


ROLES = {"trade": ("fill", "fills"), "watch": ("watching", "watched")}


def all_are_past(started: dict[tuple[str, str], Script], step: int) -> None:
    """Wait until each has told of something since then."""
    for (role, kind), each in started.items():
        told: Line = {"ts": 0}
        while told["ts"] < KINDS[kind].time_of(step):
            told = each.event(ROLES[role][0])


@pytest.mark.parametrize("name", KINDS)
def test_the_fills_over_history_are_those_of_the_same_records_streamed_live(
    live: dict[str, Any], tmp_path: Path, name: str
) -> None:
    kind, found = KINDS[name], live[f"trade {name}"]

    with tradercast.connect(tmp_path, link=live["link"]) as client:
        history = tradercast.backtest(kind.strategy(), client=client, **kind.run)

    assert len(found["fills"]) > 50
    assert history.rows() == found["fills"]
    assert (history.records, str(history.pnl)) == (found["records"], found["pnl"])
    assert {fill.side for fill in history.fills} == {"buy", "sell"}
    assert {fill.is_maker for fill in history.fills} == {True, False}


@pytest.mark.parametrize("name", KINDS)
def test_history_goes_over_into_live_without_a_missing_or_repeated_record(
    live: dict[str, Any], name: str
) -> None:
    found = live[f"watch {name}"]

    assert found["whole"] == {str(feed): True for feed in KINDS[name].feeds}
    assert found["live"] > 0
