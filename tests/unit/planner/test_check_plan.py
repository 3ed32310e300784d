"""The plan that comes back is data: what may not be written is taken out again, with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from builders import changed, cpus, host, irq_of, limit, lone, nic, nvme, plan, s
from irqbal.model.plan import DefaultMove, Limit, Move, Plan, SteeringMove
from irqbal.model.view import Override
from irqbal.planner.check_plan import check_plan
from irqbal.planner.draft import Settings

HOST = host(cpus(4, offline="3"), nic("eth0", 2), nvme("nvme0", 1), lone("a", "b", "c"))


def move(action: str, cpus: str = "1", **fields: Any) -> Move:
    irq = irq_of(HOST, action)
    return replace(Move(irq.number, irq.identity, 1, irq.affinity, s(cpus), "p", "why"), **fields)


def checked(*moves: Move, **settings: Any) -> tuple[list[Move], list[str]]:
    """(moves that are left, reasons of the others)."""
    made = check_plan(Plan(moves=moves), HOST, Settings(**settings))
    assert all(item.code == "check" and item.policy == "p" for item in made.refused)
    return list(made.moves), [item.reason for item in made.refused]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (move("a", "3"), "hold no online CPU"),
        (move("a", ""), "hold no online CPU"),
        (move("a", "1,4"), "do not all exist"),
        (move("nvme0q1"), "managed"),
        (move("a", irq=9999), "no such IRQ"),
        (move("a", identity="another"), "belongs to another IRQ"),
        (move("a", generation=2), "belongs to another IRQ"),
    ],
)
def test_a_move_that_must_not_be_written_is_taken_out(bad: Move, says: str) -> None:
    good = move("b")
    moves, reasons = checked(bad, good)
    assert moves == [good]
    assert len(reasons) == 1 and says in reasons[0]


def test_a_move_in_a_persons_name_is_that_persons_or_none() -> None:
    """A plan that says `override` where there is none, another CPU than the override's, a policy
    that moves what a person placed.
    """
    irq = irq_of(HOST, "a")
    wanted = replace(HOST, overrides=(Override(irq.identity, s("1-2"), who="root"),))
    bad = [
        (HOST, move("a", policy="override"), "are not the override's (none)"),
        (wanted, move("a", "0", policy="override"), "are not the override's (1-2)"),
        (wanted, move("a", "1", policy="override"), "are not the override's (1-2)"),
        (wanted, move("a", "1-2"), "are not the override's (1-2)"),
    ]
    for snapshot, wrong, says in bad:
        made = check_plan(Plan(moves=(wrong,)), snapshot, Settings(banned=s("2")))
        assert made.moves == () and says in made.refused[0].reason
    waiting = replace(HOST, overrides=(Override(irq.identity, s("3"), who="root"),))
    assert check_plan(Plan(moves=(move("a"),)), waiting, Settings()).moves == (move("a"),)
    right = move("a", "1-2", policy="override")
    assert check_plan(Plan(moves=(right,)), wanted, Settings(banned=s("2"))).moves == (right,)


def test_nothing_reaches_a_banned_cpu() -> None:
    settings = Settings(banned=s("1"))
    bad = (move("a", "0-1"), move("b", "1"), move("c", "2"))
    rps = replace(SteeringMove("eth0", "xps", 0, "", "1", "p", "why"), setting="rps")
    xps = SteeringMove("eth0", "xps", 0, "", "0-2", "p", "why")
    made = check_plan(
        Plan(moves=bad, steering=(rps, xps), default=DefaultMove(s("0-2"), s("0-1"), "p", "why")),
        HOST,
        settings,
    )
    assert made.moves == (bad[2],) and made.steering == (xps,) and made.default is None
    assert sum("banned" in item.reason for item in made.refused) == 4


def test_nothing_reaches_a_cpu_that_a_policy_s_limit_forbids() -> None:
    """Whoever wrote the plan: the limits are those that the daemon was told."""
    number = irq_of(HOST, "a").number
    limits = [
        ("quiet", Limit(s("2"), "a meeting", exempt=(irq_of(HOST, "b").number,))),
        ("narrow", Limit(s("1"), "not here", irqs=(number,))),
    ]
    bad = (move("a", "1"), move("c", "1-2"))
    good = (move("b", "2"),)
    rps = replace(SteeringMove("eth0", "xps", 0, "", "0,2", "p", "why"), setting="rps")
    default = DefaultMove(s("0-2"), s("0,2"), "p", "why")
    made = check_plan(
        Plan(moves=(*bad, *good), steering=(rps,), default=default), HOST, Settings(), limits
    )
    assert (made.moves, made.steering, made.default) == (good, (), None)
    reasons = [item.reason for item in made.refused]
    assert sum("quiet: a meeting" in reason for reason in reasons) == 3
    assert sum("narrow: not here" in reason for reason in reasons) == 1


def test_rps_reaches_no_isolated_cpu() -> None:
    isolated = host(cpus(4, isolated="2"), nic("eth0", 2))
    rps = replace(SteeringMove("eth0", "xps", 0, "", "1-2", "p", "why"), setting="rps")
    made = check_plan(Plan(steering=(rps,)), isolated, Settings())
    assert made.steering == () and "CPUs 2 are isolated" in made.refused[0].reason


def test_an_irq_is_moved_once() -> None:
    moves, reasons = checked(move("a", "1"), move("a", "2"))
    assert moves == [move("a", "1")]
    assert "twice" in reasons[0]


def test_moves_over_the_budget_are_taken_out() -> None:
    moves, reasons = checked(move("a"), move("b"), move("c", cause="drift"), max_moves=1)
    assert moves == [move("a")]
    assert len(reasons) == 2 and all("max_moves" in reason for reason in reasons)


def test_moves_that_are_exempt_stay_over_the_budget() -> None:
    exempt = [move("a", cause="override"), move("b", cause="limit"), move("c", cause="reset")]
    assert checked(*exempt, max_moves=0) == (exempt, [])


@pytest.mark.parametrize(("settling", "learning"), [(True, False), (False, True)])
def test_a_host_that_settles_or_is_being_learnt_has_no_budget(
    settling: bool, learning: bool
) -> None:
    plan = Plan(moves=(move("a"), move("b")))
    settings = Settings(max_moves=1, learning=learning)
    assert len(check_plan(plan, changed(HOST, settling=settling), settings).moves) == 2


def setting(**fields: Any) -> SteeringMove:
    return replace(SteeringMove("eth0", "xps", 0, "", "0-1", "p", "why"), **fields)


@pytest.mark.parametrize(
    "bad",
    [
        setting(interface="eth9"),
        setting(interface="../../irq/1"),
        setting(queue=2),
        setting(queue=-1),
        setting(after="3"),
        setting(after=""),
        setting(after="0-9"),
        setting(after="junk"),
        setting(setting="rps", after="0-9"),
        setting(setting="flows", after="-1"),
        setting(setting="flows", after="many"),
        setting(setting="flows", after=str(1 << 21)),
    ],
)
def test_steering_that_must_not_be_written_is_taken_out_with_the_reason(bad: SteeringMove) -> None:
    good = setting(queue=1)
    made = check_plan(Plan(steering=(bad, good)), HOST, Settings())
    assert made.steering == (good,)
    assert [(item.policy, item.code) for item in made.refused] == [("p", "check")]
    assert bad.identity in made.refused[0].reason


def test_steering_that_is_fine_stays() -> None:
    good = (setting(), setting(setting="rps", after=""), setting(setting="flows", after="4096"))
    assert check_plan(Plan(steering=good), HOST, Settings()) == Plan(steering=good)


def test_a_default_mask_without_online_cpu_is_taken_out() -> None:
    made = check_plan(Plan(default=DefaultMove(s("0-3"), s("3"), "p", "why")), HOST, Settings())
    assert made.default is None
    assert "no online CPU" in made.refused[0].reason


def test_a_plan_of_the_planners_own_passes_whole() -> None:
    made = plan(HOST, limit("2"))
    assert made.moves and check_plan(made, HOST, Settings()) == made
