"""Trade ids: integers stay integers, any other text stays that text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.errors import InputError
from tradercast.records import ABSENT, Ids

TEXT = st.one_of(
    st.none(),
    st.integers(0, 2**64).map(str),
    st.uuids().map(str),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    st.sampled_from(["007", "-1", "+1", "1.0", "0", "9223372036854775807", "9223372036854775808"]),
)


@given(st.lists(TEXT, max_size=30))
def test_every_id_comes_back(texts: list[str | None]) -> None:
    assert Ids.from_strings(texts).to_strings() == texts


@given(st.lists(TEXT, max_size=20), st.lists(TEXT, max_size=20))
def test_columns_join_and_split(one: list[str | None], two: list[str | None]) -> None:
    joined = Ids.concat([Ids.from_strings(one), Ids.from_strings(two)])

    assert joined.to_strings() == one + two
    assert joined.equals(Ids.from_strings(one + two))
    assert joined[len(one) :].to_strings() == two
    assert joined[::-1].to_strings() == (one + two)[::-1]


def test_only_canonical_integers_are_integers() -> None:
    ids = Ids.from_strings(["12", "012", "", None, "9223372036854775807", "9223372036854775808"])

    assert ids.values.tolist() == [12, ABSENT, ABSENT, ABSENT, 2**63 - 1, ABSENT]
    assert ids.escapes == {1: "012", 5: "9223372036854775808"}


def test_integers_and_their_text_are_the_same_ids() -> None:
    assert Ids.from_ints([5, -1, 0]).equals(Ids.from_strings(["5", None, "0"]))
    assert Ids.from_strings(np.array(["5", "6"])).equals(Ids.from_ints([5, 6]))
    assert Ids.from_strings(np.array([b"5", b"x"])).to_strings() == ["5", "x"]


@pytest.mark.parametrize("bad", ["x" * 129, "é" * 65, "\ud800"])
def test_an_id_that_is_too_long_or_no_text_is_refused_with_its_row(bad: str) -> None:
    with pytest.raises(InputError, match="row 1"):
        Ids.from_strings(["1", bad])


def test_a_negative_integer_is_no_id() -> None:
    with pytest.raises(InputError, match="row 1"):
        Ids.from_ints([1, -2])
