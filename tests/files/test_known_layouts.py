"""Files that need no --columns, and what is said about those that do."""

import pytest

from tradercast.errors import InputError
from tradercast.pipeline.files import read_trades, survey
from tradercast.records import NO_TIME, Trades


def read(path, columns=None):
    return Trades.concat(list(read_trades([path], columns)))


def test_tradercasts_own_csv(write):
    text = (
        "ts_event,ts_recv,trade_id,side,price,size\n"
        "1700000000000000001,1700000000000000009,17,buy,1.5,0.001\n"
        '1700000000000000002,,"a,b",sell,-2,3\n'
        "1700000000000000003,,,unknown,0.1,0\n"
    )

    trades = read(write("own.csv", text))

    assert trades.ts_event.tolist() == [1700000000000000001 + i for i in range(3)]
    assert trades.ts_recv.tolist() == [1700000000000000009, NO_TIME, NO_TIME]
    assert trades.trade_id.to_strings() == ["17", "a,b", None]
    assert trades.side.tolist() == [1, 2, 0]
    assert trades.price.to_strings() == ["1.5", "-2", "0.1"]
    assert trades.size.to_strings() == ["0.001", "3", "0"]


def test_tardis_csv(write):
    text = (
        "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
        "bitmex,XBTUSD,1585699199999999,1585699200000123,b8a2-77,sell,6423.5,1000\n"
    )

    trades = read(write("tardis.csv", text))

    assert trades.ts_event.tolist() == [1585699199999999000]
    assert trades.ts_recv.tolist() == [1585699200000123000]
    assert trades.trade_id.to_strings() == ["b8a2-77"]
    assert trades.side.tolist() == [2]
    assert trades.price.to_strings() == ["6423.5"]
    assert trades.size.to_strings() == ["1000"]


@pytest.mark.parametrize(
    ("text", "time", "side"),
    [
        ("5,42000.10,0.002,84.0002,1704067200001,True,True\n", 1704067200001000000, 2),
        ("5,42000.10,0.002,84.0002,1735689600001002,False,True\n", 1735689600001002000, 1),
        ("5,42000.10,0.002,84.0002,1704067200001,true\n", 1704067200001000000, 2),
        ("5,42000.10,0.002,11,12,1704067200001,False,True\n", 1704067200001000000, 1),
        ("5,42000.10,0.002,11,12,1704067200001,true\n", 1704067200001000000, 2),
        (
            "id,price,qty,quote_qty,time,is_buyer_maker\n5,42000.10,0.002,84,1704067200001,true\n",
            1704067200001000000,
            2,
        ),
        (
            "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
            "5,42000.10,0.002,1,2,1704067200001,false\n",
            1704067200001000000,
            1,
        ),
    ],
)
def test_binance_public_data(write, text, time, side):
    trades = read(write("BTCUSDT-trades-2024-01-01.csv", text))

    assert trades.ts_event.tolist() == [time]
    assert trades.trade_id.to_strings() == ["5"]
    assert trades.price.to_strings() == ["42000.1"]
    assert trades.size.to_strings() == ["0.002"]
    assert trades.side.tolist() == [side]


@pytest.mark.parametrize(
    ("text", "found", "example"),
    [
        ("timestamp_ms,price,quantity\n1642204800000,1,2\n", "timestamp_ms, price, quantity",
         "'ts_event=timestamp_ms:ms,price=price,size=quantity'"),
        ("Time,Px,Qty,Side\n2023-01-01,1,2,buy\n", "Time, Px, Qty, Side",
         "'ts_event=Time:iso,side=Side,price=Px,size=Qty'"),
        ("a,b,c\n1,2,3\n", "a, b, c", "'ts_event=time:ms,price=price,size=amount'"),
        ("1605499846,15993.5,0.026472,ANY\n", "#1 '1605499846', #2 '15993.5'",
         "'ts_event=#1:s,price=#2,size=#3'"),
    ],
)  # fmt: skip
def test_an_unknown_layout_lists_the_columns_and_an_example(write, text, found, example):
    with pytest.raises(InputError) as caught:
        read(write("x.csv", text))

    assert found in caught.value.message
    assert example in caught.value.hint


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_other_delimiters_line_ends_and_marks(write, delimiter, end, mark):
    rows = ["Time", "Price", "Size"], ["1", "2.50", "3"], ["2", "4", '"5"']
    text = mark + end + end.join(delimiter.join(row) for row in rows)

    trades = read(write("x.csv", text), "ts_event=time:s,price=price,size=Size")

    assert trades.ts_event.tolist() == [10**9, 2 * 10**9]
    assert trades.price.to_strings() == ["2.5", "4"]
    assert trades.size.to_strings() == ["3", "5"]


def test_columns_that_are_not_there(write):
    path = write("x.csv", "time,price,price\n1,2,3\n")

    with pytest.raises(InputError, match=r"x\.csv has no column 'size'"):
        read(path, "ts_event=time:s,price=#2,size=size")
    with pytest.raises(InputError, match="2 columns called 'price'"):
        read(path, "ts_event=time:s,price=price,size=#3")
    with pytest.raises(InputError, match="has 3 columns, so there is no #4"):
        read(path, "ts_event=time:s,price=#2,size=#4")
    with pytest.raises(InputError, match="has no header"):
        read(write("y.csv", "1,2,3\n"), "ts_event=time:s,price=#2,size=#3")
    with pytest.raises(InputError, match="no single day in its name"):
        read(path, "ts_event=time:s@UTC,price=#2,size=#3")


def test_positions_work_with_a_header_too(write):
    path = write("x_20240131.csv", "clock,px,n\n01000,2,3\n")

    trades = read(path, "ts_event=#1:ms@UTC,price=#2*100,size=#3")

    assert survey([path], "ts_event=#1:ms@UTC,price=#2,size=#3").rows == 1
    assert trades.ts_event.tolist() == [1706659201000000000]
    assert trades.price.to_strings() == ["200"]


def test_a_header_alone_is_no_rows(write):
    info = survey([write("x.csv", "ts_event,price,size\n")])

    assert (info.rows, info.first_ns, info.last_ns) == (0, None, None)
    assert str(info) == "1 file, no rows"
