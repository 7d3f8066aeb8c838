"""What a service tells of itself over HTTP."""

from __future__ import annotations

import json
import socket

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tradercast.errors import PortInUseError
from tradercast.pipeline.telemetry import Reading, Telemetry

ANY = ("127.0.0.1", 0)


def readings() -> list[Reading]:
    return [
        Reading("tradercast_x_records_total", "Records.", 7, {"feed": "a/b/trades"}),
        Reading("tradercast_x_records_total", "Records.", 9, {"feed": "a/c/trades"}),
        Reading("tradercast_x_lag_seconds", "Lag.", 0.25),
    ]


async def get(address: tuple[str, int], path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://{address[0]}:{address[1]}{path}") as answer,
    ):
        return answer.status, await answer.text()


async def test_metrics_are_what_prometheus_reads() -> None:
    async with Telemetry("x", readings).serving(ANY) as address:
        status, text = await get(address, "/metrics")

    found = {
        (sample.name, sample.labels.get("feed")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert status == 200
    assert found["tradercast_x_records_total", "a/b/trades"] == 7
    assert found["tradercast_x_records_total", "a/c/trades"] == 9
    assert found["tradercast_x_lag_seconds", None] == 0.25
    assert found["process_resident_memory_bytes", None] > 1_000_000


async def test_health_follows_the_service() -> None:
    troubles: list[str | None] = [None, "the broker is away"]
    async with Telemetry("x", readings, lambda: troubles.pop(0)).serving(ANY) as address:
        well, ill = await get(address, "/health"), await get(address, "/health")

    assert well == (200, '{"service": "x", "ok": true, "trouble": null}')
    assert (ill[0], json.loads(ill[1])["trouble"]) == (503, "the broker is away")


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(ANY)
        taken.listen()
        with pytest.raises(PortInUseError, match=str(taken.getsockname()[1])):
            async with Telemetry("x", readings).serving(taken.getsockname()):
                pass
