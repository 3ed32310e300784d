"""`cost: measured`: now and then the kernel measures for a second what interrupts cost, in an
instance of tracefs of its own.

The window passes on a thread of its own, so cycles go on; what came of it is taken over on the
kernel's thread. What an irqbal that was killed left in tracefs is removed at the next start,
whatever the configuration says.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from irqbal.kernel.tracefs import TracefsMeasurement
from irqbal.model.readings import Measured
from irqbal.service.running import Running

log = logging.getLogger(__name__)

WINDOW = 1.0
"""Seconds."""
EVERY = 600.0
"""Seconds from one window to the next."""
FIRST = 2.5
"""Intervals after the start in which rates become known."""


class CostSampler:
    """Runs as long as the daemon does; `run` is its task."""

    def __init__(self, daemon: Running, root: Path, live: bool) -> None:
        self._daemon, self._live = daemon, live
        self._ending = threading.Event()
        self._tracing = TracefsMeasurement(root, self._ending.wait)
        self._thread = ThreadPoolExecutor(1, "measuring")
        self._told = ""

    async def run(self) -> None:
        """Until cancelled. A window that is open then is closed at once; the process ends when all
        of it is removed.
        """
        try:
            await self._run()
        finally:
            self._ending.set()
            self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        if self._live and not await loop.run_in_executor(self._thread, self._tracing.clean):
            log.warning(
                "%s; every interrupt pays for it until then: `irqbal measure` tries again",
                self._tracing.reason,
            )
        wanted = False
        pause = FIRST * float(self._daemon.config.interval)
        while True:
            await asyncio.sleep(pause)
            before, wanted = wanted, self._daemon.config.cost == "measured"
            if not wanted:
                if before:
                    await self._daemon.on_kernel(self._daemon.balancer.watch.meter.unmeasure)
                pause = min(EVERY, float(self._daemon.config.interval))
                continue
            pause = EVERY
            found = (
                await loop.run_in_executor(self._thread, self._tracing.measure, WINDOW)
                if self._live
                else None
            )
            if found is None:
                self._tell(
                    self._tracing.reason if self._live else "only a live kernel can be measured"
                )
                continue
            await self._take(found)

    async def _take(self, found: Measured) -> None:
        self._told = ""
        count = await self._daemon.on_kernel(self._daemon.balancer.watch.measured, found)
        lost = f"; {found.dropped} events found no room in a histogram" if found.dropped else ""
        log.info(
            "measured for %.1f s what interrupts cost: of %d IRQs%s", found.seconds, count, lost
        )

    def _tell(self, reason: str) -> None:
        """Once, until it is another one."""
        if reason != self._told:
            log.warning(
                "`cost: measured` is not possible: %s; costs are learnt from CPU times instead, "
                "and it is tried again",
                reason,
            )
            self._told = reason
