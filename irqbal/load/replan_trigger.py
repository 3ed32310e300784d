"""Whether so much has changed since the last plan that another one may find something to do. Pure.

A plan costs as much as a hundred readings, and traffic is never quite the same twice. So what
shifted must be worth a plan: a share of the load, and so much of a CPU that somebody could notice;
and the less the last plan found, the more must shift for the next.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from operator import mul, sub

from irqbal.load.cost_model import JIFFY
from irqbal.load.ewma import ALPHA, SETTLED

MOVED_SHARE = 0.06
"""Share of all load that may have shifted between IRQs since the last plan before a new one is
worth asking for …
"""
MOVED_FLOOR = 0.05
"""… beyond this much of one CPU."""
CPU_SHARE = 0.08
"""The share of its load, or of the mean CPU's if that is more, by which one CPU's time may have
changed …
"""
CPU_FLOOR = 0.01
"""… beyond this much of it."""
PATIENCE = 2.0
"""By how much all of these grow once a plan found nothing to do."""


class ReplanTrigger:
    """Smoothed times of all CPUs, and what they and the IRQs' rates were when the last plan was
    made.
    """

    def __init__(self) -> None:
        self._smooth: dict[int, float] = {}
        self._ages: dict[int, int] = {}
        self._present: Mapping[int, tuple[float, float]] = {}
        self._length = 0.0
        self._patience = 1.0
        self._rested: tuple[float, list[float], list[float], dict[int, float]] | None = None

    def take(self, cpu_times: Mapping[int, tuple[float, float]], seconds: float) -> float:
        """(irq, softirq) seconds a second of each CPU in one interval of this length. Returns their
        sum.
        """
        smooth, ages = self._smooth, self._ages
        self._present, self._length = cpu_times, seconds
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
        """IRQs came to or left these CPUs: what their time was before says nothing of what it will
        be.
        """
        for cpu in cpus:
            self._ages.pop(cpu, None)

    def forget(self) -> None:
        """The last plan rested on something that no longer holds."""
        self._rested = None

    def rest(self, rates: Sequence[float], costs: Sequence[float]) -> None:
        """A plan is made of these rates and seconds a unit, in the IRQs' order."""
        self._rested = (sum(map(mul, rates, costs)), list(rates), list(costs), self._known())

    def found(self, anything: bool) -> None:
        """What came of that plan."""
        self._patience = 1.0 if anything else PATIENCE

    def shifted(self, rates: Sequence[float]) -> bool:
        """Whether another plan is worth it; also once enough was seen of a busy CPU on which
        something moved to tell whether the plan was right.
        """
        known = self._known()
        if self._rested is None or not known:
            return True
        loads, before, costs, rested = self._rested
        if len(rates) != len(before):
            return True
        # Seconds a second that went from one IRQ to another.
        if sum(map(mul, costs, map(abs, map(sub, rates, before)))) > self._patience * (
            MOVED_SHARE * loads + MOVED_FLOOR
        ):
            return True
        mean = sum(self._smooth.values()) / max(1, len(self._smooth))
        # Time comes in jiffies: the variance of one interval's, smoothed, and of the difference of
        # two such values.
        jitter = 2 * ALPHA / (2 - ALPHA) * JIFFY / max(self._length, 0.001)
        least = self._patience * CPU_FLOOR
        for cpu, now in known.items():
            if abs(now - rested.get(cpu, -1.0)) <= least:
                continue
            if cpu not in rested:
                if now > CPU_FLOOR:
                    return True
                # Hardly anything is left of it, or came: nothing that a plan would mend.
                rested[cpu] = now
            elif abs(now - rested[cpu]) > least + self._patience * CPU_SHARE * max(
                mean, now
            ) + 4 * math.sqrt(jitter * now):
                return True
        return False

    def _known(self) -> dict[int, float]:
        """The time of each CPU that was looked at for long enough since something on it moved."""
        ages, present = self._ages, self._present
        return {
            cpu: spent
            for cpu, spent in self._smooth.items()
            if ages.get(cpu, 0) >= SETTLED and cpu in present
        }
