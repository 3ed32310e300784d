"""Decisions of users for the history: overrides, pause, resume, restore."""

from __future__ import annotations

import time

import msgspec

from irqbal.history.samples import Decision, DecisionKind
from irqbal.service.cycle_result import CycleResult
from irqbal.service.history_service import HistoryService


class PersonsDecision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of a user. `identity` is the IRQ's, or empty. `before` and `after` are CPU lists
    as text. `who` is the user.
    """

    kind: DecisionKind
    identity: str = ""
    before: str = ""
    after: str = ""
    result: str = ""
    reason: str = ""
    who: str = ""


class DecisionLog:
    """Passes decisions to the history, each with its IRQ's present number and its cycle."""

    def __init__(self, history: HistoryService | None, boot_id: str) -> None:
        self._history, self._boot_id = history, boot_id

    def add(self, decision: PersonsDecision, result: CycleResult | None) -> None:
        """Store a decision. `result` is that of the cycle that carried it out, or of the last
        cycle; None before the first.
        """
        if self._history is None:
            return
        irqs = () if result is None else result.after.irqs
        irq = next((irq for irq in irqs if irq.identity == decision.identity), None)
        stored = Decision(
            0,
            self._boot_id,
            time.time(),
            0 if result is None else result.record.cycle,
            decision.kind,
            decision.identity,
            None if irq is None else irq.number,
            "" if irq is None else irq.action,
            "override" if decision.kind == "override" else "",
            "",
            decision.before,
            decision.after,
            decision.result,
            decision.reason,
            decision.who,
        )
        self._history.queue.put(self._boot_id, None, [stored])
