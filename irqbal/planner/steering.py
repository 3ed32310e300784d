"""XPS: which CPUs send through which queue, once the places of the queues' IRQs are known. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from heapq import heapify, heapreplace

from irqbal.cpuset import CpuSet
from irqbal.model.view import Snapshot

Place = tuple[int, int, int, int, int]
"""A CPU's number, package, core, L3 and NUMA node."""


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
    return dict(_shared(places_of(snapshot), tuple(homes.items()), tuple((present or {}).items())))


def places_of(snapshot: Snapshot) -> tuple[Place, ...]:
    """The online CPUs in the order of their numbers."""
    return tuple(
        sorted(
            (cpu.number, cpu.package, cpu.core, cpu.l3, cpu.node)
            for cpu in snapshot.cpus
            if cpu.online
        )
    )


@lru_cache(maxsize=64)
def _shared(
    places: tuple[Place, ...],
    homes: tuple[tuple[int, CpuSet], ...],
    present: tuple[tuple[int, CpuSet], ...],
) -> tuple[tuple[int, CpuSet], ...]:
    """See `share_out`. Most plans move no IRQ of most interfaces: the answer is remembered."""
    online = CpuSet(place[0] for place in places)
    shares: dict[int, int] = dict.fromkeys([queue for queue, _ in homes], 0)
    counts = dict(shares)
    by_cpu: dict[int, list[int]] = {}
    for queue, home in homes:
        for number in home or online:
            by_cpu.setdefault(number, []).append(queue)
    near = _Nearest(places, by_cpu)
    groups: dict[tuple[bool, int, tuple[int, ...]], list[int]] = {}
    for place in places:
        level, queues = near.ring(place)
        groups.setdefault((place[0] not in by_cpu, level, queues), []).append(place[0])
    now = _owners(present)
    for (_, _, queues), members in sorted(groups.items()):
        fair = -(-(sum(counts[queue] for queue in queues) + len(members)) // len(queues))
        among = set(queues)
        left = []
        for number in members:
            stay = next(
                (queue for queue in now.get(number, ()) if queue in among and counts[queue] < fair),
                None,
            )
            if stay is None:
                left.append(number)
                continue
            shares[stay] |= 1 << number
            counts[stay] += 1
        fewest = [(counts[queue], queue) for queue in queues] if left else []
        heapify(fewest)
        for number in left:
            count, chosen = fewest[0]
            heapreplace(fewest, (count + 1, chosen))
            shares[chosen] |= 1 << number
            counts[chosen] = count + 1
    for queue, home in homes:
        if not shares[queue]:
            shares[queue] = (home or online).bits
    return tuple((queue, CpuSet.from_bits(bits)) for queue, bits in shares.items())


def _owners(present: Iterable[tuple[int, CpuSet]]) -> dict[int, list[int]]:
    """The queues that list each CPU, by CPU. The queue with the most CPUs comes first: the others
    may only share their IRQ's CPU.
    """
    owners: dict[int, list[int]] = {}
    for queue, cpus in sorted(present, key=lambda item: (-len(item[1]), item[0])):
        for number in cpus:
            owners.setdefault(number, []).append(queue)
    return owners


class _Nearest:
    """The queues nearest to each CPU, looked up by core, L3 and NUMA node: cheap even with 512
    CPUs.
    """

    def __init__(self, places: Iterable[Place], by_cpu: Mapping[int, Iterable[int]]) -> None:
        self._levels: list[dict[tuple[int, int], set[int]]] = [{}, {}, {}, {}]
        self._sorted: dict[tuple[int, tuple[int, int]], tuple[int, ...]] = {}
        everything: set[int] = set()
        for place in places:
            queues = by_cpu.get(place[0])
            if queues is None:
                continue
            for level, key in zip(self._levels, self._keys(place), strict=True):
                level.setdefault(key, set()).update(queues)
            everything.update(queues)
        self._all = tuple(sorted(everything))

    @staticmethod
    def _keys(place: Place) -> tuple[tuple[int, int], ...]:
        number, package, core, l3, node = place
        return ((0, number), (package, core), (0, l3), (0, node))

    def ring(self, place: Place) -> tuple[int, tuple[int, ...]]:
        """(distance of the nearest queues as in `model.draft.distance`, those queues)."""
        for level, (known, key) in enumerate(zip(self._levels, self._keys(place), strict=True)):
            found = known.get(key)
            if found:
                queues = self._sorted.get((level, key))
                if queues is None:
                    queues = self._sorted[level, key] = tuple(sorted(found))
                return level, queues
        return 4, self._all
