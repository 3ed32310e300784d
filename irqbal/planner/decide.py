"""From a draft to the plan: overrides first, then claims in order, within limits and online CPUs.
Pure.

An IRQ without a claim keeps its mask, unless the mask crosses a limit: then the IRQ is evicted.
Steering and the default mask follow from where the IRQs go.
"""

from __future__ import annotations

from irqbal.cpuset import CpuSet
from irqbal.model.draft import Claim
from irqbal.model.plan import (
    Cause,
    DefaultMove,
    Kept,
    Move,
    Plan,
    Refusal,
)
from irqbal.model.unmovable import advice
from irqbal.model.view import Irq, Snapshot
from irqbal.planner.budget import HeldMove, WantedMove, within_budget
from irqbal.planner.draft import DraftBuilder
from irqbal.planner.drift import Changes
from irqbal.planner.ledger import Ledger
from irqbal.planner.steering_moves import SteeringDecision

URGENCY = ("override", "limit", "reset", "drift", "place")
"""Causes of moves, the most urgent first: the order in which they are written."""


def decide(draft: DraftBuilder, changes: Changes) -> Plan:
    """Turn a draft into the plan. `changes` are the masks that other programs or the kernel changed
    since the last cycle.
    """
    decision = _Decision(draft, changes)
    return decision.plan()


class _Decision:
    def __init__(self, draft: DraftBuilder, changes: Changes) -> None:
        self._draft = draft
        self._changes = changes
        self._snapshot: Snapshot = draft.snapshot
        self._ledger: Ledger = draft.ledger
        self._kept: list[Kept] = []
        self._homes: dict[int, CpuSet] = {}

    def plan(self) -> Plan:
        wants = [want for irq in self._snapshot.irqs if (want := self._want(irq)) is not None]
        moves = self._within_budget(wants)
        self._warn_of_overrides()
        draft = self._draft
        # What moves is explained, so that it can be told later why.
        moved = {move.irq for move in moves}
        return Plan(
            moves=tuple(moves),
            steering=tuple(SteeringDecision(draft, self._changes, self._homes).moves()),
            default=self._default(),
            kept=tuple(self._kept),
            refused=tuple(draft.refused),
            drifted=tuple(sorted(self._changes.drifted)),
            notes=tuple(draft.notes),
            explanations={
                irq: tuple(steps)
                for irq, steps in draft.trail.items()
                if irq in moved or draft.is_traced(irq)
            },
        )

    def _want(self, irq: Irq) -> WantedMove | None:
        """The move that the IRQ needs, or None if its mask stays; then the reason is recorded."""
        claim = self._draft.claim(irq)
        online = self._snapshot.online
        forbidden = self._draft.forbidden(irq.number)
        here = irq.affinity & online
        crosses = bool(here & forbidden) or (not here and bool(irq.effective & forbidden))
        if claim is not None and claim.policy == "override":
            return self._settle(irq, claim, claim.cpus or CpuSet(), "override")
        if irq.unmovable:
            if irq.effective & forbidden or (crosses and not irq.effective):
                self._refuse_unmovable(irq, irq.effective & forbidden or here & forbidden)
            return None
        if claim is not None and claim.cpus is None:
            self._leave(irq, claim, crosses, here & forbidden)
            return None
        if claim is not None:
            target = self._target(irq, claim, here)
            return self._settle(irq, claim, target, "limit" if crosses else "place")
        return self._evict(irq, here, forbidden) if crosses else None

    def _target(self, irq: Irq, claim: Claim, here: CpuSet) -> CpuSet:
        cpus = claim.cpus or CpuSet()
        if not claim.open:
            return cpus
        if claim.prefer:
            return claim.prefer
        # No policy chose within the open claim, so every mask within it is right.
        return here if here and here <= cpus else (here & cpus) or cpus

    def _settle(self, irq: Irq, claim: Claim, target: CpuSet, cause: Cause) -> WantedMove | None:
        self._homes[irq.number] = target
        if irq.affinity & self._snapshot.online == target:
            self._kept.append(Kept(irq.number, claim.policy, target, claim.reason))
            self._draft.step(irq.number, claim.policy, "keep", target, "the mask is already right")
            return None
        if not self._may_write(irq, claim.policy, target):
            return None
        if cause == "place" and irq.number in self._changes.drifted:
            cause = "drift"
        elif cause == "place" and (irq.number in self._changes.reset or self._is_new(irq)):
            cause = "reset"
        return WantedMove(irq, target, claim.policy, claim.reason, cause)

    def _is_new(self, irq: Irq) -> bool:
        """Whether the driver set the IRQ up again and irqbal has not placed it since."""
        return irq.generation > 1 and not self._ledger.entry(irq.identity).moved

    def _may_write(self, irq: Irq, policy: str, target: CpuSet) -> bool:
        """Whether this mask may be written, given what the kernel refused and other programs
        changed before. If not, the refusal is recorded.
        """
        entry = self._ledger.entry(irq.identity)
        if entry.refused == irq.generation:
            self._draft.refuse(
                irq.number,
                policy,
                "managed",
                "refused by the kernel: managed, per-CPU or no-balance",
                "boot with isolcpus=managed_irq,CPUS to keep managed IRQs off isolated CPUs",
            )
            return False
        if str(target) in entry.bad_sets:
            self._draft.refuse(
                irq.number,
                policy,
                "no-cpu",
                f"the kernel refused or altered CPUs {target} twice for this IRQ",
            )
            return False
        if target <= entry.barred:
            self._draft.refuse(
                irq.number,
                policy,
                "no-vector",
                f"CPUs {target} have no free interrupt vector for this IRQ",
            )
            return False
        if policy == "override":
            return True
        if irq.number in self._changes.given_up:
            left = max(0.0, entry.given_up_until - self._snapshot.now)
            writers = "; ".join(self._snapshot.writers) or "no known writer is running"
            self._draft.refuse(
                irq.number,
                policy,
                "given-up",
                f"another program changed this mask back {len(entry.drift)} times in ten minutes "
                f"({writers}); "
                f"irqbal leaves it alone and tries again in {left / 60:.0f} minutes",
                "stop the other program, or set `leave` for this IRQ",
            )
            return False
        if self._draft.settings.respect_drift and (
            irq.number in self._changes.drifted or entry.drift
        ):
            self._draft.refuse(
                irq.number,
                policy,
                "drift",
                "another program changed this mask, and on_drift is respect",
                "reload irqbal to have this IRQ placed again",
            )
            return False
        return True

    def _evict(self, irq: Irq, here: CpuSet, forbidden: CpuSet) -> WantedMove | None:
        """The move of an IRQ without a claim that may fire on forbidden CPUs: to allowed CPUs of
        its mask, else of its NUMA node, else any.
        """
        allowed = self._draft.allowed(irq)
        policy, reason = self._draft.limits.reason_for(
            irq.number, here & forbidden or irq.effective & forbidden
        )
        device = self._snapshot.device_of(irq)
        local = self._snapshot.local_cpus(irq) if device is not None or irq.node >= 0 else allowed
        target = (here & allowed) or (local & allowed) or allowed
        if not target:
            self._draft.refuse(
                irq.number,
                policy,
                "limited",
                f"limits leave this IRQ no online CPU: {reason}",
                "widen the limits: at least one online CPU must serve interrupts",
            )
            return None
        self._homes[irq.number] = target
        if target == here or not self._may_write(irq, policy, target):
            return None
        self._draft.step(irq.number, policy, "evict", target, reason)
        return WantedMove(irq, target, policy, reason, "limit")

    def _refuse_unmovable(self, irq: Irq, cpus: CpuSet) -> None:
        """Record that this unmovable IRQ may fire on these forbidden CPUs."""
        policy, reason = self._draft.limits.reason_for(irq.number, cpus)
        self._draft.refuse(
            irq.number,
            policy,
            "unmovable",
            f"{irq.unmovable}; it may fire on the forbidden CPUs {cpus} ({reason})",
            advice(irq.unmovable),
        )

    def _leave(self, irq: Irq, claim: Claim, crosses: bool, cpus: CpuSet) -> None:
        self._kept.append(Kept(irq.number, claim.policy, irq.affinity, claim.reason, ours=False))
        if crosses:
            policy, reason = self._draft.limits.reason_for(irq.number, cpus)
            self._draft.refuse(
                irq.number,
                policy,
                "left",
                f"{claim.policy} leaves this IRQ alone, although it may fire on the forbidden CPUs "
                f"{cpus} ({reason})",
            )

    def _within_budget(self, wanted: list[WantedMove]) -> list[Move]:
        """The moves that go ahead in this cycle, the most urgent cause first."""
        moves: list[Move] = []
        for item in within_budget(wanted, self._draft):
            if isinstance(item, HeldMove):
                self._hold(item)
                continue
            irq = item.irq
            moves.append(
                Move(
                    irq.number,
                    irq.identity,
                    irq.generation,
                    irq.affinity,
                    item.cpus,
                    item.policy,
                    item.reason,
                    item.cause,
                )
            )
            self._draft.step(irq.number, item.policy, "move", item.cpus, item.reason)
        return sorted(moves, key=lambda move: URGENCY.index(move.cause))

    def _hold(self, held: HeldMove) -> None:
        irq = held.move.irq
        self._homes[irq.number] = irq.affinity & self._snapshot.online
        self._draft.refuse(
            irq.number,
            held.move.policy,
            held.code,
            held.reason,
            "nothing: irqbal tries again in the next cycle",
        )

    def _warn_of_overrides(self) -> None:
        """Record a warning for each override that uses forbidden CPUs."""
        for irq in self._snapshot.irqs:
            claim = self._draft.claim(irq)
            if claim is None or claim.policy != "override" or claim.cpus is None:
                continue
            beyond = claim.cpus & self._draft.forbidden(irq.number)
            if beyond:
                policy, reason = self._draft.limits.reason_for(irq.number, beyond)
                self._draft.refused.append(
                    Refusal(
                        irq.number,
                        "override",
                        "warning",
                        f"the override uses CPUs {beyond}, which {policy} forbids: {reason}",
                    )
                )

    def _default(self) -> DefaultMove | None:
        """The new default mask, or None if the present one is right. A limit on all IRQs also holds
        for IRQs that drivers request later.
        """
        everywhere = [
            (policy, limit) for policy, limit in self._draft.limits.limits if limit.irqs is None
        ]
        forbidden, policy, reason = (
            self._draft.settings.banned,
            "banned_cpus",
            "banned in the configuration",
        )
        for by, limit in everywhere:
            forbidden, policy, reason = forbidden | limit.cpus, by, limit.reason
        now = self._snapshot.default_affinity
        if not now & forbidden:
            return None
        target = now - forbidden
        if not target & self._snapshot.online:
            target = self._snapshot.online - forbidden
        return DefaultMove(now, target, policy, reason) if target and target != now else None
