"""The load of each IRQ: two readings -> smoothed rates and loads. Pure.

Load is time, not interrupts. A CPU's seconds in hard interrupts are attributed to IRQs by their
interrupts. Its seconds in softirqs are attributed by packets if the queue counts them, else by
interrupts. The cost of an interrupt or packet is learned over time (`cost_model`) or measured by
the kernel (`measured_costs`). Interrupt threads add their CPU time (`thread_load`). As long as the
kernel shows no time in interrupts, every interrupt is taken to cost the same.

Most intervals only confirm the last one, so adding an interval costs a few passes over lists. Costs
are fitted when a caller requests loads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import repeat

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.load.attribution import NOWHERE, Attribution, Places
from irqbal.load.cost_model import JIFFY, CostModel
from irqbal.load.cpu_load import CpuLoad
from irqbal.load.irq_rates import IntervalCounts, IrqRates
from irqbal.load.measured_costs import SAME, MeasuredIrq, costs_of
from irqbal.load.replan_trigger import ReplanTrigger
from irqbal.load.thread_load import ThreadLoad
from irqbal.model.readings import Measured, Pulse

NOMINAL_COST = 5e-6
"""Seconds that an interrupt is taken to cost until CPU time shows its cost: a usual value."""
SHORTEST = 1e-3
"""Least seconds of an interval. Two readings that are closer together show the time that reading
took, not a rate.
"""
VISIBLE = 5 * JIFFY
"""Seconds in interrupts, over the last minutes, from which time counts as visible: fewer jiffies
may be chance.
"""
TIME_MEMORY = 0.99
"""Weight of the visible time after one interval."""
MOST_TIME = 10.0
"""Seconds of visible time that are remembered, at most: so it decays within a few hours."""


class LearnedCosts(msgspec.Struct, frozen=True):
    """Costs to store for the next start: `hard` and `soft` are seconds a unit by group, `factors`
    each IRQ's (hard, soft) factors to its group's costs, by identity.
    """

    hard: dict[str, float] = {}
    soft: dict[str, float] = {}
    factors: dict[str, tuple[float, float]] = {}


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """Two pulses, and what is known of the IRQs between them.

    `start` are the effective affinities when the interval began; IRQs absent from `after.effective`
    did not move. `keys` are each IRQ's (identity and generation, cost group). `packets_before` and
    `packets_after` are packet totals of each IRQ's queues at the start and the end. All are by IRQ
    number. `apart` are per-CPU IRQs: they fire on every CPU at once, as a local timer does, so no
    CPU's time is attributed to them, and they spoil none.
    """

    before: Pulse
    after: Pulse
    start: Mapping[int, CpuSet]
    keys: Mapping[int, tuple[str, str]]
    packets_before: Mapping[int, int] = {}
    packets_after: Mapping[int, int] = {}
    apart: Set[int] = frozenset()


class IrqPlace(msgspec.Struct, frozen=True):
    """An IRQ that a measurement covers: the number of its handlers (`actions`), the CPU to which it
    is delivered, and the kind of its softirqs (a key of `measured_costs.SOFTIRQS`).
    """

    number: int
    actions: int
    cpu: int
    kind: str


class LoadEstimator:
    """Rates, costs and loads of all IRQs, carried from one interval to the next."""

    def __init__(self) -> None:
        self._hard, self._soft = CostModel(NOMINAL_COST), CostModel(NOMINAL_COST)
        self._rates = IrqRates()
        self._attribution = Attribution()
        self._trigger = ReplanTrigger()
        self._threads, self._cpus = ThreadLoad(), CpuLoad()
        self._keys: Mapping[int, tuple[str, str]] = {}
        self._stored_factors: dict[str, tuple[float, float]] = {}
        self._visible = 0.0
        self._is_measured = self._is_calm = False
        self._is_fitted = True
        self._loads: list[tuple[float, float]] | None = None
        self.cpu_times: dict[int, tuple[float, float]] = {}
        """(irq, softirq) seconds a second of each CPU in the last interval."""

    @property
    def time_visible(self) -> bool:
        """Whether CPU time in interrupts was observed beyond chance, or measured by the kernel."""
        return self._is_measured or self._visible >= VISIBLE

    def rate(self, number: int) -> float:
        """Interrupts a second, smoothed."""
        return self._rates.rate(number)

    def cpu_load(self, cpu: int) -> tuple[float, float]:
        """(irq, softirq) seconds a second of this CPU, smoothed as the rates are."""
        return self._cpus.of(cpu)

    def thread_load(self, cpu: int) -> float:
        """Time of threaded NAPI on this CPU in seconds a second, smoothed."""
        return self._threads.of_cpu.get(cpu, 0.0)

    def load(self, number: int) -> tuple[float, float]:
        """(seconds of CPU a second, its standard error)."""
        at = self._rates.index(number)
        return (0.0, 0.0) if at is None else self._all_loads()[at]

    def _all_loads(self) -> list[tuple[float, float]]:
        """The same of all IRQs, in the order of the rates; made once for the present readings."""
        self._fit()
        if self._loads is None:
            rates, threads = self._rates, self._threads.of_irq
            self._loads = [
                (hard * mean + soft * work + threads.get(number, 0.0), hard * noise + soft * rest)
                for number, (hard, soft), mean, noise, (work, rest) in zip(
                    rates.numbers,
                    self._costs(),
                    rates.interrupts.mean,
                    rates.interrupts.noises(),
                    rates.works(),
                    strict=True,
                )
            ]
        return self._loads

    def _costs(self) -> Iterator[tuple[float, float]]:
        """(seconds an interrupt, seconds a unit of work) of all IRQs, in the order of the rates."""
        if not self.time_visible:
            return repeat((NOMINAL_COST, 0.0), len(self._rates.numbers))
        numbers = self._rates.numbers
        return zip(map(self._hard.cost, numbers), map(self._soft.cost, numbers), strict=True)

    def times_per_interrupt(self) -> dict[int, float]:
        """Seconds of CPU that an interrupt and the work it causes take, by IRQ number, by the last
        fit. Empty if no time was observed; an IRQ without interrupts is left out.
        """
        rates, threads = self._rates, self._threads.of_irq
        if not self.time_visible:
            return {}
        return {
            number: hard + (soft * work + threads.get(number, 0.0)) / rate
            for number, (hard, soft), rate, work in zip(
                rates.numbers,
                self._costs(),
                rates.interrupts.mean,
                rates.work_means(),
                strict=True,
            )
            if rate > 0
        }

    # Costs that were stored or measured

    def learned_costs(self) -> LearnedCosts:
        """The costs to store for the next start."""
        hard, soft = self._hard.learned(), self._soft.learned()
        factors = {
            _identity(self._keys[number][0]): (
                hard.factors.get(number, 1.0),
                soft.factors.get(number, 1.0),
            )
            for number in hard.factors.keys() | soft.factors.keys()
            if number in self._keys
        }
        return LearnedCosts(hard.groups, soft.groups, {**self._stored_factors, **factors})

    def start_costs(self, learned: LearnedCosts) -> None:
        """Begin with the costs that an earlier process stored."""
        self._hard.start_from(learned.hard)
        self._soft.start_from(learned.soft)
        self._stored_factors = dict(learned.factors)
        self._loads = None

    def set_measured(self, window: Measured, places: Iterable[IrqPlace]) -> int:
        """Take over what the kernel measured of these IRQs. Returns the number of IRQs whose cost
        was measured in this window.
        """
        irqs = []
        for place in places:
            number = place.number
            at = self._rates.index(number)
            if at is None:
                continue
            rate = self._rates.interrupts.mean[at]
            work = self._rates.work(number).mean[at]
            counts_packets = self._rates.counts_packets(number)
            units = 1.0 if not counts_packets else work / rate if rate > 0 else 0.0
            irqs.append(
                MeasuredIrq(
                    number, place.actions, place.cpu, place.kind, units, self._soft.cost(number)
                )
            )
        costs = costs_of(window, irqs)
        if self._hard.set_measured(costs.hard, SAME) | self._soft.set_measured(costs.soft, SAME):
            self._trigger.forget_plan()
        self._loads = None
        self._is_measured = self._is_measured or bool(costs.hard)
        return len(costs.hard)

    def clear_measured(self) -> None:
        """Continue to learn costs, starting from the measured ones: measuring was switched off."""
        self._hard.clear_measured()
        self._soft.clear_measured()
        self._is_measured, self._loads = False, None

    # One interval

    def update(self, interval: Interval) -> None:
        """Add one interval.

        No time is attributed in an interval with a hotplug, or on the CPUs of an IRQ that moved or
        has several effective CPUs.
        """
        before, after = interval.before, interval.after
        seconds = after.time - before.time
        if seconds < SHORTEST:
            return
        self._loads = None
        if interval.keys is not self._keys:
            self._restart(interval.keys)
        self._begin_packets(interval.packets_after)
        counts = self._rates.count(
            before.totals, after.totals, (interval.packets_before, interval.packets_after), seconds
        )
        self._is_calm = self._rates.update(counts, seconds)
        self._update_cpu_times(before, after, seconds)
        self._threads.update(before.threads, after.threads, seconds)
        if before.online != after.online:
            self._fit()
            self._is_calm = False
            return
        self._attribute(counts, interval, seconds)
        if not self._is_calm:
            self._fit()

    def _restart(self, keys: Mapping[int, tuple[str, str]]) -> None:
        """Continue with these IRQs. Nothing learned holds for those that are new or have a new
        generation.
        """
        self._fit()
        same = {number for number, key in keys.items() if self._keys.get(number) == key}
        for number in {*self._keys, *keys} - same:
            self._hard.forget(number)
            self._soft.forget(number)
        self._rates.restart(keys, same)
        for number in keys.keys() - same:
            key, group = keys[number]
            hard, soft = self._stored_factors.get(_identity(key), (1.0, 1.0))
            self._hard.add(number, group, hard)
            self._soft.add(number, group, soft)
        self._keys = keys
        self._attribution = Attribution()

    def _begin_packets(self, packets: Mapping[int, int]) -> None:
        """Move IRQs whose packets are counted from now on to another cost group: their unit is the
        packet, no longer the interrupt.
        """
        for number in self._rates.begin_packets(packets):
            key, group = self._keys[number]
            self._soft.forget(number)
            factor = self._stored_factors.get(_identity(key), (1.0, 1.0))[1]
            self._soft.add(number, f"{group} packets", factor)

    def _update_cpu_times(self, before: Pulse, after: Pulse, seconds: float) -> None:
        old = before.cpu_times
        self.cpu_times = {
            cpu: (
                hard / seconds if (hard := time.irq - then.irq) > 0 else 0.0,
                soft / seconds if (soft := time.softirq - then.softirq) > 0 else 0.0,
            )
            for cpu, time in after.cpu_times.items()
            if (then := old.get(cpu)) is not None
        }
        self._cpus.update(self.cpu_times)
        total = self._trigger.update(self.cpu_times, seconds)
        self._visible = min(MOST_TIME, TIME_MEMORY * self._visible + total * seconds)

    def _attribute(self, counts: IntervalCounts, interval: Interval, seconds: float) -> None:
        """Add the interval to the sums that the next fit uses."""
        if self._trigger.is_another_load(self._rates.interrupts.mean):
            # Costs may have changed: one observation must not mix the old with the new.
            self._flush()
        attribution = self._attribution
        places = self._places(counts, interval)
        if attribution.holds(places.left):
            self._is_calm = False
        if attribution.spoils(places.unclean):
            # The sums up to this interval are still attributable, to the places of then.
            self._flush()
            places = self._places(counts, interval)
        self._attribution.add(counts, places, self.cpu_times, seconds, self._rates.numbers)
        if places.unclean:
            self.moved(places.unclean)
            self._flush()

    def _places(self, counts: IntervalCounts, interval: Interval) -> Places:
        after = interval.after
        return self._attribution.compare(
            self._rates, counts, after.totals, interval.start, after.effective, interval.apart
        )

    def _flush(self) -> None:
        """Pass the sums to the cost models, and begin new ones."""
        attribution = self._attribution
        if not attribution.intervals:
            return
        for cpu, hard, soft in attribution.observations(self._rates):
            self._hard.observe(cpu, hard)
            self._soft.observe(cpu, soft)
        self._hard.elapse(attribution.intervals)
        self._soft.elapse(attribution.intervals)
        self._attribution = Attribution()
        self._trigger.observation_started()
        self._is_fitted = False

    def _fit(self) -> None:
        """Fit the costs to the sums, unless that was done, if time is visible."""
        self._flush()
        if self._is_fitted:
            return
        self._is_fitted, self._loads = True, None
        if self._visible >= VISIBLE:
            self._hard.fit()
            self._soft.fit()

    # Plans

    def moved(self, cpus: Iterable[int]) -> None:
        """Record that IRQs moved to or from these CPUs."""
        cpus = list(cpus)
        self._cpus.forget(cpus)
        self._trigger.moved(cpus)

    def plan_started(self) -> None:
        """Remember the present rates and costs: `replan_reason` compares with them."""
        rates = self._rates.interrupts.mean
        # Seconds an interrupt as this plan assumes them: later changes of rates are weighed by
        # them.
        costs = [
            load / rate if rate > 0 else NOMINAL_COST
            for (load, _), rate in zip(self._all_loads(), rates, strict=True)
        ]
        self._trigger.plan_started(rates, costs)

    def plan_finished(self, moved: bool, places: Mapping[int, CpuSet]) -> None:
        """`moved`: the plan has moves. After one without, more must change before the next.
        `places` are the effective affinities before it, by IRQ number.
        """
        rates = self._rates.interrupts.mean
        self._trigger.plan_finished(moved, self._trigger.busiest(rates, self._in_order(places)))

    def replan_reason(self, places: Mapping[int, CpuSet]) -> str:
        """Why the change of load is worth another plan; empty if it is not. `places` are the
        effective affinities now, by IRQ number.
        """
        if not self._is_calm:
            return "an IRQ's rate is not known yet, or its effective affinity changed"
        return self._trigger.reason(self._rates.interrupts.mean, self._in_order(places))

    def _in_order(self, places: Mapping[int, CpuSet]) -> Iterator[CpuSet]:
        """The effective affinity of each IRQ in the order of the rates."""
        return map(places.get, self._rates.numbers, repeat(NOWHERE))


def _identity(key: str) -> str:
    """The IRQ's identity, without its generation."""
    return key.rpartition("#")[0] or key
