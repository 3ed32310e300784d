"""When the next cycle is due, and why: the interval, an event, a signal, or a request."""

from __future__ import annotations

import asyncio

import msgspec

from irqbal.service.cycle_result import CycleResult

EVENT_SETTLE = 0.03
"""Seconds to wait after an event for further ones, so that one cycle serves all: an unbind and bind
raise dozens.
"""


class DueCycle(msgspec.Struct, frozen=True):
    """A cycle that is due: its cause in words, and whether it takes a census (`full`)."""

    cause: str
    full: bool


class Scheduler:
    """The causes of the next cycle, and the futures that wait for it. Its methods belong to the
    loop.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._wake = asyncio.Event()
        self._causes: set[str] = set()
        self._waiters: list[asyncio.Future[CycleResult]] = []

    def ask(self, cause: str) -> asyncio.Future[CycleResult]:
        """Request a cycle now that takes a census. The future holds the result of a cycle that
        began after this call, or HostError if the host could not be read.
        """
        future: asyncio.Future[CycleResult] = asyncio.get_running_loop().create_future()
        # Most callers do not wait. The loop must not report their unread errors: the daemon has
        # logged them.
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiters.append(future)
        self._causes.add(cause)
        self._wake.set()
        return future

    def wake(self) -> None:
        """Let a cycle begin now, for the requests that wait; if an earlier cycle took them, it is
        an ordinary one.
        """
        self._wake.set()

    def stop(self) -> None:
        """Start no further cycle."""
        self.stopping = True
        self._wake.set()

    def take_waiters(self) -> list[asyncio.Future[CycleResult]]:
        """Remove and return the futures that wait for the cycle that begins now."""
        waiters, self._waiters = self._waiters, []
        return waiters

    async def next(self, seconds: float) -> DueCycle:
        """Wait for so many seconds, or until a cycle is requested."""
        tick = asyncio.get_running_loop().call_later(max(0.0, seconds), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            tick.cancel()
        if self._causes and not self.stopping:
            await asyncio.sleep(EVENT_SETTLE)
        self._wake.clear()
        causes, self._causes = self._causes, set()
        return DueCycle(", ".join(sorted(causes)) or "tick", bool(causes))


def answer(waiters: list[asyncio.Future[CycleResult]], result: CycleResult | Exception) -> None:
    """Give the waiting futures the result or error of their cycle."""
    for waiter in waiters:
        if waiter.done():
            continue
        if isinstance(result, Exception):
            waiter.set_exception(result)
        else:
            waiter.set_result(result)
