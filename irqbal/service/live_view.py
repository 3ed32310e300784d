"""What people and programs may ask of the running daemon: the API's backend for this very host.

It stands between the API, which knows only `api.backend`, and the balancer, which knows nobody. Its
methods belong to the loop; whatever blocks is handed to the kernel's or the history's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from irqbal.api import responses, views
from irqbal.api.backend import (
    ApiError,
    Caller,
    ControlHost,
    InstalledPolicy,
    OverrideResult,
    Subscription,
    View,
)
from irqbal.api.contract import API_VERSION
from irqbal.api.counters import CycleCounters
from irqbal.api.subscribers import Subscribers
from irqbal.errors import HostError
from irqbal.history.host_status import HostStatus, RecentEvents
from irqbal.history.samples import Decision, DecisionKind
from irqbal.model.plan import Outcome, Plan, Record, Step
from irqbal.model.view import Override, Snapshot
from irqbal.plugins import discovery
from irqbal.plugins.supervisor import PolicySupervisor
from irqbal.problems import plain
from irqbal.service import fleet_status
from irqbal.service.cycle import Balancer
from irqbal.service.running import Past, Running
from irqbal.service.what_if import plan_with, policies_of
from irqbal.version import __version__
from irqbal.wire import Duration, Moment

if TYPE_CHECKING:
    from irqbal.api.metrics import Exporter

log = logging.getLogger(__name__)

STUCK = 30.0
"""Seconds after which a cycle counts as hung, and systemd's watchdog is no longer fed."""


class Control(Past):
    """The backend of one host: this one."""

    def __init__(self, daemon: Running) -> None:
        self.name = platform.node()
        super().__init__(daemon)
        self._started = time.time()
        self._subscribers = Subscribers()
        self._tally = CycleCounters()
        self._recently = RecentEvents()
        self._view: View | None = None
        self._version = 0
        self._fresh = False
        self._refreshing: asyncio.Task[None] | None = None
        self._cycles = 0
        self._made = 0
        self._resume: asyncio.TimerHandle | None = None
        self._paused_until: float | None = None
        self._outbox = 0
        self._explained: tuple[int, dict[int, tuple[Step, ...]]] | None = None
        self._explaining = asyncio.Lock()
        self._planning = asyncio.Lock()
        self._about: tuple[PolicySupervisor, dict[int, str], dict[int, str]] | None = None
        self.auth_failures: Callable[[], int] = lambda: 0
        self._exporter: Exporter | None = None

    # What the daemon tells

    def publish(self, record: Record) -> None:
        """A cycle was run: everybody who looks sees it from now on."""
        balancer = self._daemon.balancer
        self._tally.count(record)
        self._recently.note(record)
        self._cycles += 1
        self._show(record, balancer.fresh)
        for item in balancer.expired:
            log.info("the override of %s to %s has expired", item.identity, item.cpus)
            self._decide(
                "override",
                item.identity,
                before=str(item.cpus),
                reason="the override has expired",
                who=item.who,
            )
        balancer.expired.clear()
        if len(self._subscribers):
            self._subscribers.publish(views.cycle(record, balancer.snapshot))

    def _show(self, record: Record, fresh: bool) -> None:
        """What was seen last, whether or not it is of this record's cycle."""
        balancer = self._daemon.balancer
        self._version += 1
        self._fresh = fresh
        self._made = self._cycles if fresh else self._made
        self._view = View(self._version, balancer.shown, record, balancer.watch.totals)

    async def look_after(self) -> None:
        """What is looked at now and then, off the loop."""
        keeper = self._daemon.keeper
        if keeper is not None and self._daemon.config.history.mongodb is not None:
            self._outbox = await self._daemon.on_history(keeper.backlog)

    def heartbeat(self) -> None:
        """A sign of life for those who listen."""
        self._subscribers.heartbeat()

    def close(self) -> None:
        """Send listeners home."""
        self._subscribers.close()
        if self._resume is not None:
            self._resume.cancel()

    # Backend

    async def hosts(self) -> list[responses.HostView]:
        """This one."""
        return [fleet_status.host_view(self.status(), await self.view(), self._recently)]

    async def findings(self, code: str) -> list[responses.FindingView]:
        """What is not as it should be here."""
        return fleet_status.finding_views(self.name, await self.view(), code)

    def told(self) -> HostStatus | None:
        """How this host is now, for those who look at many."""
        return (
            None
            if self._view is None
            else fleet_status.told(self.status(), self._view, self.overrides(), self._recently)
        )

    async def host(self, name: str | None) -> ControlHost:
        """This one, by its name or without. Raises ApiError."""
        if name in (None, self.name):
            return self
        raise ApiError(
            404, "no-such-host", f"this daemon answers for {self.name} alone", [self.name]
        )

    async def health(self, ready: bool) -> responses.Health:
        """Alive: no cycle hangs. Ready: a cycle was run, and not long ago."""
        busy = self._daemon.busy_seconds()
        if busy > STUCK:
            return responses.Health(False, f"the kernel's thread has been stuck for {busy:.0f} s")
        if not ready:
            return responses.Health(True)
        if self._view is None:
            return responses.Health(False, "no cycle has been run yet")
        old = time.time() - self._view.record.wall
        if old > 3 * float(self._daemon.config.interval) + STUCK:
            return responses.Health(False, f"the last cycle was {old:.0f} s ago")
        return responses.Health(True)

    async def metrics(self) -> bytes:
        """Prometheus' text format."""
        await self.view()
        if self._exporter is None:
            from irqbal.api.metrics import Exporter, MetricsSource

            self._exporter = Exporter(
                self._tally, lambda: MetricsSource(self.status(), self._view, self.auth_failures())
            )
        return self._exporter.text()

    # Host: what is

    def status(self) -> responses.Status:
        """In a few lines."""
        daemon, balancer, view = self._daemon, self._daemon.balancer, self._view
        names, aside = balancer.policies.names(), balancer.policies.aside
        keeper, feed = daemon.keeper, daemon.feed
        history = responses.HistoryState(False)
        if keeper is not None and feed is not None:
            history = responses.HistoryState(
                True, keeper.waiting(), keeper.dropped + feed.dropped, self._outbox
            )
        snapshot = None if view is None else view.snapshot
        return responses.Status(
            host=self.name,
            version=__version__,
            api=API_VERSION,
            state=self._state(balancer, view),
            paused=balancer.paused,
            paused_until=None if self._paused_until is None else Moment(self._paused_until),
            dry_run=daemon.dry_run or balancer.dry_run,
            simulated=daemon.simulated,
            started=Moment(self._started),
            interval=daemon.config.interval,
            cpus=0 if snapshot is None else len(snapshot.online),
            irqs=0 if snapshot is None else len(snapshot.irqs),
            overrides=len(balancer.overrides),
            policies=tuple(name for index, name in names.items() if index not in aside),
            aside=tuple(aside.values()),
            history=history,
            last=None if view is None else views.summary(view.record),
        )

    def _state(self, balancer: Balancer, view: View | None) -> Any:
        if balancer.paused:
            return "paused"
        if view is None:
            return "starting"
        if balancer.dry_run:
            return "dry run"
        return "not balancing" if view.record.problem else "balancing"

    async def view(self) -> View | None:
        """What is now. A cycle that rests makes no snapshot: the first who looks after it has one
        made. Making it may take long, so who looks at every cycle gets the last one's snapshot
        meanwhile.
        """
        if self._view is not None and not self._fresh:
            if self._refreshing is None:
                self._refreshing = asyncio.create_task(self._refresh())
            if self._cycles - self._made > 1:
                await asyncio.shield(self._refreshing)
        return self._view

    async def _refresh(self) -> None:
        balancer = self._daemon.balancer
        try:
            while self._view is not None and not self._fresh:
                cycles = self._cycles
                await self._daemon.on_kernel(balancer.refresh)
                # Unless another cycle was run meanwhile.
                if cycles == self._cycles:
                    self._show(self._view.record, True)
        finally:
            self._refreshing = None

    def overrides(self) -> tuple[Override, ...]:
        """Present overrides."""
        return self._daemon.balancer.overrides

    async def explain(self, number: int) -> tuple[Step, ...]:
        """One IRQ's chain. All are explained at once and kept until the next cycle, so that many
        readers cost what one costs.
        """
        async with self._explaining:
            if self._explained is None or self._explained[0] != self._cycles:
                cycles = self._cycles
                record, _ = await self._on_kernel(self._daemon.balancer.preview)
                self._explained = (cycles, record.plan.explanations)
            return self._explained[1].get(number, ())

    async def policies(self) -> list[InstalledPolicy]:
        """Installed policies, the enabled ones first."""
        config, balancer = self._daemon.config, self._daemon.balancer
        bound = balancer.policies
        if self._about is None or self._about[0] is not bound:
            described = await self._on_kernel(bound.describe)
            self._about = (bound, described.schemas, described.about)
        _, schemas, about = self._about
        installed = await self._daemon.on_history(discovery.find)
        found = []
        for position, entry in enumerate(config.policies):
            problem = bound.aside[position].reason if position in bound.aside else ""
            distributions = installed[entry.name].distributions if entry.name in installed else ()
            found.append(
                InstalledPolicy(
                    entry.name,
                    distributions,
                    about.get(position, ""),
                    plain(entry.options),
                    schemas.get(position, ""),
                    position,
                    problem,
                )
            )
        enabled = {entry.name for entry in (*config.policies, *config.observers)}
        found += [
            InstalledPolicy(name, item.distributions, problem=item.clash)
            for name, item in installed.items()
            if name not in enabled
        ]
        return found

    # Host: what people decide

    async def set_override(self, override: Override, number: int, caller: Caller) -> OverrideResult:
        """Persist, write, and say what the kernel did. Raises ApiError if it refused."""
        self._refuse()
        balancer = self._daemon.balancer

        def work() -> tuple[Record, Outcome | None]:
            record = balancer.override(override)
            return record, balancer.refusal(record, override.identity)

        record, refusal = await self._on_kernel(work)
        self._daemon.done(record, None)
        result, detail, affinity = self._outcome(record, override.identity)
        before = next(
            (str(move.before) for move in record.plan.moves if move.identity == override.identity),
            "",
        )
        self._decide(
            "override",
            override.identity,
            number,
            before,
            str(override.cpus),
            refusal.result if refusal else result,
            override.reason or "set by a person",
            str(caller),
        )
        log.info(
            "override of IRQ %d to %s by %s: %s",
            number,
            override.cpus,
            caller,
            refusal.detail if refusal else result,
        )
        if refusal is not None:
            status, code = (
                (503, refusal.code)
                if refusal.result == "unsaved"
                else (409, refusal.code or "refused")
            )
            raise ApiError(
                status, code or "unsaved", f"{refusal.detail}; the override was not kept"
            )
        warnings = tuple(
            item.reason
            for item in record.plan.refused
            if item.irq == number and item.policy == "override" and item.code == "warning"
        )
        return OverrideResult(override, result, detail, affinity, warnings)

    def _outcome(self, record: Record, identity: str) -> tuple[str, str, Any]:
        """(result, detail, the mask now)."""
        assert self._view is not None
        irq = next((irq for irq in self._view.snapshot.irqs if irq.identity == identity), None)
        affinity = None if irq is None else irq.affinity
        outcome = next((item for item in record.outcomes if item.identity == identity), None)
        if outcome is not None:
            return outcome.result, outcome.detail, affinity
        return (
            "unchanged",
            "the mask was already right" if affinity is not None else "there is no such IRQ now",
            affinity,
        )

    async def clear_override(self, identity: str, caller: Caller) -> OverrideResult:
        """Take it away; the policies place the IRQ at once."""
        self._refuse()
        balancer = self._daemon.balancer
        gone = next((item for item in balancer.overrides if item.identity == identity), None)
        if gone is None:
            raise ApiError(404, "no-override", f"{identity} has no override")
        record: Record = await self._on_kernel(balancer.clear, identity)
        self._daemon.done(record, None)
        result, detail, affinity = self._outcome(record, identity)
        if result == "unchanged" and affinity is not None:
            detail = "no policy moved it: its mask stays"
        self._decide(
            "override",
            identity,
            before=str(gone.cpus),
            result=result,
            reason="the override was removed",
            who=str(caller),
        )
        log.info("override of %s removed by %s: %s", identity, caller, result)
        return OverrideResult(gone, result, detail, affinity)

    async def dry_run(self, text: str | None) -> tuple[Record, Snapshot]:
        """A plan now. Other policies run in a child of their own, which ends with the answer; one
        such plan at a time.
        """
        balancer = self._daemon.balancer
        if text is None:
            return await self._on_kernel(balancer.preview)
        if self._planning.locked():
            raise ApiError(
                503, "busy", "another plan is being made; try again", headers={"Retry-After": "2"}
            )
        async with self._planning:
            # Much text takes long to read.
            config = await self._daemon.on_history(policies_of, text)
            snapshot = await self._on_kernel(
                lambda: balancer.watch.snapshot(balancer.ledger, balancer.overrides, sweep=True)
            )
            snapshot = msgspec.structs.replace(snapshot, settling=True)
            plan: Plan = await self._daemon.on_history(
                plan_with, config, snapshot, balancer.ledger, balancer.settings
            )
        return balancer.unwritten(plan, snapshot), snapshot

    async def cycle(self, caller: Caller) -> tuple[Record, Snapshot]:
        """Run a cycle now; requests that come together share one."""
        if self._view is None:
            raise ApiError(
                503, "starting", "the first cycle has not been run yet; try again in a second"
            )
        record = await self._daemon.ask("request")
        return record, self._daemon.balancer.snapshot

    def pause(self, seconds: float | None, caller: Caller) -> None:
        """Write nothing until `resume`, or for so long."""
        self._refuse()
        self._cancel_resume()
        self._daemon.balancer.paused = True
        length = "until resumed" if seconds is None else f"for {Duration(seconds)}"
        if seconds is not None:
            self._paused_until = time.time() + seconds
            self._resume = asyncio.get_running_loop().call_later(
                seconds, self.resume, Caller("irqbal", "its timer")
            )
        log.warning("paused %s by %s: nothing is moved", length, caller)
        self._decide("action", result="paused", reason=f"paused {length}", who=str(caller))

    def resume(self, caller: Caller) -> None:
        """Go on."""
        self._refuse()
        self._cancel_resume()
        if self._daemon.balancer.paused:
            self._daemon.balancer.paused = False
            log.info("resumed by %s", caller)
            self._decide("action", result="resumed", reason="balancing goes on", who=str(caller))
        self._daemon.ask("resume")

    def _refuse(self) -> None:
        """Raises ApiError where this daemon may only look."""
        if self._daemon.read_only_reason:
            raise ApiError(
                409, "observing", f"{self._daemon.read_only_reason}; nothing was changed"
            )

    def _cancel_resume(self) -> None:
        if self._resume is not None:
            self._resume.cancel()
        self._resume = self._paused_until = None

    async def restore(self, caller: Caller) -> responses.RestoreAnswer:
        """Put originals back and pause."""
        self._refuse()
        outcomes: tuple[Outcome, ...] = await self._daemon.on_kernel(self._daemon.balancer.restore)
        self._cancel_resume()
        done = sum(item.result in ("written", "unchanged") for item in outcomes)
        log.warning("%d originals restored by %s; paused", done, caller)
        self._decide(
            "action",
            result="restored",
            reason=f"{done} of {len(outcomes)} originals put back, and paused",
            who=str(caller),
        )
        # So that whoever looks next sees the masks as they are now.
        with contextlib.suppress(HostError):
            await self._daemon.ask("restore")
        shown = tuple(
            responses.OutcomeView(
                item.identity, item.irq, item.result, item.code, item.detail, item.found
            )
            for item in outcomes
        )
        return responses.RestoreAnswer(True, shown)

    def subscribe(self) -> Subscription:
        """Listen to cycles."""
        return self._subscribers.subscribe()

    def _decide(
        self,
        kind: DecisionKind,
        identity: str = "",
        number: int | None = None,
        before: str = "",
        after: str = "",
        result: str = "",
        reason: str = "",
        who: str = "",
    ) -> None:
        """Into the decisions, with who and from where."""
        balancer, feed, view = self._daemon.balancer, self._daemon.feed, self._view
        if feed is None:
            return
        irq = (
            None
            if view is None
            else next((irq for irq in view.snapshot.irqs if irq.identity == identity), None)
        )
        if irq is not None:
            number = irq.number
        decision = Decision(
            0,
            balancer.host.boot_id,
            time.time(),
            0 if view is None else view.record.cycle,
            kind,
            identity,
            number,
            "" if irq is None else irq.action,
            "override" if kind == "override" else "",
            "",
            before,
            after,
            result,
            reason,
            who,
        )
        feed.tell(balancer.host.boot_id, None, [decision])
