"""What is left of a plan in the cycles that reuse it, and until when they do."""

from __future__ import annotations

import math

import msgspec
import pytest

from irqbal.cpuset import CpuSet
from irqbal.model.plan import Kept, Move, Outcome, Plan, Record, Refusal, RefusalCode
from irqbal.model.view import Snapshot
from irqbal.planner.ledger import Ledger, LedgerEntry
from irqbal.service.reused_plan import carried_out, waits_until
from irqbal.tracking.tracker import HostTracker
from made import SMALL, made

COOLDOWN = 30.0


@pytest.fixture
def snapshot() -> Snapshot:
    return HostTracker(made(SMALL), 10.0).look(Ledger())


def _refusal(code: RefusalCode, irq: int | None) -> Refusal:
    return Refusal(irq, "spread_by_rate", code, "")


def test_what_was_moved_stays_and_is_moved_no_more() -> None:
    move = Move(24, "a", 1, CpuSet.of(0), CpuSet.of(1), "spread_by_rate", "because", "place")
    kept = Kept(25, "pin_nic_queues", CpuSet.of(2), "right")
    record = Record(
        1, 0.0, 0.0, "tick", False, Plan(moves=(move,), kept=(kept,)), (Outcome("a", "written"),)
    )
    found = carried_out(record)
    assert not (found.plan.moves or found.outcomes)
    assert found.plan.kept == (kept, Kept(24, "spread_by_rate", CpuSet.of(1), "because"))
    assert carried_out(found) is found


def test_a_plan_in_which_nothing_waits_holds_for_good(snapshot: Snapshot) -> None:
    plan = Plan(refused=(_refusal("unmovable", snapshot.irqs[0].number),))
    assert waits_until(plan, snapshot, Ledger(), COOLDOWN) == math.inf


def test_what_max_moves_holds_back_is_planned_at_once(snapshot: Snapshot) -> None:
    plan = Plan(refused=(_refusal("budget", snapshot.irqs[0].number),))
    assert waits_until(plan, snapshot, Ledger(), COOLDOWN) == snapshot.now


def test_the_first_cooldown_that_ends_counts(snapshot: Snapshot) -> None:
    first, second, third = snapshot.irqs[:3]
    ledger = Ledger(
        {
            first.identity: LedgerEntry(moved=snapshot.now - 10),
            second.identity: LedgerEntry(moved=snapshot.now - 20),
        }
    )
    held = tuple(_refusal("cooldown", irq.number) for irq in (first, second, third))
    assert waits_until(Plan(refused=held), snapshot, ledger, COOLDOWN) == snapshot.now + 10


def test_who_waits_for_nothing_that_is_known_is_planned_at_once(snapshot: Snapshot) -> None:
    plan = Plan(refused=(_refusal("cooldown", snapshot.irqs[0].number),))
    assert waits_until(plan, snapshot, Ledger(), COOLDOWN) == snapshot.now


@pytest.mark.parametrize("left", [600.0, 3600.0])
def test_what_was_given_up_waits_for_its_next_try(snapshot: Snapshot, left: float) -> None:
    until = snapshot.now + left
    ledger = Ledger(
        {
            "xps:eth0/0": LedgerEntry(given_up_until=until),
            "long ago": LedgerEntry(given_up_until=snapshot.now - 1),
        }
    )
    plan = Plan(refused=(_refusal("given-up", None),))
    assert waits_until(plan, snapshot, ledger, COOLDOWN) == until
    both = msgspec.structs.replace(plan, refused=(*plan.refused, _refusal("budget", None)))
    assert waits_until(both, snapshot, ledger, COOLDOWN) == snapshot.now
