"""`tradercast doctor --mongo --kafka` on real servers: what is fine, and each thing that is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from support.commands import wait_until
from support.servers.addresses import KafkaAddress, MongoAddress
from support.servers.mongod import SET_NAME, Mongod

from tradercast.cli.checks.check import Check
from tradercast.cli.checks.kafka import kafka as kafka_checks
from tradercast.cli.checks.mongodb import mongodb as mongodb_checks
from tradercast.cli.main import main
from tradercast.pipeline.topics import STATE_TOPIC


class Standalone(Mongod):
    """A mongod that is no replica set."""

    def command(self) -> list[str]:
        command = super().command()
        at = command.index("--replSet")
        return command[:at] + command[at + 2 :]


class Authorized(Mongod):
    """A replica set of one whose users need passwords, once `with_passwords` was called."""

    protected = False

    def command(self) -> list[str]:
        key = self.folder / "key"
        if not key.exists():
            key.write_text("c2VjcmV0IG9mIHRoZSBzZXQ=")
            key.chmod(0o400)
        return [*super().command(), *(["--keyFile", str(key)] if self.protected else [])]

    def start(self, timeout_s: float = 60.0) -> None:
        super().start(timeout_s)
        if not self.protected:
            members = [{"_id": 0, "host": self.address}]
            self.admin("replSetInitiate", {"_id": SET_NAME, "members": members})
        self.wait()

    def with_passwords(self) -> None:
        self.stop()
        self.protected = True
        self.start()

    def wait(self) -> None:
        wait_until(lambda: self.admin("hello")["isWritablePrimary"])


def by_name(checks: Iterator[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


def uri_of(base: str, database: str) -> str:
    head, _, options = base.partition("/?")
    return f"{head}/{database}?{options}"


def kafka_of(address: KafkaAddress, *topics: str) -> dict[str, Check]:
    return by_name(kafka_checks({"bootstrap.servers": address.bootstrap}, topics))


def test_a_replica_set_that_is_fine(
    mongodb: MongoAddress, mongo_database: Database[dict[str, Any]]
) -> None:
    mongo_database.create_collection("trades", changeStreamPreAndPostImages={"enabled": True})
    mongo_database["trades"].insert_one({"price": "1"})
    name = f"{mongo_database.name}.trades"

    found = by_name(mongodb_checks(uri_of(mongodb.uri, mongo_database.name)))

    assert found["mongodb"].ok is True
    assert found["mongodb"].details["set"] == SET_NAME
    assert found[f"mongodb {name}"].details["documents"] == 1
    assert found[f"mongodb deletes of {name}"].ok is True
    assert found["mongodb oplog"].ok is not False
    assert found["mongodb oplog"].details["max_bytes"] > 1_000_000


def test_deletes_that_would_not_be_known_are_no_fault_but_told(
    mongodb: MongoAddress, mongo_database: Database[dict[str, Any]]
) -> None:
    mongo_database.create_collection("fills")

    found = by_name(mongodb_checks(uri_of(mongodb.uri, mongo_database.name), ["fills"]))

    check = found[f"mongodb deletes of {mongo_database.name}.fills"]
    assert check.ok is None
    assert 'collMod: "fills"' in str(check.hint)


def test_a_collection_of_books_has_to_be_readable_and_may_lose_what_is_old(
    mongodb: MongoAddress, mongo_database: Database[dict[str, Any]]
) -> None:
    mongo_database["book"].insert_one({"_id": 1})
    name = mongo_database.name

    found = by_name(mongodb_checks(uri_of(mongodb.uri, name), ["trades"], ["book"]))

    assert found[f"mongodb {name}.book"].details["documents"] == 1
    assert f"mongodb deletes of {name}.trades" in found
    assert f"mongodb deletes of {name}.book" not in found


def test_a_mongod_that_is_no_replica_set(tmp_path: Path) -> None:
    with Standalone(tmp_path) as alone:
        found = by_name(mongodb_checks(f"mongodb://{alone.address}/market"))

    assert list(found) == ["mongodb"]
    assert found["mongodb"].ok is False
    assert "rs.initiate()" in str(found["mongodb"].hint)


def test_a_user_without_rights_and_one_with_them(tmp_path: Path) -> None:
    with Authorized(tmp_path) as server:
        with server.client() as client:
            client.admin.command(
                "createUser", "none", pwd="pa55", roles=[{"role": "read", "db": "other"}]
            )
            client.admin.command(
                "createUser", "reader", pwd="pa55", roles=[{"role": "read", "db": "market"}]
            )
        server.with_passwords()
        address = f"{server.address}/market?authSource=admin"
        denied = by_name(mongodb_checks(f"mongodb://none:pa55@{address}"))
        allowed = by_name(mongodb_checks(f"mongodb://reader:pa55@{address}"))
        wrong = by_name(mongodb_checks(f"mongodb://reader:pa55word@{address}"))

    assert denied["mongodb market.trades"].ok is False
    assert 'role: "read", db: "market"' in str(denied["mongodb market.trades"].hint)
    assert allowed["mongodb market.trades"].ok is True
    assert allowed["mongodb oplog"].ok is None  # it may not look
    assert wrong["mongodb"].ok is False
    assert "Authentication failed" in wrong["mongodb"].text
    assert not [check for check in wrong.values() if "pa55" in f"{check.text}{check.hint}"]


def test_nobody_is_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["--mongo", "mongodb://me:pa55@127.0.0.1:9/x", "--kafka", "127.0.0.1:9"]
    code = main(["doctor", "--json", "--data-dir", str(tmp_path), *arguments])
    shown = capsys.readouterr()
    report = json.loads(shown.out)

    assert code == 3
    assert report["checks"]["mongodb"]["ok"] is False
    assert report["checks"]["kafka"]["ok"] is False
    assert "pa55" not in shown.out + shown.err


def test_a_broker_with_good_topics(kafka: KafkaAddress, topic_prefix: str) -> None:
    topic = f"{topic_prefix}trades"
    kafka.topics.create(topic, partitions=3, retention_ms=7 * 86_400_000)

    found = kafka_of(kafka, topic)

    assert found["kafka"].details["brokers"] == [kafka.bootstrap]
    assert found["kafka transactions"].ok is True
    check = found[f"kafka topic {topic}"]
    assert (check.ok, check.text) == (True, "3 partitions, 1 copy, keeps for 7 d 0 h")
    assert found[f"kafka topic {STATE_TOPIC}"].ok is not False


def test_topics_that_lose_records(kafka: KafkaAddress, topic_prefix: str) -> None:
    short, compacted = f"{topic_prefix}short", f"{topic_prefix}compacted"
    kafka.topics.create(short, retention_ms=60_000)
    kafka.topics.create(compacted, cleanup_policy="compact")

    found = kafka_of(kafka, short, compacted, f"{topic_prefix}none")

    assert found[f"kafka topic {short}"].ok is False
    assert "retention.ms" in str(found[f"kafka topic {short}"].hint)
    assert found[f"kafka topic {compacted}"].ok is False
    assert "cleanup.policy=delete" in str(found[f"kafka topic {compacted}"].hint)
    assert found[f"kafka topic {topic_prefix}none"].ok is None


def test_a_state_that_kafka_would_forget(kafka_brokers: Any) -> None:
    broker = kafka_brokers()
    broker.topics.create(STATE_TOPIC, partitions=2)

    found = by_name(kafka_checks({"bootstrap.servers": broker.bootstrap}))

    assert found[f"kafka topic {STATE_TOPIC}"].ok is False
    assert "cleanup.policy=compact" in str(found[f"kafka topic {STATE_TOPIC}"].hint)
