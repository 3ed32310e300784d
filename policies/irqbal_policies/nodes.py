"""Which CPUs an IRQ may choose from: those of its own NUMA node, unless that node is so busy that a
CPU of another node is worth the longer way to memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from irqbal import CpuSet, Draft, Irq, Snapshot

BUSY = 0.6
"""Mean load of a node's CPUs above which other nodes may relieve it; 1.0 is a CPU's whole time."""
RELIEF = 0.7
"""Others relieve a node only if the mean over all CPUs is below this share of its own mean."""
HOTTEST = 0.9
"""They also do so only if the node's hottest IRQ is below this share of its mean: else the busiest
CPU would have as much to do on another node.
"""
FULL = 0.85
"""Mean load above which a node is relieved whatever its hottest IRQ is."""


class NodeLoads:
    """How busy the CPUs around each device would be if all of its node's IRQs were there."""

    def __init__(self, snapshot: Snapshot, draft: Draft) -> None:
        self._snapshot, self._draft = snapshot, draft
        self._own: dict[CpuSet, float] = {}
        self._hottest: dict[CpuSet, float] = {}
        self._fixed: dict[int, float] = {}
        self._total = 0.0
        self._rooms: dict[tuple[CpuSet, CpuSet, bool], CpuSet] = {}
        for irq in snapshot.irqs:
            if irq.load:
                self._add(irq)

    def _add(self, irq: Irq) -> None:
        """Count an IRQ's load for its own node, wherever it fires now; if it cannot move, or has no
        node, for the CPUs where it fires.
        """
        self._total += irq.load
        local = self._snapshot.local_cpus(irq)
        if irq.unmovable or local == self._snapshot.online:
            for cpu in irq.effective:
                self._fixed[cpu] = self._fixed.get(cpu, 0.0) + irq.load / len(irq.effective)
        else:
            self._own[local] = self._own.get(local, 0.0) + irq.load
            self._hottest[local] = max(self._hottest.get(local, 0.0), irq.load)

    def allowed(self, irqs: Sequence[Irq]) -> CpuSet:
        """The CPUs that limits leave to all of these IRQs."""
        allowed = self._draft.allowed(irqs[0])
        for irq in irqs[1:]:
            allowed &= self._draft.allowed(irq)
        return allowed

    def room(self, irqs: Sequence[Irq]) -> CpuSet:
        """The allowed CPUs of the IRQs' own node; all allowed CPUs if there are none there, or if
        the node needs relief.
        """
        allowed = self.allowed(irqs)
        own = self._snapshot.local_cpus(irqs[0])
        local = own & allowed
        if not local or local == allowed:
            return allowed
        key = (own, allowed, bool(irqs[0].placed) and not irqs[0].effective & local)
        room = self._rooms.get(key)
        if room is None:
            room = self._rooms[key] = allowed if self._needs_relief(*key) else local
        return room

    def _needs_relief(self, own: CpuSet, allowed: CpuSet, away: bool) -> bool:
        """Whether the node would be too busy if all of its IRQs were there. IRQs that are `away`
        return only if relief is plainly not needed any more, so that they do not go to and fro.
        """
        local = own & allowed
        fixed = sum(self._fixed.get(cpu, 0.0) for cpu in local)
        mean = (self._own.get(own, 0.0) + fixed) / len(local)
        overall, hottest = self._total / len(allowed), self._hottest.get(own, 0.0)
        if away:
            return mean > BUSY / 2 and (hottest < mean / HOTTEST or mean > FULL * HOTTEST)
        return mean > BUSY and overall < RELIEF * mean and (hottest < mean * HOTTEST or mean > FULL)
