"""Which moves go ahead in this cycle: the cooldown and `max_moves` hold back those that can wait.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Cause, RefusalCode
from irqbal.model.view import Irq
from irqbal.planner.draft import DraftBuilder

CAN_WAIT = frozenset({"place", "drift"})
"""Causes whose moves count against `max_moves`: a delay does no harm."""


class WantedMove(msgspec.Struct, frozen=True):
    """Where one IRQ should go, which policy wants it, and how urgent it is."""

    irq: Irq
    cpus: CpuSet
    policy: str
    reason: str
    cause: Cause


class HeldMove(msgspec.Struct, frozen=True):
    """A move that waits for a later cycle: `code` and `reason` as in a refusal."""

    move: WantedMove
    code: RefusalCode
    reason: str


def within_budget(wanted: list[WantedMove], draft: DraftBuilder) -> Iterator[WantedMove | HeldMove]:
    """Yield each move that goes ahead, and each other one as a HeldMove; the busiest IRQs first."""
    free = draft.snapshot.settling or draft.settings.learning
    most = draft.settings.max_moves
    if not free:
        held, wanted = _cooled(wanted, draft)
        yield from held
    spent = 0
    for move in sorted(wanted, key=lambda move: (-move.irq.load, move.irq.number)):
        waits = move.cause in CAN_WAIT and not free
        if waits and spent >= most:
            yield HeldMove(move, "budget", f"max_moves ({most}) is spent in this cycle")
            continue
        spent += waits
        yield move


def _cooled(
    wanted: list[WantedMove], draft: DraftBuilder
) -> tuple[list[HeldMove], list[WantedMove]]:
    """Hold back IRQs in their cooldown, and moves to a CPU that such an IRQ still occupies: half of
    an exchange would put both IRQs on one CPU. Returns (held moves, other moves).
    """
    now, cooldown = draft.snapshot.now, draft.settings.cooldown
    held: list[HeldMove] = []
    free: list[WantedMove] = []
    occupied: dict[int, int] = {}
    for move in wanted:
        moved = draft.ledger.entry(move.irq.identity).moved
        if move.cause == "place" and moved and now - moved < cooldown:
            reason = f"moved {now - moved:.0f} s ago; waits for {cooldown:.0f} s"
            held.append(HeldMove(move, "cooldown", reason))
            occupied |= _occupies(move.irq)
        else:
            free.append(move)
    while occupied:
        next_occupied: dict[int, int] = {}
        candidates, free = free, []
        for move in candidates:
            cpu = _blocked_by(move, occupied)
            if cpu is None:
                free.append(move)
                continue
            reason = f"waits for IRQ {occupied[cpu]}, which leaves CPU {cpu} first"
            held.append(HeldMove(move, "cooldown", reason))
            next_occupied |= _occupies(move.irq)
        occupied = next_occupied
    return held, free


def _blocked_by(move: WantedMove, occupied: dict[int, int]) -> int | None:
    """The CPU that must become free before this move, or None."""
    if move.cause != "place":
        return None
    return next((cpu for cpu in move.cpus if cpu in occupied), None)


def _occupies(irq: Irq) -> dict[int, int]:
    """The IRQ's number by the one CPU that it loads until it moves; empty without load or with
    several CPUs.
    """
    return {irq.effective.first: irq.number} if irq.load > 0 and len(irq.effective) == 1 else {}
