"""Spreads loaded IRQs over CPUs so that the busiest CPU has as little as possible to do, and then
leaves them alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from irqbal import (
    Claim,
    CpuSet,
    Draft,
    Irq,
    Meta,
    Options,
    Percent,
    Placement,
    Snapshot,
    hookimpl,
)
from irqbal_policies.levelling import Board, Group, Room
from irqbal_policies.nodes import NodeLoads

IDLE_LOAD = 2e-4
"""CPUs of load below which an IRQ counts as idle: about twenty interrupts a second."""
IDLE_SHARE = 0.02
"""Share of the mean CPU's load below which it counts as idle, if that is less than IDLE_LOAD."""
IDLE_FLOOR = 5e-5
"""CPUs of load that are the least threshold: on a quiet host, too, some IRQs are idle."""
APART = 0.8
"""CPUs of load of a queue's Rx and Tx together above which each gets a CPU of its own. They are
joined again at half of that.
"""
PILE = 128
"""Vectors on one CPU above which idle IRQs are sent elsewhere: x86 has about 200."""


class SpreadByRate(Options, frozen=True):
    """Options of spread_by_rate."""

    min_gain: Annotated[
        Percent, Meta(description="move only if the busiest CPU gets at least this much less to do")
    ] = Percent(0.05)

    def __post_init__(self) -> None:
        if not 0 <= self.min_gain <= 1:
            raise ValueError("min_gain must lie between 0% and 100%")


@hookimpl
def irqbal_options() -> type[SpreadByRate]:
    return SpreadByRate


@hookimpl
def irqbal_place(snapshot: Snapshot, draft: Draft, options: SpreadByRate) -> Iterator[Placement]:
    groups, idle = _groups(snapshot, draft)
    board = Board(snapshot, draft, groups)
    before = dict(board.home)
    reason = board.improve(float(options.min_gain))
    for group in groups:
        cpu = board.home[group]
        why = f"{reason}; " if cpu != before.get(group) else ""
        yield Placement(
            group.irqs[0].number,
            CpuSet.of(cpu),
            f"{why}{group.load * 100:.2f} % of a CPU, on CPU {cpu}",
            alone=len(group.irqs) == 1,
        )
    yield from _keep_parted(draft, idle)
    yield from _thin_piles(snapshot, draft, idle)


def _groups(snapshot: Snapshot, draft: Draft) -> tuple[list[Group], list[Irq]]:
    """The groups that have load, and the idle IRQs, of all IRQs that this policy may place."""
    groups: list[Group] = []
    idle: list[Irq] = []
    threshold = _idle_threshold(snapshot)
    nodes = NodeLoads(snapshot, draft)
    rooms: dict[CpuSet, Room] = {}
    for irqs in _free(snapshot, draft):
        load, rate = sum(irq.load for irq in irqs), sum(irq.rate for irq in irqs)
        # A queue that irqbal put on one CPU counts as loaded until it is nearly silent; otherwise
        # it would come and go.
        settled = all(irq.placed is not None and len(irq.affinity) == 1 for irq in irqs)
        if not (rate > 0 and load > (threshold / 4 if settled else threshold)):
            idle += irqs
            continue
        claim = draft.claim(irqs[0])
        cpus = nodes.room(irqs) if claim is None else (claim.cpus or CpuSet()) & nodes.allowed(irqs)
        if not cpus:
            idle += irqs
            continue
        room = rooms.get(cpus)
        if room is None:
            room = rooms[cpus] = Room(cpus, snapshot)
        groups.append(Group(irqs, room, _home(irqs[0], claim, cpus)))
    return groups, idle


def _idle_threshold(snapshot: Snapshot) -> float:
    """CPUs of load below which an IRQ counts as idle on this host."""
    usable = max(1, len(snapshot.online - snapshot.isolated))
    mean = sum(irq.load for irq in snapshot.irqs) / usable
    return max(IDLE_FLOOR, min(IDLE_LOAD, IDLE_SHARE * mean))


def _free(snapshot: Snapshot, draft: Draft) -> Iterator[list[Irq]]:
    """The IRQs that this policy may place, those that should move together in one list: first the
    queues that an earlier policy left open, then IRQs that no policy claims.
    """
    queues: dict[tuple[str, int, str], list[Irq]] = {}
    singles: list[Irq] = []
    for irq in snapshot.irqs:
        claim = draft.claim(irq)
        if irq.unmovable or (claim is not None and not claim.open):
            continue
        if claim is not None and irq.queues:
            first = irq.queues[0]
            queues.setdefault((first.name, first.index, claim.policy), []).append(irq)
        else:
            singles.append(irq)
    yield from _parted(queues.values())
    for irq in singles:
        yield [irq]


def _parted(queues: Iterable[list[Irq]]) -> Iterator[list[Irq]]:
    """A queue's Rx and Tx stay together, unless they have more to do than one CPU should."""
    for irqs in queues:
        placed = {irq.affinity for irq in irqs if irq.placed is not None and len(irq.affinity) == 1}
        are_apart = len(placed) > 1
        if sum(irq.load for irq in irqs) > (APART / 2 if are_apart else APART):
            yield from ([irq] for irq in irqs)
        else:
            yield irqs


def _home(irq: Irq, claim: Claim | None, room: CpuSet) -> int | None:
    """The CPU that a group, of which this is the first IRQ, is on: where irqbal put it, else the
    one that its owner prefers, else where it fires now. None if that lies outside the room.
    """
    ours = irq.placed is not None and len(irq.affinity) == 1 and irq.affinity == irq.placed.cpus
    if ours and irq.affinity <= room:
        return irq.affinity.first
    if claim is not None and claim.prefer is not None and claim.prefer & room:
        return (claim.prefer & room).first
    return irq.effective.first if len(irq.effective) == 1 and irq.effective <= room else None


def _keep_parted(draft: Draft, idle: list[Irq]) -> Iterator[Placement]:
    """A queue whose Rx and Tx were parted while it was busy stays where it is once it is idle."""
    for irq in idle:
        claim = draft.claim(irq)
        if claim is None or not claim.open or irq.placed is None or len(irq.affinity) != 1:
            continue
        if (
            irq.affinity == irq.placed.cpus
            and irq.affinity <= (claim.cpus or CpuSet())
            and irq.affinity != claim.prefer
        ):
            yield Placement(irq.number, irq.affinity, f"idle, stays on CPU {irq.affinity}")


def _thin_piles(snapshot: Snapshot, draft: Draft, idle: list[Irq]) -> Iterator[Placement]:
    """Keep idle IRQs off CPUs that are about to run out of vectors; the kernel then picks the CPU
    that serves the fewest.
    """
    counts: dict[int, int] = {}
    for irq in snapshot.irqs:
        for cpu in irq.effective:
            counts[cpu] = counts.get(cpu, 0) + 1
    full = CpuSet(cpu for cpu, count in counts.items() if count > PILE)
    if not full:
        return
    excess = {cpu: counts[cpu] - PILE for cpu in full}
    for irq in idle:
        if draft.claim(irq) is not None or not irq.effective & full:
            continue
        cpu = (irq.effective & full).first
        elsewhere = draft.allowed(irq) - full
        if excess[cpu] > 0 and elsewhere:
            excess[cpu] -= 1
            yield Placement(
                irq.number,
                elsewhere,
                f"CPU {cpu} serves {counts[cpu]} vectors; idle, so it may go anywhere else",
            )
