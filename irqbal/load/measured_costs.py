"""What the kernel measured in a window -> seconds a unit of each IRQ. Pure.

Handler time is measured by IRQ. Softirq time is measured by CPU and kind: network softirqs are
divided among the NIC queues that are delivered to that CPU, block softirqs among its block devices'
queues. The shares are each IRQ's work times its cost as estimated before.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from irqbal.model.readings import Measured

LEAST_RUNS = 20
"""Runs in a window below which an IRQ's time is too noisy to use."""
SAME = 0.15
"""Share by which a cost must differ from the present estimate to replace it: smaller differences
would only move IRQs back and forth.
"""
SOFTIRQS = {"net": ("NET_RX", "NET_TX"), "block": ("BLOCK", "IRQ_POLL"), "": ("HI", "TASKLET")}
"""The softirqs that do an IRQ's work, by the IRQ's kind; names as in `/proc/softirqs`."""
LEAST_COST = 1e-9
"""Least cost in seconds a unit: shares cannot be formed of costs that are 0."""


class MeasuredIrq(msgspec.Struct, frozen=True):
    """One IRQ: the number of its handlers (`actions`), the CPU to which it is delivered, the kind
    of its softirqs, `units` an interrupt (packets, or 1), and the `estimated` seconds of softirq a
    unit.
    """

    number: int
    actions: int
    cpu: int
    kind: str
    units: float
    estimated: float


class MeasuredCosts(msgspec.Struct, frozen=True):
    """Costs by IRQ number: `hard` is seconds an interrupt in handlers, `soft` seconds a unit in
    softirqs.
    """

    hard: dict[int, float]
    soft: dict[int, float]


def costs_of(measured: Measured, irqs: Iterable[MeasuredIrq]) -> MeasuredCosts:
    """The costs of each IRQ that ran often enough in the window."""
    hard: dict[int, float] = {}
    soft: dict[int, float] = {}
    sharers: dict[tuple[int, str], list[tuple[MeasuredIrq, float]]] = {}
    for irq in irqs:
        runs = measured.hits.get(irq.number, 0) / max(1, irq.actions)
        if not runs:
            continue
        if runs >= LEAST_RUNS:
            hard[irq.number] = max(LEAST_COST, measured.handlers.get(irq.number, 0.0) / runs)
        if irq.kind in SOFTIRQS and irq.units > 0:
            sharers.setdefault((irq.cpu, irq.kind), []).append((irq, runs))
    for (cpu, kind), sharing in sharers.items():
        spent = sum(measured.softirqs.get(name, {}).get(cpu, 0.0) for name in SOFTIRQS[kind])
        expected = sum(runs * irq.units * max(LEAST_COST, irq.estimated) for irq, runs in sharing)
        for irq, runs in sharing:
            if runs >= LEAST_RUNS:
                estimated = max(LEAST_COST, irq.estimated)
                soft[irq.number] = max(LEAST_COST, estimated * spent / expected)
    return MeasuredCosts(hard, soft)
