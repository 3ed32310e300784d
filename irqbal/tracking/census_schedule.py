"""When the full reading (the census) is due. Pure.

A census is due after an event from the kernel, when a cheap reading shows a change, and
periodically: the kernel does not announce changes of queue settings, and a host may have no events
at all.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from irqbal.cpuset import CpuSet

CENSUS_SECONDS = 300.0
"""Seconds between two censuses on a host of up to FEW IRQs, if nothing else requests one."""
BIG_CENSUS_SECONDS = 1800.0
"""The same on bigger hosts, where one census costs as much as a hundred pulses."""
FEW = 256
"""IRQs up to which CENSUS_SECONDS applies; a host with more counts as big."""
ISOLATION_SECONDS = 60.0
"""Seconds between two readings of the isolated CPUs: the kernel does not announce changes of cgroup
partitions.
"""

Isolation = dict[str, CpuSet]
"""Isolated CPUs by the source that isolates them."""


class CensusSchedule:
    """The time of the last census, and the cheap signs of a change as last read."""

    def __init__(self) -> None:
        self._taken = -math.inf
        self._population = -1
        self._isolation: Isolation = {}
        self._isolation_read = -math.inf

    def changes(self, now: float, population: int, isolation: Callable[[], Isolation]) -> list[str]:
        """The changes that cheap signs show, in words. `now` is seconds on the monotonic clock.
        `population` is a number that changes when IRQs appear or disappear. `isolation` is called
        once in ISOLATION_SECONDS.
        """
        changes = []
        if population != self._population:
            changes.append("IRQs appeared or disappeared")
            self._population = population
        if now - self._isolation_read >= ISOLATION_SECONDS:
            self._isolation_read = now
            before, self._isolation = self._isolation, isolation()
            if before != self._isolation:
                changes.append("the isolated CPUs changed")
        return changes

    def is_due(self, now: float, irqs: int) -> bool:
        """Whether a periodic census is due on a host of so many IRQs."""
        return now - self._taken >= (CENSUS_SECONDS if irqs <= FEW else BIG_CENSUS_SECONDS)

    def taken(self, now: float) -> None:
        """Record that a census was taken at this time."""
        self._taken = now
