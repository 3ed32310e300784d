"""The shapes of a simulated host's traffic: by how much each source differs from its average, beat
by beat. What a beat is like depends on the seed and the beat's number alone.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import ClassVar

HOP_BEATS = 10
"""Beats until other queues are the elephants (`hopping`)."""
BURST_BEATS = 3
"""Length of a burst, in beats (`bursts`), and beats between two times at which queues toggle
(`toggling`): half a minute at the usual interval.
"""
DAY_BEATS = 360
"""Length of a day, in beats (`diurnal`): an hour at the usual interval."""
ELEPHANTS = 1 / 16
"""Share of a NIC's queues that are elephants (`hopping`)."""
ELEPHANT = 20.0
"""How much more traffic an elephant has than the other queues, as a factor."""
_BURST = 8.0
"""How much more traffic a queue has in a burst, as a factor."""
_BURST_CHANCE = 0.03
"""Chance that a queue has a burst."""
_TOGGLED = 3.0
"""How much more traffic a queue has while it is toggled, as a factor."""
_TOGGLE_CHANCE = 0.1
"""Chance that a queue toggles at the end of half a minute."""
_TIDE = 0.7
"""How far `diurnal` traffic rises and falls, relative to its mean."""
_SIGMA, _PHI = 0.3, 0.8
"""`noisy`: standard deviation of the logarithm of a queue's rate, and its correlation from one beat
to the next.
"""
_FLOWS = 8.0
"""Flows that a queue carries at a time, on average (`churning`)."""
_PARETO = 1.3
"""Exponent of the durations of flows: most are short, and few carry most packets (`churning`)."""
_PAST = 60
"""Beats before the first that `noisy` and `churning` traffic begins with."""


class Shape(ABC):
    """Factors of one shape. `groups` are the positions of each NIC's queues among `count` sources;
    `idle` are the positions of sources that hardly do anything.
    """

    peak: ClassVar[float] = 1.0
    """The largest usual factor of a queue."""
    mean: ClassVar[float] = 1.0
    """The average factor of a queue."""

    def __init__(
        self, seed: int, count: int, groups: Mapping[str, Sequence[int]], idle: Sequence[int]
    ) -> None:
        self.seed, self.count, self.groups = seed, count, groups
        self.queues = [at for places in groups.values() for at in places]
        self.busy = sorted(set(range(count)) - set(idle))

    @abstractmethod
    def factors(self, beat: int) -> list[float]:
        """Each source's traffic in this beat relative to its average."""

    def drawn(self, name: str, number: int) -> random.Random:
        """A generator for one moment of this shape."""
        return random.Random(f"{self.seed}/{name}/{number}")


class Steady(Shape):
    """Always the average."""

    def factors(self, beat: int) -> list[float]:
        return [1.0] * self.count


class Diurnal(Shape):
    """All that is not idle swells and ebbs together."""

    peak = 1 + _TIDE

    def factors(self, beat: int) -> list[float]:
        factors = [1.0] * self.count
        for at in self.busy:
            factors[at] = 1.0 + _TIDE * math.sin(2 * math.pi * beat / DAY_BEATS)
        return factors


class Bursts(Shape):
    """Now and then a queue has far more."""

    peak = _BURST

    def factors(self, beat: int) -> list[float]:
        drawn = self.drawn("bursts", beat // BURST_BEATS)
        chances = [drawn.random() for _ in range(self.count)]
        factors = [1.0] * self.count
        for at in self.queues:
            factors[at] = _BURST if chances[at] < _BURST_CHANCE else 1.0
        return factors


class Hopping(Shape):
    """Some of each NIC's queues are elephants, others every few beats."""

    peak = ELEPHANT
    mean = 1 + (ELEPHANT - 1) * ELEPHANTS

    def factors(self, beat: int) -> list[float]:
        drawn = self.drawn("hopping", beat // HOP_BEATS)
        factors = [1.0] * self.count
        for places in self.groups.values():
            for at in drawn.sample(places, max(1, int(len(places) * ELEPHANTS))):
                factors[at] = ELEPHANT
        return factors


class Toggling(Shape):
    """Every half minute some queues go from their average to a multiple of it, or back."""

    peak = _TOGGLED
    mean = (1 + _TOGGLED) / 2

    def __init__(
        self, seed: int, count: int, groups: Mapping[str, Sequence[int]], idle: Sequence[int]
    ) -> None:
        super().__init__(seed, count, groups, idle)
        self._begin()

    def _begin(self) -> None:
        drawn = self.drawn("toggled", 0)
        self._up = {at for at in self.queues if drawn.random() < 0.5}
        self._times = 0

    def factors(self, beat: int) -> list[float]:
        times = beat // BURST_BEATS
        if times < self._times:
            self._begin()
        while self._times < times:
            self._times += 1
            drawn = self.drawn("toggling", self._times)
            self._up ^= {at for at in self.queues if drawn.random() < _TOGGLE_CHANCE}
        factors = [1.0] * self.count
        for at in self._up:
            factors[at] = _TOGGLED
        return factors


class Noisy(Shape):
    """Each queue's rate wanders by itself: the logarithm is an autoregressive process."""

    peak = math.exp(3 * _SIGMA)
    mean = math.exp(_SIGMA * _SIGMA / 2)

    def __init__(
        self, seed: int, count: int, groups: Mapping[str, Sequence[int]], idle: Sequence[int]
    ) -> None:
        super().__init__(seed, count, groups, idle)
        self._beat = -_PAST
        self._logs = [0.0] * len(self.queues)

    def factors(self, beat: int) -> list[float]:
        if beat < self._beat:
            self._beat, self._logs = -_PAST, [0.0] * len(self.queues)
        while self._beat < beat:
            self._beat += 1
            drawn, step = self.drawn("noisy", self._beat), _SIGMA * math.sqrt(1 - _PHI * _PHI)
            self._logs = [_PHI * log + drawn.gauss(0.0, step) for log in self._logs]
        factors = [1.0] * self.count
        for at, log in zip(self.queues, self._logs, strict=True):
            factors[at] = math.exp(log)
        return factors


class Churning(Shape):
    """Flows come at random (Poisson) to each queue, and stay for times with a heavy tail
    (Pareto).
    """

    peak = 3.0

    def __init__(
        self, seed: int, count: int, groups: Mapping[str, Sequence[int]], idle: Sequence[int]
    ) -> None:
        super().__init__(seed, count, groups, idle)
        # The mean duration, in beats, of flows that stay for at least one.
        self._arrivals = _FLOWS / (_PARETO / (_PARETO - 1))
        self._begin()

    def _begin(self) -> None:
        self._beat = -_PAST
        self._ends: list[tuple[float, int]] = []
        self._flows = dict.fromkeys(self.queues, 0)

    def factors(self, beat: int) -> list[float]:
        if beat < self._beat:
            self._begin()
        while self._beat < beat:
            self._beat += 1
            self._next(self.drawn("churning", self._beat))
        factors = [1.0] * self.count
        for at, flows in self._flows.items():
            # Requests that need no lasting flow are a part of the traffic, too.
            factors[at] = (1 + flows) / (1 + _FLOWS)
        return factors

    def _next(self, drawn: random.Random) -> None:
        """The flows of the next beat: those whose end has come go, others come."""
        while self._ends and self._ends[0][0] <= self._beat:
            self._flows[heappop(self._ends)[1]] -= 1
        for at in self.queues:
            moment = drawn.expovariate(self._arrivals)
            while moment < 1:
                heappush(self._ends, (self._beat + drawn.paretovariate(_PARETO), at))
                self._flows[at] += 1
                moment += drawn.expovariate(self._arrivals)


WAVES: dict[str, type[Shape]] = {
    "steady": Steady,
    "even": Steady,
    "skewed": Steady,
    "diurnal": Diurnal,
    "bursts": Bursts,
    "hopping": Hopping,
    "toggling": Toggling,
    "noisy": Noisy,
    "churning": Churning,
}
"""The class of each shape in `traffic.SHAPES`."""
