"""The API's backend for this host: changes that users request of the running daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import msgspec

from irqbal.api import responses
from irqbal.api.backend import ApiError, Caller, ControlHost, OverrideResult
from irqbal.api.sharing import FairTurns
from irqbal.errors import HostError, IrqbalError
from irqbal.model.plan import Record
from irqbal.model.view import Override, Snapshot
from irqbal.service.cycle_result import CycleResult
from irqbal.service.decision_log import DecisionLog, PersonsDecision
from irqbal.service.kernel_requests import Pause, Restore, Resume
from irqbal.service.live_view import LiveView, RunningDaemon
from irqbal.service.override_requests import OverrideRequests
from irqbal.service.trials import DaemonTrials
from irqbal.service.what_if import plan_with, policies_of
from irqbal.wire import Duration

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds between two attempts to resume when a pause ends: long enough for a busy cycle."""
MOST_PLANS = 4
"""Plans with other policies that may wait for their turn: each starts processes."""


def _too_many_plans() -> ApiError:
    text = "other plans are being made; try again"
    return ApiError(503, "busy", text, headers={"Retry-After": "2"})


class LocalHost(LiveView):
    """The backend of this host. Its methods belong to the loop."""

    def __init__(self, daemon: RunningDaemon, boot_id: str) -> None:
        super().__init__(daemon)
        self._decisions = DecisionLog(daemon.history, boot_id)
        self._overrides = OverrideRequests(daemon, self._decisions)
        self._resume: asyncio.Task[None] | None = None
        self._planning = FairTurns(1, MOST_PLANS, _too_many_plans)
        self._last: CycleResult | None = None
        self.trials = DaemonTrials(daemon, self._decide)
        self.trial_name = self.trials.running_name

    def publish(self, result: CycleResult) -> None:
        """Show this cycle from now on."""
        super().publish(result)
        self._last = result
        self._overrides.expired(result)

    def close(self) -> None:
        """Close all subscriptions, and cancel the timer that resumes."""
        super().close()
        self._cancel_resume()

    async def host(self, name: str | None) -> ControlHost:
        """This host, by its name or by None. Raises ApiError for any other name."""
        self.check_name(name)
        return self

    # Changes that users request

    async def set_override(self, override: Override, number: int, caller: Caller) -> OverrideResult:
        """Store an override and write its mask. Returns what the kernel did. Raises ApiError if the
        kernel refused.
        """
        self._check_writable()
        return await self._overrides.set(override, number, caller)

    async def clear_override(self, identity: str, caller: Caller) -> OverrideResult:
        """Remove an override; the policies place the IRQ at once. Raises ApiError without one."""
        self._check_writable()
        return await self._overrides.clear(identity, caller)

    async def dry_run(self, text: str | None) -> tuple[Record, Snapshot]:
        """Make a plan now and write nothing. With `text` (YAML with a `policies:` section), those
        policies make it, in a process that ends with the answer; clients have turns. Raises
        ApiError, IrqbalError.
        """
        daemon = self._daemon
        balancer = daemon.balancer
        if text is None:
            return await daemon.kernel.ask(balancer.preview)
        async with self._planning:
            # Much text takes long to parse.
            config = await asyncio.to_thread(policies_of, text)
            snapshot = await daemon.kernel.ask(lambda: balancer.current_snapshot(sweep=True))
            snapshot = msgspec.structs.replace(snapshot, settling=True)
            plan = await asyncio.to_thread(
                plan_with, config, snapshot, balancer.ledger, balancer.settings
            )
        return balancer.unwritten(plan, snapshot), snapshot

    async def cycle(self, caller: Caller) -> tuple[Record, Snapshot]:
        """Run a cycle now; requests at the same time share one. Raises ApiError, HostError."""
        if self._last is None:
            text = "the first cycle has not been run yet; try again in a second"
            raise ApiError(503, "starting", text)
        result = await self._daemon.ask("request")
        return result.record, result.planned_on

    async def pause(self, seconds: float | None, caller: Caller) -> None:
        """Write nothing until `resume`, or for so many seconds. Raises ApiError, IrqbalError."""
        self._check_writable()
        pause = Pause()
        await self._daemon.change(pause)
        self._cancel_resume()
        length = "until resumed" if seconds is None else f"for {Duration(seconds)}"
        if seconds is not None:
            self.paused_until = time.time() + seconds
            self._resume = asyncio.create_task(self._resume_after(seconds, pause))
        log.warning("paused %s by %s: nothing is moved", length, caller)
        self._decide("paused", f"paused {length}", str(caller))

    async def resume(self, caller: Caller) -> None:
        """Balance again. Raises ApiError, IrqbalError."""
        self._check_writable()
        request = Resume()
        await self._daemon.change(request)
        self._cancel_resume()
        self._note_resumed(request, caller)

    def _note_resumed(self, request: Resume, caller: Caller) -> None:
        if request.resumed:
            log.info("resumed by %s", caller)
            self._decide("resumed", "balancing goes on", str(caller))

    async def _resume_after(self, seconds: float, pause: Pause) -> None:
        """End this pause after so many seconds; try again as long as the kernel thread is busy."""
        await asyncio.sleep(seconds)
        while True:
            request = Resume(pause)
            try:
                await self._daemon.change(request)
                self._resume = self.paused_until = None
                return self._note_resumed(request, Caller("irqbal", "its timer"))
            except IrqbalError as error:
                log.warning(
                    "balancing could not be resumed: %s; trying again in %.0f s", error, RETRY
                )
                await asyncio.sleep(RETRY)

    async def restore(self, caller: Caller) -> responses.RestoreAnswer:
        """Write all originals back, and pause; a trial that runs is ended first. Raises ApiError,
        IrqbalError.
        """
        await self.trials.end_running("the originals were restored")
        self._check_writable()
        request = Restore()
        try:
            await self._daemon.change(request)
        except IrqbalError:
            if request.outcomes is None:
                raise
        self._cancel_resume()
        outcomes = request.outcomes or ()
        done = sum(item.result in ("written", "unchanged") for item in outcomes)
        log.warning("%d originals restored by %s; paused", done, caller)
        self._decide(
            "restored", f"{done} of {len(outcomes)} originals put back, and paused", str(caller)
        )
        # This cycle reads the restored masks, so that the API shows them.
        with contextlib.suppress(HostError):
            await self._daemon.ask("restore")
        shown = tuple(
            responses.OutcomeView(
                item.identity, item.irq, item.result, item.code, item.detail, item.found
            )
            for item in outcomes
        )
        return responses.RestoreAnswer(True, shown)

    # Helpers

    def _check_writable(self) -> None:
        """Raises ApiError if this daemon never writes masks, or if a trial runs."""
        reason = self._daemon.mode.read_only_reason
        if reason:
            raise ApiError(409, "observing", f"{reason}; nothing was changed")
        self.trials.check_idle()

    def _cancel_resume(self) -> None:
        if self._resume is not None:
            self._resume.cancel()
        self._resume = self.paused_until = None

    def _decide(self, result: str, reason: str, who: str) -> None:
        decision = PersonsDecision(kind="action", result=result, reason=reason, who=who)
        self._decisions.add(decision, self._last)
