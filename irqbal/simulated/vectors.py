"""Which CPU serves an IRQ: the kernel's choice within a mask, and how many vectors each CPU has
left (kernel/irq/matrix.c).
"""

from __future__ import annotations

from collections.abc import Iterable

from irqbal.cpuset import CpuSet


class Vectors:
    """The vectors in use on each CPU; each has at most `limit`."""

    def __init__(self, cpus: Iterable[int], limit: int) -> None:
        self._used = dict.fromkeys(cpus, 0)
        self._limit = limit

    def used(self, cpu: int) -> int:
        """Vectors in use on this CPU."""
        return self._used[cpu]

    def reserve(self, cpus: CpuSet) -> None:
        """Take one vector on each of these CPUs, as managed IRQs do."""
        for cpu in cpus:
            self._used[cpu] += 1

    def take(self, cpus: CpuSet, preferred: CpuSet) -> int | None:
        """Take a vector on the CPU with the fewest in use, among the preferred CPUs if one of them
        has a vector left. Returns that CPU; None if all are full.
        """
        for among in (cpus & preferred, cpus):
            free = [cpu for cpu in among if self._used[cpu] < self._limit]
            if free:
                cpu = min(free, key=lambda number: (self._used[number], number))
                self._used[cpu] += 1
                return cpu
        return None

    def give(self, cpus: CpuSet) -> None:
        """Free one vector on each of these CPUs."""
        for cpu in cpus:
            self._used[cpu] -= 1
