"""The map of symbols to partitions only grows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.errors import BadNameError, FormatError, UsageError
from tradercast.pipeline.partitions import PartitionMap

symbols = st.lists(st.from_regex(r"[a-z0-9]{3,8}", fullmatch=True), max_size=40)


@given(symbols, st.integers(1, 8))
def test_a_symbol_stays_where_it_was_put(names: list[str], partitions: int) -> None:
    mapping = PartitionMap(partitions)
    first = [mapping.assign(name) for name in names]

    assert [mapping.assign(name) for name in names] == first
    assert [PartitionMap.from_json(mapping.to_json()).get(name) for name in names] == first
    assert all(0 <= partition < partitions for partition in first)


def test_new_symbols_are_spread() -> None:
    mapping = PartitionMap(3)

    assert [mapping.assign(name) for name in ("aaa", "bbb", "ccc", "ddd")] == [0, 1, 2, 0]


def test_maps_that_agree_are_joined_and_others_refused() -> None:
    one, other = PartitionMap(2, {"btcusd": 0}), PartitionMap(4, {"btcusd": 0, "ethusd": 3})

    joined = one.merged(other)

    assert (joined.partitions, joined.get("btcusd"), joined.get("ethusd")) == (4, 0, 3)
    with pytest.raises(UsageError, match="btcusd is on partition 0"):
        one.merged(PartitionMap(2, {"btcusd": 1}))


def test_a_plain_map_of_other_programs_is_read() -> None:
    mapping = PartitionMap.from_json('{"btcusd": 0, "ethusd": 2}')

    assert (mapping.partitions, mapping.get("ethusd")) == (3, 2)


@pytest.mark.parametrize("text", ["", "[]", "7", '{"a": "b"}', '{"symbols": {}}', '{"btc": -1}'])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        PartitionMap.from_json(text)


def test_hostile_names_are_refused() -> None:
    with pytest.raises(BadNameError):
        PartitionMap(2).assign("../x")
