"""From the event loop to the history thread: adding never waits, and a bounded number of cycles
waits for a disk that hangs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor

import msgspec

from irqbal.history.clock import ClockReading, read_clock
from irqbal.history.recorder import NewSample
from irqbal.history.samples import Decision
from irqbal.history.writer import HistoryWriter

log = logging.getLogger(__name__)

WAITING = 1000
"""Most cycles that wait for the history thread: nearly three hours at the default interval."""


class _CycleRecords(msgspec.Struct, frozen=True):
    """What one cycle recorded; `boot` is the boot id, `now` the clocks then."""

    boot: str
    sample: NewSample | None
    decisions: Sequence[Decision]
    now: ClockReading


class WriteQueue:
    """A bounded queue in front of a HistoryWriter. Its methods belong to the loop."""

    def __init__(self, writer: HistoryWriter, thread: Executor) -> None:
        self._writer, self._thread = writer, thread
        self._waiting: deque[_CycleRecords] = deque()
        self._task: asyncio.Task[None] | None = None
        """Empties the queue; None or done while the queue is empty."""
        self.dropped = 0
        """Cycles whose records were lost because the queue was full."""

    def put(self, boot: str, sample: NewSample | None, decisions: Sequence[Decision]) -> None:
        """Add what one cycle recorded. Drops the oldest cycle if the queue is full."""
        if sample is None and not decisions:
            return
        self._waiting.append(_CycleRecords(boot, sample, decisions, read_clock()))
        if len(self._waiting) > WAITING:
            self._waiting.popleft()
            self.dropped += 1
            log.error(
                "the history thread hangs in a write: the records of %d cycles are lost so far",
                self.dropped,
            )
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            item = self._waiting.popleft()
            await loop.run_in_executor(
                self._thread, self._writer.record, item.boot, item.sample, item.decisions, item.now
            )

    async def close(self) -> None:
        """Wait until the queue is empty, and close the history."""
        if self._task is not None:
            await self._task
        await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.close)
