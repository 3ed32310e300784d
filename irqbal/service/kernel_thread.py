"""The kernel thread: it alone runs the balancer, since reading and writing the kernel's files
blocks.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from irqbal.api.sharing import FairTurns
from irqbal.errors import HostBusyError
from irqbal.service.kernel_requests import PATIENCE

T = TypeVar("T")

STUCK = 30.0
"""Seconds after which the thread's present work counts as hung: systemd's watchdog gets no more
notifications, and systemd restarts irqbal.
"""
MOST_WAITING = 16
"""Calls of `ask` that may wait for this thread, at most: the next cycle waits behind them."""


class KernelThread:
    """Runs one piece of work at a time, in order. Its coroutines belong to the loop."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "kernel")
        self._busy_since: float | None = None
        self._turns = FairTurns(1, MOST_WAITING, _crowded)

    def busy_seconds(self) -> float:
        """Seconds for which the present work has been running; 0 if there is none."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def is_stuck(self) -> bool:
        """Whether the present work counts as hung."""
        return self.busy_seconds() > STUCK

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Run the daemon's own work, however long it has to wait, and return its result."""
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, self._timed, work, arguments
        )

    async def ask(self, work: Callable[[], T]) -> T:
        """Run work for a client that waits, and return its result; clients have turns. Raises
        HostBusyError if too many wait, or if the work cannot begin within PATIENCE; then it is not
        done later.
        """
        end = time.monotonic() + PATIENCE
        try:
            async with asyncio.timeout(PATIENCE):
                await self._turns.__aenter__()
        except TimeoutError:
            raise busy() from None
        try:
            call = _Withdrawable(work)
            answer = asyncio.ensure_future(self.run(call.run))
            done, _ = await asyncio.wait({answer}, timeout=max(0.0, end - time.monotonic()))
            if not done and call.withdraw():
                raise busy()
            found: T = await answer  # type: ignore[assignment]
            return found
        finally:
            await self._turns.__aexit__()

    def shutdown(self) -> None:
        """End the thread once its present work is done."""
        self._executor.shutdown()

    def _timed(self, work: Callable[..., T], arguments: tuple[object, ...]) -> T:
        self._busy_since = time.monotonic()
        try:
            return work(*arguments)
        finally:
            self._busy_since = None


def _crowded() -> HostBusyError:
    return HostBusyError("too many requests at once; nothing was changed, try again")


def busy() -> HostBusyError:
    """The error for a request that was withdrawn because the thread is busy."""
    return HostBusyError(
        f"the daemon has been busy for {PATIENCE:.0f} s; nothing was changed, and the request will "
        "not be carried out later: try again"
    )


class _Withdrawable:
    """Work that can be withdrawn until it begins."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._begun = self._withdrawn = False

    def run(self) -> object:
        with self._lock:
            if self._withdrawn:
                return None
            self._begun = True
        return self._work()

    def withdraw(self) -> bool:
        """Withdraw the work. Returns false if it has already begun."""
        with self._lock:
            self._withdrawn = not self._begun
            return self._withdrawn
