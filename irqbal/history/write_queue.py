"""From the loop to the history thread: handing over never waits, and what a stuck disk leaves
behind is bounded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor

from irqbal.history.recorder import Recorded
from irqbal.history.samples import Decision
from irqbal.history.writer import HistoryWriter

log = logging.getLogger(__name__)

WAITING = 1000
"""Cycles whose samples and decisions may wait for a history thread that is stuck in a write."""


class WriteQueue:
    """A bounded queue before a Keeper. Its methods belong to the loop."""

    def __init__(self, keeper: HistoryWriter, thread: Executor) -> None:
        self._keeper, self._thread = keeper, thread
        self._waiting: list[tuple[str, Recorded | None, Sequence[Decision]]] = []
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def tell(self, boot: str, recorded: Recorded | None, decisions: Sequence[Decision]) -> None:
        """Hand over what one cycle gave."""
        if recorded is None and not decisions:
            return
        self._waiting.append((boot, recorded, decisions))
        if len(self._waiting) > WAITING:
            del self._waiting[0]
            self.dropped += 1
            log.error("the history thread is stuck: what %d cycles gave is lost", self.dropped)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        while self._waiting:
            item = self._waiting.pop(0)
            await asyncio.get_running_loop().run_in_executor(
                self._thread, self._keeper.record, *item
            )

    async def close(self) -> None:
        """Let what waits be written, and close the history."""
        if self._task is not None:
            await self._task
        await asyncio.get_running_loop().run_in_executor(self._thread, self._keeper.close)
