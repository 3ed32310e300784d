"""What the planner remembers: budget and cooldown, and what the kernel refused and shall not be
asked again.
"""

from __future__ import annotations

import pytest

import builders as b
from irqbal.model.plan import Outcome, Plan, Steering
from irqbal.model.view import Override, Snapshot
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger, LedgerEntry, after

MANY = tuple(f"uart{i}" for i in range(6))
HOST = b.host(b.cpus(8), b.lone(*MANY), loads={"uart4": 0.4, "uart2": 0.2})
ALL = b.wants(HOST, "p", **dict.fromkeys(MANY, "1"))


def entry_of(snapshot: Snapshot, ledger: Ledger, action: str) -> LedgerEntry:
    return ledger.entry(b.irq_of(snapshot, action).identity)


def known(snapshot: Snapshot, action: str, entry: LedgerEntry) -> Ledger:
    """A ledger that remembers this of one IRQ."""
    return Ledger({b.irq_of(snapshot, action).identity: entry})


def answered(
    snapshot: Snapshot, made: Plan, ledger: Ledger, code: str, result: str = "refused"
) -> Ledger:
    """The ledger after the kernel answered every move with this code."""
    assert made.moves
    outcomes = [Outcome(move.identity, result, move.irq, code) for move in made.moves]  # type: ignore[arg-type]
    return after(ledger, made, outcomes, snapshot.now)


# Budget


def test_max_moves_holds_back_what_can_wait_and_the_busiest_irqs_go_first() -> None:
    made = b.plan(HOST, ALL, max_moves=2)
    assert sorted(b.moves_of(made, HOST)) == ["uart2", "uart4"]
    assert b.refusals(made, HOST) == dict.fromkeys(("uart0", "uart1", "uart3", "uart5"), "budget")
    assert all("max_moves (2)" in item.reason for item in made.refused)


def test_what_was_held_back_is_moved_in_later_cycles() -> None:
    snapshot, ledger, moved = HOST, Ledger(), []
    for _ in range(3):
        made, ledger = b.planned(snapshot, ledger, Settings(max_moves=2), ALL)
        moved.append(len(made.moves))
        snapshot, ledger = b.applied(snapshot, made, ledger)
    assert moved == [2, 2, 2]
    assert not b.plan(snapshot, ALL, ledger=ledger, max_moves=2).moves


def test_overrides_are_exempt_from_the_budget() -> None:
    snapshot = b.changed(
        HOST, overrides=tuple(Override(irq.identity, b.s("3")) for irq in HOST.irqs)
    )
    assert len(b.plan(snapshot, max_moves=1).moves) == 6


def test_evictions_by_a_limit_are_exempt_from_the_budget() -> None:
    assert len(b.plan(HOST, b.limit("7"), max_moves=1).moves) == 6


def test_claims_of_irqs_that_cross_a_limit_are_exempt_from_the_budget() -> None:
    made = b.plan(HOST, b.limit("7"), ALL, max_moves=1)
    assert {move.cause for move in made.moves} == {"limit"} and len(made.moves) == 6


def test_new_generations_are_exempt_from_the_budget() -> None:
    snapshot = HOST
    for action in MANY[:3]:
        snapshot = b.changed(snapshot, action, generation=2)
    made = b.plan(snapshot, ALL, max_moves=1)
    causes = [move.cause for move in made.moves]
    assert causes == ["reset", "reset", "reset", "place"]


def test_the_first_cycles_are_exempt_from_the_budget() -> None:
    assert len(b.plan(b.changed(HOST, settling=True), ALL, max_moves=1).moves) == 6
    assert len(b.plan(HOST, ALL, max_moves=1, learning=True).moves) == 6


def test_exempt_moves_do_not_use_up_the_budget_of_others() -> None:
    snapshot = b.changed(HOST, overrides=(Override(b.irq_of(HOST, "uart4").identity, b.s("3")),))
    made = b.plan(snapshot, ALL, max_moves=1)
    assert sorted(b.moves_of(made, snapshot)) == ["uart2", "uart4"]


def test_moves_that_must_not_wait_are_written_first() -> None:
    snapshot = b.changed(HOST, overrides=(Override(b.irq_of(HOST, "uart5").identity, b.s("3")),))
    evicts = b.limit("7", irqs=(b.irq_of(HOST, "uart0").number,))
    made = b.plan(snapshot, ALL, evicts)
    assert [move.cause for move in made.moves][:3] == ["override", "limit", "place"]


# Cooldown


def test_an_irq_that_was_just_moved_stays_until_the_cooldown_is_over() -> None:
    snapshot, ledger = b.applied(HOST, b.plan(HOST, ALL))
    other = b.wants(HOST, "p", uart0="2")
    held = b.plan(snapshot, other, ledger=ledger, cooldown=30.0)
    assert not held.moves
    assert b.refusals(held, snapshot) == {"uart0": "cooldown"}
    assert "moved 10 s ago; waits for 30 s" in held.refused[0].reason
    later = b.changed(snapshot, now=HOST.now + 30.0)
    assert b.moves_of(b.plan(later, other, ledger=ledger, cooldown=30.0), snapshot) == {
        "uart0": "2"
    }


def test_who_would_come_where_an_irq_still_cools_down_waits_too() -> None:
    """Half of an exchange would put both on one CPU; who has nothing to do with it goes at once."""
    loads = {f"uart{at}": 0.1 * (at + 1) for at in range(5)}
    start = b.host(
        b.cpus(8), b.lone(*loads), loads=loads, at={f"uart{at}": str(at) for at in range(5)}
    )
    moved = b.wants(start, "p", uart0="5")
    snapshot, ledger = b.applied(start, b.plan(start, moved))
    # uart0 goes back to 0, where uart1 makes room for it by going to 5; uart2 follows to 1, and
    # uart3 takes a CPU that nobody has.
    swap = b.wants(start, "p", uart0="0", uart1="5", uart2="1", uart3="7", uart4="4")
    held = b.plan(snapshot, swap, ledger=ledger, cooldown=30.0)
    assert b.moves_of(held, snapshot) == {"uart3": "7"}
    assert b.refusals(held, snapshot) == {
        "uart0": "cooldown",
        "uart1": "cooldown",
        "uart2": "cooldown",
    }
    uart0 = b.irq_of(snapshot, "uart0").number
    assert f"waits for IRQ {uart0}, which leaves CPU 5 first" in [
        item.reason for item in held.refused
    ]
    later = b.changed(snapshot, now=start.now + 60.0)
    assert b.moves_of(b.plan(later, swap, ledger=ledger, cooldown=30.0), later) == {
        "uart0": "0",
        "uart1": "5",
        "uart2": "1",
        "uart3": "7",
    }


@pytest.mark.parametrize("urgent", ["override", "limit", "settling", "learning"])
def test_the_cooldown_does_not_hold_back_what_cannot_wait(urgent: str) -> None:
    snapshot, ledger = b.applied(HOST, b.plan(HOST, ALL))
    other: tuple[b.Says, ...] = (b.wants(HOST, "p", uart0="2"),)
    if urgent == "override":
        snapshot = b.changed(
            snapshot, overrides=(Override(b.irq_of(HOST, "uart0").identity, b.s("2")),)
        )
    elif urgent == "limit":
        other = (*other, b.limit("1", irqs=(b.irq_of(HOST, "uart0").number,)))
    elif urgent == "settling":
        snapshot = b.changed(snapshot, settling=True)
    made = b.plan(snapshot, *other, ledger=ledger, cooldown=30.0, learning=urgent == "learning")
    assert b.moves_of(made, snapshot) == {"uart0": "2"}


# What the kernel answered


def test_what_was_written_is_remembered_with_who_why_and_when() -> None:
    _, ledger = b.applied(HOST, b.plan(HOST, ALL))
    entry = entry_of(HOST, ledger, "uart0")
    assert (entry.written, entry.policy, entry.reason, entry.moved, entry.generation) == (
        "1",
        "p",
        "p says so",
        HOST.now,
        1,
    )


def test_a_dry_run_remembers_nothing_as_written() -> None:
    made = b.plan(HOST, ALL)
    assert entry_of(HOST, answered(HOST, made, Ledger(), "", "dry run"), "uart0").written is None


def test_an_outcome_that_nobody_asked_for_changes_nothing() -> None:
    ledger = Ledger()
    assert (
        after(ledger, b.plan(HOST, ALL), [Outcome("somebody else's", "written", 1, found="3")], 1.0)
        is ledger
    )


def test_a_generation_that_the_kernel_refused_is_never_written_again() -> None:
    ledger = answered(HOST, b.plan(HOST, ALL), Ledger(), "managed")
    again = b.plan(HOST, ALL, ledger=ledger)
    assert not again.moves
    assert set(b.refusals(again, HOST).values()) == {"managed"}
    assert "managed, per-CPU or no-balance" in again.refused[0].reason and again.refused[0].advice


@pytest.mark.parametrize("who", ["override", "limit"])
def test_neither_an_override_nor_a_limit_writes_a_refused_generation_again(who: str) -> None:
    ledger = known(HOST, "uart0", LedgerEntry(1, refused=1))
    if who == "override":
        snapshot = b.changed(
            HOST, overrides=(Override(b.irq_of(HOST, "uart0").identity, b.s("2")),)
        )
        assert b.refusals(b.plan(snapshot, ledger=ledger), snapshot) == {"uart0": "managed"}
    else:
        assert "uart0" not in b.moves_of(b.plan(HOST, b.limit("7"), ledger=ledger), HOST)


def test_a_new_generation_is_asked_again() -> None:
    ledger = known(HOST, "uart0", LedgerEntry(1, refused=1))
    snapshot = b.changed(HOST, "uart0", generation=2)
    assert b.moves_of(b.plan(snapshot, b.wants(HOST, "p", uart0="1"), ledger=ledger), snapshot) == {
        "uart0": "1"
    }


def test_a_cpu_without_free_vectors_is_kept_out_and_the_plan_made_again() -> None:
    first = b.wants(HOST, "p", uart0="1-3")
    made = b.plan(HOST, b.wants(HOST, "p", uart0="1"))
    ledger = answered(HOST, made, Ledger(), "no-vector")
    assert b.moves_of(b.plan(HOST, first, ledger=ledger), HOST) == {"uart0": "2-3"}
    assert b.refusals(b.plan(HOST, b.wants(HOST, "p", uart0="1"), ledger=ledger), HOST) == {
        "uart0": "no-vector"
    }
    new = b.changed(HOST, "uart0", generation=2)
    assert b.moves_of(b.plan(new, first, ledger=ledger), new) == {"uart0": "1-3"}


def test_an_override_to_a_cpu_without_free_vectors_is_not_retried_blindly() -> None:
    snapshot = b.changed(HOST, overrides=(Override(b.irq_of(HOST, "uart0").identity, b.s("2")),))
    ledger = answered(snapshot, b.plan(snapshot), Ledger(), "no-vector")
    again = b.plan(snapshot, ledger=ledger)
    assert not again.moves
    assert b.refusals(again, snapshot) == {"uart0": "no-vector"}


def test_a_set_without_online_cpu_is_tried_once_more_and_then_out() -> None:
    wish = b.wants(HOST, "p", uart0="1-2")
    once = answered(HOST, b.plan(HOST, wish), Ledger(), "no-cpu")
    second = b.plan(HOST, wish, ledger=once)
    assert b.moves_of(second, HOST) == {"uart0": "1-2"}
    twice = answered(HOST, second, once, "no-cpu")
    assert b.refusals(b.plan(HOST, wish, ledger=twice), HOST) == {"uart0": "no-cpu"}
    assert b.moves_of(b.plan(HOST, b.wants(HOST, "p", uart0="1"), ledger=twice), HOST) == {
        "uart0": "1"
    }


def test_two_sets_refused_once_each_are_both_tried_again() -> None:
    ledger = Ledger()
    for cpus_wanted in ("1", "2"):
        ledger = answered(
            HOST,
            b.plan(HOST, b.wants(HOST, "p", uart0=cpus_wanted), ledger=ledger),
            ledger,
            "no-cpu",
        )
    assert entry_of(HOST, ledger, "uart0").bad_sets == ()


def test_a_mask_that_the_kernel_keeps_differently_twice_is_out() -> None:
    """Success is not the last word: what reads back otherwise would be written for ever."""
    snapshot, ledger = HOST, Ledger()
    wish = b.wants(HOST, "p", uart0="1-2")
    for _ in range(2):
        made = b.plan(snapshot, wish, ledger=ledger)
        ledger = after(
            ledger, made, [Outcome("platform/0/uart0", "differs", 32, "differs", found="1")], 1.0
        )
        snapshot = b.changed(snapshot, "uart0", affinity=b.s("1"))
    assert not b.plan(snapshot, wish, ledger=ledger).moves


@pytest.mark.parametrize("code", ["transient", "gone", "unsaved"])
def test_a_passing_trouble_is_tried_again_in_the_next_cycle(code: str) -> None:
    ledger = answered(HOST, b.plan(HOST, ALL), Ledger(), code, code)
    assert len(b.plan(HOST, ALL, ledger=ledger).moves) == 6


# Steering in the ledger


def test_a_setting_that_the_kernel_refused_is_not_written_again() -> None:
    snapshot = b.host(b.cpus(4), b.nic("eth0", 2))
    wish = b.Says("p", (), (Steering("eth0", "rx", 0, "flows", flows=65536),))
    for code in ("managed", "no-cpu", "unknown"):
        ledger = Ledger()
        for _ in range(2):
            made = b.plan(snapshot, wish, ledger=ledger)
            outcomes = [Outcome(move.identity, "refused", None, code) for move in made.steering]
            ledger = after(ledger, made, outcomes, snapshot.now)
        again = b.plan(snapshot, wish, ledger=ledger)
        assert not again.steering, code
        assert b.refusals(again, snapshot) == {"": "refused"}, code


def test_a_setting_that_the_kernel_keeps_differently_twice_is_out() -> None:
    snapshot = b.host(b.cpus(4), b.nic("eth0", 2))
    wish = b.Says("p", (), (Steering("eth0", "rx", 0, "rps", cpus=b.s("0-1")),))
    ledger = Ledger()
    for _ in range(2):
        made = b.plan(snapshot, wish, ledger=ledger)
        assert made.steering
        ledger = after(
            ledger,
            made,
            [Outcome(made.steering[0].identity, "differs", None, "differs", found="0")],
            1.0,
        )
    assert not b.plan(snapshot, wish, ledger=ledger).steering


def test_the_ledger_forgets_irqs_that_are_gone() -> None:
    ledger = Ledger({"a": LedgerEntry(1), "b": LedgerEntry(2)})
    assert ledger.only(["b", "c"]) == Ledger({"b": LedgerEntry(2)})
    assert ledger.only(["a", "b"]) is ledger
