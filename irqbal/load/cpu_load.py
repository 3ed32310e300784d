"""Each CPU's time in hard interrupts and softirqs, smoothed as the rates of IRQs are. Pure.

A reading of one interval is as coarse as the kernel's tick, and of another moment than the loads of
IRQs, which are smoothed: side by side, a part could be more than its whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from irqbal.load.ewma import SmoothedRates


class CpuLoad:
    """Seconds a second by CPU."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        """CPU -> its line in both tables."""
        self._hard, self._soft = SmoothedRates(0), SmoothedRates(0)

    def update(self, times: Mapping[int, tuple[float, float]]) -> None:
        """Add a reading: (irq, softirq) seconds a second of each CPU in one interval."""
        if times.keys() != self._places.keys():
            self._restart(times)
        order = list(self._places)
        self._hard.add([times[cpu][0] for cpu in order])
        self._soft.add([times[cpu][1] for cpu in order])

    def forget(self, cpus: Iterable[int]) -> None:
        """IRQs moved to or from these CPUs: what was read before says nothing any more."""
        for cpu in cpus:
            at = self._places.get(cpu)
            if at is not None:
                self._hard.count[at] = self._soft.count[at] = 0

    def of(self, cpu: int) -> tuple[float, float]:
        """(irq, softirq) seconds a second of this CPU; 0 before its first reading."""
        at = self._places.get(cpu)
        return (0.0, 0.0) if at is None else (self._hard.mean[at], self._soft.mean[at])

    def _restart(self, times: Mapping[int, tuple[float, float]]) -> None:
        """Continue with these CPUs."""
        hard, soft = SmoothedRates(len(times)), SmoothedRates(len(times))
        for at, cpu in enumerate(times):
            there = self._places.get(cpu)
            if there is not None:
                hard.copy_line(at, self._hard, there)
                soft.copy_line(at, self._soft, there)
        self._places = {cpu: at for at, cpu in enumerate(times)}
        self._hard, self._soft = hard, soft
