"""Which partition of a topic a symbol is on: a map that only grows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tradercast.errors import FormatError, UsageError
from tradercast.feeds import check_name

_MAX_SYMBOLS = 1_000_000


class PartitionMap:
    """Symbols and their partitions.

    A symbol's partition never changes: its messages would otherwise be in two orders.

    Parameters
    ----------
    partitions : int
        How many the topic has.
    symbols : mapping of str to int, optional
        What is known already.

    Raises
    ------
    FormatError
        If a name or a partition is none.
    """

    def __init__(self, partitions: int, symbols: Mapping[str, int] | None = None) -> None:
        if partitions < 1:
            raise FormatError(f"a topic can not have {partitions} partitions")
        self.partitions = partitions
        self._symbols: dict[str, int] = {}
        for symbol, partition in (symbols or {}).items():
            check_name(symbol, "symbol")
            if type(partition) is not int or not 0 <= partition < partitions:
                raise FormatError(f"{symbol} is on partition {partition!r} of {partitions}")
            self._symbols[symbol] = partition

    def __len__(self) -> int:
        return len(self._symbols)

    def get(self, symbol: str) -> int | None:
        """The partition of a symbol, if it has one."""
        return self._symbols.get(symbol)

    def assign(self, symbol: str) -> int:
        """The partition of a symbol; a new one gets the one with the fewest symbols.

        Raises
        ------
        BadNameError, UsageError
            If it is not a symbol, or there are too many.
        """
        known = self._symbols.get(symbol)
        if known is not None:
            return known
        check_name(symbol, "symbol")
        if len(self._symbols) >= _MAX_SYMBOLS:
            raise UsageError(f"a topic can not have more than {_MAX_SYMBOLS} symbols")
        load = [0] * self.partitions
        for partition in self._symbols.values():
            load[partition] += 1
        self._symbols[symbol] = load.index(min(load))
        return self._symbols[symbol]

    def merged(self, other: PartitionMap) -> PartitionMap:
        """Both together.

        Raises
        ------
        UsageError
            If they contradict each other.
        """
        for symbol, partition in other._symbols.items():
            mine = self._symbols.get(symbol, partition)
            if mine != partition:
                raise UsageError(
                    f"{symbol} is on partition {mine}, the other map says {partition}",
                    hint="a symbol never moves: take the map that is in Kafka",
                )
        return PartitionMap(
            max(self.partitions, other.partitions), {**self._symbols, **other._symbols}
        )

    def to_json(self) -> str:
        """The map as people and other programs read it."""
        return json.dumps({"partitions": self.partitions, "symbols": self._symbols}, indent=2)

    @classmethod
    def from_json(cls, text: str | bytes) -> PartitionMap:
        """Read what `to_json` wrote, or a plain object of symbols and partitions.

        Raises
        ------
        FormatError
            If it is neither.
        """
        try:
            found: Any = json.loads(text)
            if "symbols" in found:
                return cls(found["partitions"], found["symbols"])
            return cls(max(found.values(), default=0) + 1, found)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FormatError(f"the text is not a map of partitions: {error}") from None
