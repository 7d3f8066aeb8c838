"""A decoder written from docs/FORMAT.md alone reads the same records."""

import json
from typing import Any

import golden_blocks
import pytest
import second_decoder
from chunk_strategies import FEED, LAST, trades
from hypothesis import given
from hypothesis import strategies as st

from tradercast.chunks import encode_trades, extend_chain
from tradercast.records import NO_TIME, Trades


def rows_of(run: Trades) -> list[dict[str, Any]]:
    count = len(run)
    recv = [NO_TIME] * count if run.ts_recv is None else run.ts_recv.tolist()
    ids = [None] * count if run.trade_id is None else run.trade_id.to_strings()
    n = run.notes
    columns = (n.row, n.kind, n.ref_seq, n.ref_end, n.ref_ts)
    notes = {row: note for row, *note in zip(*(c.tolist() for c in columns), strict=True)}
    return [
        {
            "ts_event": int(run.ts_event[row]),
            "price": price,
            "size": size,
            "side": int(run.side[row]),
            "ts_recv": None if recv[row] == NO_TIME else recv[row],
            "trade_id": ids[row],
            "note": notes.get(row),
        }
        for row, (price, size) in enumerate(
            zip(run.price.to_decimals(), run.size.to_decimals(), strict=True)
        )
    ]


@given(trades(), st.integers(0, 2**61))
def test_it_reads_any_chunk(run: Trades, first_seq: int) -> None:
    block = encode_trades(run, feed=FEED, first_seq=first_seq, running_max_ns=LAST)

    second = second_decoder.chunk(block)

    assert second["rows"] == rows_of(run)
    assert (second["feed"], second["seq"], second["n"]) == (str(FEED), first_seq, len(run))
    assert second["t"] == [*run.span(), LAST]


@given(trades(), st.sampled_from([b"", b"0123456789abcdef"]))
def test_it_computes_the_same_chain_hash(run: Trades, before: bytes) -> None:
    assert extend_chain(before, run) == second_decoder.chain(before, rows_of(run))


@given(trades())
def test_it_chooses_the_same_exponents(run: Trades) -> None:
    block = encode_trades(run, feed=FEED, first_seq=0, running_max_ns=LAST)

    price, _, price_aside = second_decoder.exponent_of(run.price.to_decimals())
    size, _, size_aside = second_decoder.exponent_of(run.size.to_decimals())

    header, columns = second_decoder.frame(block, b"c")
    assert header["exp"] == [price, size]
    assert [t.decode() for t in second_decoder.texts(columns, "px")] == list(price_aside.values())
    assert [t.decode() for t in second_decoder.texts(columns, "sz")] == list(size_aside.values())


@pytest.mark.parametrize("name", sorted(golden_blocks.MAKERS))
def test_it_reads_the_golden_chunks(name: str) -> None:
    block = (golden_blocks.GOLDEN / f"{name}.bin").read_bytes()
    if block[3:4] == b"i":
        assert second_decoder.index_node(block)["feed"] == str(FEED)
        return
    source = json.loads((golden_blocks.GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    assert second_decoder.chunk(block)["rows"] == rows_of(
        golden_blocks.trades_of(source["records"])
    )
