"""Trials on simulated hosts, as fast as they can be played: what a trial finds is compared with
what was built into it.

`Truth` plays both sides on the same traffic, which no trial can, and so knows the true effect.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping
from statistics import fmean

from irqbal.cpuset import CpuSet
from irqbal.simulated.host import BEAT, SimulatedHost
from irqbal.simulated.spec import parse_spec
from irqbal.simulated.traffic import Flow
from irqbal.trials.measures import TrialReading
from irqbal.trials.record import Side, TrialPlan, TrialResult
from irqbal.trials.result import conclude
from irqbal.trials.run import TrialRun

CPUS = 16
SPEC = "2x8,nodes=2,nic=16x2,busy=30%,traffic={traffic},seed={seed}"
WINDOW, SETTLE = 60.0, 10.0

Placement = Mapping[int, int]
"""CPU by IRQ number."""


def host_of(traffic: str, seed: int) -> SimulatedHost:
    """A simulated host with two NICs, each with a queue for every CPU."""
    return SimulatedHost(
        parse_spec(SPEC.format(traffic=traffic, seed=seed)), lambda originals: None
    )


class Truth:
    """What really happens on a host, and placements of a known effect."""

    def __init__(self, traffic: str, seed: int, windows: int) -> None:
        self.host = host_of(traffic, seed)
        self._lines = list(self.host.state.lines.values())
        self._windows = [self._beats(window) for window in range(windows)]
        loads = [0.0] * len(self._lines)
        for window in self._windows:
            for flows in window:
                for at, flow in enumerate(flows):
                    loads[at] += flow.usual
        self._loads = {line.number: load for line, load in zip(self._lines, loads, strict=True)}
        self._movable = [
            line.number
            for line in self._lines
            if line.address and not line.managed and self._loads[line.number] > 0
        ]
        self._seed = seed

    def _beats(self, window: int) -> list[list[Flow]]:
        each = round((WINDOW + SETTLE) / BEAT)
        first = 1 + window * each + round(SETTLE / BEAT)
        return [
            self.host._traffic.beat(beat) for beat in range(first, first + round(WINDOW / BEAT))
        ]

    def balanced(self) -> Placement:
        """The hottest first, each to the CPU with the least to do."""
        levels, found = [0.0] * CPUS, {}
        for number in sorted(self._movable, key=lambda number: -self._loads[number]):
            cpu = levels.index(min(levels))
            found[number] = cpu
            levels[cpu] += self._loads[number]
        return found

    def effect(self, a: Placement, b: Placement) -> float:
        """The mean logarithm of the busiest CPU's time on side B over that on side A, if both had
        the traffic of every window.
        """
        return fmean(
            math.log(self._busiest(window, b) / self._busiest(window, a))
            for window in self._windows
        )

    def _busiest(self, window: list[list[Flow]], placement: Placement) -> float:
        spent = [0.0] * CPUS
        for flows in window:
            for line, flow in zip(self._lines, flows, strict=True):
                spent[placement.get(line.number, line.effective.first)] += flow.seconds
        return max(spent)

    def worse(self, b: Placement, effect: float) -> Placement:
        """A placement of which `b` is better by about this share on the busiest CPU: some IRQs more
        are on the CPU that is the busiest already.
        """
        dice = random.Random(self._seed)
        levels = [0.0] * CPUS
        for number, cpu in b.items():
            levels[cpu] += self._loads[number]
        busiest = levels.index(max(levels))
        others = [number for number in self._movable if b[number] != busiest]
        sets = [dice.sample(others, dice.randint(1, 5)) for _ in range(3000)]
        added = sorted((sum(self._loads[number] for number in picked), picked) for picked in sets)
        best, nearest = b, math.inf
        low, high = 0, len(added) - 1
        # The more is added, the larger is the effect, apart from what other CPUs do meanwhile.
        while low <= high:
            middle = (low + high) // 2
            tried = {**b, **dict.fromkeys(added[middle][1], busiest)}
            found = self.effect(tried, b)
            off = abs(found - math.log1p(-effect))
            if off < nearest:
                best, nearest = tried, off
            if found > math.log1p(-effect):
                low = middle + 1
            else:
                high = middle - 1
        return best


class PlayedSides:
    """See TrialSides; time passes as fast as the host can be played."""

    def __init__(self, host: SimulatedHost, a: Placement, b: Placement) -> None:
        self._host, self._of = host, {"a": a, "b": b}

    async def put(self, side: Side) -> None:
        for number, cpu in self._of[side].items():
            line = self._host.state.lines[number]
            line.mask = line.effective = CpuSet.of(cpu)

    async def read(self, whole: bool = True) -> TrialReading:
        return TrialReading(self._host.counts(whole), self._host.scheduling())

    async def number(self, window: int) -> float | None:
        return None

    async def sleep(self, seconds: float) -> None:
        self._host.advance(seconds)


def play(host: SimulatedHost, a: Placement, b: Placement, windows: int, seed: int) -> TrialResult:
    """The result of a trial of these placements."""
    plan = TrialPlan(window=WINDOW, windows=windows, settle=SETTLE, seed=seed)
    sides = PlayedSides(host, a, b)
    run = TrialRun(plan, sides, lambda progress: None, sides.sleep)
    asyncio.run(run.run())
    return conclude(run.windows, "busiest", guarded=run.guarded)
