"""What a service tells of itself: Prometheus metrics and a health check."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tradercast.addresses import Address
from tradercast.errors import PortInUseError


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a metric at this moment.

    Attributes
    ----------
    name : str
        With its unit last, e.g. ``tradercast_feeder_lag_seconds``; a counter's ends in ``_total``.
    text : str
        What it counts or measures.
    value : float
    labels : mapping of str to str
        The same keys in every reading of this name.
    """

    name: str
    text: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


class Telemetry:
    """Serves ``/metrics`` and ``/health``; asks the service only when somebody asks it.

    Parameters
    ----------
    service : str
        Its name, e.g. ``feeder``.
    read : callable
        Gives the readings of this moment.
    trouble : callable
        What is wrong at this moment in one sentence, or None.
    """

    def __init__(
        self,
        service: str,
        read: Callable[[], Iterable[Reading]],
        trouble: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._service = service
        self._trouble = trouble
        self._registry = CollectorRegistry()
        self._registry.register(_Readings(read))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def text(self) -> bytes:
        """The metrics in Prometheus' format."""
        return generate_latest(self._registry)

    @asynccontextmanager
    async def serving(self, address: Address) -> AsyncIterator[Address]:
        """Answer at this address (port 0 picks one); yields the one that it is.

        Raises
        ------
        PortInUseError
            If another program has it.
        """
        app = web.Application()
        app.add_routes([web.get("/metrics", self._metrics), web.get("/health", self._health)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, *address)
            try:
                await site.start()
            except OSError as error:
                raise PortInUseError(
                    f"metrics can not be served at {address[0]}:{address[1]}: "
                    f"{error.strerror or error}",
                    hint="choose another port with --metrics",
                ) from None
            host, port = runner.addresses[0][:2]
            yield host, port
        finally:
            await runner.cleanup()

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self.text(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _health(self, request: web.Request) -> web.Response:
        trouble = self._trouble()
        body = {"service": self._service, "ok": trouble is None, "trouble": trouble}
        return web.json_response(body, status=200 if trouble is None else 503)


class _Readings(Collector):
    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read

    def describe(self) -> list[Metric]:
        return []  # known only when they are read

    def collect(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for one in self._read():
            family = families.get(one.name)
            if family is None:
                kind = CounterMetricFamily if one.name.endswith("_total") else GaugeMetricFamily
                family = families[one.name] = kind(one.name, one.text, labels=list(one.labels))
            family.add_metric(list(one.labels.values()), one.value)
        yield from families.values()
