"""The draft of a plan, as a policy sees it: frozen, and small enough to send to another process."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from heapq import merge

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Limit
from irqbal.model.view import Cpu, Irq

NO_CPUS = CpuSet()


class Claim(msgspec.Struct, frozen=True):
    """Which policy owns an IRQ in this plan, and where the IRQ goes. `cpus` None: its mask is not
    written. `open`: later policies may choose within `cpus`. `chosen` names the policy that did.
    """

    policy: str
    cpus: CpuSet | None
    reason: str
    open: bool = False
    prefer: CpuSet | None = None
    chosen: str = ""


class LimitTable(msgspec.Struct, frozen=True, dict=True):
    """Every limit of this plan as (policy, limit), in the order of the policies, and the CPUs of
    `banned_cpus`.

    Its look-ups are indexes: policies may state thousands of limits with thousands of exemptions.
    """

    banned: CpuSet = NO_CPUS
    limits: tuple[tuple[str, Limit], ...] = ()

    def forbidden(self, number: int) -> CpuSet:
        """The CPUs, online or not, that limits and `banned_cpus` forbid this IRQ."""
        forbidden = self.everywhere
        if number not in self.apart:
            return forbidden
        if number in self._exempting:
            forbidden = self.banned | self._union_without(self._exempting[number])
        for at in self._binding.get(number, ()):
            forbidden |= self.limits[at][1].cpus
        return forbidden

    def advice_for(self, number: int, cpus: CpuSet) -> str:
        """What the first limit advises that forbids this IRQ one of these CPUs."""
        found = self._first(number, cpus)
        return "" if found is None else found[1].advice

    def reason_for(self, number: int, cpus: CpuSet) -> tuple[str, str]:
        """(policy, reason) of the first limit that forbids this IRQ one of these CPUs."""
        return self._reason(self._first(number, cpus))

    def reason_everywhere(self, cpus: CpuSet) -> tuple[str, str]:
        """(policy, reason) of the first limit on all IRQs that forbids one of these CPUs."""
        wide = (self.limits[at] for at in self._wide)
        return self._reason(next((item for item in wide if item[1].cpus & cpus), None))

    @cached_property
    def everywhere(self) -> CpuSet:
        """The CPUs, online or not, that are forbidden to every IRQ that no limit exempts, and so to
        packets that another CPU passes on (RPS).
        """
        return self.banned | self._union_without(())

    @cached_property
    def apart(self) -> frozenset[int]:
        """The numbers of the IRQs that a limit names or exempts."""
        return frozenset(self._exempting) | frozenset(self._binding)

    def _reason(self, found: tuple[str, Limit] | None) -> tuple[str, str]:
        if found is None:
            return "banned_cpus", f"CPUs {self.banned} are banned in the configuration"
        return found[0], found[1].reason

    def _first(self, number: int, cpus: CpuSet) -> tuple[str, Limit] | None:
        """The first limit that forbids this IRQ one of these CPUs."""
        exempting = set(self._exempting.get(number, ()))
        for at in merge(self._wide, self._binding.get(number, ())):
            if at not in exempting and self.limits[at][1].cpus & cpus:
                return self.limits[at]
        return None

    @cached_property
    def _wide(self) -> tuple[int, ...]:
        """The positions of limits on all IRQs."""
        return tuple(at for at, (_, limit) in enumerate(self.limits) if limit.irqs is None)

    @cached_property
    def _exempting(self) -> dict[int, list[int]]:
        """By IRQ number, the positions of limits on all IRQs that exempt it."""
        found: dict[int, list[int]] = {}
        for at in self._wide:
            for number in dict.fromkeys(self.limits[at][1].exempt):
                found.setdefault(number, []).append(at)
        return found

    @cached_property
    def _binding(self) -> dict[int, list[int]]:
        """By IRQ number, the positions of limits that name it."""
        found: dict[int, list[int]] = {}
        for at, (_, limit) in enumerate(self.limits):
            for number in set(limit.irqs or ()) - set(limit.exempt):
                found.setdefault(number, []).append(at)
        return found

    @cached_property
    def _unions(self) -> list[list[int]]:
        """A sparse table of the limits on all IRQs: row k holds at i the CPUs, as bits, of the 2^k
        limits from the i-th on.
        """
        rows = [[self.limits[at][1].cpus.bits for at in self._wide]]
        while len(rows[-1]) > 1 << (len(rows) - 1):
            last, width = rows[-1], 1 << (len(rows) - 1)
            rows.append([last[i] | last[i + width] for i in range(len(last) - width)])
        return rows

    def _union_without(self, left_out: Sequence[int]) -> CpuSet:
        """The CPUs of all limits on all IRQs but those at these positions, which ascend."""
        bits, begin = 0, 0
        for end in (*(bisect_left(self._wide, at) for at in left_out), len(self._wide)):
            if end > begin:
                row = (end - begin).bit_length() - 1
                bits |= self._unions[row][begin] | self._unions[row][end - (1 << row)]
            begin = end + 1
        return CpuSet.from_bits(bits)


class Draft(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What overrides, limits and earlier policies have decided, as a policy may read it.

    `claims` are by IRQ number. `barred` are the CPUs that have no free interrupt vector for an IRQ,
    by its number. `loads` are seconds of CPU a second by CPU: the load whose place is decided.
    """

    online: CpuSet
    limits: LimitTable = LimitTable()
    claims: dict[int, Claim] = {}
    barred: dict[int, CpuSet] = {}
    loads: dict[int, float] = {}

    def claim(self, irq: Irq | int) -> Claim | None:
        """The claim on this IRQ, of an override (policy `override`) or an earlier policy; None if
        there is none.
        """
        return self.claims.get(irq if isinstance(irq, int) else irq.number)

    def allowed(self, irq: Irq | int) -> CpuSet:
        """The online CPUs that this IRQ may use: no limit forbids them, and they have a free
        vector. The set may be empty.
        """
        number = irq if isinstance(irq, int) else irq.number
        allowed = self._usual
        if number in self.limits.apart:
            allowed = self.online - self.limits.forbidden(number)
        barred = self.barred.get(number)
        return allowed if barred is None else allowed - barred

    @cached_property
    def _usual(self) -> CpuSet:
        """The CPUs that most IRQs may use."""
        return self.online - self.limits.everywhere

    def forbidden(self, number: int) -> CpuSet:
        """The CPUs, online or not, that limits and `banned_cpus` forbid this IRQ."""
        return self.limits.forbidden(number)

    def load(self, cpu: int) -> float:
        """Seconds of CPU a second whose place is this CPU already: unmovable IRQs, IRQs with a
        claim that is not open, and threaded NAPI.
        """
        return self.loads.get(cpu, 0.0)


def distance(a: Cpu, b: Cpu) -> int:
    """How far apart two CPUs are: 0 the same CPU, 1 the same core, 2 the same L3, 3 the same NUMA
    node, 4 different nodes.
    """
    if a.number == b.number:
        return 0
    if a.core == b.core and a.package == b.package:
        return 1
    if a.l3 == b.l3:
        return 2
    return 3 if a.node == b.node else 4
