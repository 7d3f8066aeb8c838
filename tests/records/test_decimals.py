"""Decimals: exact numbers in, the same numbers out, one form whatever the way in."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.decimal_text import Lines
from tradercast.decimals import Decimals
from tradercast.errors import InputError, UsageError

PLAIN = st.builds(
    lambda sign, whole, fraction: sign + whole + fraction,
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**19).map(str),
    st.one_of(st.just(""), st.integers(0, 10**19).map(lambda n: f".{n:020d}"[:12])),
)
SCIENTIFIC = st.builds("{}e{}".format, st.integers(-(10**20), 10**20), st.integers(-40, 40))
TEXT = st.one_of(PLAIN, SCIENTIFIC, st.sampled_from(["0", "-0", "0.00", "1e-18", "1000000000000"]))


def exact(texts: list[str]) -> list[Decimal]:
    return [Decimal(text) for text in texts]


@given(st.lists(TEXT, max_size=40))
def test_every_number_comes_back_exactly(texts: list[str]) -> None:
    column = Decimals.from_strings(texts)

    assert column.to_decimals() == exact(texts)
    assert exact(column.to_strings()) == exact(texts)
    assert not any("e" in text.lower() for text in column.to_strings())


@given(st.lists(TEXT, max_size=40), st.data())
def test_the_normal_form_does_not_depend_on_the_way_in(
    texts: list[str], data: st.DataObject
) -> None:
    split = data.draw(st.integers(0, len(texts)))
    ways = [
        Decimals.from_strings(texts),
        Decimals.from_decimals(exact(texts)),
        Decimals.concat(
            [Decimals.from_strings(texts[:split]), Decimals.from_strings(texts[split:])]
        ),
        Decimals.from_strings(np.array(texts or [""])[: len(texts)]),
        Decimals.from_strings(np.array(texts or [""], dtype="S")[: len(texts)]),
    ]

    forms = [way.normalised() for way in ways]

    for form in forms:
        assert form.exponent == forms[0].exponent
        assert form.mantissa.tolist() == forms[0].mantissa.tolist()
        assert form.escapes == forms[0].escapes
        assert form.equals(ways[0])


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20), st.integers(-30, 30))
def test_scaled_integers_are_the_same_numbers_as_their_text(
    values: list[int], exponent: int
) -> None:
    column = Decimals.from_ints(np.array(values, np.int64), exponent)

    assert column.equals(Decimals.from_strings([f"{value}e{exponent}" for value in values]))
    assert column.to_decimals() == [Decimal(value).scaleb(exponent) for value in values]


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100))
)
def test_floats_become_the_shortest_decimals_that_read_back_as_them(values: list[float]) -> None:
    small = [value for value in values if value == 0 or abs(value) > 1e-100]

    column = Decimals.from_floats(np.array(small))

    assert column.to_decimals() == [Decimal(repr(value)) for value in small]
    assert column.to_float().tolist() == [value + 0.0 for value in small]


@pytest.mark.parametrize("places", [0, 2, 8])
def test_a_long_column_of_floats_is_exact_around_its_odd_rows(places: int) -> None:
    rng = np.random.default_rng(places)
    values = rng.integers(1, 10**7, 40_000) / 10.0**places
    values[[5, 16_384, 39_999]] = [0.1 + 0.2, 1e22, -0.0]
    values[20_000:20_050] = rng.random(50)

    column = Decimals.from_floats(values)

    assert column.to_decimals() == [Decimal(repr(value)) for value in values.tolist()]


@pytest.mark.parametrize("places", [0, 2, 8])
def test_a_long_column_of_floats_of_one_scale_is_exact(places: int) -> None:
    values = np.random.default_rng(places).integers(-(10**14), 10**14, 40_000) / 10.0**places
    values[-1] = (10**15 - 1) / 10.0**places

    column = Decimals.from_floats(values)

    assert column.exponent == -places
    assert column.to_decimals() == [Decimal(repr(value)) for value in values.tolist()]


def test_a_float_of_sixteen_digits_far_behind_is_exact_too() -> None:
    values = np.arange(40_000) / 100
    values[-1] = 9007199254740993.0  # its text ends with 992.0, and it counts no hundredths

    assert Decimals.from_floats(values).to_decimals()[-1] == Decimal("9007199254740992")


@pytest.mark.parametrize("places", [0, 3])
def test_long_columns_have_the_form_that_their_numbers_alone_decide(places: int) -> None:
    hundreds = np.arange(1, 20_001) * 100
    later = hundreds.copy()
    later[-1] += 10  # far behind the rows that are looked at first

    assert Decimals.from_ints(hundreds, -places).normalised().exponent == 2 - places
    assert Decimals.from_ints(later, -places).normalised().exponent == 1 - places
    assert Decimals.from_floats(later / 10.0**places).exponent == 1 - places


@given(st.lists(TEXT, min_size=1, max_size=30), st.data())
def test_picking_rows_keeps_their_numbers(texts: list[str], data: st.DataObject) -> None:
    column = Decimals.from_strings(texts)
    index = data.draw(st.lists(st.integers(0, len(texts) - 1)))
    mask = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))
    start, stop = data.draw(st.integers(-5, 30)), data.draw(st.integers(-5, 30))

    assert column[np.array(index, np.int64)].to_decimals() == [Decimal(texts[i]) for i in index]
    assert column[np.array(mask)].to_decimals() == [
        Decimal(text) for text, kept in zip(texts, mask, strict=True) if kept
    ]
    assert column[start:stop].to_decimals() == exact(texts[start:stop])


@given(st.lists(TEXT, max_size=20))
def test_floats_are_the_nearest_ones(texts: list[str]) -> None:
    assert Decimals.from_strings(texts).to_float().tolist() == [float(Decimal(t)) for t in texts]


def test_the_exponent_is_that_of_the_longest_fraction() -> None:
    column = Decimals.from_strings(["43059.97", "1.50", "1200"])

    assert (column.mantissa.tolist(), column.exponent) == ([4305997, 150, 120000], -2)
    assert column.to_strings() == ["43059.97", "1.5", "1200"]


def test_trailing_zeros_before_the_point_are_not_stored_either() -> None:
    column = Decimals.from_strings(["1e15", "25000", "0"])

    assert (column.mantissa.tolist(), column.exponent) == ([10**12, 25, 0], 3)
    assert column.to_strings() == ["1000000000000000", "25000", "0"]


def test_the_exponent_leaves_the_fewest_values_outside() -> None:
    column = Decimals.from_strings(["1000000000000", "0.000000000000000001", "2000000000000.5"])

    assert column.exponent == -1
    assert column.mantissa.tolist() == [10**13, 0, 20000000000005]
    assert column.escapes == {1: Decimal("1E-18")}


def test_of_equally_good_exponents_the_smaller_is_taken() -> None:
    column = Decimals.from_strings(["1000000000000", "0.000000000000000001"])

    assert column.exponent == -18
    assert column.escapes == {0: Decimal(10**12)}


@pytest.mark.parametrize("text", ["9223372036854775808", "9.223372036854775808"])
def test_the_first_number_beyond_int64_keeps_its_sign(text: str) -> None:
    assert Decimals.from_strings([text, "1"]).to_strings() == [text, "1"]


def test_the_smallest_int64_is_outside_like_its_opposite() -> None:
    column = Decimals.from_ints([-(2**63), 1]).normalised()

    assert column.escapes == {0: Decimal(-(2**63))}
    assert Decimals.from_ints([-(2**63)]).equals(Decimals.from_strings([str(-(2**63))]))


@pytest.mark.parametrize(
    "bad",
    ["", " ", "nan", "inf", "-Infinity", "1,5", "1_000", "0x10", "1.2.3", "--1", "+", ".", "e5",
     "1e", "1e999999999", "1e-999999999", "١", "1\x00", "1\n2", "9" * 129, "0." + "1" * 200],
)  # fmt: skip
def test_what_is_no_number_is_refused_with_its_row(bad: str) -> None:
    with pytest.raises(InputError, match="row 2"):
        Decimals.from_strings(["1", "2.5", bad, "4"])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_floats_that_are_no_numbers_are_refused_with_their_row(bad: float) -> None:
    with pytest.raises(InputError, match="row 1"):
        Decimals.from_floats(np.array([1.0, bad]))
    with pytest.raises(InputError, match="row 1"):
        Decimals.from_decimals([Decimal(1), Decimal(str(bad))])
    with pytest.raises(InputError, match="row 39999"):
        Decimals.from_floats(np.append(np.arange(39_999.0), bad))


@given(st.lists(st.text("0123456789.", min_size=1, max_size=17), min_size=1, max_size=6))
def test_unsigned_text_reads_the_same_however_it_lies_in_memory(texts: list[str]) -> None:
    good = [text for text in texts if text.count(".") < 2 and text != "."]
    for column in (texts, Lines("\n".join(texts)), np.array(texts, "S"), np.array(texts, "U")):
        if len(good) < len(texts):
            with pytest.raises(InputError, match="is not a decimal number"):
                Decimals.from_strings(column)
        else:
            assert Decimals.from_strings(column).to_decimals() == exact(texts)


def test_a_line_break_in_one_row_does_not_move_the_others() -> None:
    with pytest.raises(InputError, match="row 1"):
        Decimals.from_strings(["1", "2\n3\n4", "5"])


def test_scaling_to_a_given_exponent_is_exact_or_refused() -> None:
    column = Decimals.from_strings(["1.5", "2", "-0.25"])

    assert column.to_scaled(-2).tolist() == [150, 200, -25]
    assert column.to_scaled(-4).tolist() == [15000, 20000, -2500]
    with pytest.raises(InputError, match=r"row 2: -0\.25"):
        column.to_scaled(-1)
    with pytest.raises(InputError, match="row 0"):
        column.to_scaled(-19)


def test_escapes_take_part_in_scaling_where_they_fit() -> None:
    column = Decimals.from_strings(["1000000000000", "0.000000000000000001"])

    assert column[:1].to_scaled(0).tolist() == [10**12]
    assert column[1:].to_scaled(-18).tolist() == [1]
    assert column[:0].to_scaled(-18).tolist() == []


def test_a_different_length_or_value_is_not_equal() -> None:
    column = Decimals.from_strings(["1", "2"])

    assert not column.equals(Decimals.from_strings(["1"]))
    assert not column.equals(Decimals.from_strings(["1", "2.1"]))
    assert column.equals(Decimals.from_ints([100, 200], -2))


def test_mantissas_that_are_no_integers_are_refused() -> None:
    with pytest.raises(UsageError, match="64-bit integers"):
        Decimals.from_ints(np.array([1.5]))
    with pytest.raises(UsageError, match="64-bit integers"):
        Decimals.from_ints([2**63])
    with pytest.raises(InputError, match="exponent"):
        Decimals.from_ints([1], 1000)
