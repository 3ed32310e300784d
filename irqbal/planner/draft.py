"""The plan in the making. Policies see it read-only as `Draft`; only the policy host puts limits
and placements into it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Limit, Note, Placement, Refusal, Steering, Step
from irqbal.model.view import Irq, Override, Snapshot
from irqbal.planner.ledger import Ledger


class Settings(msgspec.Struct, frozen=True):
    """What the planner needs of the configuration. `cooldown` is seconds."""

    banned: CpuSet = CpuSet()
    max_moves: int = 64
    respect_drift: bool = False
    cooldown: float = 30.0
    explain: tuple[int, ...] = ()
    explain_all: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """Who owns an IRQ in this plan, and where it goes. `cpus` None: never touched. `chosen` names
    the policy that narrowed it.
    """

    policy: str
    cpus: CpuSet | None
    reason: str
    open: bool = False
    prefer: CpuSet | None = None
    chosen: str = ""


class Draft:
    """What overrides, limits and earlier policies decided so far, as a policy may read it."""

    def __init__(self, snapshot: Snapshot, ledger: Ledger, settings: Settings) -> None:
        self._snapshot = snapshot
        self._ledger = ledger
        self._settings = settings
        self._claims: dict[int, Claim] = {}
        self._limits: list[tuple[str, Limit]] = []
        self._forbidden_all = settings.banned
        self._forbidden: dict[int, CpuSet] = {}
        self._exempt: set[int] = set()
        self._fixed: dict[int, CpuSet] = {}
        self._loads: dict[int, float] | None = None

    def claim(self, irq: Irq | int) -> Claim | None:
        """The claim on this IRQ, by an override (policy `override`) or an earlier policy; None
        while it is free.
        """
        return self._claims.get(irq if isinstance(irq, int) else irq.number)

    def allowed(self, irq: Irq | int) -> CpuSet:
        """The online CPUs that no limit forbids this IRQ; it may be empty."""
        number = irq if isinstance(irq, int) else irq.number
        allowed = self._snapshot.online - self.forbidden(number)
        found = self._snapshot.irq_by_number.get(number)
        if found is not None and self._ledger.entries:
            allowed -= self._ledger.entry(found.identity).barred
        return allowed

    def forbidden(self, number: int) -> CpuSet:
        """The CPUs, online or not, that limits and banned_cpus keep from this IRQ."""
        everywhere = self._forbidden_all
        if number in self._exempt:
            everywhere = self._settings.banned
            for _, limit in self._limits:
                if limit.irqs is None and number not in limit.exempt:
                    everywhere |= limit.cpus
        return everywhere | self._forbidden.get(number, CpuSet())

    def load(self, cpu: int) -> float:
        """Seconds of CPU a second that are settled on this CPU so far: unmovable IRQs, those with a
        claim that is not open, and threaded NAPI.
        """
        if self._loads is None:
            self._loads = {
                cpu.number: cpu.threads for cpu in self._snapshot.cpus if cpu.threads > 0
            }
            for irq in self._snapshot.irqs:
                where = self._fixed.get(irq.number) or (
                    irq.effective if irq.unmovable else CpuSet()
                )
                self._add_load(irq, where)
        return self._loads.get(cpu, 0.0)

    def _add_load(self, irq: Irq, where: CpuSet) -> None:
        if self._loads is None or not irq.load or not where:
            return
        share = irq.load / len(where)
        for cpu in where:
            self._loads[cpu] = self._loads.get(cpu, 0.0) + share

    def _fix(self, irq: Irq, cpus: CpuSet | None) -> None:
        """The IRQ's place is settled: its load counts there (where it is now, as far as the set
        allows it).
        """
        if irq.number in self._fixed:
            return
        where = irq.effective if cpus is None else (irq.effective & cpus) or cpus
        if irq.unmovable:
            where = irq.effective
        self._fixed[irq.number] = where
        if not irq.unmovable:
            self._add_load(irq, where)


class Drafting(Draft):
    """The writable side, held by the policy host alone."""

    def __init__(self, snapshot: Snapshot, ledger: Ledger, settings: Settings) -> None:
        super().__init__(snapshot, ledger, settings)
        self.refused: list[Refusal] = []
        self.notes: list[tuple[str, Note]] = []
        self.steering: dict[tuple[str, str, int], tuple[str, Steering]] = {}
        self.trail: dict[int, list[Step]] = {}
        self._traced = set(settings.explain)
        if settings.banned:
            self._note_banned()
        self._claim_overrides()

    @property
    def snapshot(self) -> Snapshot:
        """The view of the host that this plan is made from."""
        return self._snapshot

    @property
    def ledger(self) -> Ledger:
        """The planner's memory as it was before this plan."""
        return self._ledger

    @property
    def settings(self) -> Settings:
        """What the configuration says to the planner."""
        return self._settings

    @property
    def limits(self) -> list[tuple[str, Limit]]:
        """Every limit with the policy that set it, in order."""
        return self._limits

    def step(self, irq: int, policy: str, what: str, cpus: CpuSet | None, reason: str) -> None:
        """Add a link to the IRQ's explanation, where one was asked for."""
        if self._settings.explain_all or irq in self._traced:
            self.trail.setdefault(irq, []).append(Step(policy, what, cpus, reason))

    def limit(self, policy: str, items: Iterable[Limit | Note]) -> None:
        """Take one policy's limits."""
        for item in items:
            if isinstance(item, Note):
                self.notes.append((policy, item))
                continue
            if not item.cpus:
                continue
            self._limits.append((policy, item))
            if item.irqs is None:
                self._forbidden_all |= item.cpus
                self._exempt.update(item.exempt)
            else:
                for number in set(item.irqs) - set(item.exempt):
                    self._forbidden[number] = self._forbidden.get(number, CpuSet()) | item.cpus
            for irq in self._traced_irqs():
                if (item.irqs is None or irq in item.irqs) and irq not in item.exempt:
                    self.step(irq, policy, "limit", item.cpus, item.reason)
        self._loads = None

    def place(self, policy: str, items: Iterable[Placement | Steering | Note]) -> None:
        """Take one policy's placements; of those on one IRQ the first one stands."""
        seen: set[int] = set()
        for item in items:
            if isinstance(item, Note):
                self.notes.append((policy, item))
            elif isinstance(item, Steering):
                self._steer(policy, item)
            elif item.irq not in seen:
                seen.add(item.irq)
                self._place(policy, item)

    def refuse(
        self, irq: int | None, policy: str, code: str, reason: str, advice: str = ""
    ) -> None:
        """Say no, with the reason."""
        self.refused.append(Refusal(irq, policy, code, reason, advice))
        if irq is not None:
            self.step(irq, policy, "refuse", None, reason)

    def reason_for(self, number: int, cpus: CpuSet) -> tuple[str, str]:
        """(policy, reason) of the first limit that keeps one of these CPUs from this IRQ."""
        for policy, limit in self._limits:
            bound = limit.irqs is None or number in limit.irqs
            if bound and number not in limit.exempt and limit.cpus & cpus:
                return policy, limit.reason
        return "banned_cpus", f"CPUs {self._settings.banned} are banned in the configuration"

    def _traced_irqs(self) -> Iterable[int]:
        return (
            [irq.number for irq in self._snapshot.irqs]
            if self._settings.explain_all
            else self._traced
        )

    def _note_banned(self) -> None:
        for irq in self._traced_irqs():
            self.step(
                irq, "banned_cpus", "limit", self._settings.banned, "banned in the configuration"
            )

    def _claim_overrides(self) -> None:
        by_identity: dict[str, Override] = {
            override.identity: override for override in self._snapshot.overrides
        }
        if not by_identity:
            return
        for irq in self._snapshot.irqs:
            override = by_identity.get(irq.identity)
            if override is None:
                continue
            reason = override.reason or f"set by {override.who or 'a person'}"
            cpus = override.cpus & self._snapshot.online
            if irq.unmovable:
                self.refuse(
                    irq.number,
                    "override",
                    "unmovable",
                    f"{irq.unmovable}: the override cannot be set",
                )
            elif not cpus:
                self.refuse(
                    irq.number,
                    "override",
                    "offline",
                    f"all of CPUs {override.cpus} are offline",
                    "the override waits until one of them is online again",
                )
            else:
                self._claims[irq.number] = Claim("override", cpus, reason)
                self._fix(irq, cpus)
                self.step(irq.number, "override", "claim", cpus, reason)

    def _place(self, policy: str, item: Placement) -> None:
        irq = self._snapshot.irq_by_number.get(item.irq)
        if irq is None:
            self.refuse(None, policy, "unknown", f"there is no IRQ {item.irq}")
            return
        held = self._claims.get(item.irq)
        if held is not None and not (held.open and item.cpus is not None):
            self.step(
                item.irq,
                policy,
                "pass over",
                item.cpus,
                f"{held.policy} owns it already; {item.reason}",
            )
            return
        if item.cpus is None:
            self._claims[item.irq] = Claim(policy, None, item.reason)
            self._fix(irq, None)
            self.step(item.irq, policy, "leave", None, item.reason)
            return
        if irq.unmovable:
            if irq.affinity & self._snapshot.online != item.cpus & self._snapshot.online:
                self.refuse(
                    item.irq,
                    policy,
                    "unmovable",
                    f"{irq.unmovable}; {policy} wanted CPUs {item.cpus}",
                )
            return
        cpus = self._cut(policy, irq, item)
        if not cpus:
            return
        if held is not None:
            self._narrow(policy, irq, held, item, cpus)
            return
        prefer = None if item.prefer is None else (item.prefer & cpus) or None
        self._claims[item.irq] = Claim(policy, cpus, item.reason, item.open, prefer)
        if not item.open:
            self._fix(irq, cpus)
        self.step(item.irq, policy, "claim (open)" if item.open else "claim", cpus, item.reason)

    def _cut(self, policy: str, irq: Irq, item: Placement) -> CpuSet:
        """The placement's CPUs that are online and that no limit forbids; empty after a refusal."""
        wanted = item.cpus or CpuSet()
        online = wanted & self._snapshot.online
        cpus = online & self.allowed(irq)
        if cpus:
            return cpus
        if not wanted:
            code, why = "empty", "the placement names no CPU"
        elif not online:
            code, why = "offline", f"none of CPUs {wanted} is online"
        elif online - self.forbidden(irq.number):
            code, why = (
                "no-vector",
                f"CPUs {online - self.forbidden(irq.number)} have no free interrupt vector for it",
            )
        else:
            by, reason = self.reason_for(irq.number, online)
            code, why = "limited", f"CPUs {online} are kept from it by {by}: {reason}"
        self.refuse(irq.number, policy, code, why)
        return CpuSet()

    def _narrow(self, policy: str, irq: Irq, held: Claim, item: Placement, cpus: CpuSet) -> None:
        """A later policy chooses within an open claim; the queue's other half goes along, unless it
        is left `alone`.
        """
        chosen = cpus & (held.cpus or CpuSet())
        prefer = None if item.prefer is None else (item.prefer & chosen) or None
        if not chosen:
            self.refuse(
                irq.number,
                policy,
                "outside",
                f"CPUs {cpus} lie outside {held.cpus}, which {held.policy} left open",
            )
            return
        halves: tuple[Irq, ...] = (irq,)
        if irq.queue is not None and not item.alone:
            halves = self._snapshot.irqs_by_queue[irq.queue.name, irq.queue.index]
        for half in halves:
            other = self._claims.get(half.number)
            if other is None or not other.open or other.policy != held.policy or other.cpus is None:
                continue
            if half is not irq and not chosen <= other.cpus:
                continue
            reason = f"{other.reason}; {policy}: {item.reason}"
            self._claims[half.number] = replace(
                other, cpus=chosen, reason=reason, open=item.open, prefer=prefer, chosen=policy
            )
            if not item.open:
                self._fix(half, chosen)
            self.step(half.number, policy, "narrow", chosen, item.reason)

    def _steer(self, policy: str, item: Steering) -> None:
        interface = self._snapshot.interface_by_name.get(item.interface)
        queues = (
            () if interface is None else (interface.tx if item.direction == "tx" else interface.rx)
        )
        if item.queue >= len(queues) or item.queue < 0:
            self.refuse(
                None,
                policy,
                "unknown",
                f"{item.interface} has no queue {item.direction}-{item.queue}",
            )
            return
        self.steering.setdefault((item.interface, item.direction, item.queue), (policy, item))
