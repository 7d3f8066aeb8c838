"""Order flow between two looks at a book: placed, traded, cancelled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from market.test_book_steps import FEED, S, parts
from support.books import ASK, BID, Row, gap, messages_of, row

from tradercast.book_levels import BookSide
from tradercast.book_messages import BookMessages
from tradercast.client.book_flow import Traded
from tradercast.client.book_snapshots import BookSnapshots
from tradercast.market.book_steps import BookSteps
from tradercast.records import Decimals, Gap, Side, Trades

BUY, SELL = Side.BUY, Side.SELL
KINDS = ("limit", "market", "cancel")


def trades_of(rows: list[tuple[int, Side, str, str]]) -> Trades:
    return Trades(
        np.array([time for time, *_ in rows], np.int64),
        Decimals.from_strings([price for *_, price, _ in rows]),
        Decimals.from_strings([size for *_, size in rows]),
        np.array([side for _, side, *_ in rows], np.uint8),
    )


def snapshots(
    run: BookMessages, times: list[int], trades: Trades, edges: list[int], gaps: Any = ()
) -> dict[str, Any]:
    ts = np.array(times, np.int64)
    steps = BookSteps(ts, depth=2, with_flow=True)
    steps.begin()
    for first_seq, keyframe, records in parts(run, edges):
        steps.take(first_seq, keyframe, records)
    steps.finish()
    return BookSnapshots(FEED, ts, 2, steps, Traded.between(ts, trades, gaps)).to_numpy()


RUN = messages_of(
    [
        row(1 * S, (BID, "10", "4"), (ASK, "11", "5"), (ASK, "12", "1"), snapshot=True),
        row(2 * S, (BID, "10", "6"), (ASK, "11", "2")),
        row(3 * S, (BID, "10", "5.5"), (BID, "10", "7")),
        row(6 * S, (ASK, "11", "0"), (ASK, "11.5", "3")),
        gap(8 * S, 7, 9, 7 * S),
        row(9 * S, (BID, "10", "1"), snapshot=True),
        row(10 * S, (BID, "10", "2.25")),
    ]
)
TRADES = trades_of(
    [
        (1 * S, BUY, "11", "100"),
        (2 * S, BUY, "11", "2"),
        (2 * S, SELL, "10", "0.75"),
        (3 * S, Side.UNKNOWN, "10", "50"),
        (5 * S, BUY, "11", "2.5"),
        (6 * S, BUY, "11.5", "0.5"),
        (10 * S, SELL, "10", "0.25"),
        (90 * S, SELL, "10", "9"),
    ]
)


def test_the_flow_at_the_levels_of_steps() -> None:
    found = snapshots(RUN, [1 * S, 3 * S, 4 * S, 6 * S, 8 * S, 9 * S, 10 * S], TRADES, [2, 4])

    nan = np.nan
    for name, values in {
        "valid": [True, True, True, True, False, True, True],
        # 4 to 6, to 5.5, to 7: 3.5 came, 0.5 went; 0.75 were traded, so 0.25 more came
        "bid_limit_00": [nan, 37.5, 0, 0, nan, nan, 15],
        "bid_market_00": [nan, 7.5, 0, 0, nan, nan, 2.5],
        "bid_cancel_00": [nan, 0, 0, 0, nan, nan, 0],
        # 5 to 2, of which 2 traded; then it goes, and 11.5 comes
        "ask_limit_00": [nan, 0, 0, 40.25, nan, nan, nan],
        "ask_market_00": [nan, 22, 0, 5.75, nan, nan, nan],
        "ask_cancel_00": [nan, 11, 0, 0, nan, nan, nan],
        "ask_cancel_01": [nan, 0, 0, 0, nan, nan, nan],
        "bid_notional_00": [40, 70, 70, 70, nan, 10, 22.5],
        "buys": [nan, 22, 0, 33.25, 0, 0, 0],
        "sells": [nan, 7.5, 0, 0, 0, 0, 2.5],
    }.items():
        np.testing.assert_array_equal(found[name], values, name)


def test_where_trades_are_missing_the_flow_is_not_known() -> None:
    holes = [Gap(0, 5, 6, 2 * S, 4 * S)]

    found = snapshots(RUN, [1 * S, 3 * S, 4 * S, 6 * S], TRADES, [], holes)

    assert np.isnan(found["bid_market_00"]).tolist() == [True, True, True, False]
    assert np.isnan(found["buys"]).tolist() == [True, True, True, False]
    assert found["bid_sz_00"].tolist() == [4, 7, 7, 7]


LEVEL = st.tuples(
    st.sampled_from([BID, ASK]), st.sampled_from(["1", "1.5", "2", "2.25"]), st.integers(0, 30)
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(LEVEL, max_size=5), min_size=1, max_size=12),
    st.lists(st.integers(1, 12), max_size=3),
    st.lists(
        st.tuples(st.integers(1, 26), st.sampled_from([BUY, SELL]), st.sampled_from(["1", "2"])),
        max_size=6,
    ),
)
def test_it_is_the_plain_sum_and_adds_up_to_the_change(
    changes: list[list[tuple[Any, str, int]]],
    edges: list[int],
    hits: list[tuple[int, Side, str]],
) -> None:
    def level(side: BookSide, price: str, size: int) -> tuple[BookSide, str, str]:
        return side, price, str(Decimal(size) / 4)

    start: list[Row] = [row(0, (BID, "1", "2"), (ASK, "2", "3"), snapshot=True)]
    rows = [row(2 * at, *(level(*each) for each in some)) for at, some in enumerate(changes, 1)]
    run = messages_of(start + rows)
    trades = trades_of(sorted((time, side, price, "0.5") for time, side, price in hits))
    times = list(range(0, 2 * len(rows) + 1, 3))

    found = snapshots(run, times, trades, [edge for edge in edges if edge <= len(run)])

    for at in range(1, len(times)):
        plain = plain_flow(rows, times[at - 1], times[at])
        for side, name, taker in ((BID, "bid", SELL), (ASK, "ask", BUY)):
            for place in range(2):
                price = found[f"{name}_px_{place:02d}"][at]
                if np.isnan(price):
                    continue
                flow = [found[f"{name}_{kind}_{place:02d}"][at] / price for kind in KINDS]
                traded = 0.5 * sum(
                    times[at - 1] < t <= times[at] and s == taker and float(p) == price
                    for t, s, p in hits
                )
                up, down, before = plain[(side, price)]
                expected = [up + max(traded - down, 0), traded, max(down - traded, 0)]
                np.testing.assert_allclose(flow, expected, atol=1e-9)
                change = found[f"{name}_sz_{place:02d}"][at] - before
                assert np.isclose(flow[0] - flow[1] - flow[2], change)


def plain_flow(
    rows: list[Row], after: int, until: int
) -> dict[tuple[BookSide, float], tuple[float, float, float]]:
    """Per level what came and went in a step, and its size before it."""
    sizes = {(side, price): 0.0 for side in BookSide for price in (1.0, 1.5, 2.0, 2.25)}
    sizes |= {(BID, 1.0): 2.0, (ASK, 2.0): 3.0}
    flow = {key: (0.0, 0.0, size) for key, size in sizes.items()}
    for entry in rows:
        for side, price, size in entry["levels"]:
            key, change = (side, float(price)), float(size) - sizes[(side, float(price))]
            sizes[key] = float(size)
            up, down, before = flow[key]
            if entry["ts_event"] <= after:
                flow[key] = (0.0, 0.0, sizes[key])
            elif entry["ts_event"] <= until:
                flow[key] = (up + max(change, 0), down + max(-change, 0), before)
    return flow
