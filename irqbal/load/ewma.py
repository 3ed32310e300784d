"""Exponentially smoothed rates of many lines at once. Pure.

Most readings only confirm the last, so the common case takes a few operations a line.
"""

from __future__ import annotations

import math
from itertools import compress
from operator import ne, or_

ALPHA = 0.1
"""Weight of the newest reading in a smoothed value, after SETTLED readings."""
SETTLED = 12
"""Intervals after which a smoothed value is reliable: ALPHA then outweighs a plain mean."""


class SmoothedRates:
    """Smoothed rates of many lines, with their variances. A line restarts from the newest reading
    after a change of level: two readings in a row far from the mean, on the same side.
    """

    def __init__(self, size: int) -> None:
        self.mean = [0.0] * size
        self.variance = [0.0] * size
        self.count = [0] * size
        self._off = [0] * size

    def add(self, rates: list[float | None]) -> bool:
        """Add a reading; None: that line was not read. Returns whether every line was read."""
        mean, variance, count, off = self.mean, self.variance, self.count, self._off
        # On most hosts most lines are idle: lines that are settled and exactly as before are
        # skipped inside `compress`, without a step of the interpreter.
        news = map(or_, map(ne, rates, mean), map(SETTLED.__gt__, count))
        for at in compress(range(len(mean)), map(or_, news, off)):
            rate, level = rates[at], mean[at]
            if rate is None:
                continue
            error = rate - level
            squared = error * error
            # The square root is taken only where the cheap test does not settle it.
            if count[at] >= SETTLED and (squared <= 16 * variance[at] or abs(error) <= 0.3 * level):
                if off[at]:
                    off[at] = 0
                mean[at] = level + ALPHA * error
                variance[at] = (1 - ALPHA) * (variance[at] + ALPHA * squared)
            else:
                self._add(at, rate, error)
        return None not in rates

    def _add(self, at: int, rate: float, error: float) -> None:
        """Add a reading of a line that has few readings or may have changed its level."""
        if (
            self.count[at] >= 2
            and abs(error) > 4 * math.sqrt(self.variance[at]) + 0.3 * self.mean[at]
        ):
            step = 1 if error > 0 else -1
            self._off[at] = self._off[at] + step if self._off[at] * step > 0 else step
            if abs(self._off[at]) >= 2:
                self.mean[at], self.variance[at], self.count[at], self._off[at] = rate, 0.0, 1, 0
                return
            if self.count[at] > 3:
                return
        else:
            self._off[at] = 0
        self.count[at] += 1
        alpha = max(ALPHA, 1 / self.count[at])
        self.mean[at] += alpha * error
        if self.count[at] > 1:
            self.variance[at] = (1 - alpha) * (self.variance[at] + alpha * error * error)

    def noise(self, at: int) -> float:
        """Standard error of one line's mean."""
        alpha = max(ALPHA, 1 / max(self.count[at], 1))
        return math.sqrt(self.variance[at] * alpha / (2 - alpha)) if self.count[at] > 1 else 0.0

    def noises(self) -> list[float]:
        """Standard errors of all lines' means."""
        known = zip(self.variance, self.count, strict=True)
        return [
            math.sqrt(variance * alpha / (2 - alpha))
            if count > 1 and variance and (alpha := max(ALPHA, 1 / count))
            else 0.0
            for variance, count in known
        ]

    def copy_line(self, at: int, other: SmoothedRates, there: int) -> None:
        """Copy line `there` of another table to line `at`."""
        self.mean[at], self.variance[at] = other.mean[there], other.variance[there]
        self.count[at], self._off[at] = other.count[there], other._off[there]
