"""Where the kernel delivers each IRQ: at the start of the present interval, and as last seen. Pure.

The estimator attributes a CPU's time only to IRQs that stayed where they were, so it must know
where each was delivered when the interval began.
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
        """At the start of the interval; empty where it is not known."""
        self._last: dict[int, CpuSet] = {}

    def last(self, facts: IrqFacts) -> CpuSet:
        """Where this IRQ was last seen to be delivered."""
        return self._last.get(facts.number) or facts.effective

    def restart(self, irqs: Iterable[IrqFacts], renewed: Iterable[int]) -> None:
        """A census has read every effective affinity. Of IRQs that began anew the interval's start
        is not known.
        """
        for number in renewed:
            self.at_start.pop(number, None)
        for facts in irqs:
            self._last[facts.number] = facts.effective
            self.at_start.setdefault(facts.number, facts.effective)

    def start_interval(self, effective: Mapping[int, CpuSet]) -> None:
        """A new interval begins with this reading. IRQs that it does not hold did not move."""
        self.at_start.update(effective)
        self._last.update(effective)

    def moved(self, number: int, mask: CpuSet) -> CpuSet:
        """This mask was just written. Returns the CPUs whose load changes by it."""
        before = self.at_start.get(number, NOWHERE)
        if len(mask) == 1:
            # The next interrupt goes there.
            self.at_start[number] = mask
            return before | mask
        # The kernel chooses among several CPUs, unless it need not move the IRQ at all.
        self.at_start[number] = before if before <= mask else NOWHERE
        return before
