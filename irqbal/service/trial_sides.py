"""The two sides of a trial on the daemon's own host."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from irqbal.service.live_view import RunningDaemon
from irqbal.trials.layout import Layout
from irqbal.trials.measures import TrialReading
from irqbal.trials.record import Side
from irqbal.trials.writing import write_whole

NUMBER_PATIENCE = 30.0
"""Seconds after a window's end for which its number is waited for."""


class TrialLayouts(msgspec.Struct, frozen=True):
    """The values of both sides and those from before the trial, and what differs among them."""

    a: Layout
    b: Layout
    before: Layout
    identities: tuple[str, ...]

    def of(self, side: Side) -> Layout:
        """The values of a side."""
        return self.a if side == "a" else self.b


class DaemonSides:
    """The sides of a trial on the daemon's own host; see TrialSides."""

    def __init__(self, daemon: RunningDaemon, layouts: TrialLayouts) -> None:
        self._daemon, self._layouts = daemon, layouts
        self.numbers: dict[int, float | None] = {}
        """The numbers that the client gave, by window."""
        self.arrived = asyncio.Event()

    async def put(self, side: Side) -> None:
        """See TrialSides. Raises TrialEnded if the kernel refused a write."""
        await self._write(self._layouts.of(side), f"side {side.upper()}")

    async def put_back(self) -> None:
        """Write the values from before the trial."""
        await self._write(self._layouts.before, "the values from before the trial")

    async def _write(self, layout: Layout, what: str) -> None:
        balancer, identities = self._daemon.balancer, self._layouts.identities
        await self._daemon.kernel.run(
            write_whole, lambda: balancer.put_layout(layout, identities), what
        )

    async def read(self, whole: bool = True) -> TrialReading:
        """See TrialSides."""
        return await self._daemon.kernel.run(self._read, whole)

    def _read(self, whole: bool) -> TrialReading:
        host = self._daemon.balancer.host
        return TrialReading(host.counts(whole), host.scheduling())

    async def number(self, window: int) -> float | None:
        """See TrialSides."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(NUMBER_PATIENCE):
                while window not in self.numbers:
                    self.arrived.clear()
                    await self.arrived.wait()
        return self.numbers.get(window)
