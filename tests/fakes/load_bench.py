"""A made-up host whose IRQs' true costs are known, for tests of the load's estimate."""

from __future__ import annotations

import math
import random

import pytest

from irqbal.cpuset import CpuSet
from irqbal.load.cost_model import JIFFY
from irqbal.load.estimator import Interval, LoadEstimator
from irqbal.load.irq_rates import WRAP
from irqbal.model.readings import CpuTime, Pulse


class TrueIrq:
    """One IRQ: interrupts a second, seconds an interrupt costs, and the CPUs it is delivered to.
    `packets` of an interrupt are counted by its queue; 0: it has no queue that counts.
    """

    def __init__(
        self, rate: float, cost: float, cpus: str, group: str = "g", packets: int = 0
    ) -> None:
        self.rate, self.cost, self.cpus, self.group = rate, cost, cpus, group
        self.packets = packets
        self.total = 0
        self.generation = 1


class Bench:
    """A host of made-up IRQs whose true costs are known; the meter sees only what a kernel shows,
    in whole jiffies.
    """

    def __init__(
        self, lines: dict[int, TrueIrq], cpus: int = 4, noise: float = 0.0, visible: bool = True
    ) -> None:
        self.lines, self.noise, self.visible = lines, noise, visible
        self.meter = LoadEstimator()
        self.online = CpuSet(range(cpus))
        self.spent = dict.fromkeys(range(cpus), 0.0)
        self.now = 0.0
        self._random = random.Random(7)
        self.unreadable: set[int] = set()
        """IRQs whose queue's packet counters cannot be read now."""
        self._packets: dict[int, int] = {}
        self._keys: dict[int, tuple[str, str]] = {}
        self._pulse = self._reading()

    def _reading(self) -> Pulse:
        times = {
            cpu: CpuTime(0.0, math.floor(seconds / JIFFY) * JIFFY if self.visible else 0.0)
            for cpu, seconds in self.spent.items()
            if cpu in self.online
        }
        totals = {number: line.total % WRAP for number, line in self.lines.items()}
        effective = {number: CpuSet.parse(line.cpus) for number, line in self.lines.items()}
        return Pulse(
            time=self.now, totals=totals, cpu_times=times, online=self.online, effective=effective
        )

    def pass_by(
        self, intervals: int = 1, seconds: float = 10.0, moved: tuple[int, ...] = ()
    ) -> Bench:
        """Let time pass and the meter look. `moved`: these IRQs began the first interval somewhere
        else.
        """
        for _ in range(intervals):
            self.now += seconds
            for line in self.lines.values():
                count = round(
                    line.rate * seconds * (1 + self._random.uniform(-self.noise, self.noise))
                )
                line.total += count
                cpus = tuple(CpuSet.parse(line.cpus))
                for cpu in cpus:
                    self.spent[cpu] += count * line.cost / len(cpus)
            after = self._reading()
            start = {number: CpuSet.parse(line.cpus) for number, line in self.lines.items()}
            start |= dict.fromkeys(moved, CpuSet.of(3))
            packets = self._read_packets()
            self.meter.update(
                Interval(
                    before=self._pulse,
                    after=after,
                    start=start,
                    keys=self.keys(),
                    packets_before=self._packets,
                    packets_after=packets,
                )
            )
            self._pulse, self._packets, moved = after, packets, ()
        return self

    def _read_packets(self) -> dict[int, int]:
        return {
            number: line.total * line.packets
            for number, line in self.lines.items()
            if line.packets and number not in self.unreadable
        }

    def keys(self) -> dict[int, tuple[str, str]]:
        """The same object while nothing changed, as the tracker hands it out."""
        keys = {
            number: (f"irq{number}#{line.generation}", line.group)
            for number, line in self.lines.items()
        }
        if keys != self._keys:
            self._keys = keys
        return self._keys

    def load(self, number: int) -> float:
        return self.meter.load(number)[0]

    def true(self, number: int) -> float:
        return self.lines[number].rate * self.lines[number].cost


def near(value: float, share: float = 0.15) -> object:
    return pytest.approx(value, rel=share)
