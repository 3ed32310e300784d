"""Reads this host's own history, on the thread that writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TypeVar

import msgspec

from irqbal.api.backend import ApiError
from irqbal.errors import HistoryError
from irqbal.history.samples import Decision, IrqState, Point, Sample
from irqbal.history.sqlite.store import SqliteHistory
from irqbal.history.store import Query
from irqbal.service.history_service import HistoryService
from irqbal.service.history_thread import HistoryThread
from irqbal.service.kernel_thread import KernelThread

T = TypeVar("T")


class HistoryReads:
    """Reads the history. Each read raises ApiError if none is recorded, and HistoryError if it
    cannot be read. Times are seconds since the epoch.
    """

    def __init__(
        self,
        history: HistoryService | None,
        no_history: str,
        kernel: KernelThread,
        thread: HistoryThread,
    ) -> None:
        """`no_history`: why there is none."""
        self._history, self._no_history = history, no_history
        self._kernel, self._thread = kernel, thread

    async def states(self) -> list[IrqState]:
        """The IRQs in the history."""
        return await self._read(lambda store: store.irqs())

    async def series(self, query: Query) -> list[Point]:
        """Counts by time step."""
        return await self._read(lambda store: store.series(msgspec.structs.replace(query, host="")))

    async def samples(self, start: float, end: float, limit: int) -> list[Sample]:
        """The newest samples, oldest first."""
        return await self._read(lambda store: store.newest(start, end, limit))

    async def decisions(
        self, start: float, end: float, identity: str, limit: int
    ) -> list[Decision]:
        """The newest decisions, newest first."""
        return await self._read(lambda store: store.decisions(start, end, identity, limit))

    async def irq_totals(self, identity: str) -> dict[int, int]:
        """Interrupts of an IRQ by CPU, as of the newest sample."""
        sampler = self._recorded().sampler
        return await self._kernel.ask(lambda: sampler.totals_of(identity))

    def _recorded(self) -> HistoryService:
        problem = self.why_no_history()
        if problem or self._history is None:
            raise ApiError(503, "no-history", f"no history is recorded: {problem}")
        return self._history

    def why_no_history(self) -> str:
        """Why nothing is recorded now; empty if it is."""
        if self._history is not None and self._history.writer.is_stopped:
            return "another irqbal balances this host now"
        return self._no_history

    async def _read(self, work: Callable[[SqliteHistory], T]) -> T:
        writer = self._recorded().writer

        def read() -> T:
            if writer.store is None:
                # Nothing was recorded yet, or the file cannot be opened; then this logs the reason.
                writer.record("", None, ())
            if writer.store is None:
                raise HistoryError(
                    "the history cannot be opened at present; the daemon's log says why"
                )
            try:
                return work(writer.store)
            except (sqlite3.Error, msgspec.DecodeError, ValueError) as error:
                raise HistoryError(f"the history cannot be read at present: {error}") from error

        return await self._thread.run(read)
