"""Which IRQ of a snapshot a person means: by anything that a command prints for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from irqbal.model.queues import queues_text
from irqbal.model.view import Irq, Snapshot

_NUMBER = re.compile(r"(?:IRQ\s*)?(\d{1,9})", re.ASCII | re.IGNORECASE)
MOST_CANDIDATES = 5
"""Names that are offered for one that is unknown."""


class FoundIrq(msgspec.Struct, frozen=True):
    """What a text may mean: one IRQ, or several `candidates`. With neither, `similar` are names
    that it may be a slip of.
    """

    irq: Irq | None = None
    candidates: tuple[Irq, ...] = ()
    similar: tuple[str, ...] = ()


def find_irq(snapshot: Snapshot, text: str) -> FoundIrq:
    """The IRQ with this number, identity, action (several also as /proc/interrupts spells them,
    `a, b`), or queue. A name that one IRQ has exactly wins over names that only match.
    """
    wanted = " ".join(text.split())
    number = _NUMBER.fullmatch(wanted)
    if number is not None:
        irq = snapshot.irq_by_number.get(int(number[1]))
        return FoundIrq(irq) if irq is not None else FoundIrq()
    exact = [irq for irq in snapshot.irqs if wanted in _own_names(irq)]
    matches = exact or [irq for irq in snapshot.irqs if wanted in snapshot.names_of(irq)[1:]]
    if len(matches) == 1:
        return FoundIrq(matches[0])
    if matches:
        return FoundIrq(candidates=tuple(matches))
    names = {name.casefold(): name for irq in snapshot.irqs for name in _own_names(irq)}
    # It takes memory, and only a name that is wrong needs it.
    from difflib import get_close_matches

    similar = get_close_matches(wanted[:100].casefold(), names, MOST_CANDIDATES)
    return FoundIrq(similar=tuple(names[name] for name in similar))


def _own_names(irq: Irq) -> Iterator[str]:
    """Every way in which a command prints this IRQ."""
    yield irq.identity
    yield irq.action
    if "," in irq.action:
        yield irq.action.replace(",", ", ")
    for queue in irq.queues:
        yield from queue.names
        yield f"{queue.name} {queue.kind} {queue.index}"
    if irq.queues:
        yield queues_text(irq.queues)
        yield f"{irq.action} ({queues_text(irq.queues)})"
