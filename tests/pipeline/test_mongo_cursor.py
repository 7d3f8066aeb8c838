"""What is read of a cursor's reply before its documents are decoded."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Int64, Timestamp

from tradercast.errors import FormatError
from tradercast.pipeline.mongo_cursor import cursor_of

BATCH = [{"_id": n, "id": Int64(7), "ns": "of.a.document"} for n in range(50)]


@pytest.mark.parametrize(
    "cursor",
    [
        {"firstBatch": BATCH, "id": Int64(2**62 + 1), "ns": "market.trades"},
        {"nextBatch": BATCH, "postBatchResumeToken": {"_data": "82"}, "id": Int64(2**62 + 1),
         "ns": "market.trades"},
        {"partialResultsReturned": False, "atClusterTime": Timestamp(1, 2), "x": b"id", "y": 1.5,
         "firstBatch": [], "id": Int64(2**62 + 1), "ns": "market.trades"},
    ],
    ids=["find", "change stream", "others first"],
)  # fmt: skip
def test_id_and_collection_are_found_past_the_documents(cursor: dict[str, Any]) -> None:
    assert cursor_of(bson.encode(cursor)) == (2**62 + 1, "market.trades")


def test_a_cursor_at_its_end_has_the_id_0() -> None:
    cursor = {"nextBatch": BATCH, "id": Int64(0), "ns": "market.trades"}

    assert cursor_of(bson.encode(cursor)) == (0, "market.trades")


@pytest.mark.parametrize("cursor", [{}, {"id": 7, "ns": "a.b"}, {"nextBatch": [], "at": None}])
def test_anything_else_is_an_error(cursor: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="names no cursor"):
        cursor_of(bson.encode(cursor))
