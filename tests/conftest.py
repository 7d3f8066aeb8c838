"""What holds for every test.

In CI a skip is a failure; what takes longest begins first; no property fails because the machine
is slow.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Minutes of CI go into examples; who works on a property runs its test without CI set.
settings.register_profile("ci", settings.get_profile("patient"), max_examples=40)
settings.load_profile("ci" if os.environ.get("CI", "").lower() == "true" else "patient")

pytest_plugins = ["support.servers.fixtures"]

STRICT = os.environ.get("CI", "").lower() == "true"
# Reasons that CI accepts: what a container may lack without any fault of ours.
ACCEPTED_SKIPS = (
    "this machine has no IPv6",
    "no engines, which take 1.5 GB: pip install -e '.[engines]'",
)
# Files are spread over the workers in this order, so that a long one is not the last.
FIRST = (
    "tests/test_packaging.py",
    "tests/e2e/",
    "tests/docker/",
    "tests/servers/",
    "tests/client/",
    "tests/log/",
    "tests/feed/",
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _without_skips((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _without_skips((yield))


def _without_skips(report: Any) -> Any:
    if STRICT and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        if reason.removeprefix("Skipped: ") not in ACCEPTED_SKIPS:
            report.outcome = "failed"
            report.longrepr = f"in CI nothing may be skipped: {reason}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        return next((at for at, name in enumerate(FIRST) if item.nodeid.startswith(name)), 9)

    items.sort(key=rank)  # stable: within a file, tests stay in their order
