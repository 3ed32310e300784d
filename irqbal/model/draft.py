"""The draft of a plan, as a policy sees it: frozen, and small enough to send to another process."""

from __future__ import annotations

from functools import cached_property

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
    """

    banned: CpuSet = NO_CPUS
    limits: tuple[tuple[str, Limit], ...] = ()

    def forbidden(self, number: int) -> CpuSet:
        """The CPUs, online or not, that limits and `banned_cpus` forbid this IRQ."""
        everywhere = self.everywhere
        if number in self._exempt:
            everywhere = self.banned
            for _, limit in self.limits:
                if limit.irqs is None and number not in limit.exempt:
                    everywhere |= limit.cpus
        own = self._by_irq.get(number)
        return everywhere if own is None else everywhere | own

    def advice_for(self, number: int, cpus: CpuSet) -> str:
        """What the first limit advises that forbids this IRQ one of these CPUs."""
        for _, limit in self.limits:
            bound = limit.irqs is None or number in limit.irqs
            if bound and number not in limit.exempt and limit.cpus & cpus:
                return limit.advice
        return ""

    def reason_everywhere(self, cpus: CpuSet) -> tuple[str, str]:
        """(policy, reason) of the first limit on all IRQs that forbids one of these CPUs."""
        for policy, limit in self.limits:
            if limit.irqs is None and limit.cpus & cpus:
                return policy, limit.reason
        return "banned_cpus", f"CPUs {self.banned} are banned in the configuration"

    def reason_for(self, number: int, cpus: CpuSet) -> tuple[str, str]:
        """(policy, reason) of the first limit that forbids this IRQ one of these CPUs."""
        for policy, limit in self.limits:
            bound = limit.irqs is None or number in limit.irqs
            if bound and number not in limit.exempt and limit.cpus & cpus:
                return policy, limit.reason
        return "banned_cpus", f"CPUs {self.banned} are banned in the configuration"

    @cached_property
    def everywhere(self) -> CpuSet:
        """The CPUs, online or not, that are forbidden to every IRQ that no limit exempts, and so to
        packets that another CPU passes on (RPS).
        """
        cpus = self.banned
        for _, limit in self.limits:
            if limit.irqs is None:
                cpus |= limit.cpus
        return cpus

    @cached_property
    def _exempt(self) -> frozenset[int]:
        """IRQs that some limit on all IRQs exempts."""
        return frozenset(
            number for _, limit in self.limits if limit.irqs is None for number in limit.exempt
        )

    @cached_property
    def _by_irq(self) -> dict[int, CpuSet]:
        """The CPUs that limits on single IRQs forbid, by IRQ number."""
        forbidden: dict[int, CpuSet] = {}
        for _, limit in self.limits:
            if limit.irqs is not None:
                for number in set(limit.irqs) - set(limit.exempt):
                    forbidden[number] = forbidden.get(number, NO_CPUS) | limit.cpus
        return forbidden


class Draft(msgspec.Struct, frozen=True, kw_only=True):
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
        allowed = self.online - self.limits.forbidden(number)
        barred = self.barred.get(number)
        return allowed if barred is None else allowed - barred

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
