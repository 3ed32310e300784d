"""Follows one host over time: from pulses and censuses to one frozen snapshot a cycle.

The tracker holds what a single reading cannot show: generations, hotplugs, rates, and where each
IRQ was delivered at the start of the interval. The file is long because one class joins all parts
of this package; each part is a module of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from operator import lt

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.errors import HostError
from irqbal.load.estimator import Interval, IrqPlace, LearnedCosts, LoadEstimator
from irqbal.load.irq_rates import was_reset
from irqbal.model.host import Host
from irqbal.model.plan import Outcome, steering_of
from irqbal.model.queues import Queue
from irqbal.model.readings import DEFAULT, Census, Counts, Measured, Pulse, Topology
from irqbal.model.view import Interface, Override, Snapshot
from irqbal.planner.ledger import Ledger
from irqbal.tracking.census_schedule import CensusSchedule
from irqbal.tracking.cpu_counts import CpuCounts
from irqbal.tracking.delivery import Delivery
from irqbal.tracking.irq_catalog import IrqCatalog
from irqbal.tracking.mask_scan import MaskScan
from irqbal.tracking.snapshot import CycleState, Readings, SnapshotBuilder
from irqbal.tracking.squeezes import SqueezeRates

SETTLING_CYCLES = 3
"""Cycles after a start or a hotplug in which moves need not wait."""
LEARNING_CYCLES = (1, 2, 3, 6, 12)
"""Cycles after a start or a hotplug in which a plan is made: each rests on about twice as much as
the last one knew of costs and rates.
"""
HOTPLUG_INTERVALS = 1.5
"""Intervals for which a hotplug may explain that the kernel reset masks: the cycle of the hotplug
and the next.
"""


_SET_UP_AGAIN = "IRQs were set up again"
"""Change in words: drivers freed IRQs and requested them again."""


class SampleResult(msgspec.Struct, frozen=True):
    """What one cycle's readings showed. `changes` says in words why the last plan may be out of
    date; it is empty if nothing changed. `census`: everything was read. `skipped_rows` are rows of
    `/proc/interrupts` that could not be parsed.
    """

    changes: str
    census: bool
    skipped_rows: int


class HostTracker:
    """Holds the last readings of one host, and makes snapshots of them. Its methods block; only one
    thread may call them.
    """

    def __init__(self, host: Host, interval: float) -> None:
        self._host = host
        self.interval = interval
        """Seconds between two cycles."""
        self._readings: Readings | None = None
        self._estimator = LoadEstimator()
        self._catalog = IrqCatalog()
        self._delivery = Delivery()
        self._squeezes = SqueezeRates()
        self._scan = MaskScan()
        self._schedule = CensusSchedule()
        self._counts = CpuCounts(host)
        self._cycle = 0
        # The first reading only begins the first interval; no plan rests on it.
        self._settles_from = 1
        self._hotplug_at = -math.inf
        self._found_between_cycles = False

    def look(
        self, ledger: Ledger, overrides: Iterable[Override] = (), full: bool = False
    ) -> Snapshot:
        """Read the host, and make a snapshot of it. `full` requests a census. Raises HostError."""
        self.sample(full)
        return self.snapshot(ledger, overrides)

    # Readings

    def sample(self, full: bool = False) -> SampleResult:
        """Read the pulse and a part of the masks, and everything if a census is due or `full`
        requests one. Raises HostError.
        """
        self._cycle += 1
        last = self._readings
        if last is None:
            return self._first_sample()
        part = self._scan.next_part(self.interval)
        before, pulse = last.pulse, self._host.pulse(part)
        renewed = self._reset_irqs(before, pulse)
        signs = self._signs(full, before, pulse, renewed)
        found = list(signs)
        if self._found_between_cycles:
            self._found_between_cycles = False
            found.append("masks changed")
        census = bool(signs) or self._schedule.is_due(pulse.time, len(self._scan.numbers))
        if census:
            # A periodic census without changes does not force a plan.
            found += self._take_census(renewed | pulse.stale)
        else:
            masks = self._scan_masks(part)
            found += masks
            if _SET_UP_AGAIN in masks:
                census = True
                found += self._take_census(set())
        self._end_interval(before, pulse)
        if pulse.time - self._hotplug_at <= self.interval * HOTPLUG_INTERVALS and not found:
            found.append("a CPU went online or offline less than two intervals ago")
        if self.is_learning and not found:
            found.append("costs are being learnt after a start or a hotplug")
        changes = "; ".join(found) or self._estimator.replan_reason(self._delivery.at_start)
        return SampleResult(changes, census, self._current.census.skipped_rows)

    def _first_sample(self) -> SampleResult:
        pulse = self._host.pulse(None)
        self._schedule.changes(pulse.time, self._host.population(), self._host.isolation)
        census, topology = self._host.census(), self._host.topology()
        # Read the pulse again: the totals of the first one are empty, since the IRQs became known
        # only with the census.
        pulse = self._host.pulse()
        self._readings = Readings(census, topology, pulse)
        self._accept_census(census, topology, set(pulse.stale))
        self._start_interval(pulse)
        return SampleResult("first reading", True, census.skipped_rows)

    def _signs(self, full: bool, before: Pulse, pulse: Pulse, renewed: set[int]) -> list[str]:
        """Why a census is due, in words; empty if at most the periodic one is."""
        signs = ["a census was requested"] if full else []
        if before.online != pulse.online:
            self._hotplug_at = pulse.time
            self._settles_from = self._cycle - 1
            signs.append(f"online CPUs changed from {before.online} to {pulse.online}")
        if renewed or pulse.stale:
            numbers = ", ".join(map(str, sorted(renewed | pulse.stale)[:8]))
            signs.append(f"{_SET_UP_AGAIN}: {numbers}")
        signs += self._schedule.changes(pulse.time, self._host.population(), self._host.isolation)
        return signs

    def _reset_irqs(self, before: Pulse, pulse: Pulse) -> set[int]:
        """Numbers of IRQs whose total fell: their drivers set them up again."""
        old, totals = before.totals, pulse.totals
        if list(totals) == list(old) and not any(map(lt, totals.values(), old.values())):
            return set()
        seconds = pulse.time - before.time
        return {
            number
            for number, total in old.items()
            if totals.get(number, total) < total and was_reset(total, totals[number], seconds)
        }

    def _take_census(self, renewed: set[int]) -> list[str]:
        """Read everything. Returns what changed since the last readings, in words."""
        last = self._current
        census, topology = self._host.census(), self._host.topology()
        found = []
        if topology != last.topology:
            found.append("the topology changed")
        if _without_times(census) != _without_times(last.census):
            found.append("masks or IRQs changed")
        self._readings = Readings(census, topology, last.pulse)
        if self._accept_census(census, topology, renewed):
            found.append("IRQs appeared, disappeared or were set up again")
        return found

    def _accept_census(self, census: Census, topology: Topology, renewed: set[int]) -> bool:
        """Update identities and generations with this census. Returns whether any IRQ appeared,
        disappeared or has a new generation.
        """
        known = bool(self._catalog.identities)
        changes = self._catalog.update(census, topology, renewed, self._current.pulse.online)
        if known and changes.any:
            self._settles_from = self._cycle - 1
        self._scan.restart(census)
        self._counts.unsure(self._delivery.restart(census.irqs, changes.renewed))
        self._schedule.taken(census.time)
        return changes.any

    def _scan_masks(self, part: list[int] | None) -> list[str]:
        """Look for masks that other programs changed. Returns what was found, in words."""
        numbers = self._scan.numbers if part is None else part
        changes = self._scan.compare(numbers, self._host.masks(numbers))
        if changes.renewed:
            return [_SET_UP_AGAIN]
        self._set_masks(changes.masks)
        return ["masks changed"] if changes.masks else []

    def _end_interval(self, before: Pulse, pulse: Pulse) -> None:
        """End the interval between these pulses: update rates and loads with it."""
        self._estimator.update(
            Interval(
                before=before,
                after=pulse,
                start=self._delivery.at_start,
                keys=self._catalog.keys,
                apart=self._catalog.per_cpu,
                packets_before=self._catalog.packets(before),
                packets_after=self._catalog.packets(pulse),
            )
        )
        self._squeezes.update(before, pulse)
        self._start_interval(pulse)

    def _start_interval(self, pulse: Pulse) -> None:
        self._readings = msgspec.structs.replace(self._current, pulse=pulse)
        self._counts.unsure(self._delivery.start_interval(pulse.effective))

    # Snapshots

    def snapshot(
        self, ledger: Ledger, overrides: Iterable[Override], sweep: bool = False
    ) -> Snapshot:
        """A snapshot of the last readings; no interval ends. `sweep`: read every mask first. Raises
        HostError.
        """
        if sweep:
            masks = self._scan.changed(self._host.masks(self._scan.numbers))
            self._set_masks(masks)
            # To the next cycle these masks are not new, but the last plan did not know them.
            self._found_between_cycles |= bool(masks)
        readings = self._current
        since_hotplug = readings.pulse.time - self._hotplug_at
        drifting = any(entry.drift for entry in ledger.entries.values())
        state = CycleState(
            cycle=self._cycle,
            interval=self.interval,
            settling=self._cycle - self._settles_from <= SETTLING_CYCLES,
            hotplug=since_hotplug <= self.interval * HOTPLUG_INTERVALS,
            writers=self._host.writers() if drifting else (),
        )
        builder = SnapshotBuilder(self._catalog, self._delivery, self._estimator, self._squeezes)
        return builder.build(readings, state, ledger, tuple(overrides))

    def counts(self) -> Counts:
        """Every counter, by CPU, as of the last pulse or later. Raises HostError."""
        readings = self._current
        possible = readings.topology.possible
        self._counts.unsure(self._catalog.per_cpu)
        return self._counts.read(readings.pulse, possible, self._delivery.at_start)

    @property
    def is_learning(self) -> bool:
        """Whether a plan is due in this cycle because more is known of costs and rates."""
        return self._cycle - self._settles_from in LEARNING_CYCLES

    @property
    def now(self) -> float:
        """The time of the last reading, in seconds of the host's monotonic clock."""
        return self._current.pulse.time

    @property
    def totals(self) -> dict[int, int]:
        """Interrupts since each IRQ was set up, modulo 2**32, by number, as of the last pulse."""
        return {} if self._readings is None else self._readings.pulse.totals

    def numbers(self) -> dict[str, int]:
        """The present number of every IRQ, by identity."""
        return self._catalog.identities.numbers()

    def masks(self) -> dict[str, tuple[CpuSet, int]]:
        """The mask of every IRQ as last read, and the inode of its folder in `/proc/irq`, by
        identity.
        """
        if self._readings is None:
            return {}
        identities = self._catalog.identities
        return {
            identities.identity(facts.number): (facts.affinity, facts.inode)
            for facts in self._readings.census.irqs
        }

    # Plans

    def plan_started(self) -> None:
        """Remember the present loads: `sample` reports later changes from them."""
        self._estimator.plan_started()

    def plan_finished(self, moved: bool) -> None:
        """`moved`: that plan has moves. After one without, more must change before the next."""
        self._estimator.plan_finished(moved, self._delivery.at_start)

    def times_per_interrupt(self) -> dict[int, float]:
        """Seconds of CPU that an interrupt and the work it causes take, by IRQ number. IRQs of
        which that is unknown are left out.
        """
        return self._estimator.times_per_interrupt()

    def set_queues(self, queues: dict[int, Queue]) -> None:
        """Add queues that policies identified, by IRQ number; the next snapshot shows them."""
        self._catalog.set_queues(queues)

    def restart_interval(self, outcomes: Iterable[Outcome]) -> None:
        """Take over the values read back, and begin the next interval after these writes: no IRQ
        then moves within it.
        """
        masks: dict[int, CpuSet] = {}
        steering: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            if outcome.result not in ("written", "differs", "unchanged"):
                continue
            if outcome.irq is not None:
                masks[outcome.irq] = CpuSet.parse(outcome.found)
            elif outcome.identity == DEFAULT:
                self._set_default(CpuSet.parse(outcome.found))
            else:
                _, interface, _ = steering_of(outcome.identity)
                steering.setdefault(interface, []).append(outcome)
        self._set_masks(masks)
        if steering:
            self._set_steering(steering)
        try:
            pulse = self._host.pulse(masks)
        except HostError:
            return
        self._scan.recheck(masks)
        for number, mask in masks.items():
            self._estimator.moved(self._delivery.moved(number, mask))
        self._counts.unsure(masks)
        self._start_interval(pulse)

    # Costs

    def start_costs(self, learned: LearnedCosts) -> None:
        """Begin with the costs that an earlier process stored."""
        self._estimator.start_costs(learned)

    def learned_costs(self) -> LearnedCosts:
        """The costs to store for the next start."""
        return self._estimator.learned_costs()

    def set_measured(self, window: Measured) -> int:
        """Take over costs that the kernel measured. Returns the number of IRQs whose cost was
        measured in this window.
        """
        places = []
        for facts in () if self._readings is None else self._readings.census.irqs:
            where = self._delivery.at_start.get(facts.number, CpuSet())
            if len(where) == 1:
                actions = facts.action.count(",") + 1
                kind = self._catalog.softirq_kind(facts.number)
                places.append(IrqPlace(facts.number, actions, where.first, kind))
        return self._estimator.set_measured(window, places)

    def clear_measured(self) -> None:
        """Stop using measured costs: measuring was switched off."""
        self._estimator.clear_measured()

    # What was read back

    @property
    def _current(self) -> Readings:
        """The last readings; call `sample` first."""
        assert self._readings is not None, "sample the host first"
        return self._readings

    def _set_masks(self, masks: dict[int, CpuSet]) -> None:
        if not masks:
            return
        census = self._current.census
        irqs = tuple(
            msgspec.structs.replace(facts, affinity=masks[facts.number])
            if facts.number in masks and masks[facts.number] != facts.affinity
            else facts
            for facts in census.irqs
        )
        self._set_census(msgspec.structs.replace(census, irqs=irqs))
        self._scan.set(masks)

    def _set_default(self, mask: CpuSet) -> None:
        self._set_census(msgspec.structs.replace(self._current.census, default_affinity=mask))

    def _set_census(self, census: Census) -> None:
        self._readings = msgspec.structs.replace(self._current, census=census)

    def _set_steering(self, outcomes: dict[str, list[Outcome]]) -> None:
        """Take over queues' settings as they were read back, by interface."""
        topology = self._current.topology
        interfaces = tuple(
            _with_settings(item, outcomes[item.name]) if item.name in outcomes else item
            for item in topology.interfaces
        )
        topology = msgspec.structs.replace(topology, interfaces=interfaces)
        self._readings = msgspec.structs.replace(self._current, topology=topology)


def _with_settings(interface: Interface, outcomes: Iterable[Outcome]) -> Interface:
    """The interface with the XPS, RPS and RFS values of these outcomes, which are all its own."""
    tx, rx = list(interface.tx), list(interface.rx)
    for outcome in outcomes:
        setting, _, queue = steering_of(outcome.identity)
        if setting == "xps" and queue < len(tx):
            tx[queue] = msgspec.structs.replace(tx[queue], xps=CpuSet.parse(outcome.found))
        elif setting == "rps" and queue < len(rx):
            rx[queue] = msgspec.structs.replace(rx[queue], rps=CpuSet.parse(outcome.found))
        elif setting == "flows" and queue < len(rx):
            rx[queue] = msgspec.structs.replace(rx[queue], flows=int(outcome.found))
    return msgspec.structs.replace(interface, tx=tuple(tx), rx=tuple(rx))


def _without_times(census: Census) -> tuple[object, ...]:
    """A census without its time, effective affinities and counts, which change by themselves and
    which pulses read.
    """
    nowhere = CpuSet()
    return (
        census.default_affinity,
        census.skipped_rows,
        *(msgspec.structs.replace(facts, effective=nowhere, counts={}) for facts in census.irqs),
    )
