"""`cost: measured`: now and then the kernel measures for a second what interrupts cost, in a
tracefs instance of irqbal's own.

The window passes on a thread of its own, so cycles go on; the kernel's thread takes the result
over. What a killed irqbal left in tracefs is removed at the next start, whatever the configuration
says.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from irqbal.config.schema import Config
from irqbal.kernel.tracefs import TracefsMeasurement
from irqbal.model.readings import Measured
from irqbal.service.cycle import Balancer
from irqbal.service.kernel_thread import KernelThread

log = logging.getLogger(__name__)

WINDOW = 1.0
"""Seconds of one window: every interrupt costs a little more while it is open."""
EVERY = 600.0
"""Seconds from one window to the next: costs change slowly."""
FIRST = 2.5
"""Intervals after the start in which rates become known."""


class Sampled(Protocol):
    """What is asked of the daemon."""

    config: Config
    balancer: Balancer
    kernel: KernelThread


class CostSampler:
    """Runs as long as the daemon does; `run` is its task."""

    def __init__(self, daemon: Sampled, root: Path, live: bool) -> None:
        """`live`: this root is a running kernel's, which can be measured."""
        self._daemon, self._live = daemon, live
        self._ending = threading.Event()
        self._tracefs = TracefsMeasurement(root, self._ending.wait)
        self._thread = ThreadPoolExecutor(1, "measuring")
        self._reported = ""

    async def run(self) -> None:
        """Measure until cancelled. A window that is open then is closed at once; the process ends
        when all of it is removed.
        """
        try:
            await self._run()
        finally:
            self._ending.set()
            self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        loop, daemon = asyncio.get_running_loop(), self._daemon
        if self._live and not await loop.run_in_executor(self._thread, self._tracefs.clean):
            log.warning(
                "%s; every interrupt pays for it until then: `irqbal measure` tries again",
                self._tracefs.reason,
            )
        enabled = False
        pause = FIRST * float(daemon.config.interval)
        while True:
            await asyncio.sleep(pause)
            was_enabled, enabled = enabled, daemon.config.cost == "measured"
            if not enabled:
                if was_enabled:
                    await daemon.kernel.run(daemon.balancer.tracker.clear_measured)
                pause = min(EVERY, float(daemon.config.interval))
                continue
            pause = EVERY
            if not self._live:
                self._report("only a live kernel can be measured")
                continue
            window = await loop.run_in_executor(self._thread, self._tracefs.measure, WINDOW)
            if window is None:
                self._report(self._tracefs.reason)
            else:
                await self._take_over(window)

    async def _take_over(self, window: Measured) -> None:
        self._reported = ""
        count = await self._daemon.kernel.run(self._daemon.balancer.tracker.set_measured, window)
        lost = f"; {window.dropped} events found no room in a histogram" if window.dropped else ""
        log.info(
            "measured for %.1f s what interrupts cost: of %d IRQs%s", window.seconds, count, lost
        )

    def _report(self, reason: str) -> None:
        """Log the reason once, until it is another one."""
        if reason != self._reported:
            log.warning(
                "`cost: measured` is not possible: %s; costs are learnt from CPU times instead, "
                "and it is tried again",
                reason,
            )
            self._reported = reason
