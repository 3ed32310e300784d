"""What holds for every plan, whatever the host, the limits, the placements and the people."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from builders import Says, applied, changed, cpus, host, lone, nic, nvme, planned
from irqbal.cpuset import CpuSet
from irqbal.model.draft import LimitTable
from irqbal.model.plan import Limit, Placement, Plan
from irqbal.model.view import Override, Snapshot
from irqbal.planner.check_plan import check_plan
from irqbal.planner.draft import Settings
from irqbal.planner.ledger import Ledger

CPUS = 8
sets = st.integers(0, (1 << CPUS) - 1).map(CpuSet.from_bits)
full = st.integers(1, (1 << CPUS) - 1).map(CpuSet.from_bits)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Hosts of eight CPUs, of which at least one is online, with masks, loads and overrides at
    random.
    """
    offline = draw(st.sets(st.integers(0, CPUS - 1), max_size=CPUS - 1))
    threads = draw(st.sampled_from([1, 2]))
    of = cpus(CPUS, 2, threads, offline=str(CpuSet(offline)), isolated=str(draw(sets)))
    made = host(
        of,
        nic("eth0", 3, node=draw(st.integers(-1, 1)), pairs=True),
        nic("eth1", 2, node=1),
        nvme("nvme0", 3),
        lone("i8042", "ttyS0"),
    )
    for irq in made.irqs:
        if irq.movable:
            mask = draw(full)
            load = draw(st.sampled_from([0.0, 0.001, 0.1, 0.5]))
            here = (mask & made.online) or made.online
            made = changed(
                made,
                irq.action,
                affinity=mask,
                effective=CpuSet.of(here.first),
                load=load,
                rate=load * 1e4,
            )
    chosen = draw(st.lists(st.tuples(st.sampled_from(made.irqs), full), max_size=2))
    overrides = {irq.identity: Override(irq.identity, cpus) for irq, cpus in chosen}
    return changed(made, overrides=tuple(overrides.values()), settling=draw(st.booleans()))


@st.composite
def policies(draw: st.DrawFn, snapshot: Snapshot) -> list[Says]:
    """Up to three policies with limits and placements at random, open and closed ones and `leave`
    among them.
    """
    numbers = [irq.number for irq in snapshot.irqs]
    some = st.lists(st.sampled_from(numbers), max_size=3).map(tuple)
    limits = st.builds(Limit, sets, st.just("limit"), st.one_of(st.none(), some), some)
    placements = st.builds(
        Placement,
        st.sampled_from(numbers),
        st.one_of(sets, sets, sets, st.none()),
        st.just("placement"),
        st.booleans(),
        st.one_of(st.none(), sets),
    )
    one = st.builds(
        lambda limits, places: Says("policy", tuple(limits), tuple(places)),
        st.lists(limits, max_size=2),
        st.lists(placements, max_size=8),
    )
    return draw(st.lists(one, max_size=3))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Snapshot, list[Says], CpuSet]:
    """A host, the policies on it, and the CPUs that are banned."""
    snapshot = draw(snapshots())
    return snapshot, draw(policies(snapshot)), draw(sets)


def forbidden(snapshot: Snapshot, number: int, who: list[Says], banned: CpuSet) -> CpuSet:
    """Said again, in the plainest way: the CPUs that limits and the ban keep from this IRQ."""
    kept_off = banned
    for limit in (limit for policy in who for limit in policy.limits):
        if (limit.irqs is None or number in limit.irqs) and number not in limit.exempt:
            kept_off |= limit.cpus
    return kept_off


def plan_of(
    snapshot: Snapshot, who: list[Says], banned: CpuSet, ledger: Ledger | None = None
) -> tuple[Plan, Ledger]:
    return planned(
        snapshot, ledger or Ledger(), Settings(banned=banned, max_moves=5, cooldown=0.0), *who
    )


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_plan_breaks_a_rule_that_never_bends(data: st.DataObject) -> None:
    snapshot, who, banned = data.draw(cases())
    made, _ = plan_of(snapshot, who, banned)
    persons = {override.identity for override in snapshot.overrides}
    asked = {item.irq: item for policy in reversed(who) for item in reversed(policy.places)}
    seen = set()
    for move in made.moves:
        irq = snapshot.irq_by_number[move.irq]
        off_limits = forbidden(snapshot, irq.number, who, banned)
        assert irq.movable
        assert move.after & snapshot.online == move.after != CpuSet()
        assert move.after != irq.affinity & snapshot.online
        assert move.irq not in seen
        seen.add(move.irq)
        if move.policy == "override":
            assert irq.identity in persons
            continue
        assert not move.after & off_limits
        crosses = irq.affinity & snapshot.online & off_limits or irq.effective & off_limits
        assert irq.number in asked or crosses, "nobody asked for this move"
        assert move.reason
    assert sum(move.cause == "place" for move in made.moves) <= (99 if snapshot.settling else 5)
    if made.default is not None:
        everywhere = banned
        for limit in (limit for policy in who for limit in policy.limits if limit.irqs is None):
            everywhere |= limit.cpus
        assert made.default.after & snapshot.online
        assert not made.default.after & everywhere
    assert all(item.reason for item in made.refused)
    assert check_plan(made, snapshot, Settings(banned=banned, max_moves=5)) == made


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_planning_again_after_applying_gives_no_moves(data: st.DataObject) -> None:
    snapshot, who, banned = data.draw(cases())
    ledger = Ledger()
    for _ in range(6):  # max_moves holds some of them back
        made, ledger = plan_of(snapshot, who, banned, ledger)
        snapshot, ledger = applied(snapshot, made, ledger)
    made, _ = plan_of(snapshot, who, banned, ledger)
    assert not made.moves and made.default is None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_irq_is_left_on_a_forbidden_cpu_unless_somebody_said_why(data: st.DataObject) -> None:
    snapshot, who, banned = data.draw(cases())
    made, ledger = plan_of(snapshot, who, banned)
    told = {item.irq for item in made.refused}
    persons = {override.identity for override in snapshot.overrides}
    later, _ = applied(snapshot, made, ledger)
    for irq in later.irqs:
        off_limits = forbidden(snapshot, irq.number, who, banned)
        if irq.affinity & later.online & off_limits and irq.effective & off_limits:
            assert irq.number in told or irq.identity in persons


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_what_a_policy_leaves_alone_is_not_moved_by_anybody_but_a_person(
    data: st.DataObject,
) -> None:
    snapshot = data.draw(snapshots())
    left = data.draw(st.sampled_from(snapshot.irqs))
    first = Says("leaver", (), (Placement(left.number, None, "hands off"),))
    who = [first, *data.draw(policies(snapshot))]
    made, _ = plan_of(snapshot, who, data.draw(sets))
    assert all(move.policy == "override" for move in made.moves if move.irq == left.number)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_two_halves_of_a_queue_that_was_left_open_end_up_together(data: st.DataObject) -> None:
    snapshot = changed(data.draw(snapshots()), overrides=(), settling=True)
    banned = data.draw(sets)
    rooms = {i: data.draw(full) & snapshot.online - banned for i in range(3)}
    irqs = [irq for irq in snapshot.irqs if irq.queue is not None and irq.queue.name == "eth0"]
    placements = [
        Placement(irq.number, room, "open", True, CpuSet.of(room.first))
        for irq in irqs
        if irq.queue is not None and (room := rooms[irq.queue.index])
    ]
    choices = data.draw(st.lists(st.tuples(st.sampled_from(irqs), full), max_size=8))
    chooser = Says(
        "chooser", (), tuple(Placement(irq.number, cpus, "chosen") for irq, cpus in choices)
    )
    made, ledger = plan_of(snapshot, [Says("opener", (), tuple(placements)), chooser], banned)
    later, _ = applied(snapshot, made, ledger)
    for (name, index), halves in later.irqs_by_queue.items():
        if name == "eth0" and rooms[index]:
            assert len({half.affinity & later.online for half in halves}) == 1


@given(st.data())
def test_the_indexes_of_limits_say_what_the_limits_say(data: st.DataObject) -> None:
    """Many limits with many exemptions: compared with walking through all of them."""
    numbers = st.integers(30, 45)
    some = st.lists(numbers, max_size=8).map(tuple)
    one = st.tuples(
        st.sampled_from(["a", "b"]),
        st.builds(Limit, sets, st.text(max_size=2), st.one_of(st.none(), st.none(), some), some),
    )
    limits = tuple(data.draw(st.lists(one, max_size=40)))
    banned, cpus = data.draw(sets), data.draw(sets)
    table = LimitTable(banned, limits)
    wide = [(who, limit) for who, limit in limits if limit.irqs is None]
    everywhere = banned
    for _, limit in wide:
        everywhere |= limit.cpus
    assert table.everywhere == everywhere
    for number in range(30, 46):
        binding = [
            (who, limit)
            for who, limit in limits
            if (limit.irqs is None or number in limit.irqs) and number not in limit.exempt
        ]
        expected = banned
        for _, limit in binding:
            expected |= limit.cpus
        assert table.forbidden(number) == expected
        first = next(((who, limit) for who, limit in binding if limit.cpus & cpus), None)
        if first is None:
            assert table.reason_for(number, cpus)[0] == "banned_cpus"
            assert table.advice_for(number, cpus) == ""
        else:
            assert table.reason_for(number, cpus) == (first[0], first[1].reason)
