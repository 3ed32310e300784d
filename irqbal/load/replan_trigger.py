"""Whether another plan can be worth its cost, and why. Pure.

A plan costs as much as dozens of readings, and traffic varies all the time. What a plan can gain is
the distance of the busiest CPU from the bound that no placement can beat: the mean of all CPUs, or
the hottest IRQ. So another plan is due when that distance is larger than what the last moves were
to bring. A plan that moved nothing shows that this distance cannot be closed: the next one waits,
longer each time, unless the distance grows again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import mul, sub

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.load.cost_model import JIFFY
from irqbal.load.ewma import ALPHA, SmoothedRates

RISE = 0.05
"""Share by which the busiest CPU's load over the bound must have grown for another plan."""
LEAST = 0.005
"""Seconds of CPU a second that the busiest CPU must have more than after the last plan: less is
nothing that anybody notices.
"""
OVERHAUL = 0.5
"""Share of all load that has shifted between IRQs since the last plan, from which another is due
whatever the busiest CPU has to do: policies may depend on more than that CPU.
"""
SHIFTED_FLOOR = 0.05
"""Seconds of CPU a second that may shift in any case: too little load to be worth a plan."""
WAIT, LONGEST_WAIT = 3, 96
"""Intervals without a plan after one that moved nothing; twice as many after each further one, at
most the second number.
"""
KNOWN = 3
"""Intervals since the last move to or from a CPU after which its own time counts: by then it shows
whether the costs behind the move are right.
"""
FALLEN_WAIT = 12
"""Intervals without a plan after one that moved nothing, at most, once the level has fallen back:
what rises then is another matter.
"""
EASING = 0.1
"""Weight of an interval with which a lower level becomes the one to compare with."""
CHANGED_SHARE = 0.06
"""Share of all load that may shift between IRQs within one observation of costs, beyond
SHIFTED_FLOOR: traffic that wavers shifts less.
"""
CPU_SHARE = 0.08
"""Share of a CPU's load (or of the mean load, if that is larger) by which its time may change
within one observation, beyond CPU_FLOOR: smaller changes are those of traffic that wavers.
"""
CPU_FLOOR = 0.01
"""Seconds a second by which a CPU's time may change in any case: jiffies show no less."""


class _Basis(msgspec.Struct, frozen=True):
    """Rates and seconds an interrupt in the estimator's order of IRQs at one moment, and the load
    of all IRQs. `cpus` are the CPUs' times then (seconds a second), of an observation alone.
    """

    load: float
    rates: list[float]
    costs: list[float]
    cpus: dict[int, float] = {}

    def shifted(self, rates: Sequence[float]) -> float:
        """Seconds of CPU a second that shifted between IRQs since then."""
        by = map(abs, map(sub, rates, self.rates))
        return math.fsum(map(mul, self.costs, by))


class BusiestCpu(msgspec.Struct, frozen=True):
    """The load of the busiest CPU and the bound that no placement can beat, in seconds of CPU a
    second. `expected` is that load by rates and costs alone, whatever the CPUs' own times say.
    """

    load: float
    bound: float
    expected: float

    @property
    def expected_level(self) -> float:
        """The expected load over the bound."""
        return self.expected / self.bound if self.bound > 0 else 1.0

    @property
    def level(self) -> float:
        """The load over the bound; 1.0 on a host without load."""
        return self.load / self.bound if self.bound > 0 else 1.0


class ReplanTrigger:
    """Compares the CPUs' times and the IRQs' rates with those at the last plan."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        """CPU -> its line in the table of smoothed times, in seconds a second."""
        self._times = SmoothedRates(0)
        self._seconds = 0.0
        self._interval = 0
        self._plan: _Basis | None = None
        self._observed: _Basis | None = None
        self._left: float | None = None
        """The level that the last moves were to bring, or a lower one since; None until the first
        interval after them.
        """
        self._wait = self._waits_until = 0
        self._useless, self._useless_at = 0.0, 0
        """The level at which a plan moved nothing last, and the interval in which it did."""

    def update(self, cpu_times: Mapping[int, tuple[float, float]], seconds: float) -> float:
        """Add the (irq, softirq) seconds a second of each CPU in one interval of so many seconds.
        Returns their sum.
        """
        if cpu_times.keys() != self._places.keys():
            self._restart(cpu_times)
        self._seconds = seconds
        self._interval += 1
        spent = [hard + soft for hard, soft in map(cpu_times.__getitem__, self._places)]
        self._times.add([*spent])
        return sum(spent)

    def _restart(self, cpus: Iterable[int]) -> None:
        """Continue with these CPUs."""
        places = {cpu: at for at, cpu in enumerate(cpus)}
        times = SmoothedRates(len(places))
        for cpu, at in places.items():
            there = self._places.get(cpu)
            if there is not None:
                times.copy_line(at, self._times, there)
        self._places, self._times = places, times

    def moved(self, cpus: Iterable[int]) -> None:
        """Forget the times of these CPUs: IRQs moved to or from them, so past times predict
        nothing.
        """
        for cpu in cpus:
            at = self._places.get(cpu)
            if at is not None:
                self._times.count[at] = 0

    # Observations

    def observation_started(self) -> None:
        """An observation of costs begins with the next interval."""
        self._observed = None

    def is_another_load(self, rates: Sequence[float]) -> bool:
        """Whether the load differs so much from that at the beginning of the observation that costs
        may have changed: one observation must not mix the old with the new.
        """
        plan, known = self._plan, self._known()
        if plan is None or len(rates) != len(plan.rates):
            return True
        observed = self._observed
        if observed is None or observed.costs is not plan.costs:
            load = sum(map(mul, rates, plan.costs))
            self._observed = _Basis(load, list(rates), plan.costs, known)
            return False
        if observed.shifted(rates) > CHANGED_SHARE * observed.load + SHIFTED_FLOOR:
            return True
        mean = sum(self._times.mean) / max(1, len(self._times.mean))
        # The rounding to jiffies: variance of the difference of two smoothed times, for one second
        # a second.
        jitter = 2 * ALPHA / (2 - ALPHA) * JIFFY / max(self._seconds, 0.001)
        return any(
            (before := observed.cpus.get(cpu)) is not None
            and abs(now - before)
            > CPU_FLOOR + CPU_SHARE * max(mean, now) + 4 * math.sqrt(jitter * now)
            for cpu, now in known.items()
        )

    # Plans

    def forget_plan(self) -> None:
        """Make another plan due: the last one rested on costs that no longer hold."""
        self._plan = None

    def plan_started(self, rates: Sequence[float], costs: Sequence[float]) -> None:
        """Remember the basis of a plan: rates and seconds an interrupt, in the estimator's order of
        IRQs.
        """
        load = sum(map(mul, rates, costs))
        self._plan = _Basis(load, list(rates), list(costs))

    def plan_finished(self, moved: bool, busiest: BusiestCpu) -> None:
        """`moved`: that plan has moves. `busiest` is the CPU that was the busiest before it."""
        if moved:
            self._left, self._wait, self._waits_until = None, 0, 0
            return
        self._useless, self._useless_at = busiest.level, self._interval
        self._wait = min(LONGEST_WAIT, max(WAIT, 2 * self._wait))
        self._waits_until = self._interval + self._wait

    def busiest(self, rates: Sequence[float], places: Iterable[CpuSet]) -> BusiestCpu:
        """The busiest CPU at these rates and the costs of the last plan, or by its own time where
        that says more. `places` are the CPUs of the IRQs, in the order of the rates; what has none
        or several counts for no CPU.
        """
        plan = self._plan
        if plan is None or len(rates) != len(plan.rates):
            return BusiestCpu(0.0, 0.0, 0.0)
        loads = list(map(mul, rates, plan.costs))
        sets: dict[int, float] = {}
        for load, cpus in zip(loads, places, strict=True):
            if load:
                bits = cpus.bits
                sets[bits] = sets.get(bits, 0.0) + load
        total = sum(sets.values())
        known = self._known()
        # A power of two is one CPU.
        expected = max(
            (load for bits, load in sets.items() if bits and bits & (bits - 1) == 0), default=0.0
        )
        mean = max(total, sum(known.values())) / max(1, len(self._places))
        bound = max(mean, max(loads, default=0.0))
        return BusiestCpu(max(expected, max(known.values(), default=0.0)), bound, expected)

    def reason(self, rates: Sequence[float], places: Iterable[CpuSet]) -> str:
        """Why another plan is due at these rates and places (as of `busiest`); empty if none is."""
        plan = self._plan
        if plan is None or len(rates) != len(plan.rates):
            return "costs or IRQs are new since the last plan"
        now = self.busiest(rates, places)
        waits = self._interval < self._waits_until
        if self._left is None:
            # What the moves were to bring: the CPUs' own times show whether they did.
            self._left = now.expected_level
        elif now.level < self._left:
            self._left += EASING * (now.level - self._left)
        left = max(1.0, self._left)
        if waits and now.level <= left * (1 + RISE / 2):
            self._waits_until = min(self._waits_until, self._useless_at + FALLEN_WAIT)
        if waits:
            left = max(left, self._useless)
        if now.level > left * (1 + RISE) and now.load - left * now.bound > LEAST:
            return (
                f"the busiest CPU has {now.level:.2f} times as much to do as it must have, "
                f"{left:.2f} after the last plan"
            )
        if waits:
            return ""
        shifted = plan.shifted(rates)
        if shifted > OVERHAUL * plan.load + SHIFTED_FLOOR:
            return f"{shifted:.1%} of a CPU shifted between IRQs since the last plan"
        return ""

    def _known(self) -> dict[int, float]:
        """The smoothed time of each CPU that was observed for KNOWN intervals since its last
        move.
        """
        times = self._times
        return {
            cpu: mean
            for cpu, mean, count in zip(self._places, times.mean, times.count, strict=True)
            if count >= KNOWN
        }
