"""How often a CPU's softirqs ran out of budget, over the last minutes. Pure."""

from __future__ import annotations

from irqbal.model.readings import Pulse

ALPHA = 0.05
"""Weight of the newest interval in the smoothed rate: with intervals of 10 s, it averages over some
three minutes.
"""
LEAST = 1e-3
"""Squeezes a second below which a CPU counts as not squeezed: about one in a quarter of an hour."""


class SqueezeRates:
    """Smoothed squeezes and drops a second, by CPU (`/proc/net/softnet_stat`)."""

    def __init__(self) -> None:
        self.by_cpu: dict[int, float] = {}

    def update(self, before: Pulse, after: Pulse) -> None:
        """Add the interval between two pulses."""
        if after.squeezed is before.squeezed and not self.by_cpu:
            return
        seconds = max(0.001, after.time - before.time)
        rates = {}
        for cpu, count in after.squeezed.items():
            rate = max(0, count - before.squeezed.get(cpu, count)) / seconds
            smooth = self.by_cpu.get(cpu, 0.0)
            smooth += ALPHA * (rate - smooth)
            if smooth > LEAST:
                rates[cpu] = smooth
        self.by_cpu = rates
