"""`cost: measured`: every ten minutes the kernel measures for a second what interrupts cost, in a
tracefs instance of irqbal's own.

A separate thread waits for the end of the window, so cycles continue; the kernel thread takes over
the result. What a killed irqbal left in tracefs is removed at the next start, with any
configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
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
"""Seconds of one window: short, since measuring makes every interrupt cost a little more."""
EVERY = 600.0
"""Seconds from one window to the next: costs change slowly."""
FIRST = 2.5
"""Intervals from the start to the first window: rates must be known by then."""


class Sampled(Protocol):
    """What the sampler uses of the daemon."""

    config: Config
    balancer: Balancer
    kernel: KernelThread
    reloaded: asyncio.Event


class CostSampler:
    """Runs as long as the daemon does; `run` is its task."""

    def __init__(self, daemon: Sampled, root: Path, live: bool) -> None:
        """`live`: this root is that of the running kernel, which alone can be measured."""
        self._daemon, self._live = daemon, live
        self._ending = threading.Event()
        self._tracefs = TracefsMeasurement(root, self._ending.wait)
        self._thread = ThreadPoolExecutor(1, "measuring")
        self._reported = ""

    async def run(self) -> None:
        """Measure until cancelled. An open window is then closed at once; the process ends when its
        tracefs instance is removed.
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
                "%s; every interrupt costs more until it is removed: run `irqbal measure` to try "
                "again",
                self._tracefs.reason,
            )
        pause: float | None = FIRST * float(daemon.config.interval)
        enabled = daemon.config.cost == "measured"
        while True:
            await self._pause(pause if enabled else None)
            was_enabled, enabled = enabled, daemon.config.cost == "measured"
            if not enabled:
                if was_enabled:
                    await daemon.kernel.run(daemon.balancer.tracker.clear_measured)
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

    async def _pause(self, seconds: float | None) -> None:
        """Wait so long, or until a reload; None: until a reload."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._daemon.reloaded.wait()
        self._daemon.reloaded.clear()

    async def _take_over(self, window: Measured) -> None:
        self._reported = ""
        count = await self._daemon.kernel.run(self._daemon.balancer.tracker.set_measured, window)
        lost = f"; {window.dropped} events did not fit a histogram" if window.dropped else ""
        log.info("measured the interrupt costs of %d IRQs in %.1f s%s", count, window.seconds, lost)

    def _report(self, reason: str) -> None:
        """Log the reason unless the last report had the same."""
        if reason != self._reported:
            log.warning(
                "`cost: measured` is not possible: %s; irqbal learns costs from CPU times instead, "
                "and tries again",
                reason,
            )
            self._reported = reason
