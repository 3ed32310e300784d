"""Spreads loaded IRQs over CPUs so that the busiest CPU has as little as possible, and then leaves
them alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Annotated

from irqbal import CpuSet, Draft, Irq, Meta, Options, Percent, Placement, Snapshot, hookimpl
from irqbal_policies.nodes import NodeLoads

IDLE_LOAD = 2e-4
"""Seconds of CPU a second below which an IRQ counts as idle (about twenty interrupts a second)."""
IDLE_SHARE = 0.02
"""… or, on hosts where nothing is busier, this share of the mean CPU's load …"""
IDLE_FLOOR = 5e-5
"""… but never less than this."""
SIBLING = 0.25
"""What a sibling thread's load counts for on this one."""
APART = 0.8
"""Load of a queue's Rx and Tx together above which each goes its own way, until they have half of
that to do.
"""
SQUEEZE = 0.01
"""CPUs of load that each squeeze or drop a second counts for: softirqs there have too little time
already …
"""
SQUEEZE_MOST = 0.1
"""… up to this."""
PILE = 128
"""Vectors on one CPU beyond which idle IRQs are asked to go elsewhere (x86 has about 200)."""
SIGMAS = 3.0
"""Standard errors by which a CPU's load must be too high before a settled placement is touched."""

SMALL, SMALL_SHARE, TINY = 0.01, 0.2, 0.0025
"""A settled host is left alone while its busiest CPU has no more than this much of a CPU too much
to do, and no more than this share; or as little as makes no difference, whatever share that is.
"""


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
    board = _Board(snapshot, draft, groups)
    before = dict(board.home)
    reason = board.improve(float(options.min_gain))
    for group in groups:
        cpu = board.home[group]
        why = f"{reason}; " if cpu != before.get(group) else ""
        number, alone = group.irqs[0].number, len(group.irqs) == 1
        yield Placement(
            number,
            CpuSet.of(cpu),
            f"{why}{group.load * 100:.2f} % of a CPU, on CPU {cpu}",
            alone=alone,
        )
    yield from _stay(draft, idle)
    yield from _thin_piles(snapshot, draft, idle)


class _Group:
    """IRQs that move together: the Rx and Tx of a queue that a policy left open, or one IRQ that
    nobody claims.
    """

    __slots__ = ("allowed", "home", "irqs", "load", "noise")

    def __init__(self, irqs: list[Irq], allowed: CpuSet, home: int | None) -> None:
        self.irqs, self.allowed, self.home = irqs, allowed, home
        self.load = sum(irq.load for irq in irqs)
        self.noise = math.sqrt(sum(irq.noise**2 for irq in irqs))


def _groups(snapshot: Snapshot, draft: Draft) -> tuple[list[_Group], list[Irq]]:
    """(loaded groups, idle IRQs) of all that is free to choose."""
    free: dict[tuple[str, int, str], list[Irq]] = {}
    singles: list[Irq] = []
    for irq in snapshot.irqs:
        claim = draft.claim(irq)
        if irq.unmovable or (claim is not None and not claim.open):
            continue
        if claim is not None and irq.queue is not None:
            free.setdefault((irq.queue.name, irq.queue.index, claim.policy), []).append(irq)
        else:
            singles.append(irq)
    usable = max(1, len(snapshot.online - snapshot.isolated))
    mean = sum(irq.load for irq in snapshot.irqs) / usable
    threshold = max(IDLE_FLOOR, min(IDLE_LOAD, IDLE_SHARE * mean))
    groups: list[_Group] = []
    idle: list[Irq] = []
    nodes = NodeLoads(snapshot, draft)
    for irqs in [*_parted(free.values()), *([irq] for irq in singles)]:
        load, rate = sum(irq.load for irq in irqs), sum(irq.rate for irq in irqs)
        # What irqbal has put on one CPU stays loaded until it is nearly silent, or it would come
        # and go.
        settled = all(irq.placed is not None and len(irq.affinity) == 1 for irq in irqs)
        claim = draft.claim(irqs[0])
        room = nodes.room(irqs) if claim is None else (claim.cpus or CpuSet()) & nodes.allowed(irqs)
        if room and rate > 0 and load > (threshold / 4 if settled else threshold):
            groups.append(_Group(irqs, room, _home(irqs, room, draft)))
        else:
            idle += irqs
    return groups, idle


def _parted(pairs: Iterable[list[Irq]]) -> Iterator[list[Irq]]:
    """The halves of a queue go together, unless they have more to do than one CPU should."""
    for irqs in pairs:
        apart = (
            len({irq.affinity for irq in irqs if irq.placed is not None and len(irq.affinity) == 1})
            > 1
        )
        if sum(irq.load for irq in irqs) > (APART / 2 if apart else APART):
            yield from ([irq] for irq in irqs)
        else:
            yield irqs


def _home(irqs: list[Irq], room: CpuSet, draft: Draft) -> int | None:
    """Where the group is: on the CPU that irqbal gave it, else where its owner prefers it, else
    where it fires now.
    """
    irq = irqs[0]
    claim = draft.claim(irq)
    ours = irq.placed is not None and len(irq.affinity) == 1 and irq.affinity == irq.placed.cpus
    if ours and irq.affinity <= room:
        return irq.affinity.first
    if claim is not None and claim.prefer is not None and claim.prefer & room:
        return (claim.prefer & room).first
    return irq.effective.first if len(irq.effective) == 1 and irq.effective <= room else None


class _Board:
    """CPUs with what is settled on them, and the groups that can be shifted about."""

    def __init__(self, snapshot: Snapshot, draft: Draft, groups: list[_Group]) -> None:
        self._snapshot = snapshot
        self._groups = groups
        self._capacity = {cpu.number: cpu.capacity / 1024 for cpu in snapshot.cpus if cpu.online}
        squeezed = {cpu.number: cpu.squeezed for cpu in snapshot.cpus}
        self._base = {
            cpu: draft.load(cpu) + min(SQUEEZE_MOST, SQUEEZE * squeezed[cpu])
            for cpu in self._capacity
        }
        self._siblings = {
            cpu.number: tuple(n for n in cpu.siblings if n != cpu.number and n in self._capacity)
            for cpu in snapshot.cpus
            if cpu.online
        }
        self._load = dict(self._base)
        self._on: dict[int, set[_Group]] = {cpu: set() for cpu in self._capacity}
        self.home: dict[_Group, int] = {}
        for group in groups:
            if group.home is not None:
                self._put(group, group.home)

    def improve(self, min_gain: float) -> str:
        """Place what has no place yet, then shift groups if that is worth it. Returns what was
        gained, in words.
        """
        homeless = [group for group in self._groups if group not in self.home]
        for group in sorted(homeless, key=lambda group: -group.load):
            self._put(group, self._best(group))
        if not self._groups:
            return ""
        busiest, old = self._busiest()
        level, hottest = self._bounds()
        bound = max(level, hottest.load / max(self._capacity[cpu] for cpu in hottest.allowed))
        # What is compared wavers with the groups on the busiest CPU, and with the hottest one where
        # that is the bound.
        unsure = self._on[busiest] ^ ({hottest} if bound > level else set())
        noise = math.sqrt(sum(group.noise**2 for group in unsure))
        settling = self._snapshot.settling
        slack = 0.0 if settling else SIGMAS * noise / self._capacity[busiest]
        good = bound * (1 + (min_gain / 3 if settling else min_gain))
        if not settling:
            good = max(good, min(bound + SMALL, bound * (1 + SMALL_SHARE)), bound + TINY)
        if old - slack <= good:
            return "balanced"
        start = dict(self.home)
        # While everything may still move, the CPUs beside the hottest IRQ's are levelled too: that
        # leaves room for noise.
        self._shift((level if settling else bound) * (1 + min_gain / 5))
        new = self._busiest()[1]
        if settling and new > bound * (1 + min_gain / 3):
            new = self._try_from_scratch(new)
        if new > old * (1 - (0.005 if settling else min_gain)):
            for group, cpu in start.items():
                self._put(group, cpu)
            return "balanced as well as it can be"
        return (
            f"busiest CPU from {old * 100:.1f} % to {new * 100:.1f} % (bound {bound * 100:.1f} %)"
        )

    def _put(self, group: _Group, cpu: int) -> None:
        before = self.home.get(group)
        if before == cpu:
            return
        if before is not None:
            self._on[before].discard(group)
            self._load[before] -= group.load
        self.home[group] = cpu
        self._on[cpu].add(group)
        self._load[cpu] += group.load

    def _score(self, cpu: int) -> float:
        """How busy a CPU is for its capacity, a busy sibling thread counted in part."""
        load = self._load[cpu]
        siblings = self._siblings[cpu]
        if siblings:
            load += SIBLING * sum(self._load[other] for other in siblings)
        return load / self._capacity[cpu]

    def _own(self, cpu: int) -> float:
        return self._load[cpu] / self._capacity[cpu]

    def _best(self, group: _Group) -> int:
        return min(
            group.allowed,
            key=lambda cpu: (self._score(cpu) + group.load / self._capacity[cpu], cpu),
        )

    def _busiest(self) -> tuple[int, float]:
        """The CPU with the most to do among those that groups can leave, and how much."""
        used = [cpu for cpu, groups in self._on.items() if groups] or list(self._on)
        cpu = max(used, key=self._own)
        return cpu, self._own(cpu)

    def _bounds(self) -> tuple[float, _Group]:
        """What no placement can beat: the mean over any set of CPUs that groups are bound to, and
        the hottest group.
        """
        hottest = max(
            self._groups,
            key=lambda group: group.load / max(self._capacity[cpu] for cpu in group.allowed),
        )
        rooms: dict[CpuSet, float] = {}
        for group in self._groups:
            rooms[group.allowed] = rooms.get(group.allowed, 0.0) + group.load
        level = 0.0
        for room in rooms:
            inside = sum(load for other, load in rooms.items() if other <= room)
            inside += sum(self._base[cpu] for cpu in room)
            level = max(level, inside / sum(self._capacity[cpu] for cpu in room))
        return level, hottest

    def _shift(self, good: float) -> None:
        """Take from the busiest CPU, again and again, until it is good enough or nothing helps."""
        stuck: set[int] = set()
        for _ in range(4 * len(self._groups) + 16):
            candidates = [cpu for cpu, groups in self._on.items() if groups and cpu not in stuck]
            if not candidates:
                return
            cpu = max(candidates, key=self._own)
            if self._own(cpu) <= good:
                return
            if not (self._move_one(cpu) or self._swap_one(cpu)):
                stuck.add(cpu)

    def _move_one(self, cpu: int) -> bool:
        """Move the group whose going brings the two CPUs concerned furthest down."""
        old = self._own(cpu)
        best: tuple[float, float, _Group, int] | None = None
        targets: dict[CpuSet, int] = {}
        for group in self._on[cpu]:
            if group.allowed not in targets:
                others = [other for other in group.allowed if other != cpu]
                if not others:
                    continue
                targets[group.allowed] = min(others, key=lambda other: (self._score(other), other))
            target = targets[group.allowed]
            there = self._own(target) + group.load / self._capacity[target]
            result = max(there, old - group.load / self._capacity[cpu])
            if best is None or (result, -group.load) < best[:2]:
                best = (result, -group.load, group, target)
        if best is None or best[0] >= old * 0.999:
            return False
        self._put(best[2], best[3])
        return True

    def _swap_one(self, cpu: int) -> bool:
        """Exchange a group for a lighter one on a CPU with less to do."""
        old = self._own(cpu)
        best: tuple[float, _Group, _Group] | None = None
        quiet = sorted((other for other in self._on if other != cpu), key=self._own)[:16]
        for group in self._on[cpu]:
            for other in quiet:
                if other not in group.allowed:
                    continue
                for lighter in self._on[other]:
                    gain = group.load - lighter.load
                    if gain <= 0 or cpu not in lighter.allowed:
                        continue
                    here = old - gain / self._capacity[cpu]
                    result = max(here, self._own(other) + gain / self._capacity[other])
                    if best is None or result < best[0]:
                        best = (result, group, lighter)
        if best is None or best[0] >= old * 0.999:
            return False
        there = self.home[best[2]]
        self._put(best[2], cpu)
        self._put(best[1], there)
        return True

    def _try_from_scratch(self, so_far: float) -> float:
        """Longest first, each to the least busy CPU; kept only if it is clearly better than what
        shifting gave.
        """
        shifted = dict(self.home)
        for group in self._groups:
            self._on[self.home[group]].discard(group)
            self._load[self.home[group]] -= group.load
        self.home.clear()
        for group in sorted(self._groups, key=lambda group: -group.load):
            self._put(group, self._best(group))
        new = self._busiest()[1]
        if new < so_far * 0.99:
            return new
        for group, cpu in shifted.items():
            self._put(group, cpu)
        return so_far


def _stay(draft: Draft, idle: list[Irq]) -> Iterator[Placement]:
    """A queue that was parted while it was busy stays where it is when it falls silent."""
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
    """Idle IRQs that pile up on a CPU until vectors run out are kept off it; the kernel then picks
    the emptiest CPU.
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
