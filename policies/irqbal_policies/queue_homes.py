"""Choosing a CPU for each queue of a NIC: the one that serves the fewest queues so far, over all
NICs, and one of another core first.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping

import msgspec

from irqbal import CpuSet, Irq, Snapshot, Words
from irqbal_policies.nodes import NodeLoads

Queues = Mapping[int, tuple[Irq, ...]]
"""The active queues of an interface by index, each with its movable IRQs."""


class Home(msgspec.Struct, frozen=True):
    """The CPU that was chosen for a queue, and the CPUs that it was chosen from."""

    cpu: int
    room: CpuSet


class QueueCounts:
    """How many queues each CPU and each core serves. `avoid_siblings`: a CPU whose core serves
    fewer queues comes first.
    """

    def __init__(self, snapshot: Snapshot, avoid_siblings: bool) -> None:
        self._core = {cpu.number: (cpu.package, cpu.core) for cpu in snapshot.cpus}
        self._capacity = {cpu.number: cpu.capacity for cpu in snapshot.cpus}
        self._avoid_siblings = avoid_siblings
        self._on_cpu: dict[int, int] = {}
        self._on_core: dict[tuple[int, int], int] = {}
        self._heaps: dict[CpuSet, list[tuple[int, int, int, int]]] = {}

    def take(self, cpu: int) -> None:
        """Count one more queue on this CPU."""
        core = self._core[cpu]
        self._on_cpu[cpu] = self._on_cpu.get(cpu, 0) + 1
        self._on_core[core] = self._on_core.get(core, 0) + 1

    def emptiest(self, room: CpuSet) -> int:
        """The CPU of this set, which must not be empty, that serves the fewest queues; of equal
        ones a faster one, then the lowest.
        """
        heap = self._heaps.get(room)
        if heap is None:
            heap = self._heaps[room] = [self._rank(cpu) for cpu in room]
            heapq.heapify(heap)
        # Counts only grow, so an entry that is out of date stands too far ahead, never behind.
        while heap[0] != (rank := self._rank(heap[0][3])):
            heapq.heapreplace(heap, rank)
        return rank[3]

    def _rank(self, cpu: int) -> tuple[int, int, int, int]:
        on_core = self._on_core.get(self._core[cpu], 0) if self._avoid_siblings else 0
        return on_core, self._on_cpu.get(cpu, 0), -self._capacity[cpu], cpu


class QueueHomes:
    """Gives CPUs to the queues of one NIC after the other. `cpus`: which of them they may use,
    `local`, `all` or a set.
    """

    def __init__(self, snapshot: Snapshot, nodes: NodeLoads, cpus: Words) -> None:
        self._snapshot = snapshot
        self._nodes = nodes
        self._cpus = cpus

    def choose(self, queues: Queues, counts: QueueCounts) -> dict[int, Home]:
        """The home of each queue that may use any CPU, by its index; `counts` are updated."""
        rooms = {index: room for index, irqs in queues.items() if (room := self._room(irqs))}
        if not rooms:
            return {}
        width = min(len(room) for room in rooms.values())
        order: Iterable[int] = rooms
        if len(rooms) > width:
            present = _present_homes(queues, rooms)
            if present is not None:
                for home in present.values():
                    counts.take(home.cpu)
                return present
            # There are more queues than CPUs. In this order hot queues share CPUs with cool ones.
            by_load = sorted(rooms, key=lambda index: (-_load(queues[index]), index))
            order = _reverse_every_other_row(by_load, width)
        homes: dict[int, Home] = {}
        for index in order:
            cpu = counts.emptiest(rooms[index])
            counts.take(cpu)
            homes[index] = Home(cpu, rooms[index])
        return homes

    def _room(self, irqs: tuple[Irq, ...]) -> CpuSet:
        """The CPUs that a queue may use: those that the option names, as far as limits allow them.
        If limits leave no CPU of the NIC's node, a local queue may use every CPU that they leave.
        """
        allowed = self._nodes.allowed(irqs)
        if self._cpus.cpus is not None:
            return self._cpus.cpus & allowed
        if self._cpus.word == "all":
            return allowed
        return (self._snapshot.local_cpus(irqs[0]) & allowed) or allowed


def _present_homes(queues: Queues, rooms: Mapping[int, CpuSet]) -> dict[int, Home] | None:
    """Where the queues are now, if irqbal put each of them on one CPU that it may still use: then a
    change of load moves none of them. Otherwise None.
    """
    homes: dict[int, Home] = {}
    for index, room in rooms.items():
        for irq in queues[index]:
            ours = irq.placed is not None and irq.placed.cpus == irq.affinity
            if not ours or len(irq.affinity) != 1 or not irq.affinity <= room:
                return None
            homes[index] = Home(irq.affinity.first, room)
    return homes


def _load(irqs: tuple[Irq, ...]) -> float:
    return sum(irq.load for irq in irqs)


def _reverse_every_other_row(order: list[int], width: int) -> list[int]:
    """Rows of `width`, the second, fourth and so on reversed: the first row's hottest queue and the
    second row's coolest get the same CPU.
    """
    rows = [order[at : at + width] for at in range(0, len(order), width)]
    return [
        index for number, row in enumerate(rows) for index in (reversed(row) if number % 2 else row)
    ]
