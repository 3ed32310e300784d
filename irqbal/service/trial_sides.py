"""The two sides of a trial on the daemon's own host."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import msgspec

from irqbal.model.plan import Outcome
from irqbal.service.live_view import RunningDaemon
from irqbal.trials.layout import Layout
from irqbal.trials.measures import TrialReading
from irqbal.trials.result import Side
from irqbal.trials.run import TrialEnded

NUMBER_PATIENCE = 30.0
"""Seconds after a window's end for which its number is waited for."""
FAILED = frozenset({"refused", "unsaved", "transient", "differs"})
"""Results of writes with which a side is not what it should be."""


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
        balancer = self._daemon.balancer
        outcomes = await self._daemon.kernel.run(
            balancer.put_layout, layout, self._layouts.identities
        )
        check_written(outcomes, what)

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


def check_written(outcomes: Sequence[Outcome], what: str) -> None:
    """Raises TrialEnded if any of these writes failed; `what` was to be written."""
    failed = [item for item in outcomes if item.result in FAILED]
    if failed:
        first = failed[0]
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise TrialEnded(
            f"{what} could not be written: {first.identity}: {first.detail or first.result}{more}"
        )
