"""The draft of a plan: the planner adds limits and placements to it, policies read a frozen view of
it. Pure. The module is long because limits, claims and steering are parts of one state.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.draft import Claim, Draft, LimitTable
from irqbal.model.plan import Limit, Note, Placement, Refusal, RefusalCode, Steering, Step
from irqbal.model.view import Irq, Override, Snapshot
from irqbal.planner.ledger import Ledger

MAX_LIMIT_STEPS = 32
"""Limits in the explanation of one IRQ: policies may state thousands."""


class Settings(msgspec.Struct, frozen=True):
    """What the planner needs of the configuration.

    `banned` are CPUs that no IRQ may use. `max_moves` is moves a cycle. `respect_drift`: do not
    undo changes by other programs. `cooldown` is seconds for which a moved IRQ stays. `learning`:
    the plan is made because more is known of loads, so neither of the two holds moves back, as
    while the host is settling. `explain` are the numbers of IRQs to explain; `explain_all`: explain
    every IRQ.
    """

    banned: CpuSet = CpuSet()
    max_moves: int = 64
    respect_drift: bool = False
    cooldown: float = 30.0
    learning: bool = False
    explain: tuple[int, ...] = ()
    explain_all: bool = False


class DraftBuilder:
    """Collects limits, claims and steering for one plan, and the refusals and explanations that
    follow from them.
    """

    def __init__(self, snapshot: Snapshot, ledger: Ledger, settings: Settings) -> None:
        self.snapshot = snapshot
        """The snapshot that this plan is made from."""
        self.ledger = ledger
        """The planner's memory as it was before this plan."""
        self.settings = settings
        self.limits = LimitTable(settings.banned)
        self.refused: list[Refusal] = []
        self.notes: list[tuple[str, Note]] = []
        self.steering: dict[tuple[str, str, int], tuple[str, Steering]] = {}
        """(policy, item) by (interface, direction, queue)."""
        self.trail: dict[int, list[Step]] = {}
        """Explanations by IRQ number, of the IRQs that `settings` names."""
        self._claims: dict[int, Claim] = {}
        self._settled: dict[int, CpuSet] = {}
        self._traced = set(settings.explain)
        self._barred = _barred(snapshot, ledger)
        if settings.banned:
            self._note_banned()
        self._claim_overrides()

    def view(self) -> Draft:
        """What is decided so far, as a policy may read it. Later changes of this draft do not alter
        the view.
        """
        return Draft(
            online=self.snapshot.online,
            limits=self.limits,
            claims=dict(self._claims),
            barred=self._barred,
            loads=self._loads(),
        )

    def claim(self, irq: Irq) -> Claim | None:
        """The claim on this IRQ; None if there is none."""
        return self._claims.get(irq.number)

    def allowed(self, irq: Irq) -> CpuSet:
        """The online CPUs that this IRQ may use: no limit forbids them, and they have a free
        vector. The set may be empty.
        """
        allowed = self.snapshot.online - self.limits.forbidden(irq.number)
        barred = self._barred.get(irq.number)
        return allowed if barred is None else allowed - barred

    def forbidden(self, number: int) -> CpuSet:
        """The CPUs, online or not, that limits and `banned_cpus` forbid this IRQ."""
        return self.limits.forbidden(number)

    def step(self, irq: int, policy: str, what: str, cpus: CpuSet | None, reason: str) -> None:
        """Add a step to the IRQ's explanation."""
        self.trail.setdefault(irq, []).append(Step(policy, what, cpus, reason))

    def is_traced(self, irq: int) -> bool:
        """Whether `settings` ask to explain this IRQ."""
        return self.settings.explain_all or irq in self._traced

    def limit(self, policy: str, items: Iterable[Limit | Note]) -> None:
        """Add one policy's limits and notes."""
        limits = []
        for item in items:
            if isinstance(item, Note):
                self.notes.append((policy, item))
                continue
            if not item.cpus:
                continue
            limits.append((policy, item))
            bound = self._traced_irqs if item.irqs is None else self._traced_irqs & set(item.irqs)
            for irq in sorted(bound - set(item.exempt)):
                if len(self.trail.get(irq, ())) < MAX_LIMIT_STEPS:
                    self.step(irq, policy, "limit", item.cpus, item.reason)
        if limits:
            self.limits = LimitTable(self.limits.banned, (*self.limits.limits, *limits))

    def place(self, policy: str, items: Iterable[Placement | Steering | Note]) -> None:
        """Add one policy's placements, steering and notes. Of several placements of one IRQ, the
        first counts.
        """
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
        self, irq: int | None, policy: str, code: RefusalCode, reason: str, advice: str = ""
    ) -> None:
        """Record that irqbal does not carry out a request, and why."""
        self.refused.append(Refusal(irq, policy, code, reason, advice))
        if irq is not None:
            self.step(irq, policy, "refuse", None, reason)

    @cached_property
    def _traced_irqs(self) -> set[int]:
        """The IRQs to explain."""
        if self.settings.explain_all:
            return {irq.number for irq in self.snapshot.irqs}
        return set(self._traced)

    def _note_banned(self) -> None:
        for irq in self._traced_irqs:
            self.step(
                irq, "banned_cpus", "limit", self.settings.banned, "banned in the configuration"
            )

    def _claim_overrides(self) -> None:
        """Add a claim for each override whose IRQ can be moved there, before any policy."""
        by_identity: dict[str, Override] = {
            override.identity: override for override in self.snapshot.overrides
        }
        if not by_identity:
            return
        for irq in self.snapshot.irqs:
            override = by_identity.get(irq.identity)
            if override is None:
                continue
            reason = override.reason or f"set by {override.who or 'a person'}"
            cpus = override.cpus & self.snapshot.online
            if irq.unmovable:
                self.refuse(
                    irq.number,
                    "override",
                    "unmovable",
                    f"{irq.unmovable}: the override has no effect",
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
                self._settle(irq, cpus)
                self.step(irq.number, "override", "claim", cpus, reason)

    def _place(self, policy: str, item: Placement) -> None:
        """Turn a placement into a claim, narrow an open claim by it, or refuse it."""
        irq = self.snapshot.irq_by_number.get(item.irq)
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
                f"{held.policy} already owns this IRQ; {item.reason}",
            )
            return
        if item.cpus is None:
            self._claims[item.irq] = Claim(policy, None, item.reason)
            self._settle(irq, None)
            self.step(item.irq, policy, "leave", None, item.reason)
            return
        if irq.unmovable:
            if irq.affinity & self.snapshot.online != item.cpus & self.snapshot.online:
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
            self._settle(irq, cpus)
        self.step(item.irq, policy, "claim (open)" if item.open else "claim", cpus, item.reason)

    def _cut(self, policy: str, irq: Irq, item: Placement) -> CpuSet:
        """The placement's CPUs that are online and that no limit forbids; empty after a refusal."""
        wanted = item.cpus or CpuSet()
        online = wanted & self.snapshot.online
        cpus = online & self.allowed(irq)
        if cpus:
            return cpus
        code: RefusalCode
        advice = ""
        if not wanted:
            code, why = "empty", "the placement names no CPU"
        elif not online:
            code, why = "offline", f"none of CPUs {wanted} is online"
        elif online - self.forbidden(irq.number):
            code, why = (
                "no-vector",
                f"CPUs {online - self.forbidden(irq.number)} have no free interrupt vector for "
                "this IRQ",
            )
        else:
            by, reason = self.limits.reason_for(irq.number, online)
            code, why = "limited", f"{by} forbids this IRQ CPUs {online}: {reason}"
            advice = self.limits.advice_for(irq.number, online)
        self.refuse(irq.number, policy, code, why, advice)
        return CpuSet()

    def _narrow(self, policy: str, irq: Irq, held: Claim, item: Placement, cpus: CpuSet) -> None:
        """Narrow an open claim to what a later policy chose. The IRQ of the queue's other half gets
        the same CPUs, unless the placement is `alone`.
        """
        chosen = cpus & (held.cpus or CpuSet())
        prefer = None if item.prefer is None else (item.prefer & chosen) or None
        if not chosen:
            self.refuse(
                irq.number,
                policy,
                "outside",
                f"CPUs {cpus} lie outside CPUs {held.cpus}, which {held.policy} left open",
            )
            return
        halves = {irq.number: irq}
        for queue in () if item.alone else irq.queues:
            for half in self.snapshot.irqs_by_queue[queue.name, queue.index]:
                halves[half.number] = half
        for half in halves.values():
            other = self._claims.get(half.number)
            if other is None or not other.open or other.policy != held.policy or other.cpus is None:
                continue
            if half is not irq and not chosen <= other.cpus:
                continue
            reason = f"{other.reason}; {policy}: {item.reason}"
            self._claims[half.number] = msgspec.structs.replace(
                other, cpus=chosen, reason=reason, open=item.open, prefer=prefer, chosen=policy
            )
            if not item.open:
                self._settle(half, chosen)
            self.step(half.number, policy, "narrow", chosen, item.reason)

    def _steer(self, policy: str, item: Steering) -> None:
        """Add a queue's settings. The first policy that sets a queue and direction owns them."""
        interface = self.snapshot.interface_by_name.get(item.interface)
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

    def _settle(self, irq: Irq, cpus: CpuSet | None) -> None:
        """From now on the IRQ's load counts on the CPUs of this set where it fires now, or on the
        whole set if it fires on none of them.
        """
        if irq.number in self._settled:
            return
        where = irq.effective if cpus is None else (irq.effective & cpus) or cpus
        self._settled[irq.number] = irq.effective if irq.unmovable else where

    def _loads(self) -> dict[int, float]:
        """Seconds of CPU a second whose place is decided, by CPU: unmovable IRQs, IRQs with a claim
        that is not open, and threaded NAPI.
        """
        loads = {cpu.number: cpu.threads for cpu in self.snapshot.cpus if cpu.threads > 0}
        settled = self._settled
        for irq in self.snapshot.irqs:
            if not irq.load:
                continue
            where = settled.get(irq.number)
            if not where and irq.unmovable:
                where = irq.effective
            if where:
                share = irq.load / len(where)
                for cpu in where:
                    loads[cpu] = loads.get(cpu, 0.0) + share
        return loads


def _barred(snapshot: Snapshot, ledger: Ledger) -> dict[int, CpuSet]:
    """CPUs that have no free interrupt vector for an IRQ (the kernel refused a write), by IRQ
    number.
    """
    if not ledger.entries:
        return {}
    return {
        irq.number: barred for irq in snapshot.irqs if (barred := ledger.entry(irq.identity).barred)
    }
