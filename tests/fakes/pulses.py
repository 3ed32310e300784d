"""Pulses of made-up hosts, for the load's estimator."""

from __future__ import annotations

from irqbal.cpuset import CpuSet
from irqbal.model.readings import CpuTime, Pulse


def pulse(
    time: float, totals: dict[int, int], spent: dict[int, float], effective: dict[int, CpuSet]
) -> Pulse:
    """A pulse of a host whose CPUs are all online. `spent`: each CPU's seconds in softirqs."""
    return Pulse(
        time=time,
        totals=totals,
        cpu_times={cpu: CpuTime(0, seconds) for cpu, seconds in spent.items()},
        online=CpuSet(spent),
        effective=effective,
    )
