"""What following a book prints."""

from __future__ import annotations

import io
import json

import numpy as np
from support.books import ASK, BID, gap, messages_of, row

from tradercast.cli.output import Output
from tradercast.cli.records import print_piece
from tradercast.feed.piece import Piece
from tradercast.feeds import FeedId

FEED = FeedId("binance", "btcusdt", "book")
PIECE = Piece(
    messages_of(
        [
            row(5, (BID, "1.50", "2"), (ASK, "1.6", "3"), snapshot=True, last_id=4),
            gap(9, 5, 6, 5),
            row(9, (BID, "1.5", "0"), first_id=7, last_id=8),
        ]
    ),
    np.arange(30, 33),
)


def printed(*, as_json: bool) -> str:
    out = io.StringIO()
    print_piece(Output(json=as_json, stdout=out), FEED, PIECE)
    return out.getvalue()


def test_json_has_an_object_a_message() -> None:
    names = {"feed": "binance/btcusdt/book"}
    assert [json.loads(line) for line in printed(as_json=True).splitlines()] == [
        names
        | {"type": "book", "seq": 30, "ts_event": 5, "last_id": 4, "is_snapshot": True}
        | {"bids": [["1.5", "2"]], "asks": [["1.6", "3"]]},
        names
        | {"type": "gap", "seq": 31, "missing_from": 5, "missing_to": 6}
        | {"ts_before": 5, "ts_after": 9},
        names
        | {"type": "book", "seq": 32, "ts_event": 9, "first_id": 7, "last_id": 8}
        | {"is_snapshot": False, "bids": [["1.5", "0"]], "asks": []},
    ]


def test_people_see_what_came() -> None:
    first, missing, last = printed(as_json=False).splitlines()

    assert first.split(maxsplit=1) == ["1970-01-01T00:00:00.000000005Z", "snapshot 1 bids, 1 asks"]
    assert "gap: messages 5 to 6 are missing" in missing
    assert last.endswith("change   1 bids, 0 asks")
