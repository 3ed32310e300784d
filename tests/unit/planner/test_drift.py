"""Who changed a mask: another program (counted, given up, tried again) or the kernel (put back)?"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

import builders as b
from irqbal.cpuset import CpuSet
from irqbal.model.plan import Outcome, Placement, Plan, Steering
from irqbal.model.view import Cpu, Irq, Override, Snapshot, TxQueue
from irqbal.planner.decide import decide
from irqbal.planner.draft import DraftBuilder, Settings
from irqbal.planner.drift import Changes, find_changes
from irqbal.planner.ledger import Ledger, after, holding

HOST = b.host(b.cpus(8), b.nic("eth0", 2), b.lone("i8042"), default_affinity=b.s("0-7"))
WISH = b.wants(HOST, "p", i8042="1")


def settled() -> tuple[Snapshot, Ledger]:
    """A host whose i8042 irqbal put on CPU 1."""
    return b.applied(HOST, b.plan(HOST, WISH))


def drifted(
    snapshot: Snapshot, ledger: Ledger, to: str = "5", **settings: Any
) -> tuple[Plan, Snapshot, Ledger]:
    """A cycle in which somebody set i8042 to other CPUs: the plan, and the host and the ledger
    after it.
    """
    there = b.changed(snapshot, "i8042", affinity=b.s(to), effective=b.s(to))
    made, ledger = b.planned(there, ledger, Settings(**settings), WISH)
    return (made, *b.applied(there, made, ledger, passed=60.0))


def test_a_mask_that_stands_is_no_change() -> None:
    snapshot, ledger = settled()
    changes, same = find_changes(snapshot, ledger)
    assert not changes.drifted and not changes.reset
    assert same is ledger


def test_a_mask_that_somebody_changed_is_reported_and_put_back() -> None:
    made, _, ledger = drifted(*settled())
    assert made.drifted == (b.irq_of(HOST, "i8042").number,)
    (move,) = made.moves
    assert (move.cause, move.after) == ("drift", b.s("1"))
    assert ledger.entry(move.identity).drift == (1010.0,)


def test_putting_back_does_not_wait_for_the_cooldown() -> None:
    snapshot, ledger = settled()
    there = b.changed(snapshot, "i8042", affinity=b.s("5"))
    assert b.moves_of(b.plan(there, WISH, ledger=ledger, cooldown=1e6), there) == {"i8042": "1"}


def test_the_third_change_in_ten_minutes_makes_irqbal_give_the_irq_up() -> None:
    snapshot, ledger = settled()
    for _ in range(2):
        made, snapshot, ledger = drifted(snapshot, ledger)
        assert made.moves
    made, snapshot, ledger = drifted(
        b.changed(snapshot, writers=("irqbalance runs (pid 7)",)), ledger
    )
    assert not made.moves
    (no,) = made.refused
    assert (no.code, no.irq) == ("given-up", b.irq_of(HOST, "i8042").number)
    assert (
        "3 times in ten minutes (irqbalance runs (pid 7))" in no.reason
        and "60 minutes" in no.reason
    )
    assert no.advice


def test_three_changes_over_more_than_ten_minutes_are_no_fight() -> None:
    snapshot, ledger = settled()
    for _ in range(3):
        made, snapshot, ledger = drifted(snapshot, ledger)
        assert made.moves
        snapshot = b.changed(snapshot, now=snapshot.now + 300)


def given_up() -> tuple[Snapshot, Ledger]:
    snapshot, ledger = settled()
    for _ in range(3):
        _, snapshot, ledger = drifted(snapshot, ledger)
    return snapshot, ledger


def test_an_irq_that_was_given_up_is_left_for_an_hour_and_then_tried_again() -> None:
    snapshot, ledger = given_up()
    until = ledger.entry(b.irq_of(HOST, "i8042").identity).given_up_until
    assert until == pytest.approx(snapshot.now - 60.0 + 3600.0)
    assert b.refusals(
        b.plan(b.changed(snapshot, now=until - 1), WISH, ledger=ledger), snapshot
    ) == {"i8042": "given-up"}
    assert b.moves_of(b.plan(b.changed(snapshot, now=until), WISH, ledger=ledger), snapshot) == {
        "i8042": "1"
    }


def test_after_the_hour_three_more_changes_are_needed_to_give_up_again() -> None:
    snapshot, ledger = given_up()
    snapshot = b.changed(snapshot, now=snapshot.now + 3600)
    made, ledger = b.planned(snapshot, ledger, Settings(), WISH)
    snapshot, ledger = b.applied(snapshot, made, ledger)
    made, snapshot, ledger = drifted(snapshot, ledger)
    assert made.moves


def test_a_person_outranks_a_fight() -> None:
    snapshot, ledger = given_up()
    snapshot = b.changed(
        snapshot, overrides=(Override(b.irq_of(HOST, "i8042").identity, b.s("2")),)
    )
    assert b.moves_of(b.plan(snapshot, WISH, ledger=ledger), snapshot) == {"i8042": "2"}


def test_one_irqs_fight_does_not_touch_another() -> None:
    snapshot, ledger = given_up()
    both = b.wants(HOST, "p", i8042="1", eth0_TxRx_0="2")
    assert b.moves_of(b.plan(snapshot, both, ledger=ledger), snapshot) == {"eth0-TxRx-0": "2"}


def resets() -> dict[str, Snapshot]:
    """The kernel's own ways to lose a mask."""
    snapshot = settled()[0]
    return {
        "new generation": b.changed(snapshot, "i8042", affinity=b.s("5"), generation=2),
        "hotplug": b.changed(b.changed(snapshot, "i8042", affinity=b.s("5")), hotplug=True),
        "the driver's hint": b.changed(snapshot, "i8042", affinity=b.s("5"), hint=b.s("5")),
        "the default": b.changed(
            b.changed(snapshot, "i8042", affinity=b.s("0-3")), default_affinity=b.s("0-3")
        ),
    }


@pytest.mark.parametrize("how", resets())
def test_the_kernels_own_resets_are_put_back_and_not_counted(how: str) -> None:
    snapshot, ledger = resets()[how], settled()[1]
    made, ledger = b.planned(snapshot, ledger, Settings(max_moves=0), WISH)
    assert made.drifted == ()
    (move,) = made.moves
    assert (move.cause, move.after) == ("reset", b.s("1"))
    assert ledger.entry(move.identity).drift == ()


@pytest.mark.parametrize("how", resets())
def test_resets_by_the_kernel_never_lead_to_giving_up(how: str) -> None:
    snapshot, ledger = resets()[how], settled()[1]
    for generation in range(2, 8):
        if how == "new generation":
            snapshot = b.changed(snapshot, "i8042", generation=generation)
        made, ledger = b.planned(snapshot, ledger, Settings(), WISH)
        assert made.moves
        _, ledger = b.applied(snapshot, made, ledger)


def test_with_on_drift_respect_a_changed_mask_stays() -> None:
    made, snapshot, ledger = drifted(*settled(), respect_drift=True)
    assert not made.moves
    assert b.refusals(made, snapshot) == {"i8042": "drift"}
    assert made.drifted  # it is still told
    later, _ = b.planned(snapshot, ledger, Settings(respect_drift=True), WISH)
    assert not later.moves


@pytest.mark.parametrize("how", resets())
def test_with_on_drift_respect_the_kernels_resets_are_still_put_back(how: str) -> None:
    made, _ = b.planned(resets()[how], settled()[1], Settings(respect_drift=True), WISH)
    assert [move.cause for move in made.moves] == ["reset"]


def test_with_on_drift_respect_a_person_still_has_his_will() -> None:
    _, snapshot, ledger = drifted(*settled(), respect_drift=True)
    snapshot = b.changed(
        snapshot, overrides=(Override(b.irq_of(HOST, "i8042").identity, b.s("2")),)
    )
    assert b.moves_of(b.plan(snapshot, WISH, ledger=ledger, respect_drift=True), snapshot) == {
        "i8042": "2"
    }


# The same watch over a NIC's settings


def steered(xps: str) -> Snapshot:
    """HOST with this XPS on eth0's first queue."""
    (interface,) = HOST.interfaces
    return b.changed(
        HOST, interfaces=(replace(interface, tx=(TxQueue(b.s(xps)), interface.tx[1])),)
    )


def test_a_setting_that_somebody_changes_three_times_is_given_up_too() -> None:
    wish = b.Says("p", (), (Steering("eth0", "tx", 0, "near", cpus=b.s("0-3")),))
    snapshot, ledger = HOST, Ledger()
    made: Plan = Plan()
    for fight in range(4):
        made, ledger = b.planned(snapshot, ledger, Settings(), wish)
        assert bool(made.steering) == (fight < 3)
        outcomes = [Outcome(move.identity, "written", found=move.after) for move in made.steering]
        ledger = after(ledger, made, outcomes, snapshot.now)
        snapshot = b.changed(steered("7"), now=snapshot.now + 60)
    assert b.refusals(made, snapshot) == {"": "given-up"}


@pytest.mark.parametrize("how", ["emptied", "hotplug", "queues set up anew"])
def test_a_setting_that_the_kernel_reset_is_not_counted(how: str) -> None:
    wish = b.Says("p", (), (Steering("eth0", "tx", 0, "near", cpus=b.s("0-3")),))
    made = b.plan(HOST, wish)
    ledger = after(Ledger(), made, [Outcome("xps:eth0/0", "written", found="0-3")], HOST.now)
    snapshot = steered("" if how == "emptied" else "7")
    snapshot = b.changed(snapshot, hotplug=how == "hotplug")
    if how == "queues set up anew":
        snapshot = b.changed(snapshot, "eth0-TxRx-0", generation=2)
    made, ledger = b.planned(snapshot, ledger, Settings(), wish)
    assert [move.after for move in made.steering] == ["0-3"]
    assert ledger.entry("xps:eth0/0").drift == ()


def test_a_mask_that_was_right_already_is_irqbals_from_then_on() -> None:
    """irqbal need not have written it: who changes a mask that a policy claims and found right is
    somebody else all the same.
    """
    irq = Irq(24, "0000:00:03.0/1/x", "x", affinity=CpuSet.of(1), effective=CpuSet.of(1))
    host = Snapshot(
        now=100.0,
        default_affinity=CpuSet(range(2)),
        cpus=(Cpu(0, core=0), Cpu(1, core=1)),
        irqs=(irq,),
    )
    draft = DraftBuilder(host, Ledger(), Settings())
    draft.place("pin", [Placement(24, CpuSet.of(1), "mine")])
    ledger = holding(Ledger(), decide(draft, Changes()), host)
    assert ledger.entry(irq.identity).written == "1"
    moved = replace(host, now=110.0, irqs=(replace(irq, affinity=CpuSet.of(0)),))
    changes, _ = find_changes(moved, ledger)
    assert changes.drifted == {24}
    left = DraftBuilder(host, Ledger(), Settings())
    left.place("pin", [Placement(24, None, "leave")])
    assert holding(Ledger(), decide(left, Changes()), host).entries == {}, (
        "what is left alone is nobody's"
    )
