"""The backend of a central server: hosts are looked up with each request, and nothing but the last
few answers is remembered, so that any number of servers may stand behind a balancer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from irqbal.api import responses, views
from irqbal.api.backend import ApiError, Subscription
from irqbal.api.subscribers import Subscribers
from irqbal.central.host import SILENT, StoredHost
from irqbal.central.stores import FleetStore, piece_together
from irqbal.errors import HistoryError
from irqbal.history.host_status import HostFacts, LastSeen
from irqbal.wire import Moment

log = logging.getLogger(__name__)
T = TypeVar("T")

FRESH = 1.0
"""Seconds for which the list of hosts is taken as it is."""
REMEMBERED = 16
"""Hosts whose last cycle is remembered …"""
PIECED = 5.0
"""… and seconds for which one counts that was pieced together."""
FOLLOW = 1.0
"""Seconds between two looks for cycles that somebody listens for …"""
BEAT = 15.0
"""… and between two signs of life for those who listen."""
PROBED = 2.0
"""Seconds for which the store's last answer says whether this server is ready …"""
PATIENCE = 3.0
"""… and how long one is waited for."""
NAMED = 20
FAMILIES = {
    "irqbal_central_hosts": "Hosts that this central server tells about.",
    "irqbal_central_silent_hosts": "Hosts among them that were not heard of lately.",
}
"""Metrics that a central server has and no daemon."""


class Fleet:
    """Every host that was heard of within the last `since` seconds."""

    def __init__(self, store: FleetStore, since: float) -> None:
        self._store, self._since = store, since
        self._threads = ThreadPoolExecutor(store.threads, "store")
        self._listed: tuple[float, list[HostFacts]] = (-FRESH, [])
        self._listing = asyncio.Lock()
        self._last: OrderedDict[str, tuple[float, float, LastSeen]] = OrderedDict()
        self._listeners: dict[str, Subscribers] = {}
        self._following: asyncio.Task[None] | None = None
        self._trouble = ""
        self._asked = -PROBED
        self._probing: asyncio.Task[None] | None = None
        self.auth_failures: Callable[[], int] = lambda: 0

    async def read(self, work: Callable[[FleetStore], T]) -> T:
        """Off the loop. Raises HistoryError."""
        try:
            found = await asyncio.get_running_loop().run_in_executor(
                self._threads, work, self._store
            )
        except HistoryError as error:
            if not self._trouble:
                log.error("%s", error)
            self._trouble = str(error)
            raise
        finally:
            self._asked = time.monotonic()
        if self._trouble:
            log.warning("the store can be read again")
        self._trouble = ""
        return found

    # Backend

    async def facts(self) -> list[HostFacts]:
        """All hosts, as of a second ago at most; those who ask at the same time wait for one
        answer.
        """
        async with self._listing:
            made, found = self._listed
            if time.monotonic() - made > FRESH:
                found = await self.read(lambda store: store.facts(time.time() - self._since))
                self._listed = (time.monotonic(), found)
            return found

    async def hosts(self) -> list[responses.HostView]:
        """Every host in a line."""
        now = time.time()
        return [host_view(facts, now) for facts in await self.facts()]

    async def host(self, name: str | None) -> StoredHost:
        """This one; without a name, the only one. Raises ApiError."""
        if name is None:
            known = await self.facts()
            if len(known) != 1:
                many = f"{len(known)} hosts" if known else "no host yet"
                raise ApiError(
                    409,
                    "which-host",
                    f"this server tells about {many}: ask below /api/v1/hosts/HOST (`irqbal-client "
                    "… --on HOST`); "
                    "GET /api/v1/hosts lists them",
                    [facts.host for facts in known[:NAMED]],
                )
            name = known[0].host
        wanted = name
        found = await self.read(lambda store: store.line(wanted))
        if found is None:
            raise ApiError(
                404,
                "no-such-host",
                f"nothing was heard of a host {name[:100]!r}; GET /api/v1/hosts lists the others",
            )
        return StoredHost(self, *found, time.time())

    async def findings(self, code: str) -> list[responses.FindingView]:
        """What is not as it should be, on every host that was heard of."""
        found = await self.read(lambda store: store.findings(time.time() - self._since, code))
        return [
            responses.FindingView(
                facts.host, Moment(facts.wall), item.code, item.irq, item.text, item.advice
            )
            for facts, items in found
            for item in items
        ]

    async def health(self, ready: bool) -> responses.Health:
        """Alive: always. Ready: the store can be read, as of a moment ago at most."""
        if not ready:
            return responses.Health(True)
        if time.monotonic() - self._asked > PROBED:
            # One at a time, whoever asks: a thread that waits for the store cannot be called back.
            if self._probing is None or self._probing.done():
                self._probing = asyncio.create_task(self._probe())
            done, _ = await asyncio.wait([self._probing], timeout=PATIENCE)
            if not done:
                return responses.Health(False, f"the store has not answered for {PATIENCE:.0f} s")
        return responses.Health(not self._trouble, self._trouble)

    async def _probe(self) -> None:
        with contextlib.suppress(HistoryError):
            await self.read(lambda store: store.ping())

    async def metrics(self) -> bytes:
        """Prometheus' text format: of the server itself. Each host's own metrics are on that
        host.
        """
        known, now = await self.facts(), time.time()
        hosts, silent = (GaugeMetricFamily(name, about) for name, about in FAMILIES.items())
        hosts.add_metric([], len(known))
        silent.add_metric([], sum(host_view(facts, now).state == "silent" for facts in known))
        failures = CounterMetricFamily("irqbal_auth_failures", "Requests with a wrong token.")
        failures.add_metric([], self.auth_failures())
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Fixed([hosts, silent, failures]))
        return generate_latest(registry)

    # What hosts ask

    async def last(self, host: StoredHost) -> LastSeen:
        """The last cycle: as the daemon told it, or pieced together."""
        wall, now = host.facts.wall, time.monotonic()
        known = self._last.get(host.name)
        if known is not None and (known[0] == wall == known[2].wall or now - known[1] < PIECED):
            self._last.move_to_end(host.name)
            return known[2]
        seen = await self.read(
            lambda store: store.seen(host.name) or piece_together(store, host.facts)
        )
        self._last[host.name] = (wall, now, seen)
        self._last.move_to_end(host.name)
        if len(self._last) > REMEMBERED:
            self._last.popitem(last=False)
        return seen

    def follow(self, host: str) -> Subscription:
        """Cycles of a host as they come in. Raises ApiError if too many listen."""
        subscription = self._listeners.setdefault(host, Subscribers()).subscribe()
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow())
        return subscription

    async def _follow(self) -> None:
        """One question to the store for all hosts that somebody listens to."""
        heard: dict[str, float] = {}
        beat = time.monotonic()
        while self._listeners:
            names = list(self._listeners)
            with contextlib.suppress(HistoryError, ApiError):
                found = await self.read(lambda store, names=names: store.heard(names))  # type: ignore[misc]
                for name, wall in found.items():
                    if name in heard and heard[name] != wall:
                        await self._tell(name)
                heard = {name: wall for name, wall in found.items() if name in self._listeners}
            if time.monotonic() - beat >= BEAT:
                beat = time.monotonic()
                for listeners in self._listeners.values():
                    listeners.heartbeat()
            await asyncio.sleep(FOLLOW)
            self._listeners = {
                name: listeners for name, listeners in self._listeners.items() if len(listeners)
            }

    async def _tell(self, name: str) -> None:
        host = await self.host(name)
        self._last.pop(name, None)
        view = await host.view()
        listeners = self._listeners.get(name)
        if listeners is not None:
            listeners.publish(views.cycle(view.record, view.snapshot))

    def close(self) -> None:
        """Send listeners home, and let the store go."""
        for listeners in self._listeners.values():
            listeners.close()
        for task in (self._following, self._probing):
            if task is not None:
                task.cancel()
        self._threads.shutdown()
        self._store.close()


class _Fixed:
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
    )
