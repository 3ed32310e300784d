"""What is left of a plan in the cycles that reuse it. Pure."""

from __future__ import annotations

import math

import msgspec

from irqbal.model.plan import Kept, Plan, Record
from irqbal.model.view import Snapshot
from irqbal.planner.ledger import Ledger


def carried_out(record: Record) -> Record:
    """The record of a cycle in which nothing is left to do of this plan: what it moved stays."""
    plan = record.plan
    if not (plan.moves or plan.steering or plan.default or record.outcomes):
        return record
    moved = tuple(Kept(move.irq, move.policy, move.after, move.reason) for move in plan.moves)
    plan = msgspec.structs.replace(
        plan, moves=(), steering=(), default=None, kept=(*plan.kept, *moved)
    )
    return msgspec.structs.replace(record, plan=plan, outcomes=())


def waits_until(plan: Plan, snapshot: Snapshot, ledger: Ledger, cooldown: float) -> float:
    """When the first move of this plan that waits can be made, in seconds of the snapshot's clock;
    infinite if none waits. `cooldown` is seconds for which a moved IRQ stays.
    """
    now, codes = snapshot.now, {item.code for item in plan.refused}
    if "budget" in codes:
        return now
    due = math.inf
    if "given-up" in codes:
        due = min(
            (
                entry.given_up_until
                for entry in ledger.entries.values()
                if entry.given_up_until > now
            ),
            default=now,
        )
    if "cooldown" in codes:
        # Moves that wait for another IRQ to leave a CPU wait for no time of their own.
        held = {item.irq for item in plan.refused if item.code == "cooldown"}
        ends = [
            ledger.entry(irq.identity).moved + cooldown
            for irq in snapshot.irqs
            if irq.number in held
        ]
        due = min(due, min((end for end in ends if end > now), default=now))
    return due
