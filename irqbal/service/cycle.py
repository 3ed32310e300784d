"""One cycle, readable top to bottom: look, plan, check, save, write, remember."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import IrqbalError, PolicyHostError, StateFileError
from irqbal.model.host import Host
from irqbal.model.plan import Failure, Outcome, Plan, Record, imbalance
from irqbal.model.readings import DEFAULT, Original
from irqbal.model.view import Override, Snapshot
from irqbal.planner.check_plan import check_plan
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger, after
from irqbal.plugins.supervisor import PolicySupervisor
from irqbal.state.costs_file import load_costs, save_costs
from irqbal.state.folders import Folders
from irqbal.state.ledger_file import load_ledger, save_ledger
from irqbal.state.originals import OriginalsFile
from irqbal.state.override_file import save_overrides
from irqbal.tracking.tracker import HostTracker

log = logging.getLogger(__name__)

COOLDOWN_INTERVALS = 3
"""An IRQ that a policy moved stays for so many intervals, unless a limit, an override or a reset
says otherwise.
"""
KEEP_COSTS = 600.0
"""Seconds between two times that the costs are saved."""
REST = 6 * 3600.0
"""Seconds after which a plan is made anew although nothing has changed: a census finds within half
an hour what nobody announces.
"""
PASSING = frozenset({"budget", "cooldown", "given-up"})
"""Refusals that end by themselves."""
FIRST_LOOK = 0.2
"""Seconds between the two pulses that the first plan rests on."""


class Balancer:
    """Owns everything that a cycle touches. Its methods block, and are called from one thread."""

    def __init__(
        self,
        host: Host,
        policies: PolicySupervisor,
        settings: Settings,
        interval: float,
        dry_run: bool,
        journal: OriginalsFile | None = None,
        overrides: Iterable[Override] = (),
        places: Folders | None = None,
    ) -> None:
        self.host = host
        self.policies = policies
        self.settings = settings
        self.dry_run = dry_run
        self.journal = journal
        self.overrides = tuple(overrides)
        self.expired: list[Override] = []
        """Overrides that ended by themselves, until somebody takes note."""
        self.paused = False
        self.watch = HostTracker(host, interval)
        self.ledger = Ledger()
        self.snapshot = Snapshot()
        """What the last plan was made of …"""
        self.shown = Snapshot()
        """… and the same after the plan was carried out."""
        self.fresh = False
        """Whether `shown` is of the last cycle."""
        self._cycles = 0
        self._places = places
        self._remembered = self.ledger
        self._standing: tuple[Record, tuple[Override, ...]] | None = None
        self._planned_at = 0.0
        self._costs_kept = time.monotonic()

    def reconfigure(
        self, policies: PolicySupervisor, settings: Settings, interval: float, dry_run: bool
    ) -> None:
        """Go on with other policies; what was learnt of the host stays. IRQs that were given up or
        respected get a new chance.
        """
        self.policies.close()
        self.policies, self.settings, self.dry_run = policies, settings, dry_run
        self.watch.interval = interval
        fresh = {
            key: msgspec.structs.replace(
                entry, drift=(), given_up_until=0.0, bad_sets=(), barred=CpuSet()
            )
            for key, entry in self.ledger.entries.items()
        }
        self.ledger = Ledger(fresh)
        self._standing = None

    def first_look(self) -> float:
        """The first of the two pulses that the first plan rests on. Returns when the second is due,
        by time.monotonic(). Raises HostError.
        """
        self.watch.look(self.ledger)
        self.recall()
        return time.monotonic() + FIRST_LOOK

    def recall(self) -> None:
        """Take over what an irqbal before this one remembered of masks that are still as it set
        them.
        """
        if self._places is not None:
            self.watch.meter.start_from(load_costs(self._places.state))
            self.ledger = self._remembered = load_ledger(
                self._places.run, self.host.boot_id, self.watch.masks()
            )

    def _remember(self) -> None:
        """Keep the ledger for the next irqbal, and for commands that ask why. Losing it costs a few
        moves, no more.
        """
        if self._places is None or self.dry_run or self.ledger is self._remembered:
            return
        self._remembered = self.ledger
        try:
            inodes = {identity: inode for identity, (_, inode) in self.watch.masks().items()}
            save_ledger(self._places.run, self.host.boot_id, self.ledger, inodes)
        except StateFileError as error:
            log.warning("%s", error)

    def cycle(self, cause: str, full: bool = False, only: str = "") -> Record:
        """Run one cycle. Raises HostError if the host cannot be read; everything else is in the
        record.

        `only`: while paused, the IRQ of this identity is placed all the same: a person just said
        so.
        """
        started = time.monotonic()
        wall = time.time()
        self._cycles += 1
        self._expire(wall)
        quiet = self.watch.sample(full)
        if quiet and self._can_reuse_plan(cause):
            return self._rest(started, wall, cause)
        snapshot = self.snapshot = self.watch.snapshot(self.ledger, self.overrides)
        self.watch.meter.rest()
        plan, problem = self._plan(snapshot, only)
        outcomes: tuple[Outcome, ...] = ()
        if plan.moves or plan.steering or plan.default is not None:
            outcomes = self.host.apply(plan.moves, plan.steering, plan.default, self.dry_run)
            self.ledger = after(self.ledger, plan, outcomes, snapshot.now)
            self._watch_permission(outcomes)
            if not self.dry_run:
                self.watch.restart_interval(outcomes)
        self._forget_gone(snapshot)
        self._remember()
        over, busiest = imbalance(snapshot)
        self.shown = self.watch.snapshot(self.ledger, self.overrides) if outcomes else snapshot
        self.fresh = True
        record = Record(
            self._cycles,
            wall,
            time.monotonic() - started,
            cause,
            self.dry_run,
            plan,
            outcomes,
            over,
            busiest,
            self.watch.skipped_rows,
            self.watch.took_census,
            problem,
        )
        self._take_rest(record)
        return record

    def _take_rest(self, record: Record) -> None:
        """Whether the next cycle may rest on this plan: it moved nothing, and nothing in it waits
        for time to pass.
        """
        plan = record.plan
        self.watch.meter.found(bool(plan.moves or plan.steering))
        waits = any(item.code in PASSING for item in plan.refused) or any(
            entry.drift for entry in self.ledger.entries.values()
        )
        done = not (
            plan.moves
            or plan.steering
            or plan.default
            or plan.drifted
            or plan.failures
            or record.problem
            or waits
        )
        self._standing = (record, self.overrides) if done else None
        if time.monotonic() - self._costs_kept > KEEP_COSTS:
            self._costs_kept = time.monotonic()
            self.keep_costs()
        self._planned_at = time.monotonic()

    def _can_reuse_plan(self, cause: str) -> bool:
        """Whether a plan would be the last one again: nothing was asked for, and nothing has
        changed since.
        """
        standing = self._standing
        if (
            standing is None
            or cause != "tick"
            or standing[1] is not self.overrides
            or standing[0].dry_run != self.dry_run
        ):
            return False
        return not self.paused and time.monotonic() - self._planned_at < REST

    def _rest(self, started: float, wall: float, cause: str) -> Record:
        """The last plan stands."""
        assert self._standing is not None
        last, _ = self._standing
        record = msgspec.structs.replace(
            last,
            cycle=self._cycles,
            wall=wall,
            seconds=time.monotonic() - started,
            cause=cause,
            census=self.watch.took_census,
        )
        self._standing = (record, self.overrides)
        self.fresh = False
        return record

    def refresh(self) -> None:
        """Make `shown` of what is known now, after cycles that rested."""
        self.shown = self.watch.snapshot(self.ledger, self.overrides)
        self.fresh = True

    def keep_costs(self) -> None:
        """What was learnt of costs, for the next start; losing it costs a few moves."""
        if self._places is None or self.dry_run:
            return
        try:
            save_costs(self._places.state, self.watch.meter.learnt())
        except StateFileError as error:
            log.warning("%s", error)

    def _plan(self, snapshot: Snapshot, only: str = "") -> tuple[Plan, str]:
        if self.paused and not only:
            return Plan(), "paused"
        settings = self.settings
        number = (
            next((irq.number for irq in snapshot.irqs if irq.identity == only), None)
            if only
            else None
        )
        if number is not None:
            settings = msgspec.structs.replace(settings, explain=(*settings.explain, number))
        try:
            answer, failures = self.policies.plan(snapshot, self.ledger, settings)
        except PolicyHostError as error:
            log.error("%s; nothing is moved in this cycle", error)
            return Plan(failures=(Failure("policyhost", "unavailable", str(error)),)), str(error)
        self.ledger = answer.ledger
        self.watch.set_queues(answer.plan.queues)
        plan = msgspec.structs.replace(answer.plan, failures=failures)
        if self.paused:
            moves = tuple(move for move in plan.moves if move.identity == only)
            plan = msgspec.structs.replace(plan, moves=moves, steering=(), default=None)
        return check_plan(plan, snapshot, self.settings), ""

    def _watch_permission(self, outcomes: tuple[Outcome, ...]) -> None:
        """Masks that may not be written at all will not be tomorrow either: observe, and say so,
        until the next reload.
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

    def _expire(self, wall: float) -> None:
        """Overrides end by themselves; the file follows as soon as it can."""
        gone = [
            item for item in self.overrides if item.expires is not None and item.expires <= wall
        ]
        if not gone:
            return
        self.expired += gone
        self.overrides = tuple(item for item in self.overrides if item not in gone)
        try:
            self._save_overrides(self.overrides)
        except StateFileError as error:
            # What expired is not taken up again at the next start either: its time is in the file.
            log.warning("%s", error)

    def _save_overrides(self, overrides: Iterable[Override]) -> None:
        if self._places is not None and not self.dry_run:
            save_overrides(self._places.state, overrides)

    def override(self, wanted: Override) -> Record:
        """Put one IRQ where a person wants it, in place of an earlier override of it: saved first,
        then written, in one cycle.

        What the kernel refuses for good is not kept. Raises StateFileError (nothing was changed
        then) or HostError.
        """
        before = self.overrides
        others = tuple(item for item in before if item.identity != wanted.identity)
        self._save_overrides((*others, wanted))
        self.overrides = (*others, wanted)
        try:
            record = self.cycle("override", only=wanted.identity)
        except BaseException:
            self._take_back(before)
            raise
        if self.refusal(record, wanted.identity) is not None:
            self._take_back(before)
        return record

    def refusal(self, record: Record, identity: str) -> Outcome | None:
        """Why the override of this IRQ was not carried out in this cycle, if it was not."""
        outcome = next((item for item in record.outcomes if item.identity == identity), None)
        if outcome is not None:
            return outcome if outcome.result in ("refused", "unsaved", "gone") else None
        irq = next((irq for irq in self.shown.irqs if irq.identity == identity), None)
        if irq is None:
            return Outcome(identity, "gone", None, "gone", "there is no such IRQ any more")
        for item in record.plan.refused:
            if item.irq == irq.number and item.policy == "override" and item.code != "warning":
                return Outcome(
                    identity,
                    "refused",
                    irq.number,
                    item.code,
                    f"{item.reason}; {item.advice}".rstrip("; "),
                )
        if record.problem:
            return Outcome(identity, "unsaved", irq.number, "unavailable", record.problem)
        return None

    def _take_back(self, before: tuple[Override, ...]) -> None:
        self.overrides = before
        self._save_overrides(before)

    def clear(self, identity: str) -> Record:
        """Take an override away; the policies place the IRQ at once. Raises StateFileError or
        HostError.
        """
        left = tuple(item for item in self.overrides if item.identity != identity)
        self._save_overrides(left)
        self.overrides = left
        entry = self.ledger.entries.get(identity)
        if entry is not None:
            # The policies need not wait until their own last move has cooled down: it was not
            # theirs.
            self.ledger = Ledger(
                {**self.ledger.entries, identity: msgspec.structs.replace(entry, moved=0.0)}
            )
        return self.cycle("override cleared")

    def preview(self) -> tuple[Record, Snapshot]:
        """What a cycle would do now, with every IRQ explained; nothing is written, no interval
        ends. Raises HostError, PolicyHostError.
        """
        snapshot = self.watch.snapshot(self.ledger, self.overrides, sweep=True)
        settings = msgspec.structs.replace(self.settings, explain_all=True)
        answer, failures = self.policies.plan(snapshot, self.ledger, settings)
        plan = check_plan(
            msgspec.structs.replace(answer.plan, failures=failures), snapshot, self.settings
        )
        return self.unwritten(plan, snapshot), snapshot

    def unwritten(self, plan: Plan, snapshot: Snapshot) -> Record:
        """The record of a plan that nobody carries out."""
        over, busiest = imbalance(snapshot)
        return Record(self._cycles, time.time(), 0.0, "dry run", True, plan, (), over, busiest)

    def restore(self) -> tuple[Outcome, ...]:
        """Put every original back and pause. Raises IrqbalError."""
        if self.journal is None:
            raise IrqbalError(
                "this is a dry run: nothing was written, so nothing is to be restored"
            )
        self.paused = True
        outcomes = restore(self.host, self.journal)
        self.ledger = Ledger()
        self._remember()
        return outcomes

    def _forget_gone(self, snapshot: Snapshot) -> None:
        if self.watch.took_census:
            alive = {irq.identity for irq in snapshot.irqs}
            alive |= {
                key
                for key in self.ledger.entries
                if ":" in key and key.split(":")[0] in ("xps", "rps", "flows")
            }
            self.ledger = self.ledger.only(alive)


def restore(host: Host, journal: OriginalsFile) -> tuple[Outcome, ...]:
    """Put every original of this boot back where its IRQ still exists; what was restored, or is
    gone, is forgotten.

    Raises HostError or StateFileError.
    """
    watch = HostTracker(host, 10.0)
    watch.look(Ledger())
    numbers = watch.facts()
    due: list[tuple[Original, int | None]] = []
    outcomes: list[Outcome] = []
    for identity, original in journal.originals().items():
        if original.number is None:
            due.append((original, None))
        elif identity in numbers:
            due.append((original, numbers[identity]))
        else:
            outcomes.append(
                Outcome(identity, "gone", original.number, "gone", "there is no such IRQ any more")
            )
    # The default last: nothing that is restored before depends on it.
    due.sort(key=lambda item: item[0].identity == DEFAULT)
    outcomes += host.restore(due)
    left = [
        outcome.identity
        for outcome in outcomes
        if outcome.result in ("refused", "transient", "unsaved")
    ]
    journal.keep_only(left)
    return tuple(outcomes)
