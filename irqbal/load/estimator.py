"""What each IRQ costs: two readings -> smoothed rates and loads. Pure.

Load is time, not interrupts. A CPU's seconds in hard interrupts are shared out by interrupts, its
seconds in soft interrupts by packets where the queue counts them (else by interrupts), each at a
cost that is learned over time (`cost_model`) or was measured by the kernel (`measured_costs`).
Threads add theirs (`thread_load`). While no time is visible at all, every interrupt costs the same.

Most intervals only confirm the last: taking one in costs a few passes over lists. Costs are fitted
when somebody asks for loads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.load.attribution import Attribution, Places
from irqbal.load.cost_model import JIFFY, CostModel
from irqbal.load.irq_rates import IntervalCounts, IrqRates
from irqbal.load.measured_costs import SAME, MeasuredIrq, costs_of
from irqbal.load.replan_trigger import ReplanTrigger
from irqbal.load.thread_load import ThreadLoad
from irqbal.model.readings import Measured, Pulse

NOMINAL_COST = 5e-6
"""Seconds that an interrupt is taken to cost until time says otherwise."""
SHORTEST = 1e-3
"""Seconds that an interval lasts at least: readings so close to one another show the time that
reading took, not a rate.
"""
VISIBLE = 5 * JIFFY
"""Seconds in interrupts, over the last minutes, from which time counts as visible: fewer jiffies
may be chance.
"""
TIME_MEMORY = 0.99
"""What the time that is visible still weighs after one interval."""
MOST_TIME = 10.0
"""Seconds of visible time that are remembered at most: so it fades within a few hours."""


class LearnedCosts(msgspec.Struct, frozen=True):
    """Costs as they are stored over a restart: seconds a unit by group, and the factors (hard,
    soft) of IRQs to their group, by identity.
    """

    hard: dict[str, float] = {}
    soft: dict[str, float] = {}
    factors: dict[str, tuple[float, float]] = {}


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """Two readings and what is known of the IRQs between them.

    `start` is where each IRQ was delivered when the interval began; IRQs absent from
    `after.effective` did not move. `keys` gives each IRQ's (identity and generation, cost group);
    `packets_before` and `packets_after` what each IRQ's queues had counted at either end.
    """

    before: Pulse
    after: Pulse
    start: Mapping[int, CpuSet]
    keys: Mapping[int, tuple[str, str]]
    packets_before: Mapping[int, int] = {}
    packets_after: Mapping[int, int] = {}


class IrqPlace(msgspec.Struct, frozen=True):
    """An IRQ that a measurement covers: how many handlers share it, the one CPU that it is
    delivered to, and its softirqs' kind (a key of `measured_costs.SOFTIRQS`).
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
        self._threads = ThreadLoad()
        self._keys: Mapping[int, tuple[str, str]] = {}
        self._stored_factors: dict[str, tuple[float, float]] = {}
        self._visible = 0.0
        self._is_measured = self._is_calm = False
        self._is_fitted = True
        self.cpu_times: dict[int, tuple[float, float]] = {}
        """(irq, softirq) seconds a second of each CPU in the last interval."""

    @property
    def time_visible(self) -> bool:
        """Whether the kernel has shown more than chance time in interrupts, or measured it."""
        return self._is_measured or self._visible >= VISIBLE

    def rate(self, number: int) -> float:
        """Interrupts a second, smoothed."""
        return self._rates.rate(number)

    def thread_load(self, cpu: int) -> float:
        """Seconds a second that threaded NAPI runs on this CPU, smoothed."""
        return self._threads.of_cpu.get(cpu, 0.0)

    def load(self, number: int) -> tuple[float, float]:
        """(seconds of CPU a second, its standard error)."""
        rates = self._rates
        at = rates.index(number)
        if at is None:
            return 0.0, 0.0
        self._fit()
        thread = self._threads.of_irq.get(number, 0.0)
        interrupts = rates.interrupts
        if not self.time_visible:
            return (
                interrupts.mean[at] * NOMINAL_COST + thread,
                interrupts.noise(at) * NOMINAL_COST,
            )
        hard, soft = self._hard.cost(number), self._soft.cost(number)
        work = rates.work(number)
        return (
            interrupts.mean[at] * hard + work.mean[at] * soft + thread,
            interrupts.noise(at) * hard + work.noise(at) * soft,
        )

    # What is known of costs from elsewhere

    def learned_costs(self) -> LearnedCosts:
        """What is worth storing over a restart."""
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
        """Begin with what an earlier process stored."""
        self._hard.start_from(learned.hard)
        self._soft.start_from(learned.soft)
        self._stored_factors = dict(learned.factors)

    def set_measured(self, window: Measured, places: Iterable[IrqPlace]) -> int:
        """Take over what the kernel measured of these IRQs. Returns how many IRQs' costs are
        measured now.
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
        self._is_measured = self._is_measured or bool(costs.hard)
        return len(costs.hard)

    def clear_measured(self) -> None:
        """Measuring was switched off: go on learning from what was measured."""
        self._hard.clear_measured()
        self._soft.clear_measured()
        self._is_measured = False

    # One interval

    def update(self, interval: Interval) -> None:
        """Take one interval in.

        An interval with a hotplug, and an IRQ that moved or has several effective CPUs, attribute
        nothing.
        """
        before, after = interval.before, interval.after
        seconds = after.time - before.time
        if seconds < SHORTEST:
            return
        if interval.keys is not self._keys:
            self._restart(interval.keys)
        self._begin_packets(interval.packets_after)
        counts = self._rates.count(
            before.totals, after.totals, (interval.packets_before, interval.packets_after), seconds
        )
        self._is_calm = self._rates.update(counts, seconds)
        self._take_times(before, after, seconds)
        self._threads.update(before.threads, after.threads, seconds)
        if before.online != after.online:
            self._fit()
            self._is_calm = False
            return
        self._attribute(counts, interval, seconds)
        if not self._is_calm:
            self._fit()

    def _restart(self, keys: Mapping[int, tuple[str, str]]) -> None:
        """Other IRQs, or new generations of them."""
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
        """An IRQ whose packets begin to be counted costs by the packet, not by the interrupt: it
        belongs to another group from then on.
        """
        for number in self._rates.begin_packets(packets):
            key, group = self._keys[number]
            self._soft.forget(number)
            factor = self._stored_factors.get(_identity(key), (1.0, 1.0))[1]
            self._soft.add(number, f"{group} packets", factor)

    def _take_times(self, before: Pulse, after: Pulse, seconds: float) -> None:
        old = before.cpu_times
        self.cpu_times = {
            cpu: (
                hard / seconds if (hard := time.irq - then.irq) > 0 else 0.0,
                soft / seconds if (soft := time.softirq - then.softirq) > 0 else 0.0,
            )
            for cpu, time in after.cpu_times.items()
            if (then := old.get(cpu)) is not None
        }
        total = self._trigger.update(self.cpu_times, seconds)
        self._visible = min(MOST_TIME, TIME_MEMORY * self._visible + total * seconds)

    def _attribute(self, counts: IntervalCounts, interval: Interval, seconds: float) -> None:
        """Add the interval to those that wait to be fitted."""
        if self._trigger.reason(self._rates.interrupts.mean):
            # Costs may have changed: one observation must not mix the old with the new.
            self._flush()
        attribution = self._attribution
        places = self._places(counts, interval)
        if attribution.holds(places.left):
            self._is_calm = False
        if attribution.spoils(places.unclean):
            # What was added up before this interval is still good, and it was of other places.
            self._flush()
            places = self._places(counts, interval)
        self._attribution.add(counts, places, self.cpu_times, seconds, self._rates.numbers)
        if places.unclean:
            self.moved(places.unclean)
            self._flush()

    def _places(self, counts: IntervalCounts, interval: Interval) -> Places:
        after = interval.after
        return self._attribution.compare(
            self._rates, counts, after.totals, interval.start, after.effective
        )

    def _flush(self) -> None:
        """Hand what was added up to the cost models."""
        attribution = self._attribution
        if not attribution.intervals:
            return
        for cpu, hard, soft in attribution.observations(self._rates):
            self._hard.observe(cpu, hard)
            self._soft.observe(cpu, soft)
        self._attribution = Attribution()
        self._is_fitted = False

    def _fit(self) -> None:
        """Fit the costs to all that was added up."""
        self._flush()
        if self._is_fitted:
            return
        self._is_fitted = True
        if self._visible >= VISIBLE:
            self._hard.fit()
            self._soft.fit()

    # Plans

    def moved(self, cpus: Iterable[int]) -> None:
        """IRQs came to or left these CPUs."""
        self._trigger.moved(cpus)

    def plan_started(self) -> None:
        """A plan is made of what is known now: `replan_reason` compares with this."""
        self._fit()
        rates = self._rates.interrupts.mean
        # Seconds a unit, by the plan's own reckoning, of what changes from now on.
        costs = [
            self.load(number)[0] / rate if rate > 0 else NOMINAL_COST
            for number, rate in zip(self._rates.numbers, rates, strict=True)
        ]
        self._trigger.plan_started(rates, costs)

    def plan_finished(self, moved: bool) -> None:
        """Whether the plan moved anything."""
        self._trigger.plan_finished(moved)

    def replan_reason(self) -> str:
        """Why the load asks for another plan; empty if it does not."""
        if not self._is_calm:
            return "an IRQ's rate is new, or where it is delivered changed"
        return self._trigger.reason(self._rates.interrupts.mean)


def _identity(key: str) -> str:
    """The IRQ's identity, without its generation."""
    return key.rpartition("#")[0] or key
