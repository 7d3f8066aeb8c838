"""JSON lines in."""

import pytest

from tradercast.errors import InputError
from tradercast.pipeline.files import read_trades, survey
from tradercast.records import NO_TIME, Trades

COLUMNS = "ts_event=T:ms,price=p,size=q,trade_id=t,side=m:buyer_maker"


def read(path, columns=None):
    return Trades.concat(list(read_trades([path], columns)))


def test_an_exchanges_messages(write):
    text = (
        '{"e":"trade","t":12,"p":"42000.10","q":"0.5","T":1704067200001,"m":true}\n'
        "\n"
        '{"e":"trade","t":13,"p":42000.123456789012345678,"q":5e-1,"T":1704067200002,"m":false}'
    )

    trades = read(write("x.jsonl", text), COLUMNS)

    assert trades.ts_event.tolist() == [1704067200001000000, 1704067200002000000]
    assert trades.price.to_strings() == ["42000.1", "42000.123456789012345678"]
    assert trades.size.to_strings() == ["0.5", "0.5"]
    assert trades.trade_id.to_strings() == ["12", "13"]
    assert trades.side.tolist() == [2, 1]


def test_tradercasts_own_lines_need_no_columns(write):
    text = (
        '{"ts_event":1700000000000000001,"ts_recv":null,"trade_id":null,"side":"buy",'
        '"price":"1.5","size":"2"}\n'
        '{"ts_event":1700000000000000002,"ts_recv":1700000000000000003,"trade_id":"x\\"y",'
        '"side":"unknown","price":"1.5","size":"2"}\n'
    )

    trades = read(write("x.jsonl", text))

    assert trades.ts_event.tolist() == [1700000000000000001, 1700000000000000002]
    assert trades.ts_recv.tolist() == [NO_TIME, 1700000000000000003]
    assert trades.trade_id.to_strings() == [None, 'x"y']
    assert trades.side.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("nonsense", "not a line of JSON"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "not a line of JSON"),
        ('{"T":1,"p":"1"}', "size is empty"),
        ('{"T":1,"p":NaN,"q":1}', "price 'NaN' is not a number"),
        ('{"T":1,"p":"1,5","q":1}', "price '1,5' is not a number"),
        ('{"T":1,"p":[1],"q":1}', "'p' is not a plain value"),
        ('{"T":1,"p":"1\\u0000","q":1}', "NUL"),
        ('{"T":1,"p":1,"q":-1}', "size -1 is negative"),
        ('{"T":1,"p":1,"q":1,"t":"\\ud800"}', "no id"),
    ],
)
def test_broken_lines(write, line, what):
    good = '{"T":1704067200001,"p":"1","q":"2"}\n'
    path = write("x.jsonl", good * 3 + "\n" + line + "\n" + good)

    with pytest.raises(InputError) as caught:
        survey([path], COLUMNS)

    assert caught.value.message.startswith("x.jsonl: row 5: ")
    assert what in caught.value.message


def test_columns_of_objects_go_by_name(write):
    path = write("x.jsonl", '{"T":1704067200001,"p":"1","q":"2"}')

    with pytest.raises(InputError, match="no position #2"):
        survey([path], "ts_event=T:ms,price=#2,size=q")
    with pytest.raises(InputError, match="no column 'price'"):
        survey([path], "ts_event=T:ms,price=price,size=q")
    with pytest.raises(InputError, match="not known: T, p, q"):
        survey([path])
