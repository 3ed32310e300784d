"""Work now and then besides the cycles: it begins when a cycle ends, so that it wakes nobody by
itself.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Protocol

from irqbal.api.http.listeners import Listeners
from irqbal.service.cycle_result import CycleResult
from irqbal.service.daemon import Daemon
from irqbal.service.state_watch import StateWatch

EVERY = 60.0
"""Seconds between two looks."""
EVERY_SHIPPING = 15.0
"""The same while records are shipped to MongoDB: what waits for it is counted then."""


class LookedAfter(Protocol):
    """What reads of the host and of the history are made for."""

    async def look_after(self) -> None:
        """Make the reads that are due."""


class Upkeep:
    """Looks at other writers, the outbox, the state folder and the socket."""

    def __init__(
        self, host: LookedAfter, daemon: Daemon, listeners: Listeners, state: StateWatch
    ) -> None:
        self._host, self._daemon = host, daemon
        self._listeners, self._state = listeners, state
        self._looked = -math.inf
        self._stopped = False
        """Whether the history's writer had stopped at the last look."""
        self._task: asyncio.Task[None] | None = None

    def publish(self, result: CycleResult) -> None:
        """A cycle has ended: look if that is due."""
        history = self._daemon.history
        ships = history is not None and history.shipper is not None
        # Another daemon waits for the socket of one whose history it has taken over.
        stopped = history is not None and history.writer.is_stopped
        now = time.monotonic()
        if now - self._looked < (EVERY_SHIPPING if ships else EVERY) and stopped == self._stopped:
            return
        self._stopped = stopped
        if self._task is None or self._task.done():
            self._looked = now
            self._task = asyncio.get_running_loop().create_task(self._look())

    def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()

    async def _look(self) -> None:
        await self._host.look_after()
        if self._daemon.mode.holds_lock(self._daemon.config):
            await self._state.look()
        if self._daemon.history is not None and self._daemon.history.writer.is_stopped:
            await self._listeners.leave_socket()
