"""What is sent to Bitfinex."""

from __future__ import annotations

import json

VERSION = 2
# flags
TIMESTAMP = 32_768  # the exchange's time with every message
SEQUENCE = 65_536  # number the messages of the connection
CHECKSUM = 131_072  # of books
PRECISION = "P0"  # every price is a level of its own


def configure() -> str:
    """Ask for numbered messages."""
    return json.dumps({"event": "conf", "flags": SEQUENCE})


def subscribe(native: str) -> str:
    """Ask for the trades of a symbol."""
    return json.dumps({"event": "subscribe", "channel": "trades", "symbol": native})


def unsubscribe(channel: int) -> str:
    """End a channel."""
    return json.dumps({"event": "unsubscribe", "chanId": channel})
