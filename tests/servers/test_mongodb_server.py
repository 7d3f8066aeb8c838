"""The MongoDB that other tests rely on is a real one, and can be hurt."""

import pytest
from pymongo.errors import AutoReconnect, OperationFailure


def documents(first, end):
    return [{"_id": number, "price": str(number)} for number in range(first, end)]


def test_each_test_has_an_empty_database(mongo_database):
    assert mongo_database.list_collection_names() == []
    mongo_database.trades.insert_many(documents(0, 3))
    assert mongo_database.trades.count_documents({}) == 3


def test_a_change_stream_tells_every_insert_in_order(mongo_database):
    with mongo_database.trades.watch(max_await_time_ms=10_000) as stream:
        mongo_database.trades.insert_many(documents(0, 100))
        seen = [next(stream)["fullDocument"]["_id"] for _ in range(100)]
    assert seen == list(range(100))


def test_starting_one_costs_little(replica_sets):
    [mongod] = replica_sets().members
    assert mongod.cpu_s() < 3  # of processor time: how long it takes depends on what else runs
    assert mongod.memory_mb() < 250


def test_a_killed_mongod_keeps_what_a_majority_acknowledged(replica_sets):
    mongodb = replica_sets()
    with mongodb.client() as client:
        for number in range(50):
            client.market.trades.insert_one({"_id": number})
        port = mongodb.primary.port
        mongodb.primary.kill()
        mongodb.members[0].start()
        assert mongodb.primary.port == port
        # The natural order is another after recovery; nobody may rely on it.
        assert sorted(client.market.trades.distinct("_id")) == list(range(50))


def test_a_change_stream_goes_on_across_a_step_down(replica_sets):
    mongodb = replica_sets(3)
    with mongodb.client() as client:
        trades = client.market.trades
        trades.insert_one({"_id": -1})
        with trades.watch(max_await_time_ms=10_000) as stream:
            trades.insert_many(documents(0, 10))
            before = mongodb.primary
            after = mongodb.step_down()
            assert after is not before
            trades.insert_many(documents(10, 20))
            assert [next(stream)["fullDocument"]["_id"] for _ in range(20)] == list(range(20))


def test_a_paused_primary_is_replaced_and_comes_back_as_secondary(replica_sets):
    mongodb = replica_sets(3)
    before = mongodb.primary
    before.pause()
    after = mongodb.wait_for_primary(other_than=before)
    before.resume()
    mongodb.wait_until_whole()
    assert mongodb.primary is after
    assert before in mongodb.secondaries


def test_lost_history_ends_a_change_stream_and_every_attempt_to_resume_it(replica_sets):
    mongodb = replica_sets()
    with mongodb.client() as client:
        trades = client.market.trades
        with trades.watch() as stream:
            trades.insert_one({"_id": 1})
            token = next(stream)["_id"]
        with mongodb.primary.history_lost():
            with pytest.raises(OperationFailure) as lost:
                trades.watch(resume_after=token)
            assert lost.value.code == 286
            assert lost.value.has_error_label("NonResumableChangeStreamError")
        with trades.watch(resume_after=token, max_await_time_ms=10_000) as stream:
            trades.insert_one({"_id": 2})
            assert next(stream)["fullDocument"]["_id"] == 2


def test_a_fail_point_can_be_for_one_client_and_a_number_of_times(replica_sets):
    mongodb = replica_sets()
    with mongodb.client(appName="hurt", retryWrites=False) as hurt, mongodb.client() as other:
        fails = {"failCommands": ["insert"], "closeConnection": True, "appName": "hurt"}
        with mongodb.primary.fail_point(mode={"times": 1}, **fails):
            other.market.trades.insert_one({})
            with pytest.raises(AutoReconnect):
                hurt.market.trades.insert_one({})
            hurt.market.trades.insert_one({})
        assert mongodb.primary.times_failed() == 1
