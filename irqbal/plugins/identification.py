"""Which queues policies identified: each of them is asked once about each IRQ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from irqbal.model.queues import Queue
from irqbal.model.view import Device, Irq, Snapshot

Asked = tuple[tuple[Irq, Device], ...]


class Identification:
    """The answers of each policy, by its index, for the IRQs that irqbal itself does not
    recognise. An answer holds for one generation of an IRQ.
    """

    def __init__(self) -> None:
        self._answers: dict[int, dict[tuple[str, int], Queue | None]] = {}

    def unasked(self, index: int, snapshot: Snapshot) -> Asked:
        """The IRQs about which the policy of this index has not been asked."""
        known = self._answers.get(index, {})
        return tuple(
            (irq, device)
            for irq, device in _unrecognised(snapshot)
            if (irq.identity, irq.generation) not in known
        )

    def note(self, index: int, asked: Asked, queues: Mapping[int, Queue]) -> None:
        """Remember what this policy answered, by IRQ number."""
        answers = self._answers.setdefault(index, {})
        for irq, _ in asked:
            answers[irq.identity, irq.generation] = queues.get(irq.number)

    def queues(self, indexes: Sequence[int], snapshot: Snapshot) -> dict[int, Queue]:
        """The queues by IRQ number; of several answers the first in the order of `indexes`
        counts. What is known of IRQs that are gone is forgotten.
        """
        present = list(_unrecognised(snapshot))
        keys = {(irq.identity, irq.generation) for irq, _ in present}
        for index, answers in self._answers.items():
            self._answers[index] = {key: answers[key] for key in answers.keys() & keys}
        found: dict[int, Queue] = {}
        for irq, _ in present:
            for index in indexes:
                queue = self._answers.get(index, {}).get((irq.identity, irq.generation))
                if queue is not None:
                    found[irq.number] = queue
                    break
        return found


def _unrecognised(snapshot: Snapshot) -> Iterable[tuple[Irq, Device]]:
    for irq in snapshot.irqs:
        device = snapshot.device_of(irq)
        if device is not None and (not irq.queues or irq.evidence == "policy"):
            yield irq, device


def with_queues(snapshot: Snapshot, queues: Mapping[int, Queue]) -> Snapshot:
    """The snapshot with these queues, by IRQ number."""
    if not queues:
        return snapshot
    irqs = (
        msgspec.structs.replace(irq, queues=(queues[irq.number],), evidence="policy")
        if irq.number in queues
        else irq
        for irq in snapshot.irqs
    )
    return msgspec.structs.replace(snapshot, irqs=tuple(irqs))
