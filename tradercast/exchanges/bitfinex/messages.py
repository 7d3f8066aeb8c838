"""What is sent to Bitfinex."""

from __future__ import annotations

import json

VERSION = 2
# flags
TIMESTAMP = 32_768  # the exchange's time with every message
SEQUENCE = 65_536  # number the messages of the connection
CHECKSUM = 131_072  # of books
PRECISION = "P0"  # every price is a level of its own


LENGTH = "250"  # levels a side


def configure(*, with_books: bool = False) -> str:
    """Ask for numbered messages, and for books for checksums and the exchange's times."""
    flags = SEQUENCE | CHECKSUM | TIMESTAMP if with_books else SEQUENCE
    return json.dumps({"event": "conf", "flags": flags})


def subscribe(native: str, channel: str = "trades") -> str:
    """Ask for a channel of a symbol."""
    asked = {"event": "subscribe", "channel": channel, "symbol": native}
    if channel == "book":
        asked |= {"prec": PRECISION, "freq": "F0", "len": LENGTH}
    return json.dumps(asked)


def unsubscribe(channel: int) -> str:
    """End a channel."""
    return json.dumps({"event": "unsubscribe", "chanId": channel})
