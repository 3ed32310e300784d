"""What the kernel measured in a window -> seconds a unit of each IRQ. Pure.

Handler time is an IRQ's own. Softirq time is a CPU's, by kind: what the network took is shared out
to the queues of NICs that are delivered there, what block devices took to theirs, by their work
times what each was believed to cost.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from irqbal.model.readings import Measured

MOST_OFTEN = 20
"""Runs in a window below which its time says too little."""
SAME = 0.15
"""By so much a cost must differ from the one that was measured before: what is less would only move
IRQs about.
"""
SOFTIRQS = {"net": ("NET_RX", "NET_TX"), "block": ("BLOCK", "IRQ_POLL"), "": ("HI", "TASKLET")}
"""By the kind of an IRQ, the softirqs that do its work."""
_LEAST = 1e-9


class MeasuredIrq(msgspec.Struct, frozen=True):
    """One IRQ: how many handlers share it, the CPU it is delivered to, its kind, units (packets, or
    1) an interrupt, and the seconds of softirq that a unit was believed to cost.
    """

    number: int
    actions: int
    cpu: int
    kind: str
    units: float
    believed: float


def costs_of(
    measured: Measured, parts: Iterable[MeasuredIrq]
) -> tuple[dict[int, float], dict[int, float]]:
    """(seconds an interrupt in handlers, seconds a unit in softirqs) of each IRQ that ran often
    enough.
    """
    hard: dict[int, float] = {}
    soft: dict[int, float] = {}
    sharers: dict[tuple[int, str], list[tuple[MeasuredIrq, float]]] = {}
    for part in parts:
        runs = measured.hits.get(part.number, 0) / max(1, part.actions)
        if not runs:
            continue
        if runs >= MOST_OFTEN:
            hard[part.number] = max(_LEAST, measured.handlers.get(part.number, 0.0) / runs)
        if part.kind in SOFTIRQS and part.units > 0:
            sharers.setdefault((part.cpu, part.kind), []).append((part, runs))
    for (cpu, kind), sharing in sharers.items():
        spent = sum(measured.softirqs.get(name, {}).get(cpu, 0.0) for name in SOFTIRQS[kind])
        expected = sum(runs * part.units * max(_LEAST, part.believed) for part, runs in sharing)
        for part, runs in sharing:
            if runs >= MOST_OFTEN:
                soft[part.number] = max(_LEAST, max(_LEAST, part.believed) * spent / expected)
    return hard, soft
