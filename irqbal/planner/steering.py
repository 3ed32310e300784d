"""XPS: which CPUs send through which queue, once the places of the queues' IRQs are known. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from irqbal.cpuset import CpuSet
from irqbal.model.view import Cpu, Snapshot


def share_out(
    snapshot: Snapshot, homes: Mapping[int, CpuSet], present: Mapping[int, CpuSet] | None = None
) -> dict[int, CpuSet]:
    """Give every online CPU, isolated ones included, to the nearest of these queues. `homes` are
    the CPUs of each queue's IRQ, `present` each queue's XPS set now, both by queue. Returns the new
    XPS sets by queue.

    Every CPU is in one set at least: packets from a CPU that no queue lists are hashed over all
    queues. Among equally near queues, the one with the fewest CPUs so far gets the CPU. A CPU stays
    with its present queue as long as the division stays even: otherwise one moved IRQ would change
    the sets of all queues. If there are more queues than CPUs, a queue without a CPU of its own
    gets its IRQ's CPUs.
    """
    if not homes:
        return {}
    shares: dict[int, int] = dict.fromkeys(homes, 0)
    counts: dict[int, int] = dict.fromkeys(homes, 0)
    by_cpu: dict[int, list[int]] = {}
    for queue, home in homes.items():
        for number in home or snapshot.online:
            by_cpu.setdefault(number, []).append(queue)
    near = _Nearest(snapshot, by_cpu)
    groups: dict[tuple[bool, int, tuple[int, ...]], list[int]] = {}
    for cpu in sorted((cpu for cpu in snapshot.cpus if cpu.online), key=lambda cpu: cpu.number):
        level, queues = near.ring(cpu)
        groups.setdefault((cpu.number not in by_cpu, level, queues), []).append(cpu.number)
    now = _owners(present or {})
    for (_, _, queues), members in sorted(groups.items()):
        fair = -(-(sum(counts[queue] for queue in queues) + len(members)) // len(queues))
        left = []
        for number in members:
            stay = next(
                (
                    queue
                    for queue in now.get(number, ())
                    if queue in queues and counts[queue] < fair
                ),
                None,
            )
            if stay is None:
                left.append(number)
                continue
            shares[stay] |= 1 << number
            counts[stay] += 1
        for number in left:
            chosen = min(queues, key=lambda queue: (counts[queue], queue))
            shares[chosen] |= 1 << number
            counts[chosen] += 1
    for queue, home in homes.items():
        if not shares[queue]:
            shares[queue] = (home or snapshot.online).bits
    return {queue: CpuSet.from_bits(bits) for queue, bits in shares.items()}


def _owners(present: Mapping[int, CpuSet]) -> dict[int, list[int]]:
    """The queues that list each CPU, by CPU. The queue with the most CPUs comes first: the others
    may only share their IRQ's CPU.
    """
    owners: dict[int, list[int]] = {}
    for queue, cpus in sorted(present.items(), key=lambda item: (-len(item[1]), item[0])):
        for number in cpus:
            owners.setdefault(number, []).append(queue)
    return owners


class _Nearest:
    """The queues nearest to each CPU, looked up by core, L3 and NUMA node: cheap even with 512
    CPUs.
    """

    def __init__(self, snapshot: Snapshot, by_cpu: Mapping[int, Iterable[int]]) -> None:
        self._levels: list[dict[tuple[int, int], set[int]]] = [{}, {}, {}, {}]
        self._all: set[int] = set()
        self._memo: dict[int, tuple[int, tuple[int, ...]]] = {}
        for number, queues in by_cpu.items():
            cpu = snapshot.cpu_by_number.get(number)
            if cpu is None:
                continue
            for level, key in enumerate(self._keys(cpu)):
                self._levels[level].setdefault(key, set()).update(queues)
            self._all.update(queues)

    @staticmethod
    def _keys(cpu: Cpu) -> tuple[tuple[int, int], ...]:
        return ((0, cpu.number), (cpu.package, cpu.core), (0, cpu.l3), (0, cpu.node))

    def ring(self, cpu: Cpu) -> tuple[int, tuple[int, ...]]:
        """(distance of the nearest queues as in `model.draft.distance`, those queues)."""
        if cpu.number not in self._memo:
            self._memo[cpu.number] = (4, tuple(sorted(self._all)))
            for level, key in enumerate(self._keys(cpu)):
                found = self._levels[level].get(key)
                if found:
                    self._memo[cpu.number] = (level, tuple(sorted(found)))
                    break
        return self._memo[cpu.number]
