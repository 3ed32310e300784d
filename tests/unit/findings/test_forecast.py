"""Forecasts of plans: nothing is lost, the range holds every choice of the kernel, and worse is
called worse.
"""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irqbal.cpuset import CpuSet
from irqbal.findings.forecast import forecast
from irqbal.model.plan import Move, Plan
from irqbal.model.view import Snapshot
from irqbal.render.forecast import outlook_sentence
from irqbal.testing import cpus, host, nic

CPUS = 4
NAMES = [f"eth0-TxRx-{index}" for index in range(CPUS)]


def made(at: dict[str, str], loads: dict[str, float], own: float = 0.0) -> Snapshot:
    """A host whose CPUs have the loads of their IRQs, and this much of their own."""
    snapshot = host(cpus(CPUS), nic("eth0", CPUS), at=at, loads=loads)
    by_cpu = dict.fromkeys(range(CPUS), own)
    for irq in snapshot.irqs:
        by_cpu[irq.effective.first] += irq.load
    changed = tuple(
        msgspec.structs.replace(cpu, softirq_time=by_cpu[cpu.number]) for cpu in snapshot.cpus
    )
    return msgspec.structs.replace(snapshot, cpus=changed)


def moves(snapshot: Snapshot, targets: dict[str, str]) -> Plan:
    """A plan that moves these IRQs, by name."""
    found = []
    for irq in snapshot.irqs:
        if irq.action in targets:
            after = CpuSet.parse(targets[irq.action])
            found.append(Move(irq.number, irq.identity, 1, irq.affinity, after, "p", "why"))
    return Plan(moves=tuple(found))


masks = st.sets(st.integers(0, CPUS - 1), min_size=1).map(lambda found: str(CpuSet(found)))


@given(
    st.lists(st.integers(0, CPUS - 1), min_size=CPUS, max_size=CPUS),
    st.lists(st.floats(0, 0.3), min_size=CPUS, max_size=CPUS),
    st.dictionaries(st.sampled_from(NAMES), masks),
    st.data(),
)
def test_no_load_is_lost_and_every_choice_of_the_kernel_is_within_the_range(
    places: list[int], loads: list[float], targets: dict[str, str], data: st.DataObject
) -> None:
    snapshot = made(
        {name: str(place) for name, place in zip(NAMES, places, strict=True)},
        dict(zip(NAMES, loads, strict=True)),
        own=0.05,
    )
    found = forecast(snapshot, moves(snapshot, targets))
    total = sum(cpu.now for cpu in found.cpus)
    assert sum(cpu.likely for cpu in found.cpus) == pytest.approx(total)
    # One of the choices that the kernel has.
    after = dict.fromkeys(range(CPUS), 0.05)
    for irq in snapshot.irqs:
        allowed = CpuSet.parse(targets[irq.action]) if irq.action in targets else irq.effective
        after[data.draw(st.sampled_from(list(allowed)))] += irq.load
    for cpu in found.cpus:
        assert cpu.least - 1e-9 <= after[cpu.number] <= cpu.most + 1e-9
        assert cpu.least - 1e-9 <= cpu.likely <= cpu.most + 1e-9
    assert max(after.values()) <= found.busiest_most + 1e-9


def test_the_kernel_leaves_an_irq_where_it_may_stay_and_else_takes_the_emptiest_cpu() -> None:
    at = {NAMES[0]: "0", NAMES[1]: "1", NAMES[2]: "2", NAMES[3]: "2"}
    snapshot = made(at, {NAMES[0]: 0.4})
    stays = forecast(snapshot, moves(snapshot, {NAMES[0]: "0,3"}))
    assert [cpu.likely for cpu in stays.cpus] == [0.4, 0, 0, 0] and stays.open_irqs == 1
    goes = forecast(snapshot, moves(snapshot, {NAMES[0]: "1-3"}))
    assert [cpu.likely for cpu in goes.cpus] == [0, 0, 0, 0.4], "CPU 3 serves nothing"
    assert [cpu.most for cpu in goes.cpus] == [0, 0.4, 0.4, 0.4]


def test_better_worse_and_neither_are_said_in_words() -> None:
    two = made({NAMES[0]: "0", NAMES[1]: "0"}, {NAMES[0]: 0.3, NAMES[1]: 0.2})
    better = outlook_sentence(forecast(two, moves(two, {NAMES[1]: "1"})))
    assert better.startswith("Better than now: the busiest CPU would go from 50 % to 30 %")
    assert "1.67 times the least possible now, 1.00 times with this plan" in better
    apart = made({NAMES[0]: "0", NAMES[1]: "1"}, {NAMES[0]: 0.3, NAMES[1]: 0.2})
    worse = outlook_sentence(forecast(apart, moves(apart, {NAMES[1]: "0"})))
    assert worse.startswith("Worse than now: the busiest CPU would go from 30 % to 50 %")
    same = outlook_sentence(forecast(apart, Plan()))
    assert same.startswith("No clear change") and same.endswith("with this plan).")
    open_ = outlook_sentence(forecast(apart, moves(apart, {NAMES[1]: "0-2"})))
    assert "the kernel chooses the CPU of 1 IRQ, and at worst" in open_ and "50 %" in open_
    idle = made({}, {})
    assert "no change can be forecast" in outlook_sentence(forecast(idle, Plan()))


def test_each_irq_keeps_its_vector_until_its_own_turn() -> None:
    """The kernel moves one after the other: what has not been moved yet still counts."""
    at = {NAMES[0]: "0", NAMES[1]: "1", NAMES[2]: "0", NAMES[3]: "3"}
    snapshot = made(at, {NAMES[0]: 0.4})
    # CPU 1 has one vector and CPU 2 none when the first is moved.
    found = forecast(snapshot, moves(snapshot, {NAMES[0]: "1-2", NAMES[1]: "3"}))
    assert [cpu.likely for cpu in found.cpus] == [0, 0, 0.4, 0]
