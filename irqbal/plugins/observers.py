"""Telling observers of each cycle, in a child of their own, without ever holding the balancer
up.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor

from irqbal.errors import PolicyHostError
from irqbal.model.plan import Record
from irqbal.plugins.supervisor import PolicySupervisor, SupervisorStopped

log = logging.getLogger(__name__)

WAITING = 64
"""Records that wait for slow observers; beyond that the oldest are dropped and counted."""


class Observers:
    """A bounded queue of records between the loop and the observers' child. Its methods belong to
    the loop.
    """

    def __init__(self, policies: PolicySupervisor, thread: Executor) -> None:
        self._policies = policies
        self._thread = thread
        self._waiting: list[Record] = []
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def tell(self, record: Record) -> None:
        """Hand over what a cycle did."""
        if not self._policies.names():
            return
        self._waiting.append(record)
        if len(self._waiting) > WAITING:
            del self._waiting[0]
            self.dropped += 1
            log.warning(
                "observers are slow: the record of an earlier cycle was not shown to them (%d so "
                "far)",
                self.dropped,
            )
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        while self._waiting:
            record = self._waiting.pop(0)
            try:
                failures = await asyncio.get_running_loop().run_in_executor(
                    self._thread, self._policies.observe, record
                )
            except SupervisorStopped:
                return
            except PolicyHostError as error:
                log.error("%s; observers are not told of this cycle", error)
                continue
            for failure in failures:
                log.error("observer %s failed: %s", failure.policy, failure.reason)

    def stop(self) -> None:
        """End the child; what waits is dropped."""
        self._waiting.clear()
        self._policies.stop()
