"""Load of the threads that handle interrupts: an IRQ's own thread (`irq/N-…`), or threaded NAPI.
Pure.

An IRQ's thread follows the IRQ's affinity. A NAPI thread runs where the scheduler puts it.
"""

from __future__ import annotations

from collections.abc import Mapping

from irqbal.load.ewma import ALPHA
from irqbal.model.readings import ThreadTime

_LEAST = 1e-6
"""Seconds a second below which a thread's load is forgotten: far below one jiffy a minute."""


class ThreadLoad:
    """Seconds a second, smoothed: `of_irq` by IRQ number, `of_cpu` of threaded NAPI by CPU."""

    def __init__(self) -> None:
        self.of_irq: dict[int, float] = {}
        self.of_cpu: dict[int, float] = {}
        self._intervals = 0

    def update(
        self, before: Mapping[int, ThreadTime], after: Mapping[int, ThreadTime], seconds: float
    ) -> None:
        """Add one interval of so many seconds; readings are by process ID. A NAPI thread's time
        counts for the CPU on which it ran last. If an IRQ's thread has no reading at the interval's
        start, the load of its threads stays unchanged.
        """
        if not after and not self.of_irq and not self.of_cpu:
            return
        self._intervals += 1
        irqs: dict[int, float] = {}
        unknown: set[int | None] = set()
        cpus: dict[int, float] = {}
        for pid, now in after.items():
            then = before.get(pid)
            if then is None or then.irq != now.irq or now.seconds < then.seconds:
                unknown.add(now.irq)
                continue
            spent = (now.seconds - then.seconds) / seconds
            if now.irq is not None:
                irqs[now.irq] = irqs.get(now.irq, 0.0) + spent
            else:
                cpus[now.cpu] = cpus.get(now.cpu, 0.0) + spent
        alpha = max(ALPHA, 1 / self._intervals)
        irqs |= {number: self.of_irq.get(number, 0.0) for number in unknown if number is not None}
        self.of_irq, self.of_cpu = (
            _smoothed(self.of_irq, irqs, alpha),
            _smoothed(self.of_cpu, cpus, alpha),
        )


def _smoothed(
    old: Mapping[int, float], fresh: Mapping[int, float], alpha: float
) -> dict[int, float]:
    mixed = {
        key: old.get(key, 0.0) + alpha * (fresh.get(key, 0.0) - old.get(key, 0.0))
        for key in old.keys() | fresh.keys()
    }
    return {key: value for key, value in mixed.items() if value > _LEAST}
