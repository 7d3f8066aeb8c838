"""A short `make demo-full`: the compose file on real servers, a feeder killed on the way."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from support.directories import ROOT
from support.servers import locations

pytestmark = pytest.mark.timeout(600)

SERVICES = {"collect", "listener", "standby", "seeder"}
ALERTS = ROOT / "docker" / "alerts.yml"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The demo's figures, and what its services told of themselves."""
    try:
        locations.mongod()
        locations.kafka()
    except locations.MissingServerError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("metrics")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "scripts.demo_full", "--seconds", "2", "--rate", "100"),
            *("--metrics-to", str(folder)),
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {"figures": json.loads(done.stdout), "metrics": folder}


def names_in(folder: Path) -> set[str]:
    """Every metric that a service tells."""
    return {
        sample.name
        for file in folder.iterdir()
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }


def test_the_chain_of_the_compose_file_loses_nothing(told: dict[str, Any]) -> None:
    found = told["figures"]

    assert found["trades"] > 200
    assert (found["lost"], found["twice"], found["synced"]) == (0, 0, found["trades"])
    assert found["books_synced"] == found["book_messages"] > 20
    assert found["dead_letters"] == 1  # the document without a price
    assert found["swarm_served_bytes"] > 0
    assert found["exit_codes"] == dict.fromkeys(SERVICES, 0)


def test_every_service_tells_of_itself(told: dict[str, Any]) -> None:
    assert {file.stem for file in told["metrics"].iterdir()} == SERVICES
    assert {
        "tradercast_collect_written_total",
        "tradercast_listener_records_total",
        "tradercast_feeder_appended_total",
        "tradercast_collect_lag_seconds",
        "tradercast_listener_lag_seconds",
        "tradercast_feeder_lag_seconds",
        "tradercast_serve_lag_seconds",
        "tradercast_serve_records",
        "tradercast_feeder_durable_timestamp_seconds",
        "process_start_time_seconds",
    } <= names_in(told["metrics"])


def test_every_metric_of_the_alerts_is_one_that_a_service_tells(told: dict[str, Any]) -> None:
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    used = {
        name for rule in rules for name in re.findall(r"\b(?:tradercast|process)_\w+", rule["expr"])
    }

    assert len(rules) > 10
    assert used - names_in(told["metrics"]) == set()
    for rule in rules:
        if "alert" in rule:
            assert rule["labels"]["severity"] in {"page", "ticket"}
            assert rule["annotations"]["summary"]
