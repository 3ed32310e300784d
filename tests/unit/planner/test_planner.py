"""The planner: who decides where an IRQ goes, what cuts it, and who must go."""

from __future__ import annotations

import pytest

import builders as b
from irqbal.model.draft import Draft
from irqbal.model.plan import Limit, Note, Placement, Plan
from irqbal.model.view import Override, Snapshot
from irqbal.planner.ledger import Ledger, LedgerEntry


def override(snapshot: Snapshot, action: str, cpus: str, reason: str = "") -> Snapshot:
    """The snapshot with a person's placement of this IRQ."""
    return b.changed(
        snapshot,
        overrides=(Override(b.irq_of(snapshot, action).identity, b.s(cpus), reason, "eve"),),
    )


def refusal(made: Plan, code: str) -> tuple[str, str, str]:
    """(policy, reason, advice) of the only refusal with this code."""
    (found,) = [item for item in made.refused if item.code == code]
    return found.policy, found.reason, found.advice


HOST = b.host(b.cpus(8, nodes=2), b.nic("eth0", 2), b.lone("i8042", "ttyS0"))


# Overrides


def test_an_override_outranks_every_policy() -> None:
    snapshot = override(HOST, "i8042", "5", "my mouse")
    made = b.plan(snapshot, b.wants(snapshot, "first", i8042="1"))
    assert b.moves_of(made, snapshot) == {"i8042": "5"}
    (move,) = made.moves
    assert (move.policy, move.reason, move.cause) == ("override", "my mouse", "override")


def test_only_the_online_cpus_cut_an_override() -> None:
    snapshot = override(b.host(b.cpus(8, offline="4"), b.lone("i8042")), "i8042", "4-5")
    assert b.moves_of(b.plan(snapshot, b.limit("5"), banned=b.s("5")), snapshot) == {"i8042": "5"}


def test_an_override_across_a_limit_is_set_with_a_warning_that_names_the_limit() -> None:
    snapshot = override(HOST, "i8042", "5")
    made = b.plan(snapshot, b.limit("5-7", "isolated by isolcpus"))
    assert b.moves_of(made, snapshot)["i8042"] == "5"
    policy, reason, _ = refusal(made, "warning")
    assert policy == "override"
    assert "CPUs 5" in reason and "isolated by isolcpus" in reason


def test_an_override_within_the_limits_gives_no_warning() -> None:
    snapshot = override(HOST, "i8042", "5")
    assert "warning" not in {item.code for item in b.plan(snapshot, b.limit("6-7")).refused}


def test_an_override_whose_cpus_are_all_offline_waits_and_says_so() -> None:
    snapshot = override(b.host(b.cpus(8, offline="4"), b.lone("i8042")), "i8042", "4")
    made = b.plan(snapshot)
    assert not made.moves
    assert "all of CPUs 4 are offline" in refusal(made, "offline")[1]


def test_an_override_of_an_unmovable_irq_is_refused_with_the_reason() -> None:
    snapshot = override(b.host(b.cpus(4), b.nvme("nvme0", 2)), "nvme0q1", "3")
    made = b.plan(snapshot)
    assert not made.moves
    assert "managed" in refusal(made, "unmovable")[1]


# Claims


def test_the_first_policy_that_claims_an_irq_owns_it() -> None:
    made = b.plan(
        HOST, b.wants(HOST, "first", i8042="1"), b.wants(HOST, "second", i8042="2", ttyS0="3")
    )
    assert b.moves_of(made, HOST) == {"i8042": "1", "ttyS0": "3"}
    assert {move.policy for move in made.moves} == {"first", "second"}


def test_of_two_placements_of_one_policy_the_first_stands() -> None:
    number = b.irq_of(HOST, "i8042").number
    for first in (
        Placement(number, b.s("1"), "a"),
        Placement(number, b.s("0-3"), "a", True, b.s("1")),
    ):
        twice = b.Says("p", (), (first, Placement(number, b.s("2"), "b")))
        assert b.moves_of(b.plan(HOST, twice), HOST) == {"i8042": "1"}


def test_a_placement_of_an_irq_that_is_not_there_is_refused() -> None:
    made = b.plan(HOST, b.Says("p", (), (Placement(9999, b.s("1"), "x"),)))
    assert not made.moves
    assert refusal(made, "unknown")[:2] == ("p", "there is no IRQ 9999")


def test_a_mask_that_is_already_right_is_kept_and_not_written() -> None:
    snapshot = b.host(b.cpus(8), b.lone("i8042"), at={"i8042": "1"})
    made = b.plan(snapshot, b.wants(snapshot, "p", i8042="1"))
    assert not made.moves
    (kept,) = made.kept
    assert (kept.policy, kept.cpus, kept.reason) == ("p", b.s("1"), "p says so")


def test_an_irq_that_nobody_asks_for_is_not_written() -> None:
    assert b.plan(HOST, b.limit("8-9")) == Plan()


def test_a_note_comes_with_its_policys_name() -> None:
    note = Note("rule 1 matches nothing")
    assert b.plan(HOST, b.Says("p", (note,), (note,))).notes == (("p", note), ("p", note))


def open_to(snapshot: Snapshot, cpus: str, prefer: str = "", name: str = "opener") -> b.Says:
    """A policy that leaves all queues of eth0 open within a set."""
    irqs = [irq for irq in snapshot.irqs if irq.queue is not None]
    return b.Says(
        name,
        (),
        tuple(
            Placement(irq.number, b.s(cpus), "local", True, b.s(prefer) if prefer else None)
            for irq in irqs
        ),
    )


def test_a_later_policy_narrows_an_open_placement() -> None:
    made = b.plan(HOST, open_to(HOST, "0-3", "0"), b.wants(HOST, "spread", eth0_TxRx_0="2-6"))
    assert b.moves_of(made, HOST) == {"eth0-TxRx-0": "2-3", "eth0-TxRx-1": "0"}
    (move,) = [move for move in made.moves if move.after == b.s("2-3")]
    assert move.policy == "opener"
    assert "local" in move.reason and "spread" in move.reason


def test_an_open_placement_cannot_be_left() -> None:
    number = b.irq_of(HOST, "eth0-TxRx-0").number
    made = b.plan(
        HOST, open_to(HOST, "2-3", "2"), b.Says("p", (), (Placement(number, None, "mine"),))
    )
    assert b.moves_of(made, HOST)["eth0-TxRx-0"] == "2"


def test_a_choice_outside_an_open_placement_is_refused() -> None:
    made = b.plan(HOST, open_to(HOST, "0-3", "0"), b.wants(HOST, "spread", eth0_TxRx_0="6"))
    assert b.moves_of(made, HOST)["eth0-TxRx-0"] == "0"
    assert refusal(made, "outside")[0] == "spread"


def test_an_open_placement_that_nobody_narrows_goes_to_what_it_prefers() -> None:
    assert b.moves_of(b.plan(HOST, open_to(HOST, "0-3", "1")), HOST) == {
        "eth0-TxRx-0": "1",
        "eth0-TxRx-1": "1",
    }


def test_an_open_placement_without_preference_may_be_anywhere_within() -> None:
    snapshot = b.host(
        b.cpus(8),
        b.nic("eth0", 3),
        at={"eth0-TxRx-0": "2", "eth0-TxRx-1": "2-5", "eth0-TxRx-2": "7"},
    )
    made = b.plan(snapshot, open_to(snapshot, "0-3"))
    assert b.moves_of(made, snapshot) == {"eth0-TxRx-1": "2-3", "eth0-TxRx-2": "0-3"}


def test_what_a_narrowing_policy_leaves_open_goes_to_what_it_prefers() -> None:
    number = b.irq_of(HOST, "eth0-TxRx-0").number
    middle = b.Says("middle", (), (Placement(number, b.s("2-3"), "quiet cores", True, b.s("3")),))
    assert b.moves_of(b.plan(HOST, open_to(HOST, "0-3", "0"), middle), HOST)["eth0-TxRx-0"] == "3"
    last = b.wants(HOST, "last", eth0_TxRx_0="2")
    assert (
        b.moves_of(b.plan(HOST, open_to(HOST, "0-3", "0"), middle, last), HOST)["eth0-TxRx-0"]
        == "2"
    )


def test_the_other_half_of_a_queue_goes_along() -> None:
    snapshot = b.host(b.cpus(8), b.nic("eth0", 2, pairs=True))
    made = b.plan(
        snapshot,
        open_to(snapshot, "0-3", "0"),
        b.wants(snapshot, "spread", eth0_tx_1="3", eth0_rx_1="2"),
    )
    assert b.moves_of(made, snapshot) == {
        "eth0-rx-0": "0",
        "eth0-tx-0": "0",
        "eth0-rx-1": "3",
        "eth0-tx-1": "3",
    }


def test_the_other_half_stays_where_one_is_chosen_for_alone() -> None:
    snapshot = b.host(b.cpus(8), b.nic("eth0", 2, pairs=True))
    alone = b.Says(
        "spread",
        (),
        tuple(
            Placement(b.irq_of(snapshot, action).number, b.s(cpu), "apart", alone=True)
            for action, cpu in (("eth0-rx-1", "2"), ("eth0-tx-1", "3"))
        ),
    )
    made = b.plan(snapshot, open_to(snapshot, "0-3", "0"), alone)
    assert b.moves_of(made, snapshot) == {
        "eth0-rx-0": "0",
        "eth0-tx-0": "0",
        "eth0-rx-1": "2",
        "eth0-tx-1": "3",
    }


# Limits


def test_limits_cut_a_placement() -> None:
    made = b.plan(HOST, b.limit("2"), b.wants(HOST, "p", i8042="1-3"))
    assert b.moves_of(made, HOST)["i8042"] == "1,3"


def test_banned_cpus_are_a_limit_of_the_configuration() -> None:
    made = b.plan(HOST, b.wants(HOST, "p", i8042="1-3"), banned=b.s("2"))
    assert b.moves_of(made, HOST)["i8042"] == "1,3"


def test_a_limit_of_a_later_policy_cuts_an_earlier_ones_placement() -> None:
    made = b.plan(HOST, b.wants(HOST, "p", i8042="1-3"), b.limit("2"))
    assert b.moves_of(made, HOST)["i8042"] == "1,3"


def test_offline_cpus_are_cut_off_a_placement() -> None:
    snapshot = b.host(b.cpus(8, offline="2"), b.lone("i8042"))
    assert b.moves_of(b.plan(snapshot, b.wants(snapshot, "p", i8042="1-2")), snapshot) == {
        "i8042": "1"
    }


def test_a_limit_on_some_irqs_binds_those_only() -> None:
    number = b.irq_of(HOST, "i8042").number
    made = b.plan(HOST, b.limit("1", irqs=(number,)), b.wants(HOST, "p", i8042="1-2", ttyS0="1-2"))
    assert b.moves_of(made, HOST) == {"i8042": "2", "ttyS0": "1-2"}


def test_an_exempt_irq_is_not_bound_by_that_limit_but_by_others_and_by_the_ban() -> None:
    number = b.irq_of(HOST, "i8042").number
    exempt = b.Says("a", (Limit(b.s("1"), "kept free", exempt=(number,)),))
    made = b.plan(HOST, exempt, b.limit("2"), b.wants(HOST, "p", i8042="0-4"), banned=b.s("3"))
    assert b.moves_of(made, HOST)["i8042"] == "0-1,4"


@pytest.mark.parametrize(
    ("placed", "code", "says"),
    [
        ("", "empty", "names no CPU"),
        ("7", "offline", "none of CPUs 7 is online"),
        ("2-3", "limited", "kept free"),
    ],
)
def test_a_placement_with_nothing_left_is_refused_with_the_reason(
    placed: str, code: str, says: str
) -> None:
    snapshot = b.host(b.cpus(8, offline="7"), b.lone("i8042"), at={"i8042": "0-1"})
    made = b.plan(snapshot, b.limit("2-3"), b.wants(snapshot, "p", i8042=placed))
    assert not made.moves
    policy, reason, _ = refusal(made, code)
    assert policy == "p" and says in reason


def test_a_cpu_out_of_vectors_is_named_as_the_reason_not_a_ban() -> None:
    snapshot = b.host(b.cpus(8), b.lone("i8042"), at={"i8042": "0-1"})
    full = Ledger({b.irq_of(snapshot, "i8042").identity: LedgerEntry(1, barred=b.s("2"))})
    _, reason, _ = refusal(
        b.plan(snapshot, b.wants(snapshot, "p", i8042="2"), ledger=full), "no-vector"
    )
    assert "vector" in reason and "banned" not in reason


# Evictions


def test_an_unclaimed_irq_that_crosses_a_limit_keeps_what_its_mask_may_still_use() -> None:
    snapshot = b.host(b.cpus(8, nodes=2), b.lone("i8042"), at={"i8042": "2-5"})
    made = b.plan(snapshot, b.limit("4-7", "isolated"))
    assert b.moves_of(made, snapshot) == {"i8042": "2-3"}
    (move,) = made.moves
    assert (move.policy, move.reason, move.cause) == ("limiter", "isolated", "limit")


def test_else_it_goes_to_its_devices_node() -> None:
    snapshot = b.host(
        b.cpus(8, nodes=2),
        b.nic("eth0", 1, node=1, extra=["eth0"]),
        at={"eth0": "2", "eth0-TxRx-0": "2"},
    )
    assert b.moves_of(b.plan(snapshot, b.limit("2,7")), snapshot) == {
        "eth0": "4-6",
        "eth0-TxRx-0": "4-6",
    }


def test_an_irq_without_device_goes_to_its_own_node() -> None:
    snapshot = b.host(b.cpus(8, nodes=2), b.lone("pmu", node=1), at={"pmu": "2"})
    assert b.moves_of(b.plan(snapshot, b.limit("2,7")), snapshot) == {"pmu": "4-6"}


def test_else_it_goes_to_any_allowed_cpu() -> None:
    snapshot = b.host(
        b.cpus(8, nodes=2),
        b.nic("eth0", 1, node=1),
        b.lone("i8042"),
        at={"eth0-TxRx-0": "4", "i8042": "4"},
    )
    assert b.moves_of(b.plan(snapshot, b.limit("4-7")), snapshot) == {
        "eth0-TxRx-0": "0-3",
        "i8042": "0-3",
    }


def test_a_claim_that_limits_cut_to_nothing_is_evicted_too() -> None:
    snapshot = b.host(b.cpus(8, nodes=2), b.lone("i8042"), at={"i8042": "4-5"})
    made = b.plan(snapshot, b.limit("4-7"), b.wants(snapshot, "p", i8042="5"))
    assert b.moves_of(made, snapshot) == {"i8042": "0-3"}
    assert refusal(made, "limited")[0] == "p"


def test_limits_that_leave_no_online_cpu_are_a_refusal_with_advice() -> None:
    made = b.plan(HOST, b.limit("0-7", "all mine"))
    assert not made.moves and made.default is None
    assert {item.code for item in made.refused} == {"limited"}
    assert all("all mine" in item.reason and item.advice for item in made.refused)


def test_an_irq_whose_mask_is_all_offline_and_that_fires_on_a_forbidden_cpu_is_evicted() -> None:
    """A single-CPU mask is broken when its CPU goes: the IRQ may land anywhere, an isolated CPU
    included.
    """
    snapshot = b.changed(
        b.host(b.cpus(8, offline="3"), b.lone("i8042"), at={"i8042": "3"}),
        "i8042",
        effective=b.s("7"),
    )
    assert b.moves_of(b.plan(snapshot, b.limit("7")), snapshot) == {"i8042": "0-2,4-6"}


def test_a_pending_move_off_a_forbidden_cpu_is_not_made_twice() -> None:
    snapshot = b.changed(
        b.host(b.cpus(8), b.lone("i8042"), at={"i8042": "0-1"}), "i8042", effective=b.s("7")
    )
    assert not b.plan(snapshot, b.limit("7")).moves


def test_an_unmovable_irq_that_fires_across_a_limit_is_a_refusal_with_advice() -> None:
    snapshot = b.host(b.cpus(4), b.nvme("nvme0", 4))
    made = b.plan(snapshot, b.limit("3", "isolated by isolcpus"))
    assert b.refusals(made, snapshot) == {"nvme0q4": "unmovable"}
    policy, reason, advice = refusal(made, "unmovable")
    assert policy == "limiter"
    assert "managed" in reason and "isolated by isolcpus" in reason
    assert "isolcpus=managed_irq" in advice
    assert b.moves_of(made, snapshot) == {"nvme0q0": "0-2"}


def test_an_unmovable_irq_is_never_moved_whoever_asks() -> None:
    snapshot = b.host(b.cpus(4), b.nvme("nvme0", 2))
    made = b.plan(snapshot, b.wants(snapshot, "p", nvme0q1="3", nvme0q2="1"))
    assert not made.moves
    assert b.refusals(made, snapshot) == {"nvme0q1": "unmovable"}  # q2 is on CPU 1 already


# Leave


def test_what_a_policy_leaves_is_never_touched_even_across_a_limit() -> None:
    number = b.irq_of(HOST, "i8042").number
    leaves = b.Says("mine", (), (Placement(number, None, "hands off"),))
    made = b.plan(HOST, leaves, b.limit("7", "isolated"), b.wants(HOST, "later", i8042="1"))
    assert "i8042" not in b.moves_of(made, HOST)
    policy, reason, _ = refusal(made, "left")
    assert policy == "limiter" and "mine leaves this IRQ alone" in reason and "isolated" in reason


def test_what_is_left_within_the_limits_is_kept_without_a_word() -> None:
    number = b.irq_of(HOST, "i8042").number
    made = b.plan(HOST, b.Says("mine", (), (Placement(number, None, "hands off"),)))
    assert [kept.reason for kept in made.kept] == ["hands off"]
    assert not made.refused


# The default mask


def test_a_limit_on_all_irqs_also_cuts_the_default_mask() -> None:
    made = b.plan(HOST, b.limit("6-7", "isolated"))
    assert made.default is not None
    assert (made.default.before, made.default.after) == (b.s("0-7"), b.s("0-5"))
    assert (made.default.policy, made.default.reason) == ("limiter", "isolated")


def test_exemptions_do_not_widen_the_default_mask() -> None:
    made = b.plan(HOST, b.limit("6-7", exempt=(b.irq_of(HOST, "i8042").number,)))
    assert made.default is not None and made.default.after == b.s("0-5")


def test_a_limit_on_some_irqs_leaves_the_default_mask_alone() -> None:
    assert b.plan(HOST, b.limit("6-7", irqs=(b.irq_of(HOST, "i8042").number,))).default is None


def test_a_default_mask_within_the_limits_is_left_alone() -> None:
    assert b.plan(b.changed(HOST, default_affinity=b.s("0-5")), b.limit("6-7")).default is None


def test_a_default_mask_of_forbidden_cpus_alone_becomes_what_is_allowed() -> None:
    made = b.plan(b.changed(HOST, default_affinity=b.s("7")), b.limit("6-7"))
    assert made.default is not None and made.default.after == b.s("0-5")


# What a policy sees of the draft


def test_a_policy_sees_claims_limits_and_settled_load_so_far() -> None:
    snapshot = b.host(
        b.cpus(8),
        b.nvme("nvme0", 1),
        b.lone("i8042", "ttyS0"),
        at={"i8042": "0-7"},
        loads={"nvme0q1": 0.2, "i8042": 0.4, "ttyS0": 0.1},
    )
    seen: list[object] = []

    def look(snapshot: Snapshot, draft: Draft) -> tuple[Placement, ...]:
        claim = draft.claim(b.irq_of(snapshot, "i8042"))
        seen.extend(
            [
                claim and claim.policy,
                draft.claim(b.irq_of(snapshot, "ttyS0")),
                str(draft.allowed(33)),
            ]
        )
        seen.extend(round(draft.load(cpu), 3) for cpu in (0, 5))
        return ()

    b.plan(snapshot, b.limit("7"), b.wants(snapshot, "p", i8042="5"), b.Says("looker", place=look))
    assert seen == ["p", None, "0-6", 0.2, 0.4]


def test_an_explanation_tells_every_step_of_an_irq_in_order() -> None:
    made = b.plan(
        HOST,
        b.limit("2"),
        b.wants(HOST, "a", i8042="1-3"),
        b.wants(HOST, "b", i8042="5"),
        explain_all=True,
    )
    steps = [(step.policy, step.what) for step in made.explanations[b.irq_of(HOST, "i8042").number]]
    assert steps == [("limiter", "limit"), ("a", "claim"), ("b", "pass over"), ("a", "move")]
    # Only what moves is explained without being asked for.
    unasked = b.plan(HOST, b.limit("2"))
    assert unasked.explanations.keys() == {move.irq for move in unasked.moves}


def test_a_plan_that_was_applied_gives_no_moves() -> None:
    policies = (b.limit("6-7"), b.wants(HOST, "p", i8042="1-3"), open_to(HOST, "0-3", "0"))
    made = b.plan(HOST, *policies)
    assert made.moves and made.default is not None
    later, ledger = b.applied(HOST, made)
    again = b.plan(later, *policies, ledger=ledger)
    assert not again.moves and again.default is None
