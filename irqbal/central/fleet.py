"""The backend of a central server.

Hosts are looked up with each request. Only the last few answers are cached, so that any number of
servers can run behind a load balancer.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from irqbal.api import responses, views
from irqbal.api.backend import ApiError, Subscription
from irqbal.api.subscribers import Subscribers
from irqbal.central.host import SILENT, StoredHost
from irqbal.central.store_access import StoreAccess
from irqbal.central.stores import FleetStore, reconstruct_last_cycle
from irqbal.errors import HistoryError
from irqbal.history.host_status import HostFacts, LastCycle
from irqbal.wire import Moment

T = TypeVar("T")

LIST_TTL = 1.0
"""Seconds for which the list of hosts is cached."""
CACHED_CYCLES = 16
"""Most hosts whose last cycle is cached: one has some hundred kB."""
RECONSTRUCTED_TTL = 5.0
"""Seconds for which a reconstructed cycle is cached."""
FOLLOW_EVERY = 1.0
"""Seconds between two queries for new cycles while there are subscribers."""
BEAT = 15.0
"""Seconds between two comments that keep a subscriber's connection open."""
NAMED = 20
"""Most hosts that an error message lists."""
FAMILIES = {
    "irqbal_central_hosts": "Hosts that this central server lists.",
    "irqbal_central_silent_hosts": "Hosts among them that have not shipped lately.",
}
"""Metrics that a central server has and no daemon."""


class _CachedCycle(msgspec.Struct, frozen=True):
    """A host's last cycle. `contact` is when the host had last shipped (seconds since the epoch),
    `cached_at` when the cycle was read (monotonic seconds).
    """

    contact: float
    cached_at: float
    cycle: LastCycle


class Fleet:
    """Every host that has shipped within the last `since` seconds."""

    def __init__(self, store: FleetStore, since: float) -> None:
        self._access, self._since = StoreAccess(store), since
        self._listed: tuple[float, list[HostFacts]] = (-LIST_TTL, [])
        """The last list of hosts, and when it was read in monotonic seconds."""
        self._listing = asyncio.Lock()
        self._cycles: OrderedDict[str, _CachedCycle] = OrderedDict()
        self._listeners: dict[str, Subscribers] = {}
        """Host -> those who subscribed to its cycles."""
        self._following: asyncio.Task[None] | None = None
        self.auth_failures: Callable[[], int] = lambda: 0
        """Counts requests with a wrong token."""

    async def read(self, work: Callable[[FleetStore], T]) -> T:
        """Run a query on a thread of the store. Raises HistoryError."""
        return await self._access.read(work)

    # Backend

    central = True

    async def facts(self) -> list[HostFacts]:
        """All hosts, at most a second old. Requests at the same time wait for one answer."""
        async with self._listing:
            read_at, known = self._listed
            if time.monotonic() - read_at > LIST_TTL:
                known = await self.read(lambda store: store.facts(time.time() - self._since))
                self._listed = (time.monotonic(), known)
            return known

    async def hosts(self) -> list[responses.HostView]:
        """Every host in a line."""
        now = time.time()
        return [host_view(facts, now) for facts in await self.facts()]

    async def host(self, name: str | None) -> StoredHost:
        """The host of this name; without a name, the only one. Raises ApiError."""
        if name is None:
            known = await self.facts()
            if len(known) != 1:
                many = f"{len(known)} hosts" if known else "no host yet"
                raise ApiError(
                    409,
                    "which-host",
                    f"this server lists {many}: ask below /api/v1/hosts/HOST (`irqbal-client "
                    "… --on HOST`); "
                    "GET /api/v1/hosts lists them",
                    [facts.host for facts in known[:NAMED]],
                )
            name = known[0].host
        host = name
        known_host = await self.read(lambda store: store.host(host))
        if known_host is None:
            raise ApiError(
                404,
                "no-such-host",
                f"no host {name[:100]!r} has shipped anything; GET /api/v1/hosts lists the others",
            )
        return StoredHost(self, known_host, time.time())

    async def fleet_findings(self, code: str) -> list[responses.FindingView]:
        """The findings of every listed host; only those of one code if `code` is not empty."""
        found = await self.read(lambda store: store.findings(time.time() - self._since, code))
        return [
            responses.FindingView(
                entry.facts.host,
                Moment(entry.facts.wall),
                item.code,
                item.irq,
                item.text,
                item.advice,
                item.severity,
                item.kind,
                item.subject,
            )
            for entry in found
            for item in entry.findings
        ]

    async def health(self, ready: bool) -> responses.Health:
        """Alive: always. Ready: the store can be read."""
        return await self._access.readiness() if ready else responses.Health(True)

    async def metrics(self) -> bytes:
        """Metrics of the server itself in Prometheus' text format. Each host serves its own."""
        known, now = await self.facts(), time.time()
        hosts, silent = (GaugeMetricFamily(name, about) for name, about in FAMILIES.items())
        hosts.add_metric([], len(known))
        silent.add_metric([], sum(host_view(facts, now).state == "silent" for facts in known))
        failures = CounterMetricFamily("irqbal_auth_failures", "Requests with a wrong token.")
        failures.add_metric([], self.auth_failures())
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Fixed([hosts, silent, failures]))
        return generate_latest(registry)

    # For StoredHost

    async def last(self, host: StoredHost) -> LastCycle:
        """The host's last cycle: the shipped one, or a reconstructed one."""
        wall, now = host.facts.wall, time.monotonic()
        cached = self._cycles.get(host.name)
        if cached is not None and (
            cached.contact == wall == cached.cycle.wall
            or now - cached.cached_at < RECONSTRUCTED_TTL
        ):
            self._cycles.move_to_end(host.name)
            return cached.cycle
        cycle = await self.read(
            lambda store: store.last_cycle(host.name) or reconstruct_last_cycle(store, host.facts)
        )
        self._cycles[host.name] = _CachedCycle(wall, now, cycle)
        self._cycles.move_to_end(host.name)
        if len(self._cycles) > CACHED_CYCLES:
            self._cycles.popitem(last=False)
        return cycle

    def follow(self, host: str) -> Subscription:
        """Subscribe to a host's cycles as they are shipped. Raises ApiError if there are too many
        subscribers.
        """
        subscription = self._listeners.setdefault(host, Subscribers()).subscribe()
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow())
        return subscription

    async def _follow(self) -> None:
        """Query the store for new cycles of all hosts that have subscribers; one query for all."""
        contacts: dict[str, float] = {}
        beat = time.monotonic()
        while self._listeners:
            names = list(self._listeners)
            with contextlib.suppress(HistoryError, ApiError):
                latest = await self.read(lambda store, names=names: store.last_contacts(names))  # type: ignore[misc]
                for name, wall in latest.items():
                    if name in contacts and contacts[name] != wall:
                        await self._publish(name)
                contacts = {name: wall for name, wall in latest.items() if name in self._listeners}
            if time.monotonic() - beat >= BEAT:
                beat = time.monotonic()
                for listeners in self._listeners.values():
                    listeners.heartbeat()
            await asyncio.sleep(FOLLOW_EVERY)
            self._listeners = {
                name: listeners for name, listeners in self._listeners.items() if len(listeners)
            }

    async def _publish(self, name: str) -> None:
        """Send a host's new cycle to its subscribers."""
        host = await self.host(name)
        self._cycles.pop(name, None)
        view = await host.view()
        listeners = self._listeners.get(name)
        if listeners is not None:
            listeners.publish(views.cycle(view.record, view.snapshot))

    def close(self) -> None:
        """Close all subscriptions and the store."""
        for listeners in self._listeners.values():
            listeners.close()
        if self._following is not None:
            self._following.cancel()
        self._access.close()


class _Fixed:
    """A Prometheus collector of these families."""

    def __init__(self, families: list[GaugeMetricFamily | CounterMetricFamily]) -> None:
        self._families = families

    def collect(self) -> list[GaugeMetricFamily | CounterMetricFamily]:
        return self._families


def host_view(facts: HostFacts, now: float) -> responses.HostView:
    """A host in a line."""
    counts = facts.counts or {}
    known = facts.counts is not None
    return responses.HostView(
        facts.host,
        Moment(facts.wall),
        facts.version,
        "silent" if now - facts.wall > SILENT else facts.state or "unknown",
        facts.imbalance,
        facts.busiest,
        facts.drifted,
        facts.refused,
        facts.failures,
        facts.failed,
        facts.overrides,
        facts.cpus,
        facts.irqs,
        counts.get("remote-queue", 0) if known else None,
        counts.get("isolated", 0) if known else None,
        facts.verdict,
        sum(counts.values()) if known else None,
    )
