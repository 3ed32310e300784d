"""The daemon's main loop: a cycle at the start, at every interval, and on request.

`service.lifetime` starts and stops it.
"""

from __future__ import annotations

import asyncio
import logging
import time

import msgspec

from irqbal.config.schema import Config
from irqbal.errors import HostError
from irqbal.plugins.supervisor import PolicySupervisor
from irqbal.process import systemd
from irqbal.process.malloc import freeze_heap
from irqbal.service.cycle import Balancer
from irqbal.service.cycle_result import CycleResult, CycleSink
from irqbal.service.history_service import HistoryService
from irqbal.service.history_thread import HistoryThread
from irqbal.service.kernel_requests import PATIENCE, KernelRequest, RequestQueue
from irqbal.service.kernel_thread import KernelThread, busy
from irqbal.service.reload import Reload
from irqbal.service.run_mode import RunMode
from irqbal.service.scheduler import Scheduler, answer
from irqbal.service.sinks import publish

log = logging.getLogger(__name__)


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a daemon. `history` is None if nothing is recorded; `no_history` says why."""

    balancer: Balancer
    requests: RequestQueue
    kernel: KernelThread
    thread: HistoryThread
    history: HistoryService | None
    no_history: str


class Daemon:
    """The daemon of one host. Its methods belong to the loop."""

    def __init__(self, config: Config, mode: RunMode, parts: Parts) -> None:
        self.config = config
        """The configuration in force."""
        self.mode = mode
        self.balancer = parts.balancer
        self.kernel = parts.kernel
        self.thread = parts.thread
        self.history = parts.history
        self.no_history = parts.no_history
        """Why nothing is recorded; empty if it is."""
        self.scheduler = Scheduler()
        self.reloaded = asyncio.Event()
        """Set when a reload put another configuration in force."""
        self._requests = parts.requests
        self.binding: PolicySupervisor | None = None
        """The policies that a reload is trying."""

    def ask(self, cause: str) -> asyncio.Future[CycleResult]:
        """Request a cycle that reads everything. The future holds the result of a cycle that began
        after this call, or HostError.
        """
        return self.scheduler.ask(cause)

    async def change(self, request: KernelRequest) -> CycleResult:
        """Let the kernel thread make this change. Returns the result of the cycle that carried it
        out, after all sinks received it. Raises IrqbalError; HostBusyError if the request was
        withdrawn.
        """
        self._requests.put(request)
        self.scheduler.wake()
        future = asyncio.wrap_future(request.future)
        done, _ = await asyncio.wait({future}, timeout=PATIENCE)
        if not done and request.withdraw():
            raise busy()
        return await future

    def stop(self) -> None:
        """End after the present cycle, which no longer waits for policies."""
        self.balancer.policies.stop()
        if self.binding is not None:
            self.binding.stop()
        self.scheduler.stop()

    # Cycles

    async def run_cycles(self, sinks: tuple[CycleSink, ...], reload: Reload) -> None:
        """Run cycles until `stop`. Raises SupervisorStopped if that ended a cycle early."""
        scheduler = self.scheduler
        cause, full = "start", False
        said = ""
        while not scheduler.stopping:
            await self._cycle(cause, full, sinks)
            status = self.describe()
            if not said:
                systemd.notify("READY=1", f"STATUS={status}")
                log.info("ready: %s", status)
                freeze_heap()
            elif status != said:
                systemd.notify(f"STATUS={status}")
            said = status
            due = await scheduler.next(self._until_next())
            cause, full = due.cause, due.full
            if "reload" in cause and not scheduler.stopping:
                await reload.run()

    async def _cycle(self, cause: str, full: bool, sinks: tuple[CycleSink, ...]) -> None:
        """Run one cycle, publish its result to the sinks, and then answer those who wait for it."""
        waiters = self.scheduler.take_waiters()
        outcome: CycleResult | HostError = HostError("irqbal ended before the cycle did")
        try:
            outcome = await self.kernel.run(self._run_cycle, cause, full)
        except HostError as error:
            log.error(
                "the host cannot be read: %s; nothing was moved, irqbal tries again in %s",
                error,
                self.config.interval,
            )
            outcome = HostError(str(error))
        else:
            publish(sinks, outcome)
        finally:
            self._requests.release()
            answer(waiters, outcome)

    def _run_cycle(self, cause: str, full: bool) -> CycleResult:
        """Run a cycle, and take the history's sample if one is due; on the kernel thread."""
        if self.history is None:
            return self.balancer.run_cycle(cause, full)
        sampler = self.history.sampler
        sampler.every = float(self.config.history.every)
        return sampler.run(self.balancer, cause, full)

    def _until_next(self) -> float:
        """Seconds until the next interval begins or an override ends, whichever is first."""
        now = time.time()
        ends = [
            item.expires - now + 0.01
            for item in self.balancer.overrides.current
            if item.expires is not None
        ]
        return min([float(self.config.interval), *ends])

    def describe(self) -> str:
        """The daemon's state in one line, for systemd and the log."""
        balancer = self.balancer
        state = (
            "paused"
            if balancer.paused
            else "dry run, nothing is written"
            if balancer.dry_run
            else "balancing"
        )
        policies = balancer.policies
        failures, starting = policies.aside, policies.starting
        names = [
            name
            for index, name in policies.names().items()
            if index not in failures and name not in starting
        ]
        failed = ", ".join(failure.policy for failure in failures.values())
        aside = f"; starting: {', '.join(starting)}" if starting else ""
        aside += f"; set aside: {failed}" if failed else ""
        made_up = self.mode.simulated
        where = f" on a made-up host ({made_up})" if made_up else ""
        policy_names = ", ".join(names) or "no policy"
        return f"{state} every {self.config.interval} with {policy_names}{where}{aside}"

    # Besides the cycles

    async def feed_watchdog(self) -> None:
        """Notify systemd's watchdog as long as the kernel thread is not stuck."""
        every = systemd.watchdog_seconds()
        while every is not None:
            if not self.kernel.is_stuck:
                systemd.notify("WATCHDOG=1")
            await asyncio.sleep(every / 3)
