"""A Kafka broker that is its own controller."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from support.servers import locations
from support.servers.ports import HOST
from support.servers.process import Server
from support.servers.topics import Topics

HEAP_MB = 384
CLUSTER = "tradercast-test-cluster"
NODE = 1

# For one node, and so that nothing takes longer than a test wants to wait.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": str(NODE),
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Transactions whose producer died are aborted this often, once past their own timeout.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    # A broker killed may register again once its last session has ended.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "200",
    "controller.quorum.election.timeout.ms": "200",
    "controller.quorum.election.backoff.max.ms": "200",
    "log.initial.task.delay.ms": "500",
    "log.retention.check.interval.ms": "500",
    # With 0 the thread that deletes begins again at once, for ever.
    "log.segment.delete.delay.ms": "100",
}


class KafkaBroker(Server):
    """One broker with real transactions and fencing.

    ::

        with KafkaBroker() as kafka:
            kafka.topics.create("trades", partitions=2)
            producer = Producer({"bootstrap.servers": kafka.bootstrap})

    Parameters
    ----------
    heap_mb
        Java's heap; the process takes about as much again at most.
    settings
        Of the broker, beyond and before those for tests.
    java_options
        Given to the JVM.
    """

    NAME: ClassVar[str] = "kafka"
    READY: ClassVar[str] = "Kafka Server started"

    def __init__(
        self,
        parent: Path | None = None,
        *,
        heap_mb: int = HEAP_MB,
        settings: Mapping[str, str] | None = None,
        java_options: Sequence[str] = (),
    ) -> None:
        super().__init__(parent)
        self._heap_mb = heap_mb
        self._settings = dict(settings or {})
        self._java_options = list(java_options)

    @property
    def bootstrap(self) -> str:
        """The ``bootstrap.servers`` of clients."""
        return self.address

    @property
    def topics(self) -> Topics:
        return Topics(self.bootstrap)

    def command(self) -> list[str]:
        kafka = locations.kafka()
        # C1 alone and mapped classes: a broker is up in 2 s instead of 6.
        command = [str(kafka.java), f"-Xmx{self._heap_mb}m", "-XX:+UseSerialGC"]
        command += ["-XX:TieredStopAtLevel=1", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
        if kafka.archive.is_file():
            command.append(f"-XX:SharedArchiveFile={kafka.archive}")
        command.append(f"-Dlog4j2.configurationFile={locations.LOG_SETTINGS}")
        command += self._java_options
        return [*command, "-cp", kafka.class_path, "kafka.Kafka", str(self._properties())]

    def _properties(self) -> Path:
        data = self.folder / "data"
        if not data.exists():
            data.mkdir()
            # All that formatting a disk means, without the seconds of another JVM.
            (data / "meta.properties").write_text(
                f"version=1\ncluster.id={CLUSTER}\nnode.id={NODE}\ndirectory.id={_uuid()}\n"
            )
        controller = f"{HOST}:{self._port(1)}"
        own = {
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "controller.quorum.voters": f"{NODE}@{controller}",
            "log.dirs": str(data),
        }
        settings = {**SETTINGS, **self._settings, **own}
        file = self.folder / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        return file


def _uuid() -> str:
    # Kafka's ids are 16 bytes in base64; those that begin with 14 zero bytes are its own.
    return base64.urlsafe_b64encode(b"\x01" + secrets.token_bytes(15)).decode().rstrip("=")
