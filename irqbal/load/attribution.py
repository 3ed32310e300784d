"""Which CPU's time belongs to which IRQs: adds up intervals for as long as no IRQ moves. Pure.

Fitting costs is expensive, and a short interval's time is coarse (jiffies). So intervals are added
up until an IRQ moves or a caller requests loads. An IRQ that moved, that is delivered to several
CPUs, or that fired an unknown number of times spoils the interval for the CPUs involved: their time
cannot be attributed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Set
from itertools import compress
from operator import add

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.load.cost_model import Observation
from irqbal.load.irq_rates import IntervalCounts, IrqRates

NOWHERE = CpuSet()

CpuTimes = Mapping[int, tuple[float, float]]
"""(irq, softirq) seconds a second of each CPU."""


class Places(msgspec.Struct, frozen=True):
    """Where IRQs were delivered in one interval: the CPUs whose time cannot be attributed, the one
    CPU of each IRQ that is new here and stayed there, and the IRQs that have no such CPU.
    """

    unclean: set[int]
    stayed: dict[int, CpuSet]
    left: list[int]


class Attribution:
    """Counts of IRQs and times of CPUs, added up since the last fit."""

    def __init__(self) -> None:
        self.intervals = 0
        """The number of intervals added up."""
        self._seconds = 0.0
        self._counted: list[int] = []
        self._packets: list[float] = []
        self._spent: dict[int, tuple[float, float]] = {}
        self._unclean: set[int] = set()
        self._places: dict[int, int] = {}
        self._settled: dict[int, CpuSet] = {}

    def compare(
        self,
        rates: IrqRates,
        counts: IntervalCounts,
        totals: Mapping[int, int],
        start: Mapping[int, CpuSet],
        effective: Mapping[int, CpuSet],
        apart: Set[int] = frozenset(),
    ) -> Places:
        """Where the IRQs that fired in this interval were delivered. `totals` are interrupts by IRQ
        number at the interval's end. `start` and `effective` are the effective affinities at its
        start and end; IRQs absent from `effective` did not move. IRQs that are `apart` are left
        out.
        """
        unclean: set[int] = set()
        stayed: dict[int, CpuSet] = {}
        left: list[int] = []
        for number in counts.unknown:
            if number not in apart and totals.get(number, 1):
                unclean.update(effective.get(number, NOWHERE) | start.get(number, NOWHERE))
        for number in rates.without_packets(counts):
            if number not in apart:
                unclean.update(effective.get(number, NOWHERE) | start.get(number, NOWHERE))
        places, settled, interrupts = self._places, self._settled, counts.interrupts
        candidates = set(effective)
        if len(places) < len(interrupts):
            candidates |= set(compress(rates.numbers, interrupts)) - places.keys()
        for number in candidates - apart:
            at = rates.index(number)
            if at is None or not interrupts[at]:
                continue
            begin = start.get(number, NOWHERE)
            end = effective.get(number, begin)
            if end is begin and settled.get(number) is end:
                # The usual case: the reader returns the same object for the same text.
                continue
            if len(end) == 1 and end == begin and places.get(number) in (None, end.first):
                stayed[number] = end
            else:
                unclean.update(end | begin)
                left.append(number)
        return Places(unclean, stayed, left)

    def holds(self, numbers: Collection[int]) -> bool:
        """Whether any of these IRQs had one place in what is added up."""
        return not self._places.keys().isdisjoint(numbers)

    def spoils(self, cpus: Collection[int]) -> bool:
        """Whether the sums hold attributable time of any of these CPUs: use the sums before the
        interval that spoils them is added.
        """
        return bool(self.intervals and set(cpus) - self._unclean)

    def add(
        self,
        counts: IntervalCounts,
        places: Places,
        cpu_times: CpuTimes,
        seconds: float,
        numbers: list[int],
    ) -> None:
        """Add one interval of so many seconds. `numbers` are the IRQs in the order of `counts`."""
        for number, cpus in places.stayed.items():
            self._places[number] = cpus.first
            self._settled[number] = cpus
        for number in places.left:
            self._settled.pop(number, None)
            self._places.pop(number, None)
        self._unclean |= places.unclean
        self._seconds += seconds
        self.intervals += 1
        interrupts, packets = counts.interrupts, counts.packets
        self._counted = list(map(add, self._counted, interrupts)) if self._counted else interrupts
        if packets:
            fresh = [packets.get(number, 0.0) for number in numbers]
            self._packets = list(map(add, self._packets, fresh)) if self._packets else fresh
        spent = self._spent
        for cpu, (hard, soft) in cpu_times.items():
            hard_sum, soft_sum = spent.get(cpu, (0.0, 0.0))
            spent[cpu] = (hard_sum + hard * seconds, soft_sum + soft * seconds)

    def observations(self, rates: IrqRates) -> Iterator[tuple[int, Observation, Observation]]:
        """(CPU, hard interrupts, soft interrupts) of each CPU whose time can be attributed."""
        hard: dict[int, dict[int, float]] = {cpu: {} for cpu in self._spent}
        soft: dict[int, dict[int, float]] = {cpu: {} for cpu in self._spent}
        counted, packets, places = self._counted, self._packets, self._places
        for at, number in enumerate(rates.numbers):
            cpu = places.get(number)
            if cpu is None or cpu not in hard or not counted[at]:
                continue
            hard[cpu][number] = float(counted[at])
            by_packets = packets and rates.counts_packets(number)
            soft[cpu][number] = packets[at] if by_packets else float(counted[at])
        seconds, intervals = self._seconds, self.intervals
        for cpu, (irq, softirq) in self._spent.items():
            if cpu not in self._unclean:
                yield (
                    cpu,
                    Observation(hard[cpu], irq, seconds, intervals),
                    Observation(soft[cpu], softirq, seconds, intervals),
                )
