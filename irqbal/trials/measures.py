"""What one window of a trial measures, from two readings of the kernel's counters. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import msgspec

from irqbal.load.irq_rates import WRAP
from irqbal.model.readings import Counts, Scheduling

Measure = Literal[
    "busiest",
    "mean",
    "per-packet",
    "squeezes",
    "drops",
    "rescheduling",
    "switches",
    "stalled",
    "run-delay",
    "command",
]
"""busiest: CPU time in interrupts and softirqs of the CPU that has most of it, seconds a second;
mean: the same of all CPUs on average; per-packet: seconds of that time for each packet that the
network's softirq processed; squeezes, drops: softirqs out of budget or time, and packets dropped
because a CPU's backlog was full, a second; rescheduling: rescheduling interrupts (RES) a second;
switches: context switches a second; stalled: share of the time in which some task waited for a CPU
(PSI); run-delay: seconds that tasks waited for a CPU, a second; command: the number that the user's
command printed.
"""
MEASURES: tuple[Measure, ...] = get_args(Measure)
DIFFERENCES: frozenset[Measure] = frozenset({"squeezes", "drops", "stalled", "run-delay"})
"""Measures that are compared by their difference, since 0 is usual; others by their ratio."""
SMALLEST: dict[Measure, float] = {
    "busiest": 1e-3,
    "mean": 1e-4,
    "per-packet": 1e-9,
    "rescheduling": 1.0,
    "switches": 1.0,
}
"""What is added to both sides of a ratio, so that a window in which nothing happened has a
logarithm: a thousandth of a CPU is less than jiffies show in a window, and one event a second is
none.
"""


class TrialReading(msgspec.Struct, frozen=True):
    """All counters at one moment."""

    counts: Counts
    scheduling: Scheduling


def measured(before: TrialReading, after: TrialReading) -> dict[Measure, float]:
    """What happened between two readings; a measure that the kernel does not have is left out."""
    seconds = after.counts.time - before.counts.time
    if seconds <= 0:
        return {}
    busy = _busy(before.counts, after.counts)
    found: dict[Measure, float] = {}
    if busy:
        found["busiest"] = max(busy.values()) / seconds
        found["mean"] = sum(busy.values()) / len(busy) / seconds
    softnet: dict[str, float] = {
        name: _grown(row, after.counts.softnet.get(name, {}))
        for name, row in before.counts.softnet.items()
    }
    if "processed" in softnet:
        packets = softnet["processed"]
        if packets > 0 and busy:
            found["per-packet"] = sum(busy.values()) / packets
        found["squeezes"] = softnet.get("time_squeeze", 0.0) / seconds
        found["drops"] = softnet.get("dropped", 0.0) / seconds
    if "RES" in before.counts.rows and "RES" in after.counts.rows:
        grown = _grown(before.counts.rows["RES"], after.counts.rows["RES"])
        found["rescheduling"] = grown / seconds
    scheduled: tuple[tuple[Measure, Callable[[Scheduling], float | None]], ...] = (
        ("switches", lambda reading: reading.switches),
        ("stalled", lambda reading: reading.stalled),
        ("run-delay", lambda reading: reading.run_delay),
    )
    for name, value in scheduled:
        first, last = value(before.scheduling), value(after.scheduling)
        if first is not None and last is not None:
            found[name] = max(0.0, last - first) / seconds
    return found


def _busy(before: Counts, after: Counts) -> dict[int, float]:
    """Seconds in interrupts and softirqs by CPU."""
    busy: dict[int, float] = {}
    for name in ("irq", "softirq"):
        first = before.times.get(name, {})
        for cpu, spent in after.times.get(name, {}).items():
            if cpu in first:
                busy[cpu] = busy.get(cpu, 0.0) + max(0, spent - first[cpu]) / 1e6
    return busy


def _grown(before: Mapping[int, int], after: Mapping[int, int]) -> float:
    """What counters of 32 bits counted on the CPUs that are in both."""
    return sum((count - before[cpu]) % WRAP for cpu, count in after.items() if cpu in before)


def log_ratio(measure: Measure, a: float, b: float) -> float:
    """The logarithm of what side B has over what side A has in one pair."""
    least = SMALLEST.get(measure, 1e-12)
    return math.log((b + least) / (a + least))
