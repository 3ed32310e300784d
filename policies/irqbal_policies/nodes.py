"""Which CPUs an IRQ may choose from: those of its own node, unless that node has so much to do that
the way to another one pays.
"""

from __future__ import annotations

from collections.abc import Sequence

from irqbal import CpuSet, Draft, Irq, Snapshot

BUSY = 0.6
"""A node whose CPUs are this busy with interrupts may hand some to other nodes …"""
RELIEF = 0.7
"""… if the mean over all CPUs is below this share of its own mean …"""
HOTTEST = 0.9
"""… and its hottest IRQ below this share: else the busiest CPU would have as much to do elsewhere
…
"""
FULL = 0.85
"""… unless the node is as good as full."""


class NodeLoads:
    """How busy the CPUs around each device are, asked many times in one plan."""

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
        """Count an IRQ to its own node, wherever it is now; one that cannot move, or has no node,
        where it fires.
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
        """What limits leave to all of these IRQs."""
        allowed = self._draft.allowed(irqs[0])
        for irq in irqs[1:]:
            allowed &= self._draft.allowed(irq)
        return allowed

    def room(self, irqs: Sequence[Irq]) -> CpuSet:
        """The allowed CPUs of the IRQs' own node; all that are allowed where it has none, or needs
        relief.
        """
        allowed = self.allowed(irqs)
        own = self._snapshot.local_cpus(irqs[0])
        local = own & allowed
        if not local or local == allowed:
            return allowed
        key = (own, allowed, bool(irqs[0].placed) and not irqs[0].effective & local)
        if key not in self._rooms:
            self._rooms[key] = allowed if self._needs_relief(*key) else local
        return self._rooms[key]

    def _needs_relief(self, own: CpuSet, allowed: CpuSet, away: bool) -> bool:
        """Whether a node would be too busy if all that is its own were there; who is away returns
        only where that is plainly wrong.
        """
        local = own & allowed
        mean = (self._own.get(own, 0.0) + sum(self._fixed.get(cpu, 0.0) for cpu in local)) / len(
            local
        )
        overall, hottest = self._total / len(allowed), self._hottest.get(own, 0.0)
        if away:
            return mean > BUSY / 2 and (hottest < mean / HOTTEST or mean > FULL * HOTTEST)
        return mean > BUSY and overall < RELIEF * mean and (hottest < mean * HOTTEST or mean > FULL)
