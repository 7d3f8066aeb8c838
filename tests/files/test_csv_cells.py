"""Cutting delimited text into cells agrees with the standard library's csv module."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradercast.errors import InputError
from tradercast.pipeline.files.bad_rows import RowError, first_bad
from tradercast.pipeline.files.cells import gather, split
from tradercast.pipeline.files.csv_file import whole_rows

CELLS = st.text(st.sampled_from('ab,"\n1.é '), max_size=6).filter(lambda t: t == t.strip("\r"))


@given(
    st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)
    ),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_csv_writes_is_cut_as_csv_reads_it(rows, quoting, end):
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting, lineterminator=end).writerows(rows)
    block = out.getvalue().encode()

    grid, used = split(block, b",", None)

    assert used == len(block)
    assert len(grid) == len(rows)
    for index in range(len(rows[0])):
        texts = grid.column(index).texts("x", 64)
        assert [text.decode() for text in texts.tolist()] == [row[index] for row in rows]


def test_a_row_with_other_columns_is_named():
    with pytest.raises(RowError, match="3 columns instead of 2") as caught:
        split(b"a,b\nc,d\ne,f,g\nh,i\n", b",", None)

    assert caught.value.row == 2


def test_the_start_of_a_row_is_left_over():
    grid, used = split(b"a,b\nc,d\ne,", b",", 2)

    assert len(grid) == 2
    assert used == 8


def test_one_long_cell_does_not_make_a_huge_array():
    grid, _ = split(b"1,2\n" * 1000 + b"1," + b"9" * 500_000 + b"\n", b",", 2)

    with pytest.raises(RowError, match="longer than 200 bytes") as caught:
        grid.column(1).texts("price", 200)

    assert caught.value.row == 1000


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 12)), max_size=30))
def test_gather_is_slicing(pieces):
    data = bytes(range(1, 64))

    found = gather(
        np.frombuffer(data, np.uint8),
        np.array([start for start, _ in pieces], np.int64),
        np.array([size for _, size in pieces], np.int64),
    )

    assert found.tolist() == [data[start : start + size] for start, size in pieces]


@pytest.mark.parametrize(
    ("text", "final", "expected"),
    [
        (b"a\nb\nc", False, b"a\nb\n"),
        (b"a\nb\n\n\n", False, b"a\nb\n"),
        (b"a\nb\nc", True, b"a\nb\nc\n"),
        (b"a\r\nb\r\n\r\n", True, b"a\r\nb\n"),
        (b"abc", False, b""),
        (b"\n\n", True, b""),
    ],
)
def test_blank_lines_wait_for_what_follows(text, final, expected):
    assert whole_rows(text, final) == expected


@given(st.integers(1, 200), st.data())
def test_the_first_bad_row_is_found_by_halving(count, data):
    bad = set(data.draw(st.lists(st.integers(0, count - 1), min_size=1)))

    def convert(rows):
        if bad & set(range(count)[rows]):
            raise InputError("no")

    assert first_bad(count, convert) == min(bad)
