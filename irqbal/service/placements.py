"""Which plan placed each IRQ, for those who ask later."""

from __future__ import annotations

from irqbal.model.plan import Explained
from irqbal.service.cycle_result import CycleResult


class Placements:
    """The last plan that moved each IRQ, since this process started. The kernel thread notes, any
    thread may ask.
    """

    def __init__(self) -> None:
        self._by_identity: dict[str, Explained] = {}

    def note(self, result: CycleResult) -> None:
        """Remember the moves that this cycle carried out, and forget IRQs that are gone."""
        record = result.record
        if not result.fresh or not record.outcomes:
            return
        written = {
            item.identity for item in record.outcomes if item.result in ("written", "differs")
        }
        known = {irq.identity for irq in result.planned_on.irqs}
        found = {key: item for key, item in self._by_identity.items() if key in known}
        for move in record.plan.moves:
            if move.identity in written:
                found[move.identity] = Explained(
                    record.plan.explanations.get(move.irq, ()),
                    record.cycle,
                    record.wall,
                    result.trigger,
                )
        self._by_identity = found

    def of(self, identity: str) -> Explained | None:
        """The plan that placed this IRQ; None if none did since this process started."""
        return self._by_identity.get(identity)
