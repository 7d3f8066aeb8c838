"""A MongoDB replica set of one to seven processes on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.errors import ServerSelectionTimeoutError
from pymongo.server_description import ServerDescription
from support.servers.addresses import MongoAddress
from support.servers.mongod import SET_NAME, Document, Mongod
from support.servers.process import START_S, ServerError

# A set of one needs no election; among several, these make one in about a second, or in three
# when the old primary is frozen and has to be given up.
SETTINGS = {
    "electionTimeoutMillis": 1_000,
    "heartbeatIntervalMillis": 200,
    "heartbeatTimeoutSecs": 2,
    "catchUpTimeoutMillis": 2_000,
}


class ReplicaSet:
    """A replica set; change streams and transactions need one, be it of one process.

    ::

        with ReplicaSet(3) as mongodb:
            client = MongoClient(mongodb.uri)
            mongodb.step_down()              # another is primary when this returns
            mongodb.primary.kill()           # and elects itself again after
            mongodb.members[0].pause()

    Parameters
    ----------
    members
        How many processes.
    options
        Of each `Mongod`.
    """

    def __init__(self, members: int = 1, parent: Path | None = None, **options: Any) -> None:
        self.members = [Mongod(parent, **options) for _ in range(members)]

    @property
    def uri(self) -> str:
        addresses = ",".join(member.address for member in self.members)
        return f"mongodb://{addresses}/?replicaSet={SET_NAME}"

    def client(self, **options: Any) -> AbstractContextManager[MongoClient[Document]]:
        """A client of the set, writing with majority and journal unless told otherwise."""
        return MongoAddress(self.uri).client(**options)

    def start(self, timeout_s: float = START_S) -> None:
        """Start the processes, make the set of them, and wait until it takes writes."""
        for member in self.members:
            member.launch()
        for member in self.members:
            member.wait_for_log(member.READY, timeout_s=timeout_s)
        hosts = [
            {"_id": number, "host": member.address} for number, member in enumerate(self.members)
        ]
        configuration: Document = {"_id": SET_NAME, "members": hosts}
        if len(self.members) > 1:
            configuration["settings"] = SETTINGS
        self.members[0].admin("replSetInitiate", configuration)
        self.wait_until_whole(timeout_s)

    def close(self) -> None:
        for member in self.members:
            member.close()

    @property
    def primary(self) -> Mongod:
        """The present primary; waits for an election that is under way."""
        return self.wait_for_primary()

    @property
    def secondaries(self) -> list[Mongod]:
        primary = self.primary
        return [member for member in self.members if member is not primary]

    def wait_for_primary(
        self, *, other_than: Mongod | None = None, timeout_s: float = START_S
    ) -> Mongod:
        """Wait until a member, another than the one given, is primary and takes writes."""

        def wanted(servers: list[ServerDescription]) -> list[ServerDescription]:
            return [server for server in servers if server.address[1] != port]

        port = None if other_than is None else other_than.port
        chosen = self._select(wanted, ReadPreference.PRIMARY, timeout_s)
        return next(member for member in self.members if member.port == chosen)

    def wait_until_whole(self, timeout_s: float = START_S) -> None:
        """Wait until every member is primary or secondary, and a majority takes writes."""

        def wanted(servers: list[ServerDescription]) -> list[ServerDescription]:
            whole = len(servers) == len(self.members)
            return servers if whole and any(server.is_writable for server in servers) else []

        self._select(wanted, ReadPreference.NEAREST, timeout_s)
        with self.client() as client:
            concern = WriteConcern(w="majority", wtimeout=int(timeout_s * 1000))
            client["admin"].get_collection("ready", write_concern=concern).insert_one({})

    def step_down(self, seconds: int = 3) -> Mongod:
        """Make the primary give up, and return the next one once it is primary.

        For `seconds` the old one does not stand again; if another is to go meanwhile, wait.
        """
        before = self.primary
        before.admin("replSetStepDown", seconds, secondaryCatchUpPeriodSecs=seconds - 1)
        return self.wait_for_primary(other_than=before)

    def log_tail(self) -> str:
        return "\n".join(f"-- {member.address}\n{member.log_tail()}" for member in self.members)

    def memory_mb(self) -> float:
        return sum(member.memory_mb() for member in self.members if member.running)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _select(
        self,
        wanted: Callable[[list[ServerDescription]], list[ServerDescription]],
        preference: Any,
        timeout_s: float,
    ) -> int:
        """Wait until servers are there, as they say themselves; the port of one."""
        chosen: list[int] = []

        def select(servers: list[ServerDescription]) -> list[ServerDescription]:
            if chosen:  # for closing, the client selects once more, any server
                return servers
            found = wanted(servers)[:1]
            chosen.extend(server.address[1] or 0 for server in found)
            return found

        with self.client(
            serverSelectionTimeoutMS=int(timeout_s * 1000), server_selector=select
        ) as client:
            try:
                client.admin.command("ping", read_preference=preference)
            except ServerSelectionTimeoutError as error:
                raise ServerError(f"{error}\n{self.log_tail()}") from error
        return chosen[0]
