"""Whether the load changed so much since the last plan that another plan is worth its cost, and
why. Pure.

A plan costs as much as a hundred readings, and traffic varies all the time. So the change must be
worth a plan: a share of the load, and a noticeable part of a CPU. After a plan without moves, more
must change before the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import mul, sub

import msgspec

from irqbal.load.cost_model import JIFFY
from irqbal.load.ewma import ALPHA, SETTLED

MOVED_SHARE = 0.06
"""Share of all load that may shift between IRQs after a plan before the next is due, beyond
MOVED_FLOOR: noise of ten percent shifts less.
"""
MOVED_FLOOR = 0.05
"""Seconds of CPU a second that may shift in any case: too little load to be worth a plan."""
CPU_SHARE = 0.08
"""Share of a CPU's load (or of the mean load, if that is larger) by which its time may change
before a plan is due, beyond CPU_FLOOR: smaller changes are noise.
"""
CPU_FLOOR = 0.01
"""Seconds a second by which a CPU's time may change in any case: jiffies show no less."""
PATIENCE = 2.0
"""Factor to these four limits after a plan without moves: the next would hardly move anything
either.
"""


class _LastPlan(msgspec.Struct, frozen=True):
    """The basis of the last plan: the load of all IRQs and the time of each CPU (seconds a second),
    and rates and seconds an interrupt in the estimator's order of IRQs.
    """

    load: float
    rates: list[float]
    costs: list[float]
    cpus: dict[int, float]


class ReplanTrigger:
    """Compares the CPUs' smoothed times and the IRQs' rates with those at the last plan."""

    def __init__(self) -> None:
        self._smooth: dict[int, float] = {}
        self._ages: dict[int, int] = {}
        self._present: Mapping[int, tuple[float, float]] = {}
        self._seconds = 0.0
        self._patience = 1.0
        self._last: _LastPlan | None = None

    def update(self, cpu_times: Mapping[int, tuple[float, float]], seconds: float) -> float:
        """Add the (irq, softirq) seconds a second of each CPU in one interval of so many seconds.
        Returns their sum.
        """
        smooth, ages = self._smooth, self._ages
        self._present, self._seconds = cpu_times, seconds
        total = 0.0
        for cpu, (hard, soft) in cpu_times.items():
            spent = hard + soft
            total += spent
            age = ages.get(cpu, 0)
            if age < SETTLED:
                age = ages[cpu] = age + 1
                mean = smooth.get(cpu, 0.0)
                smooth[cpu] = mean + max(ALPHA, 1 / age) * (spent - mean)
            else:
                smooth[cpu] += ALPHA * (spent - smooth[cpu])
        return total

    def moved(self, cpus: Iterable[int]) -> None:
        """Forget the times of these CPUs: IRQs moved to or from them, so past times predict
        nothing.
        """
        for cpu in cpus:
            self._ages.pop(cpu, None)

    def forget_plan(self) -> None:
        """Make another plan due: the last one rested on costs that no longer hold."""
        self._last = None

    def plan_started(self, rates: Sequence[float], costs: Sequence[float]) -> None:
        """Remember the basis of a plan: rates and seconds an interrupt, in the estimator's order of
        IRQs.
        """
        load = sum(map(mul, rates, costs))
        self._last = _LastPlan(load, list(rates), list(costs), self._known())

    def plan_finished(self, moved: bool) -> None:
        """`moved`: that plan has moves. After one without, PATIENCE applies."""
        self._patience = 1.0 if moved else PATIENCE

    def reason(self, rates: Sequence[float]) -> str:
        """Why another plan is due at these rates; empty if none is.

        A plan is also due once a busy CPU to or from which an IRQ moved has been observed for long
        enough to show whether the move was right.
        """
        known, last = self._known(), self._last
        if last is None or not known or len(rates) != len(last.rates):
            return "costs or IRQs are new since the last plan"
        shifted = sum(map(mul, last.costs, map(abs, map(sub, rates, last.rates))))
        if shifted > self._patience * (MOVED_SHARE * last.load + MOVED_FLOOR):
            return f"{shifted:.1%} of a CPU shifted between IRQs since the last plan"
        mean = sum(self._smooth.values()) / max(1, len(self._smooth))
        # The rounding to jiffies: variance of the difference of two smoothed times, for one second
        # a second.
        jitter = 2 * ALPHA / (2 - ALPHA) * JIFFY / max(self._seconds, 0.001)
        least = self._patience * CPU_FLOOR
        for cpu, now in known.items():
            before = last.cpus.get(cpu, -1.0)
            change = abs(now - before)
            if change <= least:
                continue
            if before < 0:
                if now > CPU_FLOOR:
                    return f"CPU {cpu} has been observed for long enough since its last move"
                # The CPU has next to no load now, so a plan would change nothing.
                last.cpus[cpu] = now
            elif change > least + self._patience * CPU_SHARE * max(mean, now) + 4 * math.sqrt(
                jitter * now
            ):
                return f"CPU {cpu} went from {before:.1%} to {now:.1%} since the last plan"
        return ""

    def _known(self) -> dict[int, float]:
        """The smoothed time of each CPU that was observed for SETTLED intervals since its last
        move.
        """
        ages, present = self._ages, self._present
        return {
            cpu: spent
            for cpu, spent in self._smooth.items()
            if ages.get(cpu, 0) >= SETTLED and cpu in present
        }
