"""This host as the API shows it: the last cycle, and reads from the running daemon.

The live view connects the API, which knows only `api.backend`, with the balancer, which knows
neither. Its methods belong to the loop; blocking work runs on the kernel thread or the history
thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import platform
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from irqbal.api import responses, views
from irqbal.api.backend import ApiError, InstalledPolicy, Subscription, View
from irqbal.api.contract import API_VERSION
from irqbal.api.counters import CycleCounters
from irqbal.api.finding_views import ending, findings_answer, state_of
from irqbal.api.subscribers import Subscribers
from irqbal.config.policy_options import queues_may_share_cores
from irqbal.config.schema import Config
from irqbal.errors import HistoryError, HostError
from irqbal.findings.verify import Context
from irqbal.history.host_status import HostStatus, RecentEvents
from irqbal.kernel import other_writers
from irqbal.model.plan import Explained
from irqbal.model.view import Irq, Override
from irqbal.plugins import discovery
from irqbal.plugins.supervisor import PolicySupervisor
from irqbal.problems import without_lines
from irqbal.service import fleet_status
from irqbal.service.cycle import Balancer
from irqbal.service.cycle_result import CycleResult
from irqbal.service.explanations import Explanations
from irqbal.service.history_reads import HistoryReads
from irqbal.service.history_service import HistoryService
from irqbal.service.history_thread import HistoryThread
from irqbal.service.kernel_requests import KernelRequest
from irqbal.service.kernel_thread import STUCK, KernelThread
from irqbal.service.outbox_watch import OutboxWatch
from irqbal.service.run_mode import RunMode
from irqbal.version import __version__
from irqbal.wire import Moment

if TYPE_CHECKING:
    from irqbal.api.metrics import Exporter

log = logging.getLogger(__name__)

WRITERS_EVERY = 60.0
"""Seconds between two looks for other programs that write masks."""
REFRESH_PATIENCE = 1.0
"""Seconds that the status waits for the present figures."""


class RunningDaemon(Protocol):
    """What the API's backend uses of the daemon."""

    config: Config
    mode: RunMode
    balancer: Balancer
    kernel: KernelThread
    thread: HistoryThread
    history: HistoryService | None
    no_history: str

    def ask(self, cause: str) -> asyncio.Future[CycleResult]:
        """Request a cycle. The future holds the result of a cycle that began after this call."""

    async def change(self, request: KernelRequest) -> CycleResult:
        """Let the kernel thread make this change. Returns the result of the cycle that carried it
        out. Raises IrqbalError; HostBusyError if the request was withdrawn.
        """


class _Described(msgspec.Struct, frozen=True):
    """Option schemas and descriptions by the policy's position in the configuration, and the
    supervisor that they are of: a reload replaces it.
    """

    policies: PolicySupervisor
    schemas: dict[int, str]
    about: dict[int, str]


def _other_writers(mode: RunMode) -> tuple[str, ...]:
    """Programs that write masks too: those that run, and those that will at the next boot."""
    if mode.made_up is not None:
        return ()
    return other_writers.running(mode.root) + other_writers.configured(mode.root)


def _describe(policies: PolicySupervisor) -> _Described:
    answer = policies.describe()
    return _Described(policies, answer.schemas, answer.about)


class LiveView(HistoryReads):
    """What the API reads of this host. It receives every cycle's result before all other sinks."""

    def __init__(self, daemon: RunningDaemon) -> None:
        super().__init__(daemon.history, daemon.no_history, daemon.kernel, daemon.thread)
        self.name = platform.node()
        self._daemon = daemon
        self._started = time.time()
        self.subscribers = Subscribers()
        self.counters = CycleCounters()
        self.paused_until: float | None = None
        """When balancing resumes by itself, in seconds since the epoch; None: not by itself."""
        self.auth_failures: Callable[[], int] = lambda: 0
        self.trial_name: Callable[[], str] = lambda: ""
        """The id of the trial that runs, or an empty text."""
        self._recent = RecentEvents()
        self._shown = _Shown()
        self._explanations = Explanations(daemon.balancer, daemon.kernel)
        self._described: _Described | None = None
        self._exporter: Exporter | None = None
        self._outbox = 0
        self._writers: tuple[str, ...] = ()
        self._looked_for_writers = -math.inf
        self._outbox_watch = OutboxWatch(float(daemon.config.history.every))
        self._found: responses.FindingsAnswer | None = None
        """The findings for /metrics."""
        self._summarised: tuple[int, responses.Summary] | None = None
        """The last summary, with the version of its view."""

    # Calls of the daemon

    def publish(self, result: CycleResult) -> None:
        """Show this cycle from now on."""
        self._recent.note(result.record)
        self._shown.publish(result)
        self._explanations.forget()

    async def look_after(self) -> None:
        """Periodic reads off the loop: other programs that write masks, and the number of records
        that wait for MongoDB.
        """
        now = time.monotonic()
        if now - self._looked_for_writers >= WRITERS_EVERY and not self._daemon.kernel.is_stuck:
            self._looked_for_writers = now
            self._writers = await self._daemon.kernel.run(_other_writers, self._daemon.mode)
        history = self._daemon.history
        if history is not None and history.shipper is not None:
            try:
                self._outbox = await self._daemon.thread.run(history.writer.backlog)
                self._outbox_watch.note(self._outbox, time.monotonic())
            except HistoryError as error:
                log.warning("what waits for MongoDB cannot be counted: %s", error)

    def heartbeat(self) -> None:
        """Send a heartbeat to all event streams."""
        self.subscribers.heartbeat()

    def close(self) -> None:
        """Close all subscriptions."""
        self.subscribers.close()

    # Backend

    central = False

    async def hosts(self) -> list[responses.HostView]:
        """A list of this host alone."""
        view, status = await self.view(), self.status()
        if view is None:
            return [responses.HostView(status.host, None, status.version, status.state)]
        return [fleet_status.host_view(status, view, self.findings(view), self._recent)]

    async def fleet_findings(self, code: str) -> list[responses.FindingView]:
        """This host's findings; with a code, only those with this code."""
        view = await self.view()
        return (
            [] if view is None else fleet_status.finding_views(self.name, self.findings(view), code)
        )

    def host_status(self) -> HostStatus | None:
        """This host's current state for MongoDB; None before the first cycle."""
        view = self._shown.view
        if view is None:
            return None
        return fleet_status.host_status(
            self.status(), view, self.findings(view), self.overrides(), self._recent
        )

    def check_name(self, name: str | None) -> None:
        """Raises ApiError unless the name is this host's or None."""
        if name not in (None, self.name):
            text = f"this daemon answers for {self.name} alone"
            raise ApiError(404, "no-such-host", text, [self.name])

    async def health(self, ready: bool) -> responses.Health:
        """Whether the daemon is alive: no cycle hangs. With `ready`, a cycle must also have run
        recently.
        """
        kernel, view = self._daemon.kernel, self._shown.view
        if kernel.is_stuck:
            text = f"the kernel thread has been stuck for {kernel.busy_seconds():.0f} s"
            return responses.Health(False, text)
        if not ready:
            return responses.Health(True)
        if view is None:
            return responses.Health(False, "no cycle has been run yet")
        age = time.time() - view.record.wall
        if age > 3 * float(self._daemon.config.interval) + STUCK:
            return responses.Health(False, f"the last cycle was {age:.0f} s ago")
        return responses.Health(True)

    async def metrics(self) -> bytes:
        """All metrics in Prometheus' text format."""
        view = await self.view()
        if view is not None:
            self._found = self.findings(view)
        if self._exporter is None:
            from irqbal.api.metrics import Exporter, MetricsSource

            self._exporter = Exporter(
                self.counters,
                lambda: MetricsSource(
                    self.status(), self._shown.view, self.auth_failures(), self._found
                ),
            )
        return self._exporter.text()

    # State of this host

    def status(self) -> responses.Status:
        """A summary of the daemon's state."""
        daemon, balancer, view = self._daemon, self._daemon.balancer, self._shown.view
        policies = balancer.policies
        aside, starting = policies.aside, policies.starting
        snapshot = None if view is None else view.snapshot
        until = self.paused_until
        return responses.Status(
            host=self.name,
            version=__version__,
            api=API_VERSION,
            state=self._state(balancer, view),
            paused=balancer.paused,
            paused_until=None if until is None else Moment(until),
            dry_run=balancer.dry_run,
            simulated=daemon.mode.simulated,
            started=Moment(self._started),
            interval=daemon.config.interval,
            cpus=0 if snapshot is None else len(snapshot.online),
            irqs=0 if snapshot is None else len(snapshot.irqs),
            overrides=len(self.overrides()),
            policies=tuple(
                name
                for index, name in policies.names().items()
                if index not in aside and name not in starting
            ),
            starting=starting,
            trial=self.trial_name(),
            aside=tuple(aside.values()),
            history=self._history_state(daemon.history),
            last=None if view is None else self._summary(view),
        )

    def _summary(self, view: View) -> responses.Summary:
        """The last cycle in numbers, made once a view."""
        if self._summarised is None or self._summarised[0] != view.version:
            self._summarised = (view.version, views.summary(view))
        return self._summarised[1]

    def _history_state(self, history: HistoryService | None) -> responses.HistoryState:
        problem = self.why_no_history()
        if history is None or problem:
            return responses.HistoryState(False, problem=problem)
        writer = history.writer
        lost = writer.dropped + history.queue.dropped
        return responses.HistoryState(True, writer.waiting(), lost, self._outbox)

    def _state(self, balancer: Balancer, view: View | None) -> Any:
        if balancer.paused:
            return "paused"
        if view is None:
            return "starting"
        if balancer.dry_run:
            return "dry run"
        return "not balancing" if view.record.problem else "balancing"

    async def refresh(self) -> None:
        """Wait a moment for the present figures, as `view` does. Whoever asks whether the daemon
        works must not wait for a kernel thread that hangs.
        """
        with contextlib.suppress(TimeoutError, HostError):
            async with asyncio.timeout(REFRESH_PATIENCE):
                await self.view()

    async def view(self) -> View | None:
        """The host now; None before the first cycle. A cycle that reuses the last plan makes no
        snapshot, so the first reader after it starts one. That may take long: a client that reads
        at every cycle gets the last cycle's snapshot meanwhile.
        """
        return await self._shown.current(self._daemon)

    def overrides(self) -> tuple[Override, ...]:
        """The overrides in force."""
        return self._daemon.balancer.overrides.current

    def findings(self, view: View) -> responses.FindingsAnswer:
        """The verdict on this host, and what to do."""
        state = msgspec.structs.replace(
            state_of(view, self.status()),
            ending=ending(self.overrides(), view.snapshot),
            drifted=self._recent.counts(time.time())[0],
            outbox=self._outbox,
            outbox_grows=self._outbox_watch.grows,
            no_history=self.why_no_history(),
        )
        enabled = frozenset(self._daemon.balancer.policies.names().values())
        writers = tuple(dict.fromkeys((*view.snapshot.writers, *self._writers)))
        context = Context(
            writers=writers,
            drifted=state.drifted > 0,
            enabled=enabled,
            siblings=queues_may_share_cores(self._daemon.config),
        )
        return findings_answer(view, state, context)

    async def explain(self, irq: Irq, now: bool) -> Explained:
        """Why this IRQ is where it is."""
        return await self._explanations.of(irq, now)

    async def policies(self) -> list[InstalledPolicy]:
        """The installed policies, the enabled ones first."""
        balancer = self._daemon.balancer
        described = self._described
        if described is None or described.policies is not balancer.policies:
            # A reload may replace the supervisor before the question's turn comes.
            described = await self._daemon.kernel.ask(lambda: _describe(balancer.policies))
            self._described = described
        config, supervisor = self._daemon.config, described.policies
        installed = await self._daemon.thread.run(discovery.find)
        listings = []
        for position, entry in enumerate(config.policies):
            aside = supervisor.aside.get(position)
            found = installed.get(entry.name)
            listings.append(
                InstalledPolicy(
                    entry.name,
                    () if found is None else found.distributions,
                    described.about.get(position, ""),
                    without_lines(entry.options),
                    described.schemas.get(position, ""),
                    position,
                    "" if aside is None else aside.reason,
                )
            )
        enabled = {entry.name for entry in (*config.policies, *config.observers)}
        return listings + [
            InstalledPolicy(name, item.distributions, problem=item.clash)
            for name, item in installed.items()
            if name not in enabled
        ]

    def subscribe(self) -> Subscription:
        """Subscribe to the results of cycles."""
        return self.subscribers.subscribe()


class _Shown:
    """The view of the last cycle, whose snapshot may be of an earlier cycle."""

    def __init__(self) -> None:
        self.view: View | None = None
        self._fresh = False
        self._cycles = self._cycle_of_snapshot = 0
        self._refreshing: asyncio.Task[None] | None = None

    def publish(self, result: CycleResult) -> None:
        """Show the result of a cycle."""
        self._cycles += 1
        snapshot, wall = result.after, result.record.wall
        if not result.fresh and self.view is not None:
            # `_refresh` may have made a newer snapshot than the reused plan's.
            snapshot, wall = self.view.snapshot, self.view.wall
        version = self._cycles * 2
        self._show(View(version, snapshot, result.record, result.totals, wall), result.fresh)

    def _show(self, view: View, fresh: bool) -> None:
        self.view, self._fresh = view, fresh
        if fresh:
            self._cycle_of_snapshot = self._cycles

    async def current(self, daemon: RunningDaemon) -> View | None:
        """The view. If its snapshot is not of the last cycle, a new one is started; the call waits
        for it if the snapshot is older than the last two cycles.
        """
        if self.view is not None and not self._fresh:
            if self._refreshing is None:
                self._refreshing = asyncio.create_task(self._refresh(daemon))
            if self._cycles - self._cycle_of_snapshot > 1:
                await asyncio.shield(self._refreshing)
        return self.view

    async def _refresh(self, daemon: RunningDaemon) -> None:
        try:
            while self.view is not None and not self._fresh:
                cycles = self._cycles
                wall = time.time()
                snapshot = await daemon.kernel.run(daemon.balancer.current_snapshot)
                # If another cycle was run meanwhile, the snapshot is out of date.
                if cycles == self._cycles:
                    view = self.view
                    version = cycles * 2 + 1
                    self._show(View(version, snapshot, view.record, view.totals, wall), True)
        finally:
            self._refreshing = None
