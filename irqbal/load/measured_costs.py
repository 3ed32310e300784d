"""What the kernel measured in a window -> seconds a unit of each IRQ. Pure.

Handler time is an IRQ's own. Softirq time is a CPU's, by kind: network softirqs are shared out to
the NIC queues that are delivered to that CPU, block softirqs to its block devices' queues, each by
its work times its cost as estimated before.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from irqbal.model.readings import Measured

LEAST_RUNS = 20
"""Runs in a window below which an IRQ's time says too little."""
SAME = 0.15
"""Share by which a cost must differ from the present estimate to replace it: less would only move
IRQs to and fro.
"""
SOFTIRQS = {"net": ("NET_RX", "NET_TX"), "block": ("BLOCK", "IRQ_POLL"), "": ("HI", "TASKLET")}
"""The softirqs that do an IRQ's work, by the IRQ's kind; names as in `/proc/softirqs`."""
LEAST_COST = 1e-9
"""Seconds a unit, at least: no cost is 0, so that shares can be formed."""


class MeasuredIrq(msgspec.Struct, frozen=True):
    """One IRQ: how many handlers share it, the CPU it is delivered to, its kind, units (packets, or
    1) an interrupt, and the seconds of softirq a unit as estimated before.
    """

    number: int
    actions: int
    cpu: int
    kind: str
    units: float
    estimated: float


class MeasuredCosts(msgspec.Struct, frozen=True):
    """By IRQ number: `hard` seconds an interrupt in handlers, `soft` seconds a unit in softirqs."""

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
