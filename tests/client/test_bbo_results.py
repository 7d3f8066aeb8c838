"""Best prices as columns and as text: what there is not is empty everywhere."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from support.books import ASK, BID, gap, messages_of, row

from tradercast.client.bbo import BboResult, BboWriter
from tradercast.feeds import FeedId
from tradercast.market.bbo import BestPrices

RUN = messages_of(
    [
        row(1, (BID, "10.50", "4"), snapshot=True),
        row(2, (ASK, "11", "1e-3")),
        gap(3, 1, 2, 2),
    ]
)


@pytest.fixture
def result() -> BboResult:
    return BboResult(FeedId("a", "b", "book"), BestPrices(0, 9).take(0, None, RUN))


def test_columns(result: BboResult) -> None:
    found = result.to_numpy()

    nan = np.nan
    assert found["ts_event"].tolist() == [1, 2, 3]
    assert found["valid"].tolist() == [True, True, False]
    np.testing.assert_array_equal(found["bid_price"], [10.5, 10.5, nan])
    np.testing.assert_array_equal(found["ask_size"], [nan, 0.001, nan])
    assert result.to_numpy("str")["ask_price"].tolist() == [None, "11", None]
    assert result.to_numpy("fixed")["bid_size"].tolist()[-1] == 0
    assert "3 changes of the best" in repr(result)


def test_frames(result: BboResult) -> None:
    pl, pd = pytest.importorskip("polars"), pytest.importorskip("pandas")

    polars, pandas = result.to_polars(), result.to_pandas()

    assert polars["ts_event"].dtype == pl.Datetime("ns", "UTC")
    assert [str(value) for value in polars["ask_size"]] == ["None", "0.001000000000000000", "None"]
    assert pandas.index[1] == pd.Timestamp(2, tz="UTC")
    assert pandas["bid_price"].tolist()[:2] == [10.5, 10.5]


def test_parquet(result: BboResult) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()

    writer = BboWriter(file, "parquet")
    for rows in (result.rows[:0], result.rows):
        writer.write(rows)
    writer.finish()

    assert pq.read_table(file).equals(result.to_arrow())


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_text(result: BboResult, kind: str) -> None:
    file = io.BytesIO()

    writer = BboWriter(file, "csv" if kind == "csv" else "jsonl")
    writer.write(result.rows)
    writer.finish()

    lines = file.getvalue().decode().splitlines()
    if kind == "csv":
        assert lines[1:] == ["1,true,10.5,4,,", "2,true,10.5,4,11,0.001", "3,false,,,,"]
    else:
        assert [json.loads(line)["ask_size"] for line in lines] == [None, "0.001", None]
        assert json.loads(lines[0])["bid_price"] == "10.5"
