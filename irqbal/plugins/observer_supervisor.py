"""The daemon's side of all observers: each distribution's in a process of its own, which may use
the network.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from concurrent.futures import CancelledError

from irqbal.model.plan import Failure, Record
from irqbal.plugins import bounds, protocol
from irqbal.plugins.channel import HostBlamed
from irqbal.plugins.hosted import HostedDistribution, at_once, by_distribution
from irqbal.problems import LocatedProblem


class ObserverSupervisor:
    """The observers that the YAML names: one process for each distribution.

    All methods but `stop` are called from one thread; the attributes may be read from any.
    """

    def __init__(self, entries: Iterable[protocol.PolicyEntry]) -> None:
        self._entries = {entry.index: entry for entry in entries}
        gate = threading.Semaphore(max(1, len(self._entries)))
        self._hosts = [
            HostedDistribution("observers", group, gate)
            for group in by_distribution(self._entries.values())
        ]

    def names(self) -> dict[int, str]:
        """The observers' names by index."""
        return {index: entry.plugin.name for index, entry in self._entries.items()}

    @property
    def aside(self) -> dict[int, Failure]:
        """Observers that are not called until the next try, by index, with the reason."""
        found: dict[int, Failure] = {}
        for host in self._hosts:
            found |= host.aside
        return dict(sorted(found.items()))

    @property
    def pids(self) -> dict[str, int | None]:
        """The process ids of the hosts, by distribution."""
        return {host.name: host.pid for host in self._hosts}

    @property
    def starting(self) -> tuple[str, ...]:
        """The observers that are not ready yet."""
        return tuple(name for host in self._hosts for name in host.starting())

    def spawn(self) -> None:
        """Start all processes unless they run, without waiting until they are ready."""
        for host in self._hosts:
            if host.bound is None and not host.busy and not host.aside:
                host.start()

    def bind(self, patience: float = bounds.READY_DEADLINE) -> list[LocatedProblem]:
        """Import all observers and return the problems with their options. Who is not ready after
        `patience` seconds is ready later.
        """
        self.spawn()
        end = time.monotonic() + patience
        problems: list[LocatedProblem] = []
        for host in self._hosts:
            host.wait(end - time.monotonic())
            if host.bound is not None:
                problems += host.bound.problems
        return problems

    def describe(self) -> protocol.DescribeResult:
        """The options and the summary of each observer that is bound."""
        found = protocol.DescribeResult({}, {})
        for host in self._hosts:
            if host.bound is not None:
                found.schemas.update(host.bound.described.schemas)
                found.about.update(host.bound.described.about)
        return found

    def hooks(self) -> dict[int, tuple[str, ...]]:
        """The names of each bound observer's hooks, by index."""
        return {
            index: names
            for host in self._hosts
            if host.bound is not None
            for index, names in host.bound.hooks.items()
        }

    def observe(self, record: Record) -> tuple[Failure, ...]:
        """Pass a cycle's record to all observers at the same time, and return those that failed.
        Who still works on an earlier record does not get this one.
        """
        pending = []
        for host in self._hosts:
            host.tend()
            if host.busy:
                continue
            for index in host.indexes:
                if host.has(index, "irqbal_cycle_done"):
                    frame = protocol.pack(protocol.ObserveRequest(index, record))
                    asked = host.ask((frame,), protocol.ObserveResult, bounds.HOOK_DEADLINE)
                    pending.append((host, index, asked))
        raised: dict[HostedDistribution, list[protocol.HookRaised]]
        raised = {host: [] for host, _, _ in pending}
        for host, index, asked in pending:
            try:
                result, _ = asked.result()
            except (HostBlamed, CancelledError):
                continue
            raised[host] += [protocol.HookRaised(index, item.reason) for item in result.raised[:1]]
        for host, items in raised.items():
            host.count_raises(items)
        return tuple(failure for host in self._hosts for failure in host.take_failures())

    def stop(self) -> None:
        """End all hosts now and for good, from any thread."""
        at_once([host.kill for host in self._hosts])

    def close(self) -> None:
        """End all hosts for good, and wait until they are gone."""
        self.stop()
        for host in self._hosts:
            host.close()
