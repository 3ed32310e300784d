"""Two readings of counters -> smoothed rates of interrupts and of packets, by IRQ. Pure.

`/proc/stat` counts modulo 2**32, and a driver's rebind sets a count to 0. An IRQ that was reset or
is new fired an unknown number of times in that interval.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import repeat
from operator import sub, truediv

import msgspec

from irqbal.load.ewma import SmoothedRates

WRAP = 1 << 32
"""Interrupts after which the kernel's counter wraps to 0 (it is an unsigned int)."""
PLAUSIBLE_RATE = 5e6
"""Interrupts a second of one IRQ, at most: a higher rate means a reset rather than a wrap."""


def was_reset(before: int, after: int, seconds: float) -> bool:
    """Whether a total was reset between two readings `seconds` apart, rather than counted on,
    perhaps past WRAP.
    """
    if after >= before:
        return False
    return (after - before) % WRAP > PLAUSIBLE_RATE * max(seconds, 0.001)


class IntervalCounts(msgspec.Struct, frozen=True):
    """Counts of one interval. `interrupts` are in the order of `IrqRates.numbers`. `packets` are by
    IRQ number, of those whose queues count them. `unknown` are the numbers of IRQs that fired an
    unknown number of times.
    """

    interrupts: list[int]
    packets: dict[int, float]
    unknown: set[int]


class IrqRates:
    """Interrupts and packets a second of each IRQ, carried from one interval to the next."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        """The IRQs, in the order of every list here."""
        self._at: dict[int, int] = {}
        self.interrupts = SmoothedRates(0)
        self._packets = SmoothedRates(0)
        self._count_packets: set[int] = set()
        self._last: tuple[Mapping[int, int], list[int]] = ({}, [])

    def restart(self, numbers: Collection[int], same: Collection[int]) -> None:
        """Continue with these IRQs. Those of `same` keep their rates; others have none yet."""
        interrupts, packets = SmoothedRates(len(numbers)), SmoothedRates(len(numbers))
        for at, number in enumerate(numbers):
            there = self._at.get(number)
            if there is not None and number in same:
                interrupts.copy_line(at, self.interrupts, there)
                packets.copy_line(at, self._packets, there)
        self._count_packets &= set(same)
        self.interrupts, self._packets = interrupts, packets
        self.numbers = list(numbers)
        self._at = {number: at for at, number in enumerate(self.numbers)}
        self._last = ({}, [])

    def index(self, number: int) -> int | None:
        """This IRQ's place in every list, or None."""
        return self._at.get(number)

    def counts_packets(self, number: int) -> bool:
        """Whether this IRQ's work is counted in packets rather than interrupts."""
        return number in self._count_packets

    def without_packets(self, counts: IntervalCounts) -> list[int]:
        """The IRQs that fired, and whose packets should have been counted but could not be read."""
        missing = self._count_packets - counts.packets.keys()
        return [number for number in missing if counts.interrupts[self._at[number]]]

    def rate(self, number: int) -> float:
        """Interrupts a second, smoothed; 0 for an unknown IRQ."""
        at = self._at.get(number)
        return 0.0 if at is None else self.interrupts.mean[at]

    def work(self, number: int) -> SmoothedRates:
        """The table that holds this IRQ's units of work a second: packets if they are counted, else
        interrupts.
        """
        return self._packets if number in self._count_packets else self.interrupts

    def work_means(self) -> list[float]:
        """Units of work a second of all IRQs, in the order of `numbers`."""
        means = self.interrupts.mean
        if self._count_packets:
            means = means[:]
            for number in self._count_packets:
                means[self._at[number]] = self._packets.mean[self._at[number]]
        return means

    def works(self) -> list[tuple[float, float]]:
        """(units of work a second, their standard error) of all IRQs, in the order of `numbers`."""
        interrupts = list(zip(self.interrupts.mean, self.interrupts.noises(), strict=True))
        if self._count_packets:
            packets = list(zip(self._packets.mean, self._packets.noises(), strict=True))
            for number in self._count_packets:
                interrupts[self._at[number]] = packets[self._at[number]]
        return interrupts

    def begin_packets(self, packets: Mapping[int, int]) -> list[int]:
        """Count packets of these IRQs from now on. Returns the numbers of those that had no packet
        counts before.
        """
        fresh = [n for n in packets if n in self._at and n not in self._count_packets]
        self._count_packets.update(fresh)
        return fresh

    def count(
        self,
        before: Mapping[int, int],
        after: Mapping[int, int],
        packets: tuple[Mapping[int, int], Mapping[int, int]],
        seconds: float,
    ) -> IntervalCounts:
        """The differences of two readings `seconds` apart: totals of interrupts `before` and
        `after`, and totals of `packets` (before, after), all by IRQ number.
        """
        known, then = self._last
        if known is not before:
            then = self._in_order(before)
        now = self._in_order(after)
        self._last = (after, now)
        counts = list(map(sub, now, then))
        unknown: set[int] = set()
        if (counts and min(counts) < 0) or -1 in now or -1 in then:
            for at, number in enumerate(self.numbers):
                if now[at] < 0 or then[at] < 0 or was_reset(then[at], now[at], seconds):
                    unknown.add(number)
                    counts[at] = 0
                elif counts[at] < 0:
                    counts[at] %= WRAP
        old, new = packets
        worked: dict[int, float] = {}
        for number, total in new.items():
            earlier = old.get(number)
            # A packet counter that fell was set to 0 by the driver.
            if number in self._at and earlier is not None and total >= earlier:
                worked[number] = float(total - earlier)
        return IntervalCounts(counts, worked, unknown | (new.keys() - worked.keys()))

    def update(self, counts: IntervalCounts, seconds: float) -> bool:
        """Add one interval of so many seconds to the rates. Returns whether the count of every IRQ
        was known.
        """
        interrupts, worked, unknown = counts.interrupts, counts.packets, counts.unknown
        calm = self.interrupts.add(
            [
                None if number in unknown else count / seconds
                for number, count in zip(self.numbers, interrupts, strict=True)
            ]
            if unknown
            else list(map(truediv, interrupts, repeat(seconds)))
        )
        if worked:
            calm &= self._packets.add(
                [
                    worked[number] / seconds
                    if number in worked
                    else (0.0 if number not in self._count_packets else None)
                    for number in self.numbers
                ]
            )
        return calm

    def _in_order(self, totals: Mapping[int, int]) -> list[int]:
        """Each IRQ's total in the order of `numbers`; -1 if there is none."""
        if list(totals) == self.numbers:
            return list(totals.values())
        return [totals.get(number, -1) for number in self.numbers]
