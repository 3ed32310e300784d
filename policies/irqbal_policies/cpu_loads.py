"""The load of each online CPU while a policy tries placements, kept up to date move by move."""

from __future__ import annotations

from collections.abc import Mapping

from irqbal import Draft, Snapshot

SIBLING = 0.25
"""Share of an SMT sibling's load that counts as a CPU's own, since the two share a core."""
SQUEEZE = 0.01
"""CPUs of load that one squeeze or drop a second counts as: softirqs there lack time already."""
SQUEEZE_MOST = 0.1
"""CPUs of load that all squeezes and drops of a CPU count as at most."""


class CpuLoads:
    """The online CPUs' loads while groups move about."""

    def __init__(self, snapshot: Snapshot, draft: Draft) -> None:
        online = [cpu for cpu in snapshot.cpus if cpu.online]
        self.capacity = {cpu.number: cpu.capacity / 1024 for cpu in online}
        self.base: Mapping[int, float] = {
            cpu.number: draft.load(cpu.number) + min(SQUEEZE_MOST, SQUEEZE * cpu.squeezed)
            for cpu in online
        }
        """The load of each CPU without any group."""
        self._load = dict(self.base)
        self._siblings = {
            cpu.number: tuple(n for n in cpu.siblings if n != cpu.number and n in self.capacity)
            for cpu in online
        }
        self._scored_with: dict[int, list[int]] = {cpu: [cpu] for cpu in self.capacity}
        for cpu, siblings in self._siblings.items():
            for sibling in siblings:
                self._scored_with[sibling].append(cpu)
        self.level = {cpu: self._load[cpu] / self.capacity[cpu] for cpu in self.capacity}
        self.score = {cpu: self._score(cpu) for cpu in self.capacity}
        """Each CPU's level with a share of its SMT siblings' loads."""

    def add(self, cpu: int, load: float) -> None:
        """Add this load, which may be negative, to a CPU."""
        self._load[cpu] += load
        self.level[cpu] = self._load[cpu] / self.capacity[cpu]
        for other in self._scored_with[cpu]:
            self.score[other] = self._score(other)

    def _score(self, cpu: int) -> float:
        load = self._load[cpu]
        siblings = self._siblings[cpu]
        if siblings:
            load += SIBLING * sum([self._load[other] for other in siblings])
        return load / self.capacity[cpu]
