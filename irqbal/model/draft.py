"""The plan in the making, as a policy sees it: frozen, and small enough to be sent to a process."""

from __future__ import annotations

from functools import cached_property

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Limit
from irqbal.model.view import Cpu, Irq

NO_CPUS = CpuSet()


class Claim(msgspec.Struct, frozen=True):
    """Who owns an IRQ in this plan, and where it goes. `cpus` None: never touched. `chosen` names
    the policy that narrowed it.
    """

    policy: str
    cpus: CpuSet | None
    reason: str
    open: bool = False
    prefer: CpuSet | None = None
    chosen: str = ""


class LimitTable(msgspec.Struct, frozen=True, dict=True):
    """Every limit of this plan with the policy that set it, in order, and `banned_cpus`."""

    banned: CpuSet = NO_CPUS
    limits: tuple[tuple[str, Limit], ...] = ()

    def forbidden(self, number: int) -> CpuSet:
        """The CPUs, online or not, that limits and `banned_cpus` keep from this IRQ."""
        everywhere = self._everywhere
        if number in self._exempt:
            everywhere = self.banned
            for _, limit in self.limits:
                if limit.irqs is None and number not in limit.exempt:
                    everywhere |= limit.cpus
        own = self._by_irq.get(number)
        return everywhere if own is None else everywhere | own

    def reason_for(self, number: int, cpus: CpuSet) -> tuple[str, str]:
        """(policy, reason) of the first limit that keeps one of these CPUs from this IRQ."""
        for policy, limit in self.limits:
            bound = limit.irqs is None or number in limit.irqs
            if bound and number not in limit.exempt and limit.cpus & cpus:
                return policy, limit.reason
        return "banned_cpus", f"CPUs {self.banned} are banned in the configuration"

    @cached_property
    def _everywhere(self) -> CpuSet:
        """What is forbidden all IRQs that no limit exempts."""
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
        """What limits on some IRQs forbid each of them."""
        found: dict[int, CpuSet] = {}
        for _, limit in self.limits:
            if limit.irqs is not None:
                for number in set(limit.irqs) - set(limit.exempt):
                    found[number] = found.get(number, NO_CPUS) | limit.cpus
        return found


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What overrides, limits and earlier policies decided so far, as a policy may read it.

    `claims` are by IRQ number, `barred` the CPUs that have no free interrupt vector for an IRQ,
    `loads` seconds of CPU a second that are settled on each CPU so far.
    """

    online: CpuSet
    limits: LimitTable = LimitTable()
    claims: dict[int, Claim] = {}
    barred: dict[int, CpuSet] = {}
    loads: dict[int, float] = {}

    def claim(self, irq: Irq | int) -> Claim | None:
        """The claim on this IRQ, by an override (policy `override`) or an earlier policy; None
        while it is free.
        """
        return self.claims.get(irq if isinstance(irq, int) else irq.number)

    def allowed(self, irq: Irq | int) -> CpuSet:
        """The online CPUs that no limit forbids this IRQ; it may be empty."""
        number = irq if isinstance(irq, int) else irq.number
        allowed = self.online - self.limits.forbidden(number)
        barred = self.barred.get(number)
        return allowed if barred is None else allowed - barred

    def forbidden(self, number: int) -> CpuSet:
        """The CPUs, online or not, that limits and `banned_cpus` keep from this IRQ."""
        return self.limits.forbidden(number)

    def load(self, cpu: int) -> float:
        """Seconds of CPU a second that are settled on this CPU so far: unmovable IRQs, those with a
        claim that is not open, and threaded NAPI.
        """
        return self.loads.get(cpu, 0.0)


def distance(a: Cpu, b: Cpu) -> int:
    """How far two CPUs are apart: 0 itself, 1 same core, 2 same L3, 3 same node, 4 elsewhere."""
    if a.number == b.number:
        return 0
    if a.core == b.core and a.package == b.package:
        return 1
    if a.l3 == b.l3:
        return 2
    return 3 if a.node == b.node else 4
