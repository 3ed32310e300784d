"""Where the kernel delivers each IRQ: at the start of the present interval, and as last read. Pure.

The estimator attributes a CPU's time only to IRQs that did not move in the interval, so it needs
the effective affinity at the interval's start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from irqbal.cpuset import CpuSet
from irqbal.model.readings import IrqFacts

NOWHERE = CpuSet()


class Delivery:
    """Effective affinities by IRQ number."""

    def __init__(self) -> None:
        self.at_start: dict[int, CpuSet] = {}
        """Effective affinities at the start of the interval, by IRQ number; absent or empty if
        unknown.
        """
        self._last: dict[int, CpuSet] = {}

    def last(self, facts: IrqFacts) -> CpuSet:
        """The effective affinity of this IRQ as last read."""
        return self._last.get(facts.number) or facts.effective

    def restart(self, irqs: Iterable[IrqFacts], renewed: Iterable[int]) -> list[int]:
        """Take over the effective affinities of a census. For new IRQs and those of
        `renewed` (numbers with a new generation), these also count as the interval's start. Returns
        all that are elsewhere than at the start.
        """
        moved = list(renewed)
        for number in moved:
            self.at_start.pop(number, None)
        for facts in irqs:
            self._last[facts.number] = facts.effective
            if self.at_start.setdefault(facts.number, facts.effective) != facts.effective:
                moved.append(facts.number)
        return moved

    def start_interval(self, effective: Mapping[int, CpuSet]) -> list[int]:
        """Begin a new interval with the effective affinities of this pulse. IRQs absent from it did
        not move. Returns those that did.
        """
        start = self.at_start
        moved = [number for number, cpus in effective.items() if start.get(number) != cpus]
        self.at_start.update(effective)
        self._last.update(effective)
        return moved

    def moved(self, number: int, mask: CpuSet) -> CpuSet:
        """Record that this mask was just written. Returns the CPUs whose load changes with it."""
        before = self.at_start.get(number, NOWHERE)
        if len(mask) == 1:
            # The kernel delivers the next interrupt there.
            self.at_start[number] = mask
            return before | mask
        # Among several CPUs the kernel chooses one, unless the present one is among them.
        self.at_start[number] = before if before <= mask else NOWHERE
        return before
