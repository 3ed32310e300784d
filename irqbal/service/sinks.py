"""Receivers of every cycle's result: the log, the history, MongoDB, event streams, metrics and
observers. `lifetime.cycle_sinks` lists them; the live view comes first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from irqbal.api import views
from irqbal.api.counters import CycleCounters
from irqbal.api.subscribers import Subscribers
from irqbal.history.decisions import DecisionMaker
from irqbal.history.host_status import HostStatus
from irqbal.history.write_queue import WriteQueue
from irqbal.plugins.observers import Observers
from irqbal.service.cycle_log import CycleLog
from irqbal.service.cycle_result import CycleResult, CycleSink

if TYPE_CHECKING:
    from irqbal.history.mongodb.shipper import Shipper

log = logging.getLogger(__name__)


def publish(sinks: Iterable[CycleSink], result: CycleResult) -> None:
    """Pass a cycle's result to every sink. A sink that raises is logged; the others still get the
    result.
    """
    for sink in sinks:
        try:
            sink.publish(result)
        except Exception:
            log.exception(
                "cycle %d was not passed on to %s; the other sinks received it",
                result.record.cycle,
                type(sink).__name__,
            )


class LogSink:
    """Writes the log lines of a cycle."""

    def __init__(self) -> None:
        self._log = CycleLog()

    def publish(self, result: CycleResult) -> None:
        self._log.log(result)


class HistorySink:
    """Queues samples and decisions for the history."""

    def __init__(self, queue: WriteQueue, boot_id: str) -> None:
        self._queue, self._boot_id = queue, boot_id
        self._decisions = DecisionMaker(boot_id)

    def publish(self, result: CycleResult) -> None:
        decisions = self._decisions.of(result.record, result.planned_on)
        self._queue.put(self._boot_id, result.sample, decisions)


class ShipperSink:
    """Wakes the shipper to MongoDB, and gives it the host's current state with each sample."""

    def __init__(self, shipper: Shipper, status: Callable[[], HostStatus | None]) -> None:
        self._shipper, self._status = shipper, status

    def publish(self, result: CycleResult) -> None:
        self._shipper.wake()
        if result.sample is not None and (status := self._status()) is not None:
            self._shipper.set_host_status(status)


class EventsSink:
    """Sends cycles to the clients of `/api/v1/events`."""

    def __init__(self, subscribers: Subscribers) -> None:
        self._subscribers = subscribers

    def publish(self, result: CycleResult) -> None:
        if len(self._subscribers):
            self._subscribers.publish(views.cycle(result.record, result.planned_on))


class MetricsSink:
    """Updates the counters of `/metrics`."""

    def __init__(self, counters: CycleCounters) -> None:
        self._counters = counters

    def publish(self, result: CycleResult) -> None:
        self._counters.count(result.record)


class ObserversSink:
    """Sends cycles to the observers' process. A reload replaces it."""

    def __init__(self, observers: Observers) -> None:
        self._observers = observers

    def publish(self, result: CycleResult) -> None:
        self._observers.tell(result.record)

    def replace(self, observers: Observers) -> None:
        """Stop the present observers, and use these from now on."""
        self._observers.stop()
        self._observers = observers

    def close(self) -> None:
        """End the observers' process; cycles that wait for it are dropped."""
        self._observers.stop()
