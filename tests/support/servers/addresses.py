"""A MongoDB or Kafka that tests share, and so may use but not stop."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient
from support.servers.topics import Topics


@dataclass(frozen=True)
class MongoAddress:
    """A replica set by its URI."""

    uri: str

    @contextlib.contextmanager
    def client(self, **options: Any) -> Iterator[MongoClient[dict[str, Any]]]:
        """A client that writes with majority and journal unless told otherwise."""
        options = {"w": "majority", "journal": True, "heartbeatFrequencyMS": 500, **options}
        with MongoClient[dict[str, Any]](self.uri, **options) as client:
            yield client


@dataclass(frozen=True)
class KafkaAddress:
    """A cluster by the address of one of its brokers."""

    bootstrap: str

    @property
    def topics(self) -> Topics:
        return Topics(self.bootstrap)
