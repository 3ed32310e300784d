"""A fixed piece of work that a policy's CPU time is compared with, so that the verdict is the same
on a slow machine, a fast one and a busy one.

It does what policies do, in pure Python: build structs and CPU sets, collect them in dictionaries
and sets, sort them, and write sentences.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import msgspec

from irqbal.cpuset import CpuSet

ITEMS = 2048
"""Structs that one run builds: about as many as the contract's large host has IRQs."""
CPUS = 512
"""CPUs that they are spread over, as many as that host has."""
RUNS = 5
"""Runs before and after what is measured. Their median counts, so a single disturbed one does not
matter.
"""

_CPU_TIME = time.process_time
"""The clock itself: PurityWatch puts another one in its place."""


class ReferenceItem(msgspec.Struct, frozen=True):
    """What the reference work builds."""

    number: int
    cpus: CpuSet
    load: float
    reason: str


def reference_work() -> int:
    """Do the work once; the result, which is always the same, is of no interest."""
    items = [
        ReferenceItem(
            number,
            CpuSet.of(number % CPUS) | CpuSet.of(number * 7 % CPUS),
            number * 37 % 101 / 101,
            f"item {number}",
        )
        for number in range(ITEMS)
    ]
    on_cpu: dict[int, list[ReferenceItem]] = {}
    for item in items:
        for cpu in item.cpus:
            on_cpu.setdefault(cpu, []).append(item)
    loads = {cpu: sum(item.load for item in on) for cpu, on in on_cpu.items()}
    ranked = sorted(items, key=lambda item: (-item.load, item.number))
    seen: set[tuple[int, str]] = set()
    for item in ranked:
        cpu = min(item.cpus, key=lambda cpu: (loads[cpu], cpu))
        loads[cpu] += item.load
        seen.add((cpu, f"{item.reason}: {item.load:.2f} on CPU {cpu}"))
    return len(seen)


class CpuCost(msgspec.Struct, frozen=True):
    """CPU time: in seconds, and in runs of the reference work."""

    seconds: float
    runs: float


class ReferenceClock:
    """Measures CPU time of this process in runs of the reference work, as fast as this machine is
    now: it does that work when it is created, and again after each measurement.
    """

    def __init__(self) -> None:
        self._runs: list[float] = []
        self._calibrate()

    @property
    def seconds(self) -> float:
        """CPU seconds of one run of the reference work."""
        return statistics.median(self._runs)

    def measure(self, work: Callable[[], object]) -> CpuCost:
        """Do this work, and return what it cost."""
        started = _CPU_TIME()
        work()
        seconds = _CPU_TIME() - started
        self._calibrate()
        return CpuCost(seconds, seconds / self.seconds)

    def _calibrate(self) -> None:
        for _ in range(RUNS):
            started = _CPU_TIME()
            reference_work()
            self._runs.append(_CPU_TIME() - started)
