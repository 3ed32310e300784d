"""One cycle, readable top to bottom: read, plan, check, save, write, remember.

The file is long so that this order can be read in one place. Stored state, restoring and requests
are modules of their own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import IrqbalError, PolicyHostError, StateFileError
from irqbal.model.host import Host
from irqbal.model.plan import Failure, Outcome, Plan, Record, imbalance
from irqbal.model.view import Override, Snapshot
from irqbal.planner.check_plan import check_plan
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger, after
from irqbal.plugins.supervisor import PolicySupervisor
from irqbal.service.cycle_result import CycleResult
from irqbal.service.kernel_requests import KernelRequest, RequestQueue
from irqbal.service.learned_state import LearnedState
from irqbal.service.override_store import OverrideStore
from irqbal.service.placements import Placements
from irqbal.service.restore import forget_restored, restore_originals
from irqbal.service.reused_plan import carried_out, waits_until
from irqbal.state.originals import OriginalsFile
from irqbal.tracking.tracker import HostTracker, SampleResult
from irqbal.trials.layout import Layout, writes_of

log = logging.getLogger(__name__)

COOLDOWN_INTERVALS = 3
"""Intervals for which an IRQ that a policy moved stays, unless a limit, an override or a reset
requires another move: its new load must become known first.
"""
REPLAN_SECONDS = 6 * 3600.0
"""Seconds after which a plan is made although nothing changed: a safety net, since a census finds
unannounced changes within half an hour.
"""
FIRST_LOOK = 0.2
"""Seconds between the two pulses on which the first plan rests: short, since the start waits for
it.
"""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What a balancer stores on disk. The defaults store nothing."""

    originals: OriginalsFile | None = None
    overrides: OverrideStore = msgspec.field(default_factory=OverrideStore)
    learned: LearnedState = msgspec.field(default_factory=LearnedState)


class _ReusablePlan(msgspec.Struct, frozen=True):
    """The last plan, if the next cycles may reuse it: all that it wanted was done, or waits until
    `until` (seconds of the host's clock). `planned_at` is seconds of time.monotonic().
    """

    result: CycleResult
    overrides: tuple[Override, ...]
    dry_run: bool
    planned_at: float
    until: float


class Balancer:
    """Owns everything that a cycle reads or changes. Its methods block, and only the kernel thread
    may call them: other threads put requests into its queue. `interval` is seconds.
    """

    def __init__(
        self,
        host: Host,
        policies: PolicySupervisor,
        settings: Settings,
        interval: float,
        *,
        dry_run: bool,
        stored: Stored | None = None,
        requests: RequestQueue | None = None,
    ) -> None:
        stored = Stored() if stored is None else stored
        self.host = host
        self.policies = policies
        self.settings = settings
        self.dry_run = dry_run
        self.paused_by: object | None = None
        """What paused balancing last; None if nothing did, or if it was resumed."""
        self.originals = stored.originals
        self.overrides = stored.overrides
        self.tracker = HostTracker(host, interval)
        self.ledger = Ledger()
        self._learned = stored.learned
        self._requests = RequestQueue() if requests is None else requests
        self._cycles = 0
        self._reusable_plan: _ReusablePlan | None = None
        self.placements = Placements()

    @property
    def paused(self) -> bool:
        """Whether nothing is written but overrides."""
        return self.paused_by is not None

    def first_look(self) -> float:
        """Read the first of the two pulses on which the first plan rests, and restore what was
        learned. Returns when the second is due, in seconds of time.monotonic(). Raises HostError.
        """
        self.tracker.sample()
        self.ledger = self._learned.restore(self.tracker)
        return time.monotonic() + FIRST_LOOK

    def reconfigure(
        self, policies: PolicySupervisor, settings: Settings, interval: float, dry_run: bool
    ) -> None:
        """Replace the policies and settings; what was learned of the host stays. IRQs that were
        given up, or whose drift was respected, are placed again.
        """
        self.policies.close()
        self.policies, self.settings, self.dry_run = policies, settings, dry_run
        self.tracker.interval = interval
        entries = {
            key: msgspec.structs.replace(
                entry, drift=(), given_up_until=0.0, bad_sets=(), barred=CpuSet()
            )
            for key, entry in self.ledger.entries.items()
        }
        self.ledger = Ledger(entries)
        self._reusable_plan = None

    # The cycle

    def run_cycle(self, cause: str, full: bool = False) -> CycleResult:
        """Run one cycle. `cause` says what started it, `full` requests a census. Raises HostError
        if the host cannot be read; other failures are in the result.
        """
        requests = self._requests.apply(self)
        try:
            result = self._run_cycle(cause, full, requests)
        except BaseException as error:
            problem = error
            if not isinstance(problem, IrqbalError):
                problem = IrqbalError("the cycle was not finished; nothing was changed")
            self._requests.abandon(self, requests, problem)
            raise
        self._requests.conclude(self, requests, result)
        self.placements.note(result)
        return msgspec.structs.replace(result, overrides=self.overrides.current)

    def _run_cycle(self, cause: str, full: bool, requests: list[KernelRequest]) -> CycleResult:
        started, wall = time.monotonic(), time.time()
        self._cycles += 1
        self.overrides.expire(wall)
        sample = self.tracker.sample(full)
        reason = self._why_plan(cause, sample, requests)
        if not reason:
            return self._reuse(started, wall, cause, sample)
        early = len(requests)
        result = self._plan_and_write(
            msgspec.structs.replace(
                _NO_RECORD,
                cycle=self._cycles,
                planned=self._cycles,
                wall=wall,
                cause=_with_requests(cause, requests),
                skipped_rows=sample.skipped_rows,
                census=sample.census,
            ),
            started,
            requests,
        )
        late = requests[early:]
        if late:
            reason += f"; planned again for: {', '.join(request.cause for request in late)}"
        return msgspec.structs.replace(
            result, trigger=reason, expired=self.overrides.take_expired()
        )

    def _why_plan(
        self, cause: str, sample: SampleResult, requests: Collection[KernelRequest]
    ) -> str:
        """Why the last plan cannot be reused; empty if it can."""
        news = self.policies.tend()
        if cause != "tick" or requests:
            cause = _with_requests(cause, requests)
            return f"{cause}: {sample.changes}" if sample.changes else cause
        if news:
            return news
        reusable = self._reusable_plan
        if reusable is None:
            return "the last plan was not carried out whole"
        if reusable.overrides is not self.overrides.current:
            return "an override ended"
        if reusable.dry_run != self.dry_run or self.paused:
            return "balancing was paused, resumed or switched to a dry run"
        if time.monotonic() - reusable.planned_at >= REPLAN_SECONDS:
            return f"the last plan is {REPLAN_SECONDS / 3600:.0f} hours old"
        if self.tracker.now >= reusable.until:
            return "the time has come for which a move of the last plan waits"
        again = self.policies.again
        if again is not None and time.monotonic() - reusable.planned_at >= again:
            return f"a policy wants a plan every {again:g} s"
        return sample.changes

    def _plan_and_write(
        self, record: Record, started: float, requests: list[KernelRequest]
    ) -> CycleResult:
        """Plan, write what the plan says, and remember the outcomes. Requests that arrive while the
        policies plan are added to `requests`, and the plan is made again with them.
        """
        snapshot = self.tracker.snapshot(self.ledger, self.overrides.current)
        self.tracker.plan_started()
        ledger = self.ledger
        plan, problem = self._plan(snapshot, requests)
        # A second plan must find what the first one found: drift and resets are in the ledger.
        planned, self.ledger = self.ledger, ledger
        late = self._requests.apply(self)
        if late:
            requests += late
            snapshot = self.tracker.snapshot(self.ledger, self.overrides.current)
            failures = plan.failures
            plan, problem = self._plan(snapshot, requests)
            plan = msgspec.structs.replace(plan, failures=(*failures, *plan.failures))
        else:
            self.ledger = planned
        outcomes: tuple[Outcome, ...] = ()
        if plan.moves or plan.steering or plan.default is not None:
            outcomes = self.host.apply(plan.moves, plan.steering, plan.default, self.dry_run)
            self.ledger = after(self.ledger, plan, outcomes, snapshot.now)
            self._stop_writing_if_denied(outcomes)
            if not self.dry_run:
                self.tracker.restart_interval(outcomes)
        if record.census:
            self.ledger = self.ledger.only(_known(snapshot, self.ledger))
        self._learned.store_ledger(self.ledger, self.tracker)
        over, busiest = imbalance(snapshot)
        record = msgspec.structs.replace(
            record,
            seconds=time.monotonic() - started,
            dry_run=self.dry_run,
            plan=plan,
            outcomes=outcomes,
            imbalance=over,
            busiest=busiest,
            problem=problem,
        )
        result = CycleResult(
            record=record,
            planned_on=snapshot,
            after=self.current_snapshot() if outcomes else snapshot,
            fresh=True,
            totals=self.tracker.totals,
            trigger="",
            overrides=self.overrides.current,
            paused=self.paused,
        )
        self._finish_plan(result)
        return result

    def _finish_plan(self, result: CycleResult) -> None:
        """Decide whether and until when the next cycles may reuse this plan."""
        record = result.record
        plan = record.plan
        self.tracker.plan_finished(bool(plan.moves or plan.steering))
        failed = any(outcome.result not in _DONE for outcome in record.outcomes)
        incomplete = plan.failures or plan.starting or record.problem or plan.drifted or failed
        self._reusable_plan = (
            None
            if incomplete
            else _ReusablePlan(
                result,
                self.overrides.current,
                record.dry_run,
                time.monotonic(),
                waits_until(plan, result.after, self.ledger, self.settings.cooldown),
            )
        )
        self._learned.store_costs_if_due(self.tracker)

    def _reuse(self, started: float, wall: float, cause: str, sample: SampleResult) -> CycleResult:
        """The result of a cycle that reuses the last plan."""
        assert self._reusable_plan is not None
        last = self._reusable_plan.result
        record = msgspec.structs.replace(
            last.record if last.record.dry_run else carried_out(last.record),
            cycle=self._cycles,
            wall=wall,
            seconds=time.monotonic() - started,
            cause=cause,
            census=sample.census,
        )
        trigger = last.trigger
        if last.fresh:
            trigger = f"the plan of cycle {last.record.cycle} is reused: nothing changed since"
        result = msgspec.structs.replace(
            last,
            record=record,
            planned_on=last.planned_on if record.dry_run else last.after,
            fresh=False,
            totals=self.tracker.totals,
            trigger=trigger,
            expired=self.overrides.take_expired(),
        )
        self._reusable_plan = msgspec.structs.replace(self._reusable_plan, result=result)
        return result

    def _plan(self, snapshot: Snapshot, requests: Collection[KernelRequest]) -> tuple[Plan, str]:
        """(the checked plan, why there is none or an empty text). While balancing is paused, the
        plan holds only moves that requests ask for.
        """
        placed = {request.places for request in requests if request.places}
        if self.paused and not placed:
            return Plan(), "paused"
        settings = msgspec.structs.replace(self.settings, learning=self.tracker.is_learning)
        numbers = [irq.number for irq in snapshot.irqs if irq.identity in placed]
        if numbers:
            settings = msgspec.structs.replace(settings, explain=(*settings.explain, *numbers))
        try:
            answer, failures = self.policies.plan(snapshot, self.ledger, settings)
        except PolicyHostError as error:
            log.error("%s; nothing is moved in this cycle", error)
            failure = Failure("policy host", "unavailable", str(error))
            return Plan(failures=(failure,)), str(error)
        self.ledger = answer.ledger
        self.tracker.set_queues(answer.plan.queues)
        plan = msgspec.structs.replace(answer.plan, failures=failures)
        if self.paused:
            moves = tuple(move for move in plan.moves if move.identity in placed)
            plan = msgspec.structs.replace(plan, moves=moves, steering=(), default=None)
        return check_plan(plan, snapshot, settings, answer.limits), ""

    def _stop_writing_if_denied(self, outcomes: tuple[Outcome, ...]) -> None:
        """If the kernel denies writing masks, switch to a dry run until the next reload and log it:
        the next cycle could not write either.
        """
        denied = next(
            (item for item in outcomes if item.irq is not None and item.code == "no-permission"),
            None,
        )
        if denied is not None:
            self.dry_run = True
            log.error(
                "masks cannot be written (%s): irqbal only observes until it is reloaded or "
                "restarted",
                denied.detail,
            )

    # Requests

    def end_cooldown(self, identity: str) -> None:
        """Let policies move this IRQ at once: its last move was not theirs."""
        entry = self.ledger.entries.get(identity)
        if entry is not None:
            entry = msgspec.structs.replace(entry, moved=0.0)
            self.ledger = Ledger({**self.ledger.entries, identity: entry})

    def restore(self, by: object) -> tuple[Outcome, ...]:
        """Write every original back; balancing is then paused by `by`. If it raises IrqbalError,
        nothing was changed.
        """
        if self.originals is None:
            raise IrqbalError(
                "this is a dry run: nothing was written, so there is nothing to restore"
            )
        outcomes = restore_originals(self.host, self.originals)
        self.paused_by = by
        try:
            forget_restored(self.originals, outcomes)
        except StateFileError as error:
            log.error("%s; the next restore writes the same originals again", error)
        self.ledger = Ledger()
        self._learned.store_ledger(self.ledger, self.tracker)
        return outcomes

    # Trials

    def save_originals(self, layout: Layout, identities: Iterable[str]) -> None:
        """Save the present values of these, so that `restore` can undo a trial that was killed.
        Raises StateFileError: then nothing may be written.
        """
        if self.originals is not None:
            writes = writes_of(layout, identities, self.tracker.numbers())
            self.originals.save([original for original, _ in writes])

    def put_layout(self, layout: Layout, identities: Iterable[str]) -> tuple[Outcome, ...]:
        """Write these values for a trial, while balancing is paused: to the tracker they are
        irqbal's own, and no drift.
        """
        writes = writes_of(layout, identities, self.tracker.numbers())
        outcomes = self.host.restore(writes)
        self.tracker.restart_interval(outcomes)
        return outcomes

    # What other threads read

    def current_snapshot(self, sweep: bool = False) -> Snapshot:
        """A snapshot of the last readings; no interval ends. `sweep`: read every mask first. Raises
        HostError.
        """
        return self.tracker.snapshot(self.ledger, self.overrides.current, sweep)

    def preview(self) -> tuple[Record, Snapshot]:
        """(the record of a cycle that would run now, with every IRQ explained; its snapshot).
        Nothing is written, and no interval ends. Raises HostError, PolicyHostError.
        """
        snapshot = self.current_snapshot(sweep=True)
        settings = msgspec.structs.replace(self.settings, explain_all=True)
        answer, failures = self.policies.plan(snapshot, self.ledger, settings)
        plan = msgspec.structs.replace(answer.plan, failures=failures)
        plan = check_plan(plan, snapshot, self.settings, answer.limits)
        return self.unwritten(plan, snapshot), snapshot

    def unwritten(self, plan: Plan, snapshot: Snapshot) -> Record:
        """The record of a plan that is not carried out."""
        over, busiest = imbalance(snapshot)
        return Record(self._cycles, time.time(), 0.0, "dry run", True, plan, (), over, busiest)

    def store_again(self) -> None:
        """Write the files of overrides and costs, which are gone. Raises StateFileError."""
        self._learned.store_costs(self.tracker)
        self.overrides.store_again()

    def close(self) -> None:
        """Store what was learned, and end the policies' processes."""
        self._learned.store_costs(self.tracker)
        self.policies.stop()
        self.policies.close()


def _with_requests(cause: str, requests: Collection[KernelRequest]) -> str:
    """What asked for the cycle: its cause, unless that is the interval alone, and the requests."""
    causes = [] if cause == "tick" and requests else [cause]
    return ", ".join([*causes, *(request.cause for request in requests)])


_DONE = ("written", "unchanged", "dry run")
"""Results of writes after which nothing is left to do."""
_NO_RECORD = Record(0, 0.0, 0.0, "", False, Plan())


def _known(snapshot: Snapshot, ledger: Ledger) -> set[str]:
    """The identities whose ledger entries are still of use: those of existing IRQs and of all
    settings.
    """
    identities = {irq.identity for irq in snapshot.irqs}
    settings = ("xps", "rps", "flows")
    return identities | {
        key for key in ledger.entries if ":" in key and key.split(":")[0] in settings
    }
