"""Runs of records as hostile as the format allows."""

import numpy as np
from hypothesis import strategies as st

from tradercast.feeds import FeedId
from tradercast.records import NO_TIME, Decimals, Ids, Kind, Notes, Side, Trades

FEED = FeedId("bitfinex", "btcusd", "trades")
LAST = 2**63 - 1
TIMES = st.one_of(
    st.integers(0, 2_000).map(lambda ms: 1_642_204_800_000_000_000 + ms * 1_000_000),
    st.integers(1_642_204_800_000_000_000, 1_642_204_800_000_010_000),
    st.integers(-LAST, LAST),
)
NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6).map(lambda n: f"{n / 100:.2f}"),
    st.integers(10**17, 10**18 - 1).map(lambda n: f"{n // 10**9}.{n % 10**9:09d}"),
    st.sampled_from(["1000000000000", "0.000000000000000001", "0", "-1", "9223372036854775807"]),
    st.builds("{}e{}".format, st.integers(-(10**20), 10**20), st.integers(-30, 30)),
)
ID_TEXTS = st.one_of(
    st.none(),
    st.integers(0, 2**64).map(str),
    st.uuids().map(str),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=32),
)
INTS = st.integers(-(2**63), LAST)


@st.composite
def trades(draw: st.DrawFn, max_size: int = 40) -> Trades:
    """1 to `max_size` records with any mix of columns."""
    count = draw(st.integers(1, max_size))

    def column(values: st.SearchStrategy, name: type) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=count, max_size=count)), name)

    texts = st.lists(NUMBERS, min_size=count, max_size=count)
    recv = draw(st.sampled_from(["none", "some", "all"]))
    recv_times = {"all": TIMES, "some": st.one_of(st.just(NO_TIME), TIMES)}.get(recv)
    ids = draw(st.one_of(st.none(), st.lists(ID_TEXTS, min_size=count, max_size=count)))
    noted = sorted(draw(st.sets(st.integers(0, count - 1), max_size=5)))
    kinds = st.sampled_from([Kind.BUST, Kind.AMEND, Kind.GAP])
    return Trades(
        column(TIMES, np.int64),
        Decimals.from_strings(draw(texts)),
        Decimals.from_strings(draw(texts)),
        column(st.sampled_from(Side), np.uint8),
        None if recv_times is None else column(recv_times, np.int64),
        None if ids is None else Ids.from_strings(ids),
        Notes.of([(r, draw(kinds), draw(INTS), draw(INTS), draw(INTS)) for r in noted]),
    )
