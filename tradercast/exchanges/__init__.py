"""Exchanges that can be collected from: own thin connectors, one folder each."""

from __future__ import annotations

from tradercast.errors import BadNameError
from tradercast.exchanges.bitfinex import Bitfinex
from tradercast.exchanges.connector import Connector

_CONNECTORS = {connector.name: connector for connector in (Bitfinex,)}


def connector(exchange: str) -> Connector:
    """The connector of an exchange.

    Raises
    ------
    BadNameError
        If there is none.
    """
    found = _CONNECTORS.get(exchange)
    if found is None:
        raise BadNameError(
            f"no connector for the exchange {exchange!r:.80}",
            hint=f"there is: {', '.join(sorted(_CONNECTORS))}",
        )
    return found()
