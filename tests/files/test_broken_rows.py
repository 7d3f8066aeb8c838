"""A broken row is named by file and number, and nothing comes after it."""

import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradercast.errors import InputError, TradercastError
from tradercast.pipeline.files import csv_file, jsonl_file, read_trades, reading, survey
from tradercast.records import Trades

COLUMNS = "ts_event=t:ms,price=p,size=s,side=d"
GOOD = "1700000000000,1.5,2,buy\n"


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("1700000000000,1.5,2", "3 columns instead of 4"),
        ("1700000000000,1.5,2,buy,x", "5 columns instead of 4"),
        ("", "1 columns instead of 4"),
        ("1700000000000,1.5x,2,buy", "price '1.5x' is not a number"),
        ("1700000000000,nan,2,buy", "price 'nan' is not a number"),
        ("1700000000000,inf,2,buy", "price 'inf' is not a number"),
        ("1700000000000,,2,buy", "price is empty"),
        ("1700000000000,1.5,-2,buy", "size -2 is negative"),
        ("1700000000000,1.5,1e999,buy", "size '1e999' is not a number"),
        ("1700000000000,1.5,0x10,buy", "size '0x10' is not a number"),
        ("17000000000000000,1.5,2,buy", "ts_event '17000000000000000' is not a time in ms"),
        ("soon,1.5,2,buy", "ts_event 'soon' is not a time in ms"),
        (",1.5,2,buy", "ts_event is empty"),
        ("1700000000000,1.5,2,maybe", "side 'maybe' is not a side"),
        ("1700000000000,1.5," + "9" * 300 + ",buy", "size is longer than 200 bytes"),
        ("1700000000000,1\0,2,buy", "holds a NUL byte"),
        ('1700000000000,1,2,"buy', "a quote is never closed"),
    ],
)
def test_the_row_and_the_reason_are_named(write, row, what):
    path = write("bad.csv", "t,p,s,d\n" + GOOD * 500 + row + "\n" + GOOD * 500)

    with pytest.raises(InputError) as caught:
        survey([path], COLUMNS)

    assert caught.value.message.startswith("bad.csv: row 501 (line 502): ")
    assert what in caught.value.message


def test_only_whole_batches_before_the_broken_row_are_given(write):
    path = write("bad.csv", "t,p,s,d\n" + GOOD * 400_000 + "x,1,1,buy\n" + GOOD * 400_000)
    given_rows = 0

    batches = read_trades([path], COLUMNS)
    while given_rows < 196_608:
        given_rows += len(next(batches))
    with pytest.raises(InputError, match=r"row 400001 \(line 400002\)"):
        deque(batches)

    assert next(batches, None) is None


def test_the_earliest_of_several_broken_rows_is_named(write):
    rows = [GOOD] * 100
    rows[70] = "1700000000000,x,2,buy\n"
    rows[40] = "1700000000000,1,y,buy\n"
    rows[90] = "z,1,2,buy\n"

    with pytest.raises(InputError, match=r"row 41 \(line 42\): size 'y'"):
        survey([write("bad.csv", "t,p,s,d\n" + "".join(rows))], COLUMNS)


def test_lines_are_counted_through_quoted_line_ends(write):
    text = 't,p,s,d\n1700000000000,1,1,"bu\ny"\n'

    with pytest.raises(InputError, match=r"row 1 \(line 2\): side"):
        survey([write("bad.csv", text)], COLUMNS)
    text = 'note,t,p,s,d\n"a\nb",1700000000000,1,1,buy\nx,1700000000000,1,z,buy\n'
    with pytest.raises(InputError, match=r"row 2 \(line 4\): size 'z'"):
        survey([write("bad.csv", text)], COLUMNS)


def test_a_row_that_never_ends(write):
    path = write("long.csv", "t,p,s,d\n" + GOOD + "1," + "9" * 3_000_000)

    with pytest.raises(InputError, match="row 2"):
        survey([path], COLUMNS)


def test_random_bytes_are_not_csv(write):
    noise = random.Random(7).randbytes(50_000)

    with pytest.raises(InputError, match=r"noise\.csv is not"):
        survey([write("noise.csv", noise)])


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_the_files_name(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_bytes(content)

    for columns in (None, COLUMNS, "ts_event=#1:s,price=#2,size=#3"):
        try:
            survey([path], columns)
        except TradercastError as error:
            assert "any.csv" in error.message  # noqa: PT017 - some are good


@settings(max_examples=200)
@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_damaged_csv_is_read_or_refused(tmp_path_factory, at, junk):
    text = bytearray(b"t,p,s,d\n" + GOOD.encode() * 20)
    text[at : at + len(junk)] = junk
    path = tmp_path_factory.mktemp("damaged") / "any.csv"
    path.write_bytes(bytes(text))

    try:
        survey([path], COLUMNS)
    except TradercastError as error:
        assert "any.csv" in error.message  # noqa: PT017 - some are good


@pytest.fixture(params=[8, 13, 64, 1000])
def small_blocks(monkeypatch, request):
    """Blocks so small that rows, quotes and line ends fall on their edges."""
    monkeypatch.setattr(csv_file, "BLOCK_BYTES", request.param)
    monkeypatch.setattr(jsonl_file, "BLOCK_BYTES", request.param)
    monkeypatch.setattr(reading, "HEAD_BYTES", 100)


def test_where_blocks_end_makes_no_difference(write, small_blocks):
    rows = [(1_700_000_000_000 + i, f"{i}.{i % 7}5", i + 1, f'a"{i},\n') for i in range(60)]
    lines = ['{},{},"{}","{}"\r\n'.format(*row[:3], row[3].replace('"', '""'))
             for row in rows]  # fmt: skip
    objects = ['{{"t":{},"p":"{}","s":{},"i":"a{}"}}\n'.format(*row[:3], row[0]) for row in rows]

    text = write("x.csv", "t,p,s,i\r\n" + "".join(lines) + "\r\n\r\n")
    read = Trades.concat(list(read_trades([text], "ts_event=t:ms,price=p,size=s,trade_id=i")))
    assert read.ts_event.tolist() == [row[0] * 1_000_000 for row in rows]
    assert read.trade_id.to_strings() == [row[3] for row in rows]
    assert read.size.to_strings() == [str(row[2]) for row in rows]

    text = write("x.jsonl", "\n".join(objects))
    read = Trades.concat(list(read_trades([text], "ts_event=t:ms,price=p,size=s,trade_id=i")))
    assert read.ts_event.tolist() == [row[0] * 1_000_000 for row in rows]
    assert read.trade_id.to_strings() == [f"a{row[0]}" for row in rows]


def test_where_blocks_end_makes_no_difference_to_row_numbers(write, small_blocks):
    text = "t,p,s,d\n" + GOOD * 77 + "1700000000000,1.5,two,buy\n" + GOOD * 20

    with pytest.raises(InputError, match=r"row 78 \(line 79\): size 'two'"):
        survey([write("bad.csv", text)], COLUMNS)
    line = '{"t":1,"p":1,"s":1}\n'
    with pytest.raises(InputError, match=r"row 79: size 'two'"):
        survey(
            [write("bad.jsonl", line * 77 + "\n" + line.replace('"s":1', '"s":"two"') + line)],
            "ts_event=t:ms,price=p,size=s",
        )
