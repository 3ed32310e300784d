"""Levelling the load of CPUs: groups of IRQs are placed, moved and exchanged until the busiest CPU
has little more to do than any placement could give it.

Loads are seconds of CPU a second. A CPU's level is its load divided by its capacity, which is 1.0
for the host's largest CPU. The result is repeatable: of equal choices the lowest CPU wins, then the
group that came first.
"""

from __future__ import annotations

import heapq
import math

from irqbal import CpuSet, Draft, Irq, Snapshot
from irqbal_policies.cpu_loads import CpuLoads

SIGMAS = 3.0
"""Standard errors by which a CPU's load must be too high before a settled placement changes."""

SMALL, SMALL_SHARE = 0.01, 0.2
"""CPUs of load, and share of it, that a settled host's busiest CPU may lie above the bound: closing
such a gap is not worth a move. The smaller of the two counts.
"""
TINY = 0.0025
"""CPUs of load above the bound that never are worth a move, whatever share that is."""

LEARNING = 13
"""Cycles from irqbal's start in which costs are learnt: what is levelled then need not move later.
"""
WORTH, LEAST_WORTH = 0.02, 0.005
"""Share of the busiest CPU's level, and CPUs of load, that each move on a settled host must take
off: a move costs a cold cache.
"""
HELPS = 0.999
"""A move or an exchange helps if it leaves less than this share of the busiest CPU's level."""
CLEARLY_BETTER = 0.99
"""A placement from scratch counts if it leaves less than this share of the level so far."""
SETTLING_GAIN = 0.005
"""Share by which shifting must lower the busiest CPU's level while the host is settling."""
QUIET_CPUS = 16
"""CPUs with the least to do that an exchange considers: more of them cost time and gain little."""


class Room:
    """The CPUs that a group may use. Groups with the same CPUs share one Room."""

    __slots__ = ("cpus", "largest", "members")

    def __init__(self, cpus: CpuSet, snapshot: Snapshot) -> None:
        self.cpus = cpus
        self.members = tuple(cpus)
        self.largest = max(snapshot.cpu_by_number[cpu].capacity for cpu in cpus) / 1024
        """The largest capacity of a member."""


class Group:
    """IRQs that move together: both directions of a queue that a policy left open, or one IRQ that
    no policy claims. `home` is the CPU that it is on; None: it has none of the room.
    """

    __slots__ = ("home", "irqs", "load", "noise", "room")

    def __init__(self, irqs: list[Irq], room: Room, home: int | None) -> None:
        self.irqs, self.room, self.home = irqs, room, home
        self.load = sum(irq.load for irq in irqs)
        self.noise = math.sqrt(sum(irq.noise**2 for irq in irqs))


class Board:
    """The CPUs with the load that is settled on them, and the groups that can still move."""

    def __init__(self, snapshot: Snapshot, draft: Draft, groups: list[Group]) -> None:
        self._settling = snapshot.settling
        self._learnt = snapshot.cycle > LEARNING
        self._groups = groups
        self._loads = CpuLoads(snapshot, draft)
        # The dictionaries are ordered sets: a set of objects is walked in the order of their
        # addresses, and two processes would choose differently among equals.
        self._on: dict[int, dict[Group, None]] = {cpu: {} for cpu in self._loads.capacity}
        self.home: dict[Group, int] = {}
        """The CPU of each group that has one; after `improve`, of every group."""
        for group in groups:
            if group.home is not None:
                self._put(group, group.home)

    def improve(self, min_gain: float) -> str:
        """Place the groups that have no CPU, and then move groups if that lowers the busiest CPU's
        level by at least `min_gain` (a share; less while the host is settling). Returns what was
        gained, in words.
        """
        self._place_homeless()
        if not self._groups:
            return ""
        busiest = self._busiest()
        old = self._loads.level[busiest]
        share = self._share()
        hottest = max(self._groups, key=lambda group: group.load / group.room.largest)
        bound = max(share, hottest.load / hottest.room.largest)
        # The comparison is as uncertain as the loads of the groups on the busiest CPU, and as the
        # hottest group's where that one is the bound.
        uncertain = self._on[busiest].keys() ^ ({hottest} if bound > share else set())
        if self._is_good_enough(old, bound, min_gain, self._slack(busiest, uncertain)):
            return "balanced"
        start = dict(self.home)
        # While the host is settling, moves are free: CPUs that are busier than the mean are
        # levelled too, not just those above the hottest group's. That leaves room for noise.
        self._shift((share if self._settling else bound) * (1 + min_gain / 5))
        if self._settling and self._highest_level() > bound * (1 + min_gain / 3):
            self._try_from_scratch()
        if self._learnt:
            self._drop_useless(start)
        new = self._highest_level()
        if new > old * (1 - (SETTLING_GAIN if self._settling else min_gain)):
            self._restore(start)
            return "balanced as well as it can be"
        return (
            f"busiest CPU from {old * 100:.1f} % to {new * 100:.1f} % (bound {bound * 100:.1f} %)"
        )

    def _drop_useless(self, start: dict[Group, int]) -> None:
        """Undo each move without which the busiest CPU would have hardly more to do, the lightest
        groups first.
        """
        level = self._highest_level()
        most = level + max(WORTH * level, LEAST_WORTH)
        moved = [group for group, cpu in self.home.items() if start[group] != cpu]
        for group in sorted(moved, key=lambda group: group.load):
            cpu = self.home[group]
            self._put(group, start[group])
            if self._loads.level[start[group]] > most:
                self._put(group, cpu)

    def _is_good_enough(self, level: float, bound: float, min_gain: float, slack: float) -> bool:
        good = bound * (1 + (min_gain / 3 if self._settling else min_gain))
        if not self._settling:
            good = max(good, min(bound + SMALL, bound * (1 + SMALL_SHARE)), bound + TINY)
        return level - slack <= good

    def _slack(self, cpu: int, uncertain: set[Group]) -> float:
        """How much of the CPU's level may be noise; while the host is settling none is assumed."""
        if self._settling:
            return 0.0
        noise = math.sqrt(math.fsum(group.noise**2 for group in uncertain))
        return SIGMAS * noise / self._loads.capacity[cpu]

    def _put(self, group: Group, cpu: int) -> None:
        before = self.home.get(group)
        if before == cpu:
            return
        if before is not None:
            del self._on[before][group]
            self._loads.add(before, -group.load)
        self.home[group] = cpu
        self._on[cpu][group] = None
        self._loads.add(cpu, group.load)

    def _restore(self, homes: dict[Group, int]) -> None:
        for group, cpu in homes.items():
            self._put(group, cpu)

    def _place_homeless(self) -> None:
        """Put the groups without a CPU, the hottest first, where they add least."""
        homeless = [group for group in self._groups if group not in self.home]
        for group in sorted(homeless, key=lambda group: -group.load):
            self._put(group, self._best(group))

    def _best(self, group: Group) -> int:
        """The CPU that has the lowest score with this group on it."""
        score, capacity, load = self._loads.score, self._loads.capacity, group.load
        members = group.room.members
        scores = [score[cpu] + load / capacity[cpu] for cpu in members]
        return members[scores.index(min(scores))]

    def _busiest(self) -> int:
        """The CPU with the highest level among those that have groups, else among all."""
        used = [cpu for cpu, groups in self._on.items() if groups] or list(self._on)
        return max(used, key=self._loads.level.__getitem__)

    def _highest_level(self) -> float:
        return self._loads.level[self._busiest()]

    def _share(self) -> float:
        """The level that no placement can go below: the mean over any set of CPUs, with the groups
        that cannot leave it.
        """
        rooms: dict[Room, float] = {}
        for group in self._groups:
            rooms[group.room] = rooms.get(group.room, 0.0) + group.load
        base, capacity = self._loads.base, self._loads.capacity
        highest = 0.0
        for room in rooms:
            inside = sum(load for other, load in rooms.items() if other.cpus <= room.cpus)
            inside += sum(base[cpu] for cpu in room.members)
            highest = max(highest, inside / sum(capacity[cpu] for cpu in room.members))
        return highest

    def _shift(self, good: float) -> None:
        """Move or exchange a group of the busiest CPU, again and again, until its level is at most
        `good` or nothing helps.
        """
        level = self._loads.level
        position = {cpu: at for at, cpu in enumerate(self._on)}
        # A heap of levels as they were: an entry is valid while the CPU still has that level.
        heap = [(-level[cpu], at, cpu) for cpu, at in position.items()]
        heapq.heapify(heap)
        stuck: set[int] = set()
        for _ in range(4 * len(self._groups) + 16):
            while heap and (
                heap[0][2] in stuck or -heap[0][0] != level[heap[0][2]] or not self._on[heap[0][2]]
            ):
                heapq.heappop(heap)
            if not heap:
                return
            cpu = heap[0][2]
            if level[cpu] <= good:
                return
            other = self._move_one(cpu)
            if other is None:
                other = self._exchange_one(cpu)
            if other is None:
                stuck.add(cpu)
                continue
            for changed in (cpu, other):
                heapq.heappush(heap, (-level[changed], position[changed], changed))

    def _move_one(self, cpu: int) -> int | None:
        """Move the group whose leaving lowers the higher level of the two CPUs most. Returns the
        CPU that it went to; None: no move helps.
        """
        level, capacity = self._loads.level, self._loads.capacity
        old, own_capacity = level[cpu], capacity[cpu]
        targets: dict[Room, int | None] = {}
        room: Room | None = None
        target: int | None = None
        target_level = target_capacity = 0.0
        best: Group | None = None
        best_level = best_load = 0.0
        # This loop is where the policy spends its time: when irqbal starts, all groups may be on
        # one CPU. Most of them share a room, so what depends on the room alone is
        # looked up only when it changes.
        for group in self._on[cpu]:
            if group.room is not room:
                room = group.room
                if room not in targets:
                    targets[room] = self._quietest(room, cpu)
                target = targets[room]
                if target is not None:
                    target_level, target_capacity = level[target], capacity[target]
            if target is None:
                continue
            load = group.load
            there = target_level + load / target_capacity
            here = old - load / own_capacity
            result = here if here > there else there
            if best is None or result < best_level or (result == best_level and load > best_load):
                best, best_level, best_load = group, result, load
        if best is None or best_level >= old * HELPS:
            return None
        target = targets[best.room]
        assert target is not None
        self._put(best, target)
        return target

    def _quietest(self, room: Room, besides: int) -> int | None:
        """The CPU of the room with the lowest score, besides this one."""
        members, score = room.members, self._loads.score
        scores = [score[cpu] if cpu != besides else math.inf for cpu in members]
        low = min(scores)
        return None if low == math.inf else members[scores.index(low)]

    def _exchange_one(self, cpu: int) -> int | None:
        """Exchange a group for a lighter one on a CPU with less to do. Returns that CPU; None: no
        exchange helps.
        """
        level, capacity = self._loads.level, self._loads.capacity
        old = level[cpu]
        best: tuple[Group, Group] | None = None
        best_level = math.inf
        quiet = sorted((other for other in self._on if other != cpu), key=level.__getitem__)
        for group in self._on[cpu]:
            for other in quiet[:QUIET_CPUS]:
                if other not in group.room.cpus:
                    continue
                for lighter in self._on[other]:
                    gain = group.load - lighter.load
                    if gain <= 0 or cpu not in lighter.room.cpus:
                        continue
                    here = old - gain / capacity[cpu]
                    result = max(here, level[other] + gain / capacity[other])
                    if result < best_level:
                        best, best_level = (group, lighter), result
        if best is None or best_level >= old * HELPS:
            return None
        heavy, light = best
        there = self.home[light]
        self._put(light, cpu)
        self._put(heavy, there)
        return there

    def _try_from_scratch(self) -> None:
        """Place all groups again, the hottest first, and restore the present placement unless the
        result is clearly better.
        """
        before, level = dict(self.home), self._highest_level()
        for group in self._groups:
            del self._on[self.home[group]][group]
            self._loads.add(self.home[group], -group.load)
        self.home.clear()
        self._place_homeless()
        if self._highest_level() >= level * CLEARLY_BETTER:
            self._restore(before)
