"""A book from raw captures of the exchange to whoever wants it, by commands that people type."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from e2e.conftest import Machines
from support.captures import SPOT, lines_of

BOOK = {
    "exchange": "binance",
    "symbol": "btcusdt",
    "channel": "book",
    "format": "binance-raw",
}


@pytest.fixture(scope="module")
def lines(shared_data: Path) -> list[bytes]:
    """The first 600 book messages of the capture, the snapshot among them."""
    return lines_of(shared_data / "l2", SPOT[:1])[:600]


def written(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(gzip.compress(b"".join(lines), 1))
    return path


def test_a_capture_is_added_once_a_longer_one_its_rest_and_a_changed_one_is_refused(
    machines: Machines, lines: list[bytes], tmp_path: Path
) -> None:
    publisher = machines("publisher")
    short = written(tmp_path / "short.gz", lines[:500])
    whole = written(tmp_path / "whole.gz", lines)
    rest = written(tmp_path / "rest.gz", lines[500:])
    at = 300
    other = json.loads(lines[at].split(b" ", 1)[1])
    other["data"]["b"][0][1] = "0.12345000"
    changed = [*lines[:at], lines[at].split(b" ")[0] + b" " + json.dumps(other).encode() + b"\n"]
    changed_file = written(tmp_path / "changed.gz", changed)

    first = publisher.publish(short, **BOOK)
    again = publisher.publish(short, **BOOK)
    longer = publisher.publish(short, rest, **BOOK)
    same = publisher.publish(whole, **BOOK)
    refused = publisher.fails(2, "publish", changed_file, *options(BOOK))

    assert (first["added"], first["total"]) == (500, 500)
    assert (again["added"], again["total"]) == (0, 500)
    assert (longer["added"], longer["already_there"], longer["total"]) == (100, 500, 600)
    assert (same["added"], same["total"]) == (0, 600)
    assert f"record {at + 1} of the source" in refused["message"]
    assert str(other["data"]["u"]) in refused["message"]
    [survey] = publisher.run("publish", whole, *options(BOOK), "--dry-run")
    assert (survey["rows"], survey["gaps"]) == (600, 0)


def options(given: dict[str, str]) -> list[str]:
    return [text for name, value in given.items() for text in (f"--{name}", value)]
