"""When the full reading is due. Pure.

A census is due when something announced a change, when a cheap reading shows one, or when its time
has come: settings of queues, and IRQs of a host without events, change without an announcement.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from irqbal.cpuset import CpuSet

CENSUS_SECONDS = 300.0
"""Between two censuses that nothing asked for."""
BIG_CENSUS_SECONDS = 1800.0
"""The same on big hosts, where one census costs as much as a hundred pulses."""
FEW = 256
"""IRQs up to which a host is no big one."""
ISOLATION_SECONDS = 60.0
"""Between two looks at which CPUs are isolated: cgroup partitions change unannounced."""

Isolation = dict[str, CpuSet]
"""Isolated CPUs by the source that isolates them."""


class CensusSchedule:
    """What was known at the last census, and when it was."""

    def __init__(self) -> None:
        self._taken = -math.inf
        self._population = -1
        self._isolation: Isolation = {}
        self._isolation_read = -math.inf

    def changes(self, now: float, population: int, isolation: Callable[[], Isolation]) -> list[str]:
        """What the cheap signs show, in words. `population` changes when IRQs come or go;
        `isolation` is read once a minute.
        """
        found = []
        if population != self._population:
            found.append("IRQs appeared or disappeared")
            self._population = population
        if now - self._isolation_read >= ISOLATION_SECONDS:
            self._isolation_read = now
            before, self._isolation = self._isolation, isolation()
            if before != self._isolation:
                found.append("other CPUs are isolated")
        return found

    def is_due(self, now: float, irqs: int) -> bool:
        """Whether a census is due by its time alone, on a host of so many IRQs."""
        return now - self._taken >= (CENSUS_SECONDS if irqs <= FEW else BIG_CENSUS_SECONDS)

    def taken(self, now: float) -> None:
        """A census was taken."""
        self._taken = now
