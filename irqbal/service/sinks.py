"""Who wants to know of every cycle: the log, the history, MongoDB, listeners to events, metrics and
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
    """Tell every sink of the cycle. One that raises stops no other."""
    for sink in sinks:
        try:
            sink.publish(result)
        except Exception:
            log.exception(
                "cycle %d was not passed on to %s; the others know of it",
                result.record.cycle,
                type(sink).__name__,
            )


class LogSink:
    """Lines in the log."""

    def __init__(self) -> None:
        self._log = CycleLog()

    def publish(self, result: CycleResult) -> None:
        self._log.log(result)


class HistorySink:
    """The history's samples and decisions."""

    def __init__(self, queue: WriteQueue, boot_id: str) -> None:
        self._queue, self._boot_id = queue, boot_id
        self._decisions = DecisionMaker(boot_id)

    def publish(self, result: CycleResult) -> None:
        decisions = self._decisions.of(result.record, result.planned_on)
        self._queue.put(self._boot_id, result.sample, decisions)


class ShipperSink:
    """The shipper to MongoDB, with the host's current state beside each sample."""

    def __init__(self, shipper: Shipper, status: Callable[[], HostStatus | None]) -> None:
        self._shipper, self._status = shipper, status

    def publish(self, result: CycleResult) -> None:
        self._shipper.wake()
        if result.sample is not None and (status := self._status()) is not None:
            self._shipper.set_host_status(status)


class EventsSink:
    """Listeners to `/api/v1/events`."""

    def __init__(self, subscribers: Subscribers) -> None:
        self._subscribers = subscribers

    def publish(self, result: CycleResult) -> None:
        if len(self._subscribers):
            self._subscribers.publish(views.cycle(result.record, result.planned_on))


class MetricsSink:
    """What `/metrics` counts."""

    def __init__(self, counters: CycleCounters) -> None:
        self._counters = counters

    def publish(self, result: CycleResult) -> None:
        self._counters.count(result.record)


class ObserversSink:
    """Observers, in a process of their own; a reload replaces them."""

    def __init__(self, observers: Observers) -> None:
        self._observers = observers

    def publish(self, result: CycleResult) -> None:
        self._observers.tell(result.record)

    def replace(self, observers: Observers) -> None:
        """These take over."""
        self._observers.stop()
        self._observers = observers

    def close(self) -> None:
        """End the observers' process; what waits is dropped."""
        self._observers.stop()
