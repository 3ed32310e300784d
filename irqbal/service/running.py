"""What the daemon's API side asks of the daemon itself, and the part of it that reads the history
back.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec

from irqbal.api.backend import ApiError
from irqbal.config.schema import Config
from irqbal.errors import HistoryError
from irqbal.history.recorder import NewSample, Recorder
from irqbal.history.samples import Decision, IrqState, Point, Sample
from irqbal.history.sqlite.store import SqliteHistory
from irqbal.history.store import Query
from irqbal.history.write_queue import WriteQueue
from irqbal.history.writer import HistoryWriter
from irqbal.model.plan import Record
from irqbal.service.cycle import Balancer

T = TypeVar("T")


class Running(Protocol):
    """What is asked of the daemon itself."""

    config: Config
    dry_run: bool
    read_only_reason: str
    simulated: str
    recorder: Recorder
    keeper: HistoryWriter | None
    feed: WriteQueue | None

    @property
    def balancer(self) -> Balancer:
        """The one balancer."""

    def busy_seconds(self) -> float:
        """For how long the kernel's thread has been at its present work."""

    async def on_kernel(self, work: Callable[..., T], *arguments: object) -> T:
        """Run on the kernel's thread."""

    async def on_history(self, work: Callable[..., T], *arguments: object) -> T:
        """Run on the history's thread."""

    def done(self, record: Record, recorded: NewSample | None) -> None:
        """A cycle was run: log it, record it, tell everybody."""

    def ask(self, cause: str) -> asyncio.Future[Record]:
        """Ask for a cycle; the future is done when one has been run that began after this."""


def described(balancer: Balancer, dry_run: bool, interval: str, simulated: str) -> str:
    """A running balancer in a line, for systemd and the log; `simulated` is the specification of a
    host that is made up.
    """
    what = (
        "paused" if balancer.paused else "dry run, nothing is written" if dry_run else "balancing"
    )
    policies = balancer.policies
    names = [name for index, name in policies.names().items() if index not in policies.aside]
    aside = (
        f"; set aside: {', '.join(failure.policy for failure in policies.aside.values())}"
        if policies.aside
        else ""
    )
    where = f" on a made-up host ({simulated})" if simulated else ""
    return f"{what} every {interval} with {', '.join(names) or 'no policy'}{where}{aside}"


MOST_WAITING = 16
"""Requests that may wait for the kernel's thread: a cycle waits behind them."""


class Past:
    """Reads the daemon's own history, on the thread that writes it."""

    def __init__(self, daemon: Running) -> None:
        self._daemon = daemon
        self._waiting = 0

    async def _on_kernel(self, work: Callable[..., T], *arguments: object) -> T:
        """Run on the kernel's thread. Raises ApiError if too many wait for it already."""
        if self._waiting >= MOST_WAITING:
            raise ApiError(
                503,
                "busy",
                "too many requests at once; nothing was changed, try again",
                headers={"Retry-After": "1"},
            )
        self._waiting += 1
        try:
            return await self._daemon.on_kernel(work, *arguments)
        finally:
            self._waiting -= 1

    def _keeper(self) -> HistoryWriter:
        if self._daemon.keeper is None:
            raise ApiError(503, "no-history", "a dry run records no history")
        return self._daemon.keeper

    async def _read(self, work: Callable[[SqliteHistory], T]) -> T:
        keeper = self._keeper()

        def read() -> T:
            if keeper.store is None:
                # Nothing was recorded yet; or it cannot be, and that is in the log.
                keeper.record("", None, ())
            if keeper.store is None:
                raise HistoryError(
                    "the history cannot be opened at present; the daemon's log says why"
                )
            try:
                return work(keeper.store)
            except (sqlite3.Error, msgspec.DecodeError, ValueError) as error:
                raise HistoryError(f"the history cannot be read at present: {error}") from error

        return await self._daemon.on_history(read)

    async def states(self) -> list[IrqState]:
        """IRQs that the history knows."""
        return await self._read(lambda store: store.irqs())

    async def series(self, query: Query) -> list[Point]:
        """Counts by step."""
        return await self._read(lambda store: store.series(msgspec.structs.replace(query, host="")))

    async def samples(self, start: float, end: float, limit: int) -> list[Sample]:
        """The newest samples, oldest first."""
        return await self._read(lambda store: store.newest(start, end, limit))

    async def irq_totals(self, identity: str) -> dict[int, int]:
        """As of the newest sample."""
        return await self._on_kernel(self._daemon.recorder.totals_of, identity)

    async def decisions(
        self, start: float, end: float, identity: str, limit: int
    ) -> list[Decision]:
        """The newest first."""
        return await self._read(lambda store: store.decisions(start, end, identity, limit))
