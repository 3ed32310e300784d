"""Packs IRQs on few CPUs while the host is nearly idle, so that the others can sleep, and spreads
them again when it is not.

A policy has no memory of its own. Whether it is packing now shows in the snapshot: the reason in
`irq.placed` of an IRQ that it packed begins with PACKED.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from irqbal import CpuSet, Draft, Irq, Meta, Options, Percent, Placement, Snapshot, hookimpl

IRQBAL_API = "1"

PACKED = "packed"
"""The beginning of the reason of every placement that packs."""
ROOM = 0.5
"""CPUs of load up to which IRQs are packed on one CPU."""
FULL = 0.8
"""CPUs of load above which a CPU gives packed IRQs away; it lies above ROOM for hysteresis."""
VECTORS = 100
"""IRQs that one CPU gets at most: x86 has about 200 vectors a CPU."""


class Power(Options, frozen=True):
    """Options of power."""

    pack_below: Annotated[
        Percent, Meta(description="mean load of all CPUs below which IRQs are packed")
    ] = Percent(0.01)
    spread_above: Annotated[
        Percent, Meta(description="mean load above which they are spread again")
    ] = Percent(0.03)

    def __post_init__(self) -> None:
        if not 0 <= self.pack_below < self.spread_above <= 1:
            raise ValueError(
                "pack_below must be less than spread_above, or IRQs would go to and fro; both are "
                "0% to 100%"
            )


@hookimpl
def irqbal_options() -> type[Power]:
    return Power


@hookimpl
def irqbal_place(snapshot: Snapshot, draft: Draft, options: Power) -> Iterator[Placement]:
    free = [irq for irq in snapshot.irqs if irq.movable and draft.claim(irq) is None]
    mean = sum(irq.load for irq in snapshot.irqs) / max(1, len(snapshot.online))
    packing = _is_packing(snapshot)
    if mean < options.pack_below or (packing and mean <= options.spread_above):
        yield from _pack(
            snapshot, draft, free, f"{PACKED}: the CPUs' mean load is {mean * 100:.2f} %"
        )
    else:
        yield from _spread(
            snapshot, draft, free, f"spread: the CPUs' mean load is {mean * 100:.1f} %"
        )


def _is_packed(irq: Irq) -> bool:
    return (
        irq.placed is not None
        and irq.placed.reason.startswith(PACKED)
        and irq.placed.cpus == irq.affinity
    )


def _is_packing(snapshot: Snapshot) -> bool:
    """Whether most of the movable load is where this policy packed it. Idle IRQs do not count: they
    may have stayed there since the last time.
    """
    movable = [irq for irq in snapshot.irqs if irq.movable]
    packed = sum(irq.load for irq in movable if _is_packed(irq))
    return packed > 0 and packed * 2 > sum(irq.load for irq in movable)


def _pack(snapshot: Snapshot, draft: Draft, free: list[Irq], reason: str) -> Iterator[Placement]:
    """Place each IRQ on the first CPU of its node that has room. A packed IRQ stays as long as its
    CPU is not full.
    """
    load = {cpu: draft.load(cpu) for cpu in snapshot.online}
    count = dict.fromkeys(load, 0)
    homeless: list[tuple[Irq, CpuSet]] = []
    rooms = {irq.number: _room(snapshot, draft, irq) for irq in free}
    for irq in free:
        room = rooms[irq.number]
        cpu = irq.affinity.first if irq.affinity else -1
        if (
            _is_packed(irq)
            and irq.affinity <= room
            and load[cpu] + irq.load <= FULL
            and count[cpu] < VECTORS
        ):
            load[cpu] += irq.load
            count[cpu] += 1
            yield Placement(irq.number, CpuSet.of(cpu), reason)
        elif room:
            homeless.append((irq, room))
    for irq, room in homeless:
        with_room = (cpu for cpu in room if load[cpu] + irq.load <= ROOM and count[cpu] < VECTORS)
        cpu = next(with_room, min(room, key=lambda cpu: (load[cpu], count[cpu], cpu)))
        load[cpu] += irq.load
        count[cpu] += 1
        yield Placement(irq.number, CpuSet.of(cpu), reason)


def _spread(snapshot: Snapshot, draft: Draft, free: list[Irq], reason: str) -> Iterator[Placement]:
    """Give the IRQs that are still packed to the CPUs of their node in turn. The claims stay open,
    so that later policies choose by load.
    """
    turns: dict[CpuSet, int] = {}
    for irq in free:
        room = _room(snapshot, draft, irq)
        if not room:
            continue
        turn = turns[room] = turns.get(room, -1) + 1
        if _is_packed(irq):
            yield Placement(
                irq.number, room, reason, open=True, prefer=CpuSet.of(list(room)[turn % len(room)])
            )


def _room(snapshot: Snapshot, draft: Draft, irq: Irq) -> CpuSet:
    allowed = draft.allowed(irq)
    return (snapshot.local_cpus(irq) & allowed) or allowed
