"""Lines of text are read as an array of the same texts is, which is walked sign by sign."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tradercast.decimal_text import Lines, Parsed, parse, parse_together

EDGES = (
    *("0", "7", "00", "007", "10", "12345678", "123456789", "1234567890123456789"),
    *("9223372036854775807", "9223372036854775808", "9999999999999999999", "18446744073709551616"),
    *("0000000000000000000", "00000000000000000001", "1" * 20, "1" * 60),
    *(".", "5.", ".5", "0.5", "00.50", "1.2.3", "..", "12345678.12345678", "0.00000001"),
    *("922337203685477580.7", "922337203685477580.8", "123456789012345678.9", "." + "9" * 18),
    *(
        "-1",
        "+1",
        "-",
        "+",
        "-0.5",
        "1-",
        "1e5",
        "3.844E-5",
        "nan",
        " 1",
        "1 ",
        "1,5",
        "x",
        "/",
        ":",
    ),
    *("1\t2", "\x01", "\x7f", "é", "١"),
)


def test_every_odd_row_is_read_the_same_beside_any_other() -> None:
    rows = [*EDGES, *EDGES[::-1], "", *EDGES]

    found, expected = parse(Lines("\n".join(rows))), parse(np.array(rows))

    assert_same(found, expected)


@pytest.mark.parametrize("seed", range(20))
def test_rows_of_all_lengths_are_read_the_same(seed: int) -> None:
    rng = random.Random(seed)
    signs = "0123456789" * 3 + "." * rng.choice([1, 3]) + "-e" * rng.choice([0, 0, 1])
    longest = rng.choice([1, 6, 8, 12, 16, 19, 21])
    rows = ["".join(rng.choices(signs, k=rng.randint(0, longest))) for _ in range(2_000)]

    assert_same(parse(Lines("\n".join(rows))), parse(np.array(rows)))


def test_more_rows_than_are_looked_at_together() -> None:
    rows = [str(n) if n % 1_000 else "-1.5" for n in range(50_000)]

    assert_same(parse(Lines("\n".join(rows))), parse(np.array(rows)))


def test_columns_parsed_together_are_those_parsed_alone() -> None:
    columns = [["1", "2.50", "x"], ["", "-3", "004"], ["12345678901", "5", "0.1"]]
    lines = [Lines("\n".join(rows)) for rows in columns]

    parse_together(lines)

    for together, rows in zip(lines, columns, strict=True):
        assert together.parsed is not None
        assert_same(parse(together), parse(np.array(rows)))


def assert_same(found: Parsed, expected: Parsed) -> None:
    plain = expected.plain
    assert np.array_equal(found.plain, plain)
    for name in ("mantissa", "places", "digits_only"):
        one, two = getattr(found, name)[plain], getattr(expected, name)[plain]
        assert one.dtype == two.dtype
        assert np.array_equal(one, two), name
