"""Whether the load changed so much since the last plan that another plan may pay, and why. Pure.

A plan costs as much as a hundred readings, and traffic is never quite the same twice. So the change
must be worth a plan: a share of the load, and a noticeable part of a CPU. After a plan that moved
nothing, more must change before the next.
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
"""CPUs' worth of load (seconds a second) that may shift besides."""
CPU_SHARE = 0.08
"""Share of its load, or of the mean CPU's if that is more, by which one CPU's time may change,
beyond CPU_FLOOR.
"""
CPU_FLOOR = 0.01
"""Seconds a second by which one CPU's time may change besides: what jiffies cannot show."""
PATIENCE = 2.0
"""Factor to all four after a plan that moved nothing."""


class _LastPlan(msgspec.Struct, frozen=True):
    """What the last plan was made of: seconds a second in all, rates and seconds a unit by IRQ in
    the estimator's order, and the time of each CPU.
    """

    load: float
    rates: list[float]
    costs: list[float]
    cpus: dict[int, float]


class ReplanTrigger:
    """Smoothed times of all CPUs beside what they and the IRQs' rates were at the last plan."""

    def __init__(self) -> None:
        self._smooth: dict[int, float] = {}
        self._ages: dict[int, int] = {}
        self._present: Mapping[int, tuple[float, float]] = {}
        self._seconds = 0.0
        self._patience = 1.0
        self._last: _LastPlan | None = None

    def update(self, cpu_times: Mapping[int, tuple[float, float]], seconds: float) -> float:
        """Take in the (irq, softirq) seconds a second of each CPU in one interval of so many
        seconds. Returns their sum.
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
        """IRQs came to or left these CPUs: their time up to now does not predict the next."""
        for cpu in cpus:
            self._ages.pop(cpu, None)

    def forget_plan(self) -> None:
        """The last plan rested on costs that no longer hold: the next is due."""
        self._last = None

    def plan_started(self, rates: Sequence[float], costs: Sequence[float]) -> None:
        """A plan is made of these rates and seconds a unit, by IRQ in the estimator's order."""
        load = sum(map(mul, rates, costs))
        self._last = _LastPlan(load, list(rates), list(costs), self._known())

    def plan_finished(self, moved: bool) -> None:
        """Whether that plan moved anything."""
        self._patience = 1.0 if moved else PATIENCE

    def reason(self, rates: Sequence[float]) -> str:
        """Why another plan is due at these rates; empty if none is.

        A plan is also due once a busy CPU on which something moved has been observed for long
        enough to show whether the plan was right.
        """
        known, last = self._known(), self._last
        if last is None or not known or len(rates) != len(last.rates):
            return "costs or IRQs are new since the last plan"
        shifted = sum(map(mul, last.costs, map(abs, map(sub, rates, last.rates))))
        if shifted > self._patience * (MOVED_SHARE * last.load + MOVED_FLOOR):
            return f"{shifted:.1%} of a CPU shifted between IRQs since the last plan"
        mean = sum(self._smooth.values()) / max(1, len(self._smooth))
        # Time comes in jiffies: the variance of one interval's, smoothed, and of the difference of
        # two such values.
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
                # Next to no load remained or came: a plan would change nothing.
                last.cpus[cpu] = now
            elif change > least + self._patience * CPU_SHARE * max(mean, now) + 4 * math.sqrt(
                jitter * now
            ):
                return f"CPU {cpu} went from {before:.1%} to {now:.1%} since the last plan"
        return ""

    def _known(self) -> dict[int, float]:
        """The time of each CPU that was observed for long enough since something on it moved."""
        ages, present = self._ages, self._present
        return {
            cpu: spent
            for cpu, spent in self._smooth.items()
            if ages.get(cpu, 0) >= SETTLED and cpu in present
        }
