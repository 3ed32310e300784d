"""Two readings -> smoothed rates and loads. Pure: readings in, numbers out.

Load is time, not interrupts. A CPU's seconds in hard interrupts are shared out by interrupts, its
seconds in soft interrupts by packets where the queue counts them (else by interrupts), each at a
cost that is learnt over time (`costs`), or was measured by the kernel (`exact`); threads add theirs
(`threadload`). While no time is visible at all, every interrupt costs the same.

Most intervals only confirm the last: taking one in costs a few passes over lists. Costs are fitted
when somebody asks for loads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import compress, repeat
from operator import add, sub, truediv

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.load.cost_model import JIFFY, CostModel
from irqbal.load.ewma import SmoothedRates
from irqbal.load.measured_costs import SAME, MeasuredIrq, costs_of
from irqbal.load.replan_trigger import ReplanTrigger
from irqbal.load.thread_load import ThreadLoad
from irqbal.model.readings import Measured, Pulse

__all__ = ["JIFFY", "NOMINAL_COST", "WRAP", "LearntCosts", "LoadEstimator", "fell"]

NOMINAL_COST = 5e-6
"""Seconds that an interrupt is taken to cost until time says otherwise."""
WRAP = 1 << 32
NOWHERE = CpuSet()
PLAUSIBLE_RATE = 5e6
"""Interrupts a second that one IRQ might just raise; more means that a counter was reset rather
than wrapped.
"""
_VISIBLE = 5 * JIFFY


def fell(before: int, after: int, seconds: float) -> bool:
    """Whether a total was reset between two readings, rather than counted on (perhaps past
    2**32).
    """
    if after >= before:
        return False
    return (after - before) % WRAP > PLAUSIBLE_RATE * max(seconds, 0.001)


class LearntCosts(msgspec.Struct, frozen=True):
    """Costs as they are kept over a restart: seconds a unit by group, and factors by the IRQ's key,
    hard and soft.
    """

    hard: dict[str, float] = {}
    soft: dict[str, float] = {}
    factors: dict[str, tuple[float, float]] = {}


class LoadEstimator:
    """Rates, costs and loads of all IRQs, carried from one interval to the next."""

    def __init__(self) -> None:
        self._hard, self._soft = CostModel(NOMINAL_COST), CostModel(NOMINAL_COST)
        self._keys: Mapping[int, tuple[str, str]] = {}
        self._numbers: list[int] = []
        self._listed: tuple[dict[int, int], list[int]] = ({}, [])
        self._at: dict[int, int] = {}
        self._rates, self._work_rates = SmoothedRates(0), SmoothedRates(0)
        self._counted: list[int] = []
        self._worked: list[float] = []
        self._works: set[int] = set()
        self._unclean: set[int] = set()
        self._places: dict[int, int] = {}
        self._settled: dict[int, CpuSet] = {}
        self._seconds = self._intervals = 0.0
        self._spent: dict[int, tuple[float, float]] = {}
        self._time = 0.0
        self._factors: dict[str, tuple[float, float]] = {}
        self._measured = False
        self.threads = ThreadLoad()
        self._unrest = ReplanTrigger()
        self.calm = False
        """Whether in the last interval every IRQ was known, and stayed where it was."""
        self.cpu_times: dict[int, tuple[float, float]] = {}
        """(irq, softirq) seconds a second of each CPU in the last interval."""

    @property
    def time_visible(self) -> bool:
        """Whether the kernel has shown any time in interrupts worth speaking of, or measured it for
        us.
        """
        return self._measured or self._time >= _VISIBLE

    def rate(self, number: int) -> float:
        """Interrupts a second, smoothed."""
        at = self._at.get(number)
        return 0.0 if at is None else self._rates.mean[at]

    def load(self, number: int) -> tuple[float, float]:
        """(seconds of CPU a second, its standard error)."""
        at = self._at.get(number)
        if at is None:
            return 0.0, 0.0
        self.settle()
        thread = self.threads.of_irq.get(number, 0.0)
        if not self.time_visible:
            return self._rates.mean[at] * NOMINAL_COST + thread, self._rates.noise(
                at
            ) * NOMINAL_COST
        hard, soft = self._hard.cost(number), self._soft.cost(number)
        work = self._work_rates if number in self._works else self._rates
        return self._rates.mean[at] * hard + work.mean[at] * soft + thread, self._rates.noise(
            at
        ) * hard + work.noise(at) * soft

    def learnt(self) -> LearntCosts:
        """What is worth keeping over a restart."""
        hard, hard_factors = self._hard.learnt()
        soft, soft_factors = self._soft.learnt()
        factors = {
            _life(self._keys[number][0]): (
                hard_factors.get(number, 1.0),
                soft_factors.get(number, 1.0),
            )
            for number in hard_factors.keys() | soft_factors.keys()
            if number in self._keys
        }
        return LearntCosts(hard, soft, {**self._factors, **factors})

    def start_from(self, learnt: LearntCosts) -> None:
        """Begin with what an irqbal before this one knew."""
        self._hard.start_from(learnt.hard)
        self._soft.start_from(learnt.soft)
        self._factors = dict(learnt.factors)

    def measured(self, window: Measured, places: Iterable[tuple[int, int, int, str]]) -> int:
        """Take over what the kernel measured. `places` has each IRQ's (number, actions, the one CPU
        it is delivered to, kind as in `exact`). Returns how many IRQs' costs are measured now.
        """
        parts = []
        for number, actions, cpu, kind in places:
            at = self._at.get(number)
            if at is None:
                continue
            rate = self._rates.mean[at]
            units = (
                1.0
                if number not in self._works
                else self._work_rates.mean[at] / rate
                if rate > 0
                else 0.0
            )
            parts.append(MeasuredIrq(number, actions, cpu, kind, units, self._soft.cost(number)))
        hard, soft = costs_of(window, parts)
        if self._hard.teach(hard, SAME) | self._soft.teach(soft, SAME):
            self._unrest.forget()
        self._measured = self._measured or bool(hard)
        return len(hard)

    def unmeasure(self) -> None:
        """Nobody measures any more: go on learning from there."""
        self._hard.untaught()
        self._soft.untaught()
        self._measured = False

    # One interval

    def update(
        self,
        before: Pulse,
        after: Pulse,
        start: Mapping[int, CpuSet],
        keys: Mapping[int, tuple[str, str]],
        work: tuple[Mapping[int, int], Mapping[int, int]] = ({}, {}),
    ) -> None:
        """Take one interval in. `start` is where each IRQ was delivered at its beginning (who is
        not in `after.effective` still is); `keys` gives each IRQ's (identity and generation,
        group); `work` the packets that each IRQ's queue had counted at the interval's beginning and
        at its end.

        An interval with a hotplug, and an IRQ that moved or has several effective CPUs, attribute
        nothing.
        """
        seconds = after.time - before.time
        if seconds <= 0:
            return
        if keys is not self._keys:
            self._relearn(keys)
        counts, uncounted = self._count(before, after, seconds)
        worked = self._count_work(*work)
        uncounted |= {number for number in work[1] if number not in worked}
        self.calm = self._rates.add(
            [
                None if n in uncounted else count / seconds
                for n, count in zip(self._numbers, counts, strict=True)
            ]
            if uncounted
            else list(map(truediv, counts, repeat(seconds)))
        )
        if worked:
            self.calm &= self._work_rates.add(
                [
                    worked[n] / seconds if n in worked else 0.0 if n not in self._works else None
                    for n in self._numbers
                ]
            )
        self._take_times(before, after, seconds)
        self.threads.update(before.threads, after.threads, seconds)
        if before.online != after.online:
            self.settle()
            self.calm = False
            return
        self._collect(counts, worked, uncounted, after, start, seconds)
        if not self.calm:
            self.settle()

    def _relearn(self, keys: Mapping[int, tuple[str, str]]) -> None:
        """Other IRQs, or other lives of them."""
        self.settle()
        for number in [number for number in self._keys if number not in keys]:
            self._forget(number)
        fresh = []
        for number, key in keys.items():
            if self._keys.get(number) != key:
                self._forget(number)
                fresh.append(number)
        rates, works = SmoothedRates(len(keys)), SmoothedRates(len(keys))
        for at, number in enumerate(keys):
            there = self._at.get(number)
            if there is not None and self._keys.get(number) == keys[number]:
                rates.copy_line(at, self._rates, there)
                works.copy_line(at, self._work_rates, there)
        self._keys, self._rates, self._work_rates = keys, rates, works
        self._numbers = list(keys)
        self._listed = ({}, [])
        self._at = {number: at for at, number in enumerate(keys)}
        for number in fresh:
            life, group = keys[number]
            hard, soft = self._factors.get(_life(life), (1.0, 1.0))
            self._hard.know(number, group, hard)
            self._soft.know(number, group, soft)
        self._clear()

    def _forget(self, number: int) -> None:
        self._hard.forget(number)
        self._soft.forget(number)
        self._works.discard(number)

    def _count(self, before: Pulse, after: Pulse, seconds: float) -> tuple[list[int], set[int]]:
        """The interrupts of each IRQ, and those IRQs that fired an unknown number of times: new
        ones, and reset ones.
        """
        known, then = self._listed
        if known is not before.totals:
            then = self._in_order(before.totals)
        now = self._in_order(after.totals)
        self._listed = (after.totals, now)
        counts = list(map(sub, now, then))
        uncounted: set[int] = set()
        if (counts and min(counts) < 0) or -1 in now or -1 in then:
            for at, number in enumerate(self._numbers):
                if now[at] < 0 or then[at] < 0 or fell(then[at], now[at], seconds):
                    uncounted.add(number)
                    counts[at] = 0
                elif counts[at] < 0:
                    counts[at] %= WRAP
        return counts, uncounted

    def _in_order(self, totals: Mapping[int, int]) -> list[int]:
        """Each IRQ's total, -1 where there is none."""
        if list(totals) == self._numbers:
            return list(totals.values())
        return [totals.get(number, -1) for number in self._numbers]

    def _count_work(self, then: Mapping[int, int], now: Mapping[int, int]) -> dict[int, float]:
        """Packets of each IRQ whose queue counts them. Who begins to be counted is of another
        group: packets, not interrupts.
        """
        worked: dict[int, float] = {}
        for number, total in now.items():
            if number not in self._at:
                continue
            if number not in self._works:
                life, group = self._keys[number]
                self._soft.forget(number)
                self._soft.know(
                    number, f"{group} packets", self._factors.get(_life(life), (1.0, 1.0))[1]
                )
                self._works.add(number)
            before = then.get(number)
            # A counter that fell was set to 0 by the driver.
            if before is not None and total >= before:
                worked[number] = float(total - before)
        return worked

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
        total = self._unrest.take(self.cpu_times, seconds)
        self._time = min(10.0, 0.99 * self._time + total * seconds)

    def _collect(
        self,
        counts: list[int],
        worked: Mapping[int, float],
        uncounted: set[int],
        after: Pulse,
        start: Mapping[int, CpuSet],
        seconds: float,
    ) -> None:
        """Add to what is waiting to be fitted, as long as every IRQ stays where it is."""
        moved: set[int] = set()
        for number in uncounted:
            if after.totals.get(number, 1):
                moved.update(after.effective.get(number, CpuSet()) | start.get(number, CpuSet()))
        places, settled = self._places, self._settled
        looked = set(after.effective)
        if len(places) < len(counts):
            looked |= set(compress(self._numbers, counts)) - places.keys()
        for number in looked:
            at = self._at.get(number)
            if at is None or not counts[at]:
                continue
            begin = start.get(number, NOWHERE)
            end = after.effective.get(number, begin)
            if end is begin and settled.get(number) is end:
                # The same text was read, which is the same object: as it nearly always is.
                continue
            if len(end) == 1 and end == begin and places.get(number) in (None, end.first):
                places[number] = end.first
                settled[number] = end
            else:
                moved.update(end | begin)
                settled.pop(number, None)
                if places.pop(number, None) is not None:
                    self.calm = False
        if self._intervals and moved - self._unclean:
            # What was gathered before this is still good; this interval is not, on those CPUs.
            self._flush(set())
        self._unclean |= moved
        self._seconds += seconds
        self._intervals += 1
        self._counted = list(map(add, self._counted, counts)) if self._counted else counts
        if worked:
            fresh = [worked.get(number, 0.0) for number in self._numbers]
            self._worked = list(map(add, self._worked, fresh)) if self._worked else fresh
        spent = self._spent
        for cpu, (hard, soft) in self.cpu_times.items():
            one, two = spent.get(cpu, (0.0, 0.0))
            spent[cpu] = (one + hard * seconds, two + soft * seconds)
        if moved:
            self.moved(moved)
            self._flush(self._unclean)

    def _clear(self) -> None:
        self._counted, self._worked, self._spent, self._unclean = [], [], {}, set()
        self._places, self._settled = {}, {}
        self._seconds = self._intervals = 0.0

    def _flush(self, unclean: set[int]) -> None:
        """Hand what was gathered to the costs."""
        if not self._intervals:
            return
        hard: dict[int, dict[int, float]] = {cpu: {} for cpu in self._spent}
        soft: dict[int, dict[int, float]] = {cpu: {} for cpu in self._spent}
        for at, number in enumerate(self._numbers):
            cpu = self._places.get(number)
            if cpu is None or cpu not in hard or not self._counted[at]:
                continue
            hard[cpu][number] = float(self._counted[at])
            soft[cpu][number] = (
                self._worked[at]
                if self._worked and number in self._works
                else float(self._counted[at])
            )
        for cpu, (irq, softirq) in self._spent.items():
            if cpu not in unclean:
                self._hard.observe(cpu, hard[cpu], irq, self._seconds, self._intervals)
                self._soft.observe(cpu, soft[cpu], softirq, self._seconds, self._intervals)
        self._clear()

    def settle(self) -> None:
        """Fit the costs to all that was gathered."""
        if not self._intervals:
            return
        self._flush(self._unclean)
        if self._time >= _VISIBLE:
            self._hard.fit()
            self._soft.fit()

    # Rest

    def moved(self, cpus: Iterable[int]) -> None:
        """IRQs came to or left these CPUs."""
        self._unrest.moved(cpus)

    def rest(self) -> None:
        """A plan is made of what is known now: `shifted` compares with this."""
        self.settle()
        rates = self._rates.mean
        # Seconds a unit, by the plan's own reckoning, of what changes from now on.
        costs = [
            self.load(number)[0] / rate if rate > 0 else NOMINAL_COST
            for number, rate in zip(self._numbers, rates, strict=True)
        ]
        self._unrest.rest(rates, costs)

    def found(self, anything: bool) -> None:
        """What came of the plan."""
        self._unrest.found(anything)

    def shifted(self) -> bool:
        """Whether so much has changed since the last plan that another one may find something to
        do.
        """
        return not self.calm or self._unrest.shifted(self._rates.mean)


def _life(key: str) -> str:
    """The IRQ's identity, whichever generation."""
    return key.rpartition("#")[0] or key
