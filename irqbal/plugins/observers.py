"""The queue of cycle records to the observers, which run in hosts of their own and never delay a
cycle.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor

from irqbal.model.plan import Record
from irqbal.plugins import bounds
from irqbal.plugins.observer_supervisor import ObserverSupervisor

log = logging.getLogger(__name__)


class Observers:
    """A bounded queue of records between the event loop and the observers' hosts. All methods
    belong to the loop's thread.
    """

    def __init__(self, observers: ObserverSupervisor, thread: Executor) -> None:
        self._observers = observers
        self._thread = thread
        self._waiting: list[Record] = []
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0
        """Records that were dropped because the observers were too slow."""

    def tell(self, record: Record) -> None:
        """Queue the record of a cycle; if the queue is full, the oldest record is dropped."""
        if not self._observers.names():
            return
        self._waiting.append(record)
        if len(self._waiting) > bounds.MAX_WAITING_RECORDS:
            del self._waiting[0]
            self.dropped += 1
            log.warning(
                "observers are slow: the record of an earlier cycle was dropped (%d so far)",
                self.dropped,
            )
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        while self._waiting:
            record = self._waiting.pop(0)
            failures = await asyncio.get_running_loop().run_in_executor(
                self._thread, self._observers.observe, record
            )
            for failure in failures:
                log.error("observer %s failed: %s", failure.policy, failure.reason)

    def stop(self) -> None:
        """End the observers' hosts and drop the records that wait."""
        self._waiting.clear()
        self._observers.stop()
        # What is left of them is closed where nobody waits for it.
        asyncio.get_running_loop().run_in_executor(self._thread, self._observers.close)
